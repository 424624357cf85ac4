//! A connection with one deadline for all that is done on it.

use std::io::{Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::{Duration, Instant};

use tokio_rustls::rustls::pki_types::ServerName;
use tokio_rustls::rustls::{ClientConnection, StreamOwned};

use super::NotReady;
use crate::http_client;

/// The longest message that is read, in bytes.
const LONGEST: usize = 1 << 20;

enum Stream {
    Tcp(TcpStream),
    Unix(UnixStream),
    Encrypted(Box<StreamOwned<ClientConnection, TcpStream>>),
}

pub(super) struct Wire {
    stream: Stream,
    deadline: Instant,
}

impl Wire {
    /// Connects to `host`; one that begins with `/` is the directory of a PostgreSQL socket.
    pub(super) fn connect(host: &str, port: &str, timeout: Duration) -> Result<Self, NotReady> {
        let deadline = Instant::now() + timeout;
        let failed = |error: std::io::Error| NotReady::new(format!("cannot connect: {error}"));
        if host.starts_with('/') {
            let stream = UnixStream::connect(format!("{host}/.s.PGSQL.{port}")).map_err(failed)?;
            return Ok(Self { stream: Stream::Unix(stream), deadline });
        }
        let port: u16 = port.parse().map_err(|_| NotReady::new(format!("{port:?} is not a port")))?;
        let mut last = NotReady::new("the host has no address");
        for address in (host, port).to_socket_addrs().map_err(failed)? {
            match TcpStream::connect_timeout(&address, left(deadline)?) {
                Ok(stream) => return Ok(Self { stream: Stream::Tcp(stream), deadline }),
                Err(error) => last = failed(error),
            }
        }
        Err(last)
    }

    /// Speaks to `host` with TLS from now on, trusting the authorities in that file too.
    pub(super) fn encrypted(self, host: &str, authorities: Option<&Path>) -> Result<Self, NotReady> {
        let Stream::Tcp(stream) = self.stream else { return Ok(self) };
        let config = http_client::tls_config(authorities)
            .map_err(|trouble| NotReady::new(format!("it {}", trouble.what)))?;
        let name = ServerName::try_from(host.to_owned())
            .map_err(|_| NotReady::new(format!("{host:?} is no name of a host")))?;
        let session = ClientConnection::new(config, name)
            .map_err(|error| NotReady::new(format!("it cannot be spoken to with TLS: {error}")))?;
        let stream = Stream::Encrypted(Box::new(StreamOwned::new(session, stream)));
        Ok(Self { stream, deadline: self.deadline })
    }

    pub(super) fn send(&mut self, bytes: &[u8]) -> Result<(), NotReady> {
        let left = Some(left(self.deadline)?);
        let sent = match &mut self.stream {
            Stream::Encrypted(stream) => stream
                .sock
                .set_write_timeout(left)
                .and_then(|()| stream.sock.set_read_timeout(left))
                .and_then(|()| {
                    stream.write_all(bytes)?;
                    stream.flush()
                }),
            Stream::Tcp(stream) => stream.set_write_timeout(left).and_then(|()| stream.write_all(bytes)),
            Stream::Unix(stream) => stream.set_write_timeout(left).and_then(|()| stream.write_all(bytes)),
        };
        sent.map_err(|error| broken(&error))
    }

    /// Reads exactly `length` bytes.
    pub(super) fn read(&mut self, length: usize) -> Result<Vec<u8>, NotReady> {
        if length > LONGEST {
            return Err(NotReady::new("it answers with something else's protocol"));
        }
        let mut bytes = vec![0; length];
        let mut at = 0;
        while at < length {
            let left = Some(left(self.deadline)?);
            let read = match &mut self.stream {
                Stream::Encrypted(stream) => {
                    stream.sock.set_read_timeout(left).and_then(|()| stream.read(&mut bytes[at..]))
                }
                Stream::Tcp(stream) => {
                    stream.set_read_timeout(left).and_then(|()| stream.read(&mut bytes[at..]))
                }
                Stream::Unix(stream) => {
                    stream.set_read_timeout(left).and_then(|()| stream.read(&mut bytes[at..]))
                }
            };
            match read.map_err(|error| broken(&error))? {
                0 => return Err(NotReady::new("it closed the connection")),
                length => at += length,
            }
        }
        Ok(bytes)
    }

    /// Reads `N` bytes.
    pub(super) fn array<const N: usize>(&mut self) -> Result<[u8; N], NotReady> {
        let bytes = self.read(N)?;
        bytes.try_into().map_err(|_| NotReady::new("it closed the connection"))
    }
}

fn left(deadline: Instant) -> Result<Duration, NotReady> {
    let left = deadline.saturating_duration_since(Instant::now());
    if left.is_zero() { Err(NotReady::new("it does not answer in time")) } else { Ok(left) }
}

fn broken(error: &std::io::Error) -> NotReady {
    use std::io::ErrorKind::{TimedOut, WouldBlock};
    match error.kind() {
        TimedOut | WouldBlock => NotReady::new("it does not answer in time"),
        _ => NotReady::new(format!("the connection broke: {error}")),
    }
}
