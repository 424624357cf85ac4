//! A server that answers as a test says, and keeps what it was asked.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use tokio_rustls::rustls::{ServerConfig, ServerConnection, StreamOwned};

/// A request as it came.
#[derive(Debug, Clone)]
pub(crate) struct Seen {
    pub(crate) method: String,
    /// Path and query.
    pub(crate) target: String,
    headers: Vec<(String, String)>,
    pub(crate) body: String,
}

impl Seen {
    /// The header of this name in lower case, or nothing.
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.iter().find(|(key, _)| key == name).map_or("", |(_, value)| value)
    }

    pub(crate) fn line(&self) -> String {
        format!("{} {}", self.method, self.target)
    }

    /// The fields of a form.
    pub(crate) fn form(&self, name: &str) -> String {
        let pair = self.body.split('&').find_map(|pair| pair.strip_prefix(name)?.strip_prefix('='));
        let mut text = Vec::new();
        let mut bytes = pair.unwrap_or_default().bytes();
        while let Some(byte) = bytes.next() {
            text.push(if byte == b'%' {
                let digits = [bytes.next().unwrap(), bytes.next().unwrap()];
                u8::from_str_radix(std::str::from_utf8(&digits).unwrap(), 16).unwrap()
            } else {
                byte
            });
        }
        String::from_utf8(text).unwrap()
    }
}

/// What is answered.
pub(crate) enum Reply {
    /// Status and body.
    Say(u16, String),
    /// Status, further header lines, and body.
    With(u16, &'static str, String),
    /// These bytes, and the end.
    Raw(Vec<u8>),
    /// Nothing, for as long as it is waited for.
    Hang,
    /// The same, somewhat later.
    Late(Box<Reply>),
}

pub(crate) struct Server {
    pub(crate) port: u16,
    seen: Arc<Mutex<Vec<Seen>>>,
    stop: Arc<AtomicBool>,
    accepting: Option<JoinHandle<()>>,
}

impl Server {
    pub(crate) fn start(answer: impl Fn(&Seen) -> Reply + Send + Sync + 'static) -> Self {
        Self::of(None, answer)
    }

    pub(crate) fn encrypted(
        config: Arc<ServerConfig>,
        answer: impl Fn(&Seen) -> Reply + Send + Sync + 'static,
    ) -> Self {
        Self::of(Some(config), answer)
    }

    fn of(tls: Option<Arc<ServerConfig>>, answer: impl Fn(&Seen) -> Reply + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let (seen, stop) = (Arc::new(Mutex::new(Vec::new())), Arc::new(AtomicBool::new(false)));
        let (kept, stopped, answer) = (seen.clone(), stop.clone(), Arc::new(answer));
        let accepting = std::thread::spawn(move || {
            std::thread::scope(|scope| {
                for stream in listener.incoming().flatten() {
                    if stopped.load(Ordering::SeqCst) {
                        return;
                    }
                    // Nobody waits for a client for ever.
                    stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
                    let (tls, kept, answer) = (tls.clone(), kept.clone(), answer.clone());
                    scope.spawn(move || match tls {
                        Some(config) => {
                            let connection = ServerConnection::new(config).unwrap();
                            serve(StreamOwned::new(connection, stream), &kept, &*answer);
                        }
                        None => serve(stream, &kept, &*answer),
                    });
                }
            });
        });
        Self { port, seen, stop, accepting: Some(accepting) }
    }

    /// All requests that came.
    pub(crate) fn seen(&self) -> Vec<Seen> {
        self.seen.lock().unwrap().clone()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::SeqCst);
        let _ = TcpStream::connect(("127.0.0.1", self.port));
        let _ = self.accepting.take().unwrap().join();
    }
}

fn serve(mut stream: impl Read + Write, kept: &Mutex<Vec<Seen>>, answer: &dyn Fn(&Seen) -> Reply) {
    let Some(seen) = request(&mut stream) else { return };
    kept.lock().unwrap().push(seen.clone());
    reply(&mut stream, answer(&seen));
}

fn reply(stream: &mut (impl Read + Write), reply: Reply) {
    let bytes = match reply {
        Reply::Say(status, body) => said(status, "", &body),
        Reply::With(status, headers, body) => said(status, headers, &body),
        Reply::Raw(bytes) => bytes,
        Reply::Late(later) => {
            std::thread::sleep(Duration::from_millis(300));
            return self::reply(stream, *later);
        }
        Reply::Hang => {
            // Until the client has gone.
            let _ = stream.read(&mut [0; 64]);
            return;
        }
    };
    // A client need not stay to the end.
    let _ = stream.write_all(&bytes).and_then(|()| stream.flush());
}

fn said(status: u16, headers: &str, body: &str) -> Vec<u8> {
    let length = body.len();
    format!("HTTP/1.1 {status} Said\r\n{headers}Content-Length: {length}\r\nConnection: close\r\n\r\n{body}")
        .into()
}

fn request(stream: &mut impl Read) -> Option<Seen> {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") {
        if stream.read(&mut byte).ok()? == 0 {
            return None;
        }
        head.push(byte[0]);
    }
    let head = String::from_utf8(head).unwrap();
    let mut lines = head.lines();
    let mut first = lines.next()?.split(' ').map(str::to_owned);
    let (method, target) = (first.next()?, first.next()?);
    let headers: Vec<(String, String)> = lines
        .filter_map(|line| line.split_once(": "))
        .map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned()))
        .collect();
    let length = headers.iter().find(|(name, _)| name == "content-length");
    let mut body = vec![0; length.map_or(0, |(_, length)| length.parse().unwrap())];
    stream.read_exact(&mut body).ok()?;
    Some(Seen { method, target, headers, body: String::from_utf8(body).unwrap() })
}
