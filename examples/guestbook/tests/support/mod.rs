//! Processes that end with their test, and a client that is patient for ten seconds.

// Each test file uses its own part of this.
#![allow(dead_code)]

use std::fs::{self, File};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::{Duration, Instant};

const PATIENCE: Duration = Duration::from_secs(10);

/// A guestbook in a directory of its own, which is removed in the end.
pub struct Guestbook {
    root: PathBuf,
}

impl Guestbook {
    pub fn empty() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let name = format!("guestbook-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let root = std::env::temp_dir().join(name);
        fs::create_dir_all(root.join("logs")).unwrap();
        fs::create_dir_all(root.join("data")).unwrap();
        Self { root }
    }

    pub fn migrated() -> Self {
        let book = Self::empty();
        book.run("migrate");
        book
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.root.join("data").join(name)
    }

    pub fn count(&self, directory: &str) -> usize {
        fs::read_dir(self.path(directory)).unwrap().count()
    }

    /// Starts a part of the application.
    pub fn start(&self, what: &str, env: &[(&str, &str)]) -> Process {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let log = self.root.join("logs").join(NEXT.fetch_add(1, Ordering::Relaxed).to_string());
        let child = Command::new(env!("CARGO_BIN_EXE_guestbook"))
            .arg(what)
            .env_remove("GUESTBOOK_FAULT")
            .env("GUESTBOOK_DATA", self.root.join("data"))
            .envs(env.iter().copied())
            .stdin(Stdio::null())
            .stdout(File::create(&log).unwrap())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        Process { child, log, port: 0 }
    }

    /// Runs a job to its end.
    pub fn run(&self, what: &str) {
        let mut job = self.start(what, &[]);
        assert_eq!(job.exit_code(), Some(0), "{}", job.log());
    }

    /// Starts web on a free port and waits until it listens.
    pub fn web(&self, env: &[(&str, &str)]) -> Process {
        let mut env = env.to_vec();
        env.push(("PORT", "0"));
        let mut web = self.start("web", &env);
        let port = || {
            let log = web.log();
            let (_, rest) = log.split_once("\"port\":\"")?;
            rest.split_once('"')?.0.parse().ok()
        };
        wait_until("web listens", || port().is_some());
        let port = port().unwrap();
        web.port = port;
        web
    }
}

impl Drop for Guestbook {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.root);
    }
}

/// A process that is killed when it is dropped.
pub struct Process {
    child: Child,
    log: PathBuf,
    port: u16,
}

impl Process {
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    pub fn log(&self) -> String {
        fs::read_to_string(&self.log).unwrap_or_default()
    }

    pub fn client(&self) -> Client {
        Client::connect(self.port)
    }

    pub fn signal(&self, name: &str) {
        let sent = Command::new("kill").arg(format!("-{name}")).arg(self.pid().to_string()).status().unwrap();
        assert!(sent.success());
    }

    /// Waits for its end.
    pub fn exit_code(&mut self) -> Option<i32> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status.code();
            }
            assert!(Instant::now() < deadline, "the process does not end: {}", self.log());
            thread::sleep(Duration::from_millis(5));
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// One connection.
pub struct Client {
    reader: BufReader<TcpStream>,
}

/// What came back.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: String,
}

impl Client {
    fn connect(port: u16) -> Self {
        let stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_write_timeout(Some(PATIENCE)).unwrap();
        Self { reader: BufReader::new(stream) }
    }

    pub fn get(&mut self, path: &str) -> Answer {
        self.send(&format!("GET {path} HTTP/1.1\r\nHost: guestbook.test\r\n\r\n"));
        self.receive(true)
    }

    pub fn post(&mut self, path: &str, form: &str) -> Answer {
        let length = form.len();
        self.send(&format!(
            "POST {path} HTTP/1.1\r\nHost: guestbook.test\r\nContent-Length: {length}\r\n\r\n{form}"
        ));
        self.receive(true)
    }

    pub fn send(&mut self, text: &str) {
        self.reader.get_mut().write_all(text.as_bytes()).unwrap();
    }

    pub fn receive(&mut self, with_body: bool) -> Answer {
        let mut line = || {
            let mut line = String::new();
            self.reader.read_line(&mut line).unwrap();
            assert!(line.ends_with("\r\n"), "the connection ended early: {line:?}");
            line.trim_end().to_owned()
        };
        let first = line();
        let status = first.split(' ').nth(1).unwrap().parse().unwrap();
        let mut headers = Vec::new();
        loop {
            let header = line();
            if header.is_empty() {
                break;
            }
            let (name, value) = header.split_once(": ").unwrap();
            headers.push((name.to_owned(), value.to_owned()));
        }
        let mut answer = Answer { status, headers, body: String::new() };
        if with_body {
            let length = answer.header("Content-Length").unwrap().parse().unwrap();
            let mut body = vec![0; length];
            self.reader.read_exact(&mut body).unwrap();
            answer.body = String::from_utf8(body).unwrap();
        }
        answer
    }

    /// Whether the server ends the connection without another byte.
    pub fn is_closed(&mut self) -> bool {
        matches!(self.reader.read(&mut [0]), Ok(0))
    }
}

impl Answer {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }
}

/// Waits until something is so.
pub fn wait_until(what: &str, mut is_so: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !is_so() {
        assert!(Instant::now() < deadline, "not in ten seconds: {what}");
        thread::sleep(Duration::from_millis(5));
    }
}
