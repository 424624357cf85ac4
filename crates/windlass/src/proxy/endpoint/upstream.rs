//! Connections to endpoints, and one exchange over one of them.
//!
//! A connection is not a task of its own: whoever uses it drives it, in the very poll that waits for
//! its answer. That spares two task switches a request.

use std::cell::RefCell;
use std::future::{Future, poll_fn};
use std::io;
use std::path::Path;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::header::CONNECTION;
use http::{Request, Response, Version};
use http_body::{Body as _, Frame};
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use rustix::io::Errno;
use tokio::net::{TcpStream, UnixStream};
use tokio::time::{Instant, timeout};

use crate::proxy::connection::budget::Descriptor;
use crate::proxy::connection::io::Stream;
use crate::proxy::connection::timer::Timer;
use crate::proxy::endpoint::backend::Backend;
use crate::proxy::endpoint::bell::Bell;
use crate::proxy::endpoint::claim::Claim;
use crate::proxy::endpoint::socket_path::SocketPath;
use crate::proxy::request::upload::{ClientFault, Progress, RequestBody};

const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);
/// Idle connections for each endpoint and worker.
const MAX_IDLE: usize = 256;
/// How long an idle connection is kept; shorter than applications usually do.
const MAX_AGE: Duration = Duration::from_secs(60);
/// A request that must not be sent twice only goes over a connection that was used within this time,
/// because the endpoint may be closing an older one at this very moment.
const FRESH: Duration = Duration::from_secs(1);

/// A connection to an endpoint.
pub(in crate::proxy) struct Link {
    sender: http1::SendRequest<RequestBody>,
    driver: Driver,
    /// Whether nothing more is asked over it: the endpoint said that it closes it, or answered with an error of
    /// the application's, which many close the connection after without saying so.
    spent: bool,
    /// Whether the request that it carried last has a body.
    carried_body: bool,
    used: Instant,
    descriptor: Descriptor,
}

/// What moves the bytes of a connection.
struct Driver {
    connection: http1::Connection<TokioIo<Stream>, RequestBody>,
    /// Whether it has ended and must not be polled again.
    done: bool,
    bell: Bell,
}

impl Driver {
    /// Moves what can be moved, and has nobody woken for the rest.
    fn drive(&mut self) {
        let Self { connection, done, bell } = self;
        bell.unheard(|own| *done = *done || Pin::new(connection).poll(own).is_ready());
    }

    /// Moves what can be moved, asks what came of it, and has the task woken when there is more to move.
    fn drive_for<T>(&mut self, cx: &Context<'_>, ask: impl FnOnce(&mut Context<'_>) -> Poll<T>) -> Poll<T> {
        let Self { connection, done, bell } = self;
        bell.heard(cx, |own| {
            *done = *done || Pin::new(connection).poll(own).is_ready();
            ask(own)
        })
    }
}

/// Why there is no connection.
pub(in crate::proxy) enum NoLink {
    /// The proxy can open no more.
    Exhausted,
    /// The endpoint cannot be reached.
    Unreachable(String),
}

impl Link {
    pub(in crate::proxy) async fn connect(
        backend: &Backend,
        descriptor: Descriptor,
    ) -> Result<Box<Self>, NoLink> {
        let connected = match timeout(CONNECT_TIMEOUT, TcpStream::connect(backend.address)).await {
            Ok(Ok(stream)) => {
                let _ = stream.set_nodelay(true);
                Self::over(Stream::Tcp(stream), descriptor).await
            }
            Ok(Err(error)) => Err(error),
            Err(_) => Err(io::Error::new(io::ErrorKind::TimedOut, "no connection within 3 s")),
        };
        connected.map_err(|error| {
            if is_exhausted(&error) {
                NoLink::Exhausted
            } else {
                NoLink::Unreachable(format!("no connection to {}: {error}", backend.address))
            }
        })
    }

    pub(in crate::proxy) async fn connect_unix(path: &str, descriptor: Descriptor) -> io::Result<Box<Self>> {
        let path = SocketPath::new(Path::new(path))?;
        Self::over(Stream::Unix(UnixStream::connect(path.as_path()).await?), descriptor).await
    }

    async fn over(stream: Stream, descriptor: Descriptor) -> io::Result<Box<Self>> {
        let (sender, connection) =
            http1::Builder::new().handshake(TokioIo::new(stream)).await.map_err(io::Error::other)?;
        Ok(Box::new(Self {
            sender,
            driver: Driver { connection, done: false, bell: Bell::new() },
            spent: false,
            carried_body: false,
            used: Instant::now(),
            descriptor,
        }))
    }

    /// Moves what can be moved of an answer's body, and takes what there is of it.
    pub(in crate::proxy) fn poll_body(
        &mut self,
        cx: &Context<'_>,
        body: &mut Incoming,
    ) -> Poll<Option<hyper::Result<Frame<Bytes>>>> {
        self.driver.drive_for(cx, |own| Pin::new(body).poll_frame(own))
    }

    /// Whether it can carry a request.
    fn is_idle(&self) -> bool {
        !self.driver.done && self.sender.is_ready()
    }

