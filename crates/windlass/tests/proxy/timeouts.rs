//! How long the proxy waits, for clients and for applications, is what the table says.
//!
//! What is to be waited for is made short and everything else long, so that a connection that ends
//! ends for this reason.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::time::Instant;

use windlass_core::edge::Table;
use windlass_core::spec::ClientPatience;
use windlass_core::units::Span;

use crate::support::{Backend, Client, Proxy, get, table};

const SHORT: Span = Span::from_millis(300);
const LONG: Span = Span::from_secs(600);

/// A table in which nothing is short.
fn patient(address: SocketAddr) -> Table {
    let mut table = table(1, "r1", &[("web.r1.1", address)]);
    table.listen.patience = ClientPatience { head: LONG, keep: LONG, write: LONG };
    table.routes[0].timeout = LONG;
    table.routes[0].idle_timeout = LONG;
    table
}

/// Everything until the other side closes; that it does not is a failure.
fn until_closed(client: &mut Client) -> Vec<u8> {
    let mut bytes = Vec::new();
    match client.stream().read_to_end(&mut bytes) {
        Ok(_) => {}
        Err(error) if error.kind() == ErrorKind::ConnectionReset => {}
        Err(error) => panic!("the connection stays open: {error}"),
    }
    bytes
}

/// Accepts connections and does this with each, after it has read a request's head.
fn application(answer: impl Fn(TcpStream) + Send + Sync + 'static) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut head = Vec::new();
            while !head.ends_with(b"\r\n\r\n") {
                let mut byte = [0];
                if stream.read(&mut byte).unwrap_or(0) == 0 {
                    break;
                }
                head.push(byte[0]);
            }
            answer(stream);
        }
    });
    address
}

/// Stays until the proxy has gone.
fn stay(mut stream: TcpStream) {
    let _ = stream.read(&mut [0]);
}

#[test]
fn a_client_that_never_begins_or_never_ends_its_head_is_let_go() {
    let backend = Backend::start("one");
    let mut table = patient(backend.address);
    table.listen.patience.head = SHORT;
    let proxy = Proxy::with(&table);
    let mut silent = Client::connect(proxy.address());
    until_closed(&mut silent);
    let mut slow = Client::connect(proxy.address());
    slow.send("GET / HTTP/1.1\r\nHost: exam").unwrap();
    until_closed(&mut slow);
    assert_eq!(get(proxy.address(), "/").text(), "one");
    assert_eq!(backend.count(), 1);
}

#[test]
fn a_kept_connection_that_says_nothing_more_is_closed() {
    let backend = Backend::start("one");
    let mut table = patient(backend.address);
    table.listen.patience.keep = SHORT;
    let proxy = Proxy::with(&table);
    let mut client = Client::connect(proxy.address());
    let asked = Instant::now();
    assert_eq!(client.get("/").unwrap().text(), "one");
    assert!(until_closed(&mut client).is_empty());
    assert!(asked.elapsed() >= SHORT.as_duration(), "it was not kept: {:?}", asked.elapsed());
}

#[test]
fn a_client_that_takes_nothing_of_its_answer_is_let_go() {
    let backend = Backend::start("one");
    let mut table = patient(backend.address);
    table.listen.patience.write = SHORT;
    let proxy = Proxy::with(&table);
    let mut client = Client::connect(proxy.address());
    // 90 MB, more than all buffers between the two hold.
    client.send("GET /text/10000000 HTTP/1.1\r\nHost: example.org\r\n\r\n").unwrap();
    crate::support::wait_for("the proxy to give up", || {
        proxy.left_on("web.r1.1") == 0 && backend.count() == 1
    });
    let taken = until_closed(&mut client);
    assert!(taken.len() < 90_000_000, "{} bytes", taken.len());
}

#[test]
fn an_application_that_does_not_begin_its_answer_in_time_costs_a_504() {
    let mut table = patient(application(stay));
    table.routes[0].timeout = SHORT;
    let proxy = Proxy::with(&table);
    assert_eq!(get(proxy.address(), "/").status, 504);
}

#[test]
fn an_answer_that_falls_silent_is_cut_off() {
    let mut table = patient(application(|mut stream| {
        stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf").unwrap();
        stay(stream);
    }));
    table.routes[0].idle_timeout = SHORT;
    let proxy = Proxy::with(&table);
    let mut client = Client::connect(proxy.address());
    client.send("GET / HTTP/1.1\r\nHost: example.org\r\n\r\n").unwrap();
    let bytes = until_closed(&mut client);
    assert!(bytes.ends_with(b"half"), "{}", String::from_utf8_lossy(&bytes));
}

#[test]
fn a_websocket_that_falls_silent_is_closed() {
    let mut table = patient(application(|mut stream| {
        let answer = b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n";
        stream.write_all(answer).unwrap();
        stay(stream);
    }));
    table.routes[0].idle_timeout = SHORT;
    let proxy = Proxy::with(&table);
    let mut client = Client::connect(proxy.address());
    let ask = "GET / HTTP/1.1\r\nHost: example.org\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n";
    client.send(ask).unwrap();
    assert!(client.receive_head().unwrap().starts_with("HTTP/1.1 101"));
    until_closed(&mut client);
}
