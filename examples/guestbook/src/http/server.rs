//! Accepting, serving, ending.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, Shutdown, TcpListener, TcpStream};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use super::connections::Connections;
use super::request::{Broken, Head, Request};
use super::response::Response;
use crate::log;
use crate::signal;

/// How many connections are served at a time; further ones wait in the kernel's queue.
const MOST: usize = 1000;

/// A connection's thread needs little; the default would reserve 2 MiB for each.
const STACK: usize = 256 * 1024;

/// How long a connection may be silent between two requests: longer than proxies keep theirs, so
/// that it is they who close and no request meets a closing door.
const IDLE: Duration = Duration::from_secs(120);

/// How long a client may be silent in the middle of a request, or not take its answer.
const SLOW: Duration = Duration::from_secs(10);

/// How much of a refused request is read and thrown away, in bytes.
const MOST_UNREAD: u64 = 1024 * 1024;

/// How long idle connections stay open after the signal, for requests that are on their way.
const LINGER: Duration = Duration::from_millis(100);

/// How long requests have to finish after the signal.
const DRAIN: Duration = Duration::from_secs(30);

/// A listening socket and its connections.
pub struct Server {
    listener: Arc<TcpListener>,
    connections: Arc<Connections>,
}

impl Server {
    /// Listens on the loopback address; port 0 takes a free one.
    pub fn bind(port: u16) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port))
            .map_err(|error| io::Error::new(error.kind(), format!("port {port}: {error}")))?;
        Ok(Self { listener: Arc::new(listener), connections: Arc::default() })
    }

    /// The port it listens on.
    pub fn port(&self) -> io::Result<u16> {
        Ok(self.listener.local_addr()?.port())
    }

    /// Serves from now on.
    pub fn start(&self, handler: impl Fn(&Request) -> Response + Send + Sync + 'static) {
        let (listener, connections) = (Arc::clone(&self.listener), Arc::clone(&self.connections));
        let handler = Arc::new(handler);
        thread::spawn(move || {
            loop {
                if let Err(error) = accept(&listener, &connections, &handler) {
                    log::event("not accepted", &[("error", &error.to_string())]);
                    // Out of descriptors, most likely: some have to be closed first.
                    thread::sleep(Duration::from_millis(50));
                }
            }
        });
    }

    /// Waits until all requests are answered, 30 s at the most, and answers how many are not. New
    /// requests are answered too, so that readiness can say 503, but no connection is kept.
    pub fn drain(&self) -> usize {
        thread::sleep(LINGER);
        self.connections.close_idle();
        self.connections.wait_until_quiet(DRAIN)
    }
}

fn accept<H>(listener: &TcpListener, connections: &Arc<Connections>, handler: &Arc<H>) -> io::Result<()>
where
    H: Fn(&Request) -> Response + Send + Sync + 'static,
{
    let (stream, _) = listener.accept()?;
    let id = connections.enter(&stream, MOST)?;
    let (table, handler) = (Arc::clone(connections), Arc::clone(handler));
    let thread = thread::Builder::new().stack_size(STACK).spawn(move || {
        let seat = Seat { table, id };
        // A connection that breaks concerns its client only.
        let _ = serve(&stream, &seat, &*handler);
    });
    thread.map(drop).inspect_err(|_| connections.leave(id))
}

/// A connection's place in the table; it is given up even when the handler panics.
struct Seat {
    table: Arc<Connections>,
    id: u64,
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.table.leave(self.id);
    }
}

fn serve(mut stream: &TcpStream, seat: &Seat, handler: &impl Fn(&Request) -> Response) -> io::Result<()> {
    stream.set_nodelay(true)?;
    stream.set_write_timeout(Some(SLOW))?;
    let mut reader = BufReader::new(stream);
    loop {
        if reader.buffer().is_empty() {
            seat.table.set_busy(seat.id, false);
            stream.set_read_timeout(Some(IDLE))?;
            if reader.fill_buf()?.is_empty() {
                return Ok(());
            }
        }
        seat.table.set_busy(seat.id, true);
        stream.set_read_timeout(Some(SLOW))?;
        let request = match read(&mut reader, stream) {
            Ok(request) => request,
            Err(Broken::Closed) => return Ok(()),
            Err(Broken::Refused(status, reason)) => {
                return refuse(stream, &Response::text(status, reason));
            }
            Err(Broken::Io(error)) if timed_out(&error) => {
                return Response::text(408, "The request took too long to arrive.").write(
                    &mut stream,
                    true,
                    false,
                );
            }
            Err(Broken::Io(error)) => return Err(error),
        };
        let response = handler(&request);
        let keep = request.keep && !signal::stopping();
        response.write(&mut stream, request.method != "HEAD", keep)?;
        if !keep {
            return Ok(());
        }
    }
}

/// Answers, then waits for the client to read it: closing at once, with a part of the request still
/// unread, would make the kernel throw the answer away.
fn refuse(mut stream: &TcpStream, response: &Response) -> io::Result<()> {
    response.write(&mut stream, true, false)?;
    stream.shutdown(Shutdown::Write)?;
    stream.set_read_timeout(Some(Duration::from_secs(1)))?;
    io::copy(&mut stream.take(MOST_UNREAD), &mut io::sink()).map(drop)
}

fn read(reader: &mut BufReader<&TcpStream>, mut stream: &TcpStream) -> Result<Request, Broken> {
    let head = Head::read(reader)?;
    if head.expects_continue {
        stream.write_all(b"HTTP/1.1 100 Continue\r\n\r\n").map_err(Broken::Io)?;
    }
    head.read_body(reader)
}

fn timed_out(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut)
}