    /// The bare stream, after the endpoint has answered 101, and what was read of it already.
    pub(in crate::proxy) async fn into_stream(mut self: Box<Self>) -> (Stream, Bytes, Descriptor) {
        poll_fn(|cx| {
            let _has_no_answer = self.driver.drive_for(cx, |_| Poll::<()>::Pending);
            if self.driver.done { Poll::Ready(()) } else { Poll::Pending }
        })
        .await;
        let Self { driver, descriptor, .. } = *self;
        let parts = driver.connection.into_parts();
        (parts.io.into_inner(), parts.read_buf, descriptor)
    }

    /// Sends a request and waits for the head of the answer.
    pub(in crate::proxy) async fn exchange(
        &mut self,
        request: Box<Request<RequestBody>>,
        patience: &Patience<'_>,
    ) -> Result<Response<Incoming>, Failure> {
        self.carried_body = !matches!(request.body(), RequestBody::Empty);
        let mut answer = pin!(self.sender.try_send_request(*request));
        let driver = &mut self.driver;
        poll_fn(|cx| {
            let asked = driver.drive_for(cx, |own| answer.as_mut().poll(own));
            match asked {
                Poll::Ready(Ok(response)) => Poll::Ready(Ok(response)),
                Poll::Ready(Err(mut error)) => Poll::Ready(Err(match error.take_message() {
                    Some(request) => Failure::Unsent(Box::new(request)),
                    None => Failure::Broken,
                })),
                Poll::Pending => patience.poll(cx).map(Err),
            }
        })
        .await
        .inspect(|response| self.spent |= response.status().is_server_error() || says_close(response))
        .map_err(|failure| patience.fault().map_or(failure, Failure::Client))
    }
}

/// Whether the endpoint closes the connection after this answer.
fn says_close(response: &Response<Incoming>) -> bool {
    match response.headers().get(CONNECTION) {
        Some(value) => value.as_bytes().eq_ignore_ascii_case(b"close"),
        None => response.version() == Version::HTTP_10,
    }
}

/// Whether it is this machine that has no descriptor, or no port, left.
fn is_exhausted(error: &io::Error) -> bool {
    let exhausted = [Errno::MFILE, Errno::NFILE, Errno::ADDRNOTAVAIL];
    exhausted.iter().any(|errno| error.raw_os_error() == Some(errno.raw_os_error()))
}

/// How long an exchange may take.
pub(in crate::proxy) struct Patience<'request> {
    pub(in crate::proxy) timer: &'request Timer,
    pub(in crate::proxy) claim: Option<&'request Claim>,
    /// Since when the endpoint has been silent.
    pub(in crate::proxy) since: Instant,
    pub(in crate::proxy) limit: Duration,
    /// The request body's progress, which counts as the endpoint's.
    pub(in crate::proxy) progress: Option<&'request Progress>,
}

impl Patience<'_> {
    fn poll(&self, cx: &mut Context<'_>) -> Poll<Failure> {
        if let Some(fault) = self.fault() {
            return Poll::Ready(Failure::Client(fault));
        }
        let since = self.progress.and_then(Progress::last).map_or(self.since, |last| last.max(self.since));
        let mut deadline = since + self.limit;
        let mut failure = Failure::TimedOut;
        if let Some(close_at) = self.claim.and_then(|claim| claim.close_at(cx))
            && close_at < deadline
        {
            (deadline, failure) = (close_at, Failure::Cut);
        }
        self.timer.poll(cx, deadline).map(|()| failure)
    }

    fn fault(&self) -> Option<ClientFault> {
        self.progress.and_then(Progress::fault)
    }
}

/// Why there is no answer.
pub(in crate::proxy) enum Failure {
    /// The connection was dead before anything of the request was sent.
    Unsent(Box<Request<RequestBody>>),
    /// The connection broke, or what came was no HTTP.
    Broken,
    /// The answer did not begin in time.
    TimedOut,
    /// The endpoint left the table and the drain time is over.
    Cut,
    /// The request's body did not come whole.
    Client(ClientFault),
}

/// A worker's idle connections: a shelf for each endpoint. They are few, and a look along them is cheaper
/// than a hash.
#[derive(Default)]
pub(in crate::proxy) struct Links(RefCell<Vec<Shelf>>);

struct Shelf {
    backend: Arc<Backend>,
    /// The one used last is last.
    #[expect(clippy::vec_box, reason = "a link is large, and moved more often than it is made")]
    idle: Vec<Box<Link>>,
}

impl Links {
    /// An idle connection that still looks alive.
    pub(in crate::proxy) fn take(
        &self,
        backend: &Backend,
        replayable: bool,
        now: Instant,
    ) -> Option<Box<Link>> {
        loop {
            let mut link = self.take_youngest(backend, replayable, now)?;
            link.driver.drive();
            if link.is_idle() {
                return Some(link);
            }
        }
    }

