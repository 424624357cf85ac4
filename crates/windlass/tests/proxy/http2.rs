//! What is particular to HTTP/2: many requests share a connection.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::Request;
use http_body_util::{BodyExt, Empty};
use hyper::body::Incoming;
use hyper::client::conn::http2::SendRequest;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;
use windlass_core::edge::Table;
use windlass_core::spec::ClientPatience;
use windlass_core::units::Span;

use crate::support::{Backend, PATIENCE, Proxy, table, wait_for};

const SHORT: Span = Span::from_millis(300);
const LONG: Span = Span::from_secs(600);

/// A client, and the task that ends with its connection.
async fn connect(address: SocketAddr) -> (SendRequest<Empty<Bytes>>, JoinHandle<()>) {
    let stream = TcpStream::connect(address).await.unwrap();
    let (sender, connection) =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await.unwrap();
    (sender, tokio::spawn(async { drop(connection.await) }))
}

fn ask(path: &str) -> Request<Empty<Bytes>> {
    Request::get(format!("http://a.example{path}")).body(Empty::new()).unwrap()
}

async fn text(body: Incoming) -> String {
    String::from_utf8(body.collect().await.unwrap().to_bytes().to_vec()).unwrap()
}

/// A table in which clients are waited for so long.
fn patient(address: SocketAddr, patience: ClientPatience) -> Table {
    let mut table = table(1, "r1", &[("web.r1.1", address)]);
    table.listen.patience = patience;
    (table.routes[0].timeout, table.routes[0].idle_timeout) = (LONG, LONG);
    table
}

/// A frame as it stands on the wire.
fn frame(kind: u8, flags: u8, stream: u8, payload: &[u8]) -> Vec<u8> {
    let length = u8::try_from(payload.len()).unwrap();
    [&[0, 0, length, kind, flags, 0, 0, 0, stream], payload].concat()
}

/// The client's preface with these settings, and then this.
fn speak(address: SocketAddr, settings: &[u8], then: &[u8]) -> std::net::TcpStream {
    let mut stream = std::net::TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let settings = frame(4, 0, 0, settings);
    stream.write_all(&[b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", &settings[..], then].concat()).unwrap();
    stream
}

/// The bodies of all answers until the proxy closes the connection. It answers pings: who does not is let go for that.
fn until_closed(stream: &mut std::net::TcpStream) -> Vec<u8> {
    let (mut bodies, mut head) = (Vec::new(), [0; 9]);
    let end = Instant::now() + PATIENCE;
    loop {
        assert!(Instant::now() < end, "the connection stays open");
        match stream.read_exact(&mut head) {
            Ok(()) => {}
            Err(error) if error.kind() == ErrorKind::WouldBlock => panic!("the connection stays open"),
            Err(_) => return bodies,
        }
        let length = usize::from(head[0]) << 16 | usize::from(head[1]) << 8 | usize::from(head[2]);
        let mut payload = vec![0; length];
        stream.read_exact(&mut payload).unwrap();
        match (head[3], head[4] & 1) {
            (0, _) => bodies.extend(payload),
            // The connection may be closed meanwhile.
            (6, 0) => drop(stream.write_all(&frame(6, 1, 0, &payload))),
            _ => {}
        }
    }
}

/// The head of a GET request, which has no body.
fn request(stream: u8, path: &str) -> Vec<u8> {
    let length = u8::try_from(path.len()).unwrap();
    frame(1, 5, stream, &[&[0x82, 0x86, 0x41, 1, b'a', 0x04, length][..], path.as_bytes()].concat())
}

/// The setting by which nothing of an answer may come before its window is opened.
const NO_WINDOW: [u8; 6] = [0, 4, 0, 0, 0, 0];

#[tokio::test]
async fn cookies_come_in_one_line() {
    let backend = Backend::start("one");
    let proxy = Proxy::with(&table(1, "r1", &[("web.r1.1", backend.address)]));
    let (mut sender, _connection) = connect(proxy.address()).await;
    let mut request = ask("/headers");
    for cookie in ["a=1", "b=2; c=3", "d=4"] {
        request.headers_mut().append("cookie", cookie.parse().unwrap());
    }
    let seen = text(sender.send_request(request).await.unwrap().into_body()).await;
    let cookies: Vec<_> = seen.lines().filter(|line| line.starts_with("cookie:")).collect();
    assert_eq!(cookies, ["cookie: a=1; b=2; c=3; d=4"]);
}

/// The application is asked by HTTP/1.1, which has no requests without one.
#[test]
fn a_request_that_names_no_host_is_refused() {
    let backend = Backend::start("one");
    let proxy =
        Proxy::with(&patient(backend.address, ClientPatience { head: LONG, keep: SHORT, write: LONG }));
    let nameless = frame(1, 5, 1, &[0x82, 0x86, 0x84]);
    let mut client = speak(proxy.address(), &[], &nameless);
    let said = until_closed(&mut client);
    assert_eq!(String::from_utf8_lossy(&said), "400 Bad Request: the request has no Host\n");
}

#[test]
fn a_client_that_asks_for_nothing_is_let_go() {
    let backend = Backend::start("one");
    let proxy =
        Proxy::with(&patient(backend.address, ClientPatience { head: SHORT, keep: LONG, write: LONG }));
    let mut silent = speak(proxy.address(), &[], &frame(4, 1, 0, &[]));
    silent.read_to_end(&mut Vec::new()).expect("the connection stays open");
}

#[tokio::test]
async fn a_client_that_asks_for_nothing_more_is_let_go_whatever_it_says_to_pings() {
    let backend = Backend::start("one");
    let proxy =
        Proxy::with(&patient(backend.address, ClientPatience { head: LONG, keep: SHORT, write: LONG }));
    let (mut sender, connection) = connect(proxy.address()).await;
    // Nobody is let go within a request, nor while others come in time.
    for path in ["/slow/700", "/", "/"] {
        assert_eq!(text(sender.send_request(ask(path)).await.unwrap().into_body()).await, "one");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    tokio::time::timeout(PATIENCE, connection).await.expect("the connection stays open").unwrap();
}

#[test]
fn a_client_that_takes_nothing_of_an_answer_is_let_go() {
    let backend = Backend::start("one");
    let proxy =
        Proxy::with(&patient(backend.address, ClientPatience { head: LONG, keep: LONG, write: SHORT }));
    let _deaf = speak(proxy.address(), &NO_WINDOW, &request(1, "/text/1000000"));
    wait_for("the request", || backend.count() == 1);
    wait_for("the proxy to give up", || proxy.left_on("web.r1.1") == 0);
}

/// Answers without an end, as fast as it is taken.
fn endless() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            std::thread::spawn(move || {
                let _ = stream.read(&mut [0; 4096]);
                let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 100000000000\r\n\r\n");
                while stream.write_all(&[b'x'; 65536]).is_ok() {}
            });
        }
    });
    address
}

