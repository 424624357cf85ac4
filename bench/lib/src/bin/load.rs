//! Open-loop load: one request every 1/RATE seconds, whatever became of those before.
//!
//! ```text
//! load ADDRESS RATE        until its standard input closes; then one line for each request:
//!                          DUE ENDED KIND OUTCOME     (microseconds since 1970)
//! ```
//!
//! Each request's time counts from the moment it was due, so a server that stalls cannot hide the
//! requests that waited meanwhile (no coordinated omission). Every second request opens its own
//! connection, the others use kept ones. Nothing is tried again. A kept connection that the server
//! closed while it was idle is not used (every client looks at that); one that it closes at the
//! moment of the request is a lost request.

use std::cell::RefCell;
use std::io::{BufWriter, Write as _};
use std::process::ExitCode;
use std::rc::Rc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::task::LocalSet;
use tokio::time::{Instant, sleep_until, timeout};

/// Whoever waits longer has gone.
const PATIENCE: Duration = Duration::from_secs(5);

type Kept = Rc<RefCell<Vec<BufReader<TcpStream>>>>;

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let [address, rate] = words.as_slice() else {
        eprintln!("usage: load ADDRESS RATE");
        return ExitCode::from(2);
    };
    let Ok(rate) = rate.parse::<f64>() else {
        eprintln!("load: {rate} is not a number of requests per second");
        return ExitCode::from(2);
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let lines = match runtime {
        Ok(runtime) => runtime.block_on(LocalSet::new().run_until(offer(address.clone(), rate))),
        Err(error) => {
            eprintln!("load: {error}");
            return ExitCode::FAILURE;
        }
    };
    let mut out = BufWriter::new(std::io::stdout().lock());
    for line in lines {
        if writeln!(out, "{line}").is_err() {
            return ExitCode::FAILURE;
        }
    }
    ExitCode::SUCCESS
}

async fn offer(address: String, rate: f64) -> Vec<String> {
    let (start, began) = (Instant::now(), SystemTime::now());
    let micros = move |at: Instant| {
        let wall = began + at.duration_since(start);
        wall.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_micros())
    };
    let kept = Kept::default();
    let lines = Rc::new(RefCell::new(Vec::new()));
    let mut tasks = tokio::task::JoinSet::new();
    let stop = tokio::spawn(async {
        let _closed = tokio::io::stdin().read_to_end(&mut Vec::new()).await;
    });
    for number in 0u64.. {
        if stop.is_finished() {
            break;
        }
        let due = start + Duration::from_secs_f64(number as f64 / rate);
        sleep_until(due).await;
        let (address, kept, lines) = (address.clone(), kept.clone(), lines.clone());
        tasks.spawn_local(async move {
            let keep = number % 2 == 0;
            let outcome = match timeout(PATIENCE, ask(&address, keep, &kept)).await {
                Ok(Ok(status)) => status,
                Ok(Err(error)) => format!("error:{:?}", error.kind()),
                Err(_) => "timeout".to_owned(),
            };
            let kind = if keep { "kept" } else { "new" };
            let line = format!("{} {} {kind} {outcome}", micros(due), micros(Instant::now()));
            lines.borrow_mut().push(line);
        });
        while tasks.try_join_next().is_some() {}
    }
    while tasks.join_next().await.is_some() {}
    lines.take()
}

async fn ask(address: &str, keep: bool, kept: &Kept) -> std::io::Result<String> {
    let mut stream = match keep.then(|| idle(kept)).flatten() {
        Some(stream) => stream,
        None => BufReader::new(TcpStream::connect(address).await?),
    };
    stream.get_ref().set_nodelay(true)?;
    let connection = if keep { "keep-alive" } else { "close" };
    let request = format!("GET / HTTP/1.1\r\nHost: {address}\r\nConnection: {connection}\r\n\r\n");
    stream.write_all(request.as_bytes()).await?;
    let (status, reusable) = answer(&mut stream).await?;
    if keep && reusable {
        kept.borrow_mut().push(stream);
    }
    Ok(status)
}

/// A kept connection that is still open.
fn idle(kept: &Kept) -> Option<BufReader<TcpStream>> {
    while let Some(stream) = kept.borrow_mut().pop() {
        match stream.get_ref().try_read(&mut [0]) {
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => return Some(stream),
            _ => {}
        }
    }
    None
}

/// Reads one answer to its end: its status, and whether the connection can be used again.
async fn answer(stream: &mut BufReader<TcpStream>) -> std::io::Result<(String, bool)> {
    let cut = || std::io::Error::from(std::io::ErrorKind::UnexpectedEof);
    let mut line = String::new();
    stream.read_line(&mut line).await?;
    let status = line.split(' ').nth(1).ok_or_else(cut)?.to_owned();
    let (mut length, mut chunked, mut reusable) = (None, false, true);
    loop {
        line.clear();
        if stream.read_line(&mut line).await? == 0 {
            return Err(cut());
        }
        let lower = line.trim().to_ascii_lowercase();
        if lower.is_empty() {
            break;
        }
        if let Some(value) = lower.strip_prefix("content-length:") {
            length = value.trim().parse::<usize>().ok();
        }
        chunked |= lower == "transfer-encoding: chunked";
        reusable &= lower != "connection: close";
    }
    match (chunked, length) {
        (true, _) => loop {
            line.clear();
            stream.read_line(&mut line).await?;
            let size = usize::from_str_radix(line.trim(), 16).map_err(|_| cut())?;
            stream.read_exact(&mut vec![0; size + 2]).await?;
            if size == 0 {
                break;
            }
        },
        (false, Some(length)) => {
            stream.read_exact(&mut vec![0; length]).await?;
        }
        (false, None) => {
            stream.read_to_end(&mut Vec::new()).await?;
            reusable = false;
        }
    }
    Ok((status, reusable))
}
