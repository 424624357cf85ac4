//! Accepting connections and speaking the protocol that the client chose.

use std::future::{Future, poll_fn};
use std::net::{SocketAddr, TcpListener};
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::Poll;
use std::time::Duration;

use bytes::Bytes;
use hyper::server::conn::{http1, http2};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep, timeout};
use tokio_rustls::TlsAcceptor;

use crate::proxy::connection::conn::{Conn, Expired};
use crate::proxy::connection::io::{ClientStream, Stream};
use crate::proxy::connection::linger;
use crate::proxy::connection::worker::Worker;
use crate::proxy::request::serve::service;

const TLS_TIMEOUT: Duration = Duration::from_secs(10);
/// The first bytes of a client that speaks HTTP/2 without having asked.
const HTTP2_PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
const MAX_HEAD: usize = 64 * 1024;
const MAX_STREAMS: u32 = 100;
/// What may wait of each stream's answer for the client to take it, in bytes.
const MAX_WAITING: usize = 64 * 1024;

/// Accepts connections until the task is aborted.
pub(in crate::proxy) async fn accept(worker: Rc<Worker>, listener: TcpListener, secure: bool) {
    // The listener was made non-blocking when it was bound; what else could fail here is memory.
    let Ok(listener) = tokio::net::TcpListener::from_std(listener) else { return };
    loop {
        while worker.conns.borrow().len() >= worker.max_conns {
            // The kernel's queue holds them back meanwhile.
            sleep(Duration::from_millis(5)).await;
        }
        match listener.accept().await {
            Ok((stream, peer)) => {
                tokio::task::spawn_local(serve(Rc::clone(&worker), stream, peer, secure));
            }
            // Out of descriptors, or a client that has already gone.
            Err(_) => sleep(Duration::from_millis(10)).await,
        }
    }
}

async fn serve(worker: Rc<Worker>, stream: TcpStream, peer: SocketAddr, secure: bool) {
    let _ = stream.set_nodelay(true);
    let patience = worker.edge.live().table.listen.patience;
    let conn = Rc::new(Conn::new(peer, stream.local_addr().ok(), secure, patience));
    let _listed = Listed::new(&worker, &conn);
    if !secure {
        return speak_http1(&worker, &conn, Stream::Tcp(stream)).await;
    }
    let Some(config) = worker.edge.live().certificates.config() else { return };
    let Ok(Ok(stream)) = timeout(TLS_TIMEOUT, TlsAcceptor::from(config).accept(stream)).await else { return };
    let http2 = stream.get_ref().1.alpn_protocol() == Some(b"h2");
    let stream = Stream::Tls(Box::new(stream));
    if http2 {
        speak_http2(&worker, &conn, stream, Bytes::new()).await;
    } else {
        speak_http1(&worker, &conn, stream).await;
    }
}

/// Speaks HTTP/1, and then whatever the client turns it into.
async fn speak_http1(worker: &Rc<Worker>, conn: &Rc<Conn>, stream: Stream) {
    let service = service(worker, conn);
    let stream = TokioIo::new(ClientStream::new(stream, Bytes::new(), Rc::clone(conn)));
    let mut http = http1::Builder::new().max_header_size(MAX_HEAD).serve_connection(stream, service);
    let ended = poll_fn(|cx| {
        if let Poll::Ready(result) = Pin::new(&mut http).poll(cx) {
            return Poll::Ready(Some(result));
        }
        if conn.poll_expired(cx).is_ready() || conn.is_given_up() || has_to_go(worker, conn) {
            return Poll::Ready(None);
        }
        Poll::Pending
    })
    .await;
    // In any case: it holds a claim, and whoever holds a claim holds the connection.
    let tunnel = conn.tunnel.borrow_mut().take();
    let Some(result) = ended else { return };
    let parts = http.into_parts();
    match (result, tunnel) {
        (Ok(()), Some(tunnel)) => tunnel.run(parts.io.into_inner().into_stream(), parts.read_buf).await,
        (Err(_), _) if parts.read_buf.starts_with(HTTP2_PREFACE) => {
            let stream = parts.io.into_inner().into_stream();
            speak_http2(worker, conn, stream, parts.read_buf).await;
        }
        (Ok(()), None) if conn.is_between_requests() => {}
        // What is no request, of whoever looks for open ports, is owed nothing more.
        (Err(error), None) if !error.is_parse() || !conn.is_within_body() => {}
        // Boxed: few connections end so, and their future is all of theirs.
        (_, None) => Box::pin(linger(worker, conn, parts.io.into_inner().into_stream())).await,
        _ => {}
    }
}

/// Ends a connection whose client was answered before it had sent all.
async fn linger(worker: &Worker, conn: &Conn, stream: Stream) {
    linger::close(stream, &conn.timer, |cx| {
        conn.remember(cx);
        conn.is_given_up() || has_to_go(worker, conn)
    })
    .await;
}

fn has_to_go(worker: &Worker, conn: &Conn) -> bool {
    worker.closing.get().is_some_and(|closing| {
        let now = Instant::now();
        now >= closing.all + Duration::from_millis(50) || (now >= closing.quiet && conn.is_quiet())
    })
}

async fn speak_http2(worker: &Rc<Worker>, conn: &Rc<Conn>, stream: Stream, prefix: Bytes) {
    conn.multiplexed.set(true);
    let service = service(worker, conn);
    let stream = TokioIo::new(ClientStream::new(stream, prefix, Rc::clone(conn)));
    let mut http = pin!(
        http2::Builder::new(Local)
            .timer(TokioTimer::new())
            .max_concurrent_streams(MAX_STREAMS)
            .max_header_list_size(64 * 1024)
            .max_send_buf_size(MAX_WAITING)
            .keep_alive_interval(Duration::from_secs(30))
            .keep_alive_timeout(Duration::from_secs(20))
            .serve_connection(stream, service)
    );
    let mut told = false;
    poll_fn(|cx| {
        loop {
            if http.as_mut().poll(cx).is_ready() || conn.is_given_up() {
                return Poll::Ready(());
            }
            let expired = conn.poll_expired(cx);
            match expired {
                Poll::Ready(Expired::Deaf) => return Poll::Ready(()),
                Poll::Ready(Expired::Silent) if told => return Poll::Ready(()),
                Poll::Ready(Expired::Silent) => conn.was_told_to_go(),
                Poll::Pending => {}
            }
            if worker.closing.get().is_some_and(|closing| Instant::now() >= closing.all) {
                return Poll::Ready(());
            }
            if told || !(expired.is_ready() || worker.is_closing()) {
                return Poll::Pending;
            }
            told = true;
            http.as_mut().graceful_shutdown();
        }
    })
    .await;
}

/// Runs the streams of an HTTP/2 connection in its own thread.
#[derive(Clone, Copy)]
struct Local;

impl<F: Future<Output = ()> + 'static> hyper::rt::Executor<F> for Local {
    fn execute(&self, future: F) {
        tokio::task::spawn_local(future);
    }
}

/// Keeps a connection on the worker's list as long as it lives.
struct Listed<'worker> {
    worker: &'worker Worker,
    key: usize,
}

impl<'worker> Listed<'worker> {
    fn new(worker: &'worker Worker, conn: &Rc<Conn>) -> Self {
        Self { worker, key: worker.conns.borrow_mut().insert(Rc::clone(conn)) }
    }
}

impl Drop for Listed<'_> {
    fn drop(&mut self) {
        self.worker.conns.borrow_mut().remove(self.key);
    }
}
