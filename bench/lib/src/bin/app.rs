//! The application that is deployed: it answers every request with the text of its file `version`.
//!
//! It boots in a millisecond, so that what is left of a deploy's time is the deployer's own. On
//! SIGTERM it takes no new connections, finishes the request that it holds on each one, and ends.
//! Where there is a file `never-ready` it runs and never listens.

use std::io;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;
use tokio::task::JoinSet;

#[tokio::main(flavor = "current_thread")]
async fn main() -> io::Result<()> {
    let mut term = signal(SignalKind::terminate())?;
    let version: &'static str = std::fs::read_to_string("version")?.leak();
    if std::fs::exists("never-ready")? {
        term.recv().await;
        return Ok(());
    }
    let port: u16 = std::env::var("PORT").ok().and_then(|port| port.parse().ok()).unwrap_or(0);
    let listener = TcpListener::bind(("127.0.0.1", port)).await?;
    let (ending, end) = watch::channel(false);
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => {
                connections.spawn(serve(accepted?.0, version, end.clone()));
                while connections.try_join_next().is_some() {}
            }
            _ = term.recv() => break,
        }
    }
    ending.send_replace(true);
    let all = async { while connections.join_next().await.is_some() {} };
    let _rest = tokio::time::timeout(Duration::from_secs(5), all).await;
    Ok(())
}

async fn serve(mut stream: TcpStream, version: &str, mut end: watch::Receiver<bool>) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let mut received = Vec::new();
    loop {
        while !received.ends_with(b"\r\n\r\n") {
            tokio::select! {
                biased;
                read = stream.read_buf(&mut received) => if read? == 0 { return Ok(()) },
                _ = end.wait_for(|ending| *ending), if received.is_empty() => return Ok(()),
            }
        }
        let close = String::from_utf8_lossy(&received).to_ascii_lowercase().contains("connection: close");
        received.clear();
        let ending = *end.borrow() || close;
        let connection = if ending { "Connection: close\r\n" } else { "" };
        let answer = format!(
            "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: {}\r\n{connection}\r\n{version}",
            version.len()
        );
        stream.write_all(answer.as_bytes()).await?;
        if ending {
            return Ok(());
        }
    }
}