#[tokio::test(flavor = "multi_thread")]
async fn the_end_of_a_drain_cuts_one_answer_and_not_the_connection() {
    let new = Backend::start("new");
    let mut first = table(1, "r1", &[("web.r1.1", endless())]);
    first.drain = SHORT;
    let proxy = Proxy::with(&first);
    let (mut sender, _connection) = connect(proxy.address()).await;
    let mut old = sender.send_request(ask("/")).await.unwrap().into_body();
    let mut second = table(2, "r2", &[("web.r2.1", new.address)]);
    second.drain = SHORT;
    proxy.apply(&second);
    let answer = tokio::spawn(sender.send_request(ask("/slow/2500")));
    // It takes what it gets, so slowly that there is always more.
    let cut = tokio::time::timeout(PATIENCE, async {
        while let Some(Ok(_)) = old.frame().await {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    });
    cut.await.expect("the old answer goes on");
    assert_eq!(text(answer.await.unwrap().expect("the connection was cut").into_body()).await, "new");
    wait_for("the drain", || proxy.left_on("web.r1.1") == 0);
}

#[test]
fn a_client_that_takes_nothing_of_one_answer_gets_the_others_before_it_has_to_go() {
    let (old, new) = (Backend::start("old"), Backend::start("new"));
    let mut first = table(1, "r1", &[("web.r1.1", old.address)]);
    first.drain = SHORT;
    let proxy = Proxy::with(&first);
    let mut client = speak(proxy.address(), &NO_WINDOW, &request(1, "/text/1000000"));
    wait_for("the first request", || proxy.left_on("web.r1.1") == 1);
    let mut second = table(2, "r2", &[("web.r2.1", new.address)]);
    second.drain = SHORT;
    proxy.apply(&second);
    let window = frame(8, 0, 3, &[0, 0, 1, 0]);
    client.write_all(&[request(3, "/slow/2000"), window].concat()).unwrap();
    assert_eq!(until_closed(&mut client), b"new", "the second answer is missing");
    wait_for("the drain", || proxy.left_on("web.r1.1") == 0);
}
