//! The web service: a thread for each connection, requests one after another.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use super::{Behaviour, append, crash_after, release, shared};
use crate::sandbox::Gate;

/// Serves until it is ended.
///
/// `slow-bind:MS` listens late, `crash:MS` ends it badly, `stubborn` ignores SIGTERM, `silent`
/// accepts and never answers, `memory:MIB` takes memory after the first health check, `grow:MIB` when the
/// file `grow` is there, which it removes. `tells` writes `begins`, `ready` (healthy for the first time) and `ends`
/// (at SIGTERM) to the file `lives`, which all copies share.
pub(super) fn serve(behaviour: &Behaviour) -> io::Result<()> {
    if behaviour.has("stubborn") {
        std::thread::spawn(ignore_terminate);
    }
    if behaviour.has("tells") {
        tell_of_both_ends()?;
    }
    behaviour.time("crash").into_iter().for_each(crash_after);
    behaviour.number("grow").into_iter().for_each(grow_when_told);
    behaviour.time("slow-bind").into_iter().for_each(std::thread::sleep);
    let port = std::env::var("PORT").ok().and_then(|port| port.parse().ok()).unwrap_or(0_u16);
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port))?;
    let service = Arc::new(Service {
        behaviour: behaviour.clone(),
        began: Instant::now(),
        health_checks: AtomicU64::new(0),
        said_ready: AtomicBool::new(false),
    });
    let mut silent = Vec::new();
    for stream in listener.incoming() {
        let stream = stream?;
        if behaviour.has("silent") {
            silent.push(stream);
            continue;
        }
        let service = service.clone();
        std::thread::spawn(move || {
            let _closed = service.converse(stream);
        });
    }
    Ok(())
}

fn ignore_terminate() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    if let Ok(runtime) = runtime {
        runtime.block_on(async {
            let _ignored = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate());
            std::future::pending::<()>().await;
        });
    }
}

fn tell_of_both_ends() -> io::Result<()> {
    append("lives", "begins")?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let mut asked = {
        let _within = runtime.enter();
        tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())?
    };
    std::thread::spawn(move || {
        runtime.block_on(asked.recv());
        std::process::exit(i32::from(append("lives", "ends").is_err()));
    });
    Ok(())
}

struct Service {
    behaviour: Behaviour,
    began: Instant,
    health_checks: AtomicU64,
    said_ready: AtomicBool,
}

impl Service {
    fn converse(&self, stream: TcpStream) -> io::Result<()> {
        stream.set_nodelay(true)?;
        let mut reader = BufReader::new(stream);
        loop {
            let mut line = String::new();
            if reader.read_line(&mut line)? == 0 {
                return Ok(());
            }
            let path = line.split(' ').nth(1).unwrap_or("/").to_owned();
            let mut upgrade = false;
            let mut length = 0_u64;
            loop {
                let mut header = String::new();
                if reader.read_line(&mut header)? == 0 {
                    return Ok(());
                }
                let header = header.trim_end().to_lowercase();
                upgrade |= header == "upgrade: websocket";
                if let Some(value) = header.strip_prefix("content-length:") {
                    length = value.trim().parse().unwrap_or_default();
                }
                if header.is_empty() {
                    break;
                }
            }
            io::copy(&mut reader.by_ref().take(length), &mut io::sink())?;
            if upgrade {
                return echo(reader);
            }
            let (status, body) = self.answer(&path);
            let answer = format!(
                "HTTP/1.1 {status} .\r\nContent-Type: text/plain\r\n{}: {}\r\nContent-Length: {}\r\n\r\n{body}",
                Gate::HEADER,
                self.gate().word(),
                body.len()
            );
            reader.get_mut().write_all(answer.as_bytes())?;
        }
    }

    /// Whether clients may be let in to this copy, as it knows itself.
    fn gate(&self) -> Gate {
        // What a smoke test asks for in the tests that have one, and what is never ready three times running.
        let fails = |word: &str| self.behaviour.has(word);
        if fails("wrong") || fails("flap") || self.behaviour.number("dead-after") == Some(0) {
            Gate::Failed
        } else if self.said_ready.load(Ordering::Relaxed) {
            Gate::Passed
        } else {
            Gate::Closed
        }
    }

    /// `lag:MS` is slow to answer all but `/health`; `unready` is never healthy, `flap` every other time; `bad-after:MS` answers nothing but 500
    /// from then on; `dead-after:MS` fails `/alive` from then on, with `told` only as long as the file `dead` is there;
    /// `wrong` answers `/version` with 500.
    fn answer(&self, path: &str) -> (u16, String) {
        let has = |word: &str| self.behaviour.has(word);
        let over = |word: &str| self.behaviour.time(word).is_some_and(|time| self.began.elapsed() >= time);
        if over("bad-after") {
            return (500, "bad".to_owned());
        }
        let (path, query) = path.split_once('?').unwrap_or((path, ""));
        if path != "/health" {
            self.behaviour.time("lag").into_iter().for_each(std::thread::sleep);
        }
        match path {
            "/health" => {
                let count = self.health_checks.fetch_add(1, Ordering::Relaxed);
                if has("unready") || (has("flap") && count % 2 == 1) {
                    return (503, "not ready".to_owned());
                }
                if has("tells") && count == 0 && append("lives", "ready").is_err() {
                    return (500, "it cannot be told".to_owned());
                }
                self.said_ready.store(true, Ordering::Relaxed);
                if let Some(mebibytes) = self.behaviour.number("memory") {
                    take_memory(mebibytes);
                }
                (200, "ok".to_owned())
            }
            "/alive" if over("dead-after") && (!has("told") || shared("dead").exists()) => {
                (503, "dead".to_owned())
            }
            "/slow" => {
                std::thread::sleep(Duration::from_millis(query.parse().unwrap_or_default()));
                (200, release())
            }
            "/held" => {
                let asked = append("asked", &release());
                while asked.is_ok() && !shared("go").exists() {
                    std::thread::sleep(Duration::from_millis(10));
                }
                (200, release())
            }
            "/large" => (200, "x".repeat(64 << 20)),
            "/pid" => (200, std::process::id().to_string()),
            "/env" => (200, std::env::var(query).unwrap_or_default()),
            "/args" => (200, std::env::args().collect::<Vec<_>>().join("\n")),
            "/version" if has("wrong") => (500, release()),
            "/version" => match super::sign_in::all() {
                Ok(()) => (200, release()),
                Err(why) => (500, why.to_string()),
            },
            _ => (200, release()),
        }
    }
}

/// The file is removed first: who is started again is not told again.
fn grow_when_told(mebibytes: u64) {
    std::thread::spawn(move || {
        while std::fs::remove_file(shared("grow")).is_err() {
            std::thread::sleep(Duration::from_millis(10));
        }
        take_memory(mebibytes);
    });
}

fn take_memory(mebibytes: u64) {
    let mut taken = Vec::new();
    for _ in 0..mebibytes {
        taken.push(vec![1_u8; 1 << 20]);
    }
    std::mem::forget(taken);
}

/// A WebSocket's opening as in RFC 6455, section 1.3 (whoever asks uses the key of that example);
/// then every byte comes back.
fn echo(reader: BufReader<TcpStream>) -> io::Result<()> {
    let mut stream = reader.into_inner();
    stream.write_all(
        b"HTTP/1.1 101 .\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
          Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n",
    )?;
    let mut back = stream.try_clone()?;
    io::copy(&mut stream, &mut back)?;
    Ok(())
}