    /// The connection that was used last, if it is not too old.
    fn take_youngest(&self, backend: &Backend, replayable: bool, now: Instant) -> Option<Box<Link>> {
        let mut shelves = self.0.borrow_mut();
        let place = shelves.iter().position(|shelf| shelf.backend.id == backend.id)?;
        let idle = &mut shelves[place].idle;
        let age = now.saturating_duration_since(idle.last()?.used);
        if age > MAX_AGE {
            // All others are older still.
            shelves.swap_remove(place);
            return None;
        }
        if !replayable && age > FRESH { None } else { idle.pop() }
    }

    /// Keeps a connection whose answer is complete for the next request, if it can carry one.
    pub(in crate::proxy) fn give(&self, backend: &Arc<Backend>, mut link: Box<Link>) {
        // What the endpoint did not want of a body must not be kept with the connection. Otherwise it is driven
        // only when it is taken: now the answer's head still lies in the buffer that it would read into, and
        // another would have to be made.
        if link.carried_body {
            link.driver.drive();
            link.spent |= !link.is_idle();
        }
        if link.driver.done || link.spent || backend.has_left() {
            return;
        }
        link.used = Instant::now();
        link.driver.bell.forget_user();
        let mut shelves = self.0.borrow_mut();
        match shelves.iter_mut().find(|shelf| shelf.backend.id == backend.id) {
            Some(shelf) if shelf.idle.len() >= MAX_IDLE => {}
            Some(shelf) => shelf.idle.push(link),
            None => shelves.push(Shelf { backend: Arc::clone(backend), idle: vec![link] }),
        }
    }

    /// Closes idle connections that the endpoint closed, or that are too old to be used again.
    pub(in crate::proxy) fn sweep(&self) {
        let now = Instant::now();
        self.0.borrow_mut().retain_mut(|shelf| {
            shelf.idle.retain_mut(|link| {
                link.driver.drive();
                link.is_idle() && now.saturating_duration_since(link.used) <= MAX_AGE
            });
            !shelf.idle.is_empty()
        });
    }

    /// Closes all idle connections.
    pub(in crate::proxy) fn clear(&self) {
        self.0.borrow_mut().clear();
    }

    /// Closes idle connections to endpoints that left the table.
    pub(in crate::proxy) fn forget_left(&self) {
        self.0.borrow_mut().retain(|shelf| !shelf.backend.has_left());
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read as _, Write as _};
    use std::os::unix::net::UnixStream as StdStream;
    use std::task::Waker;

    use super::*;
    use crate::proxy::connection::budget::Budget;
    use crate::proxy::endpoint::bell::Task;

    async fn is_woken(task: &Task, times: usize) {
        let woken = async {
            while task.wakes() < times {
                tokio::task::yield_now().await;
            }
        };
        timeout(Duration::from_secs(30), woken).await.unwrap();
        assert_eq!(task.wakes(), times);
    }

    async fn link() -> (Box<Link>, StdStream) {
        let (own, endpoint) = StdStream::pair().unwrap();
        own.set_nonblocking(true).unwrap();
        let descriptor = Budget::new(1).take().unwrap();
        let link = Link::over(Stream::Unix(UnixStream::from_std(own).unwrap()), descriptor).await.unwrap();
        (link, endpoint)
    }

    #[tokio::test]
    async fn its_task_gets_one_turn_for_each_thing_that_comes() {
        let (mut link, mut endpoint) = link().await;
        let (timer, task) = (Timer::default(), Arc::<Task>::default());
        let waker = Waker::from(Arc::clone(&task));
        let cx = &mut Context::from_waker(&waker);
        let limit = Duration::from_secs(600);
        let patience = Patience { timer: &timer, claim: None, since: Instant::now(), limit, progress: None };
        let mut woken = 0;
        for number in 0..3 {
            let request = Box::new(Request::new(RequestBody::Empty));
            let mut exchange = Box::pin(link.exchange(request, &patience));
            assert!(exchange.as_mut().poll(cx).is_pending());
            if number == 0 {
                // Whether the new socket takes anything is what the kernel has to say first.
                woken += 1;
                is_woken(&task, woken).await;
                assert!(exchange.as_mut().poll(cx).is_pending());
            }
            assert_eq!(task.wakes(), woken, "the request is sent, and nothing has come");
            let head = endpoint.read(&mut [0; 1000]).unwrap();
            assert!(head > 0);
            endpoint.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\n").unwrap();
            woken += 1;
            is_woken(&task, woken).await;
            let Poll::Ready(Ok(answer)) = exchange.as_mut().poll(cx) else { panic!("it has come") };
            drop(exchange);
            let mut body = answer.into_body();
            for part in ["abc", "def"] {
                assert!(link.poll_body(cx, &mut body).is_pending());
                assert_eq!(task.wakes(), woken, "it has asked for more, and nothing has come");
                endpoint.write_all(part.as_bytes()).unwrap();
                woken += 1;
                is_woken(&task, woken).await;
                let Poll::Ready(Some(Ok(frame))) = link.poll_body(cx, &mut body) else {
                    panic!("it has come")
                };
                assert_eq!(frame.data_ref().unwrap(), part);
            }
            assert_eq!(task.wakes(), woken, "it has come whole");
        }
    }
}
