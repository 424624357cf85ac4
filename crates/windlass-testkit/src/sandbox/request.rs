//! One request over one connection, without retries.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::time::Duration;

/// An answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    /// The status.
    pub status: u16,
    /// The header's lines, in small letters.
    pub headers: Vec<String>,
    /// The body.
    pub body: String,
}

/// Asks over a new connection.
///
/// # Errors
/// Whatever a client would have noticed.
pub fn get(port: u16, path: &str) -> io::Result<Reply> {
    let mut connection = BufReader::new(connect(port)?);
    send(&mut connection, path, true)
}

pub(super) fn connect(port: u16) -> io::Result<TcpStream> {
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let stream = TcpStream::connect_timeout(&address, Duration::from_secs(5))?;
    stream.set_read_timeout(Some(Duration::from_secs(35)))?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

/// Asks over a connection that is there.
///
/// # Errors
/// Whatever a client would have noticed.
pub fn send(connection: &mut BufReader<TcpStream>, path: &str, close: bool) -> io::Result<Reply> {
    let end = if close { "Connection: close\r\n" } else { "" };
    let request = format!("GET {path} HTTP/1.1\r\nHost: fixture.test\r\n{end}\r\n");
    connection.get_mut().write_all(request.as_bytes())?;
    let mut line = String::new();
    if connection.read_line(&mut line)? == 0 {
        return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "closed before the answer"));
    }
    let status = line.split(' ').nth(1).and_then(|status| status.parse().ok());
    let status = status.ok_or_else(|| io::Error::other(format!("no answer: {line:?}")))?;
    let mut headers = Vec::new();
    loop {
        let mut header = String::new();
        if connection.read_line(&mut header)? == 0 {
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "closed in the header"));
        }
        let header = header.trim_end().to_lowercase();
        if header.is_empty() {
            break;
        }
        headers.push(header);
    }
    let length =
        headers.iter().find_map(|header| header.strip_prefix("content-length:")?.trim().parse().ok());
    let mut body = vec![0; length.unwrap_or(0)];
    connection.read_exact(&mut body)?;
    Ok(Reply { status, headers, body: String::from_utf8_lossy(&body).into_owned() })
}
