//! Answers that come before the client has sent all of its request: a client that goes on sending gets
//! them, instead of a connection that is reset.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::time::{Duration, Instant};

use windlass_core::edge::{Table, hash_password};
use windlass_core::spec::RateLimit;
use windlass_core::units::{Bytes, Span};

use crate::support::{Backend, Client, Got, Proxy, table};

/// Sends a body of eight megabytes; see [`upload_of`].
fn upload(address: SocketAddr, path: &str) -> Got {
    upload_of(128 * 64 * 1024, address, path)
}

/// Sends a body of so many bytes, in parts, whatever comes back meanwhile; then reads the answer.
fn upload_of(length: usize, address: SocketAddr, path: &str) -> Got {
    let mut client = Client::connect(address);
    client.send(format!("POST {path} HTTP/1.1\r\nHost: a\r\nContent-Length: {length}\r\n\r\n")).unwrap();
    for (number, part) in vec![b'x'; length].chunks(64 * 1024).enumerate() {
        if number % 16 == 0 {
            std::thread::sleep(Duration::from_millis(2));
        }
        client.send(part).unwrap_or_else(|error| panic!("{path}: part {number}: {error}"));
    }
    client.receive().unwrap()
}

fn with(change: impl FnOnce(&mut Table)) -> (Backend, Proxy) {
    let backend = Backend::start("one");
    let mut table = table(1, "r1", &[("web.r1.1", backend.address)]);
    change(&mut table);
    (backend, Proxy::with(&table))
}

#[test]
fn a_body_that_is_too_large_is_refused_and_read_away() {
    let (_backend, proxy) = with(|table| table.routes[0].body_limit = Bytes(1000));
    for _ in 0..10 {
        let got = upload(proxy.address(), "/echo");
        assert_eq!((got.status, got.header("connection")), (413, Some("close")));
    }
}

#[test]
fn who_may_not_ask_is_told_so_though_the_body_is_still_coming() {
    let (_backend, proxy) = with(|table| {
        table.routes[0].basic_auth = vec![format!("ann:{}", hash_password("salt", "open sesame"))];
    });
    assert_eq!(upload(proxy.address(), "/echo").status, 401);
    let (_backend, proxy) = with(|table| {
        table.routes[0].rate_limit = Some(RateLimit { requests: 1, per: Span::from_secs(600), burst: 0 });
    });
    let statuses: Vec<_> = (0..4).map(|_| upload(proxy.address(), "/echo").status).collect();
    assert_eq!(statuses.last(), Some(&429), "{statuses:?}");
}

#[test]
fn what_the_application_answers_early_arrives() {
    let (_backend, proxy) = with(|_| {});
    for _ in 0..30 {
        assert_eq!(upload(proxy.address(), "/status/413").status, 413);
    }
}

#[test]
fn a_connection_that_still_holds_a_part_of_a_body_carries_no_other_request() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            std::thread::spawn(move || refuse_uploads(stream));
        }
    });
    let mut table = table(1, "r1", &[("web.r1.1", address)]);
    table.routes[0].body_limit = Bytes(100 << 20);
    let proxy = Proxy::with(&table);
    // What the kernel takes is some megabytes at most; the proxy itself might hold back four hundred kilobytes more.
    for length in (1..=19).map(|step| step * 320 * 1024) {
        assert_eq!(upload_of(length, proxy.address(), "/").status, 413, "{length} bytes");
        assert_eq!(Client::connect(proxy.address()).get("/").unwrap().status, 204, "after {length} bytes");
    }
}

/// Answers uploads when no more of them gets into the kernel's buffers. Where a part has not, nothing is ever read any
/// more; where all has, the connection is as good as any other, and goes on.
fn refuse_uploads(mut stream: TcpStream) {
    while let Some(length) = read_head(&mut stream) {
        if length == 0 {
            let _ended = stream.write_all(b"HTTP/1.1 204 No Content\r\n\r\n");
            continue;
        }
        let in_kernel = || stands_still(|| rustix::io::ioctl_fionread(&stream).unwrap()) + unsent_to(&stream);
        let is_whole = in_kernel() >= length;
        let _ended = (&stream).write_all(b"HTTP/1.1 413 Content Too Large\r\nContent-Length: 0\r\n\r\n");
        // Its rest may have come with the answer, to a proxy that had no time before.
        if !is_whole && in_kernel() < length {
            loop {
                std::thread::park();
            }
        }
        let _ended = std::io::copy(&mut (&stream).take(length), &mut std::io::sink());
    }
}

/// Reads the head of a request, and answers the length of its body.
fn read_head(stream: &mut TcpStream) -> Option<u64> {
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte).ok()?;
        head.push(char::from(byte[0]));
    }
    let length = head
        .lines()
        .find_map(|line| line.to_ascii_lowercase().strip_prefix("content-length: ")?.parse().ok());
    Some(length.unwrap_or(0))
}

/// How many bytes the kernel holds back at the other end of the connection.
fn unsent_to(stream: &TcpStream) -> u64 {
    let port = |address: SocketAddr| format!(":{:04X}", address.port());
    let (own, peer) = (port(stream.local_addr().unwrap()), port(stream.peer_addr().unwrap()));
    let table = std::fs::read_to_string("/proc/net/tcp").unwrap();
    let unsent = table.lines().find_map(|line| {
        let fields: Vec<&str> = line.split_ascii_whitespace().collect();
        let (unsent, _unread) = fields.get(4)?.split_once(':')?;
        (fields[1].ends_with(&peer) && fields[2].ends_with(&own)).then(|| unsent.to_owned())
    });
    // A closed connection that has sent all is gone.
    unsent.map_or(0, |unsent| u64::from_str_radix(&unsent, 16).unwrap())
}

/// Answers a count that has been the same for a hundred looks.
fn stands_still(count: impl Fn() -> u64) -> u64 {
    let (mut last, mut same) = (count(), 0);
    crate::support::wait_for("a count that stands still", || {
        let now = count();
        same = if now == last { same + 1 } else { 0 };
        last = now;
        same >= 100
    });
    last
}

#[test]
fn a_small_rest_is_waited_for_and_the_connection_kept() {
    let (_backend, proxy) = with(|table| table.routes[0].body_limit = Bytes(10));
    let mut client = Client::connect(proxy.address());
    client.send("POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\n\r\n").unwrap();
    let got = client.receive().unwrap();
    assert_eq!((got.status, got.header("connection")), (413, None));
    for _ in 0..10 {
        client.send("x".repeat(100)).unwrap();
    }
    assert_eq!(client.get("/").unwrap().text(), "one");
}

#[test]
fn a_small_body_of_unknown_length_that_is_here_keeps_the_connection() {
    let (_backend, proxy) = with(|table| table.routes[0].path = "/below".to_owned());
    let head = "POST /elsewhere HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";
    let mut client = Client::connect(proxy.address());
    for body in ["5\r\nhello\r\n0\r\n\r\n", "1\r\nx\r\n2\r\nyz\r\n0\r\n\r\n", "0\r\n\r\n"] {
        client.send(format!("{head}{body}")).unwrap();
        let got = client.receive().unwrap();
        assert_eq!((got.status, got.header("connection")), (404, None), "{body:?}");
    }
    // This one may go on for ever.
    client.send(format!("{head}5\r\nhello\r\n")).unwrap();
    let got = client.receive().unwrap();
    assert_eq!((got.status, got.header("connection")), (404, Some("close")));
}

#[test]
fn a_body_that_was_announced_and_never_asked_for_ends_the_connection() {
    let (_backend, proxy) = with(|table| {
        table.pools["web"].endpoints.clear();
        table.pools["web"].stopped = true;
    });
    let mut client = Client::connect(proxy.address());
    client.send("POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 10\r\n\r\n").unwrap();
    let got = client.receive().unwrap();
    assert_eq!((got.status, got.header("connection")), (503, Some("close")));
}

#[test]
fn what_is_no_request_is_not_waited_for() {
    let (_backend, proxy) = with(|_| {});
    for garbage in [&b"\x16\x03\x01\x02\0\x01\0\x01\xfc\x03\x03"[..], b"HELP\n\n"] {
        let mut client = Client::connect(proxy.address());
        client.send(garbage).unwrap();
        let mut answer = Vec::new();
        let _answered_or_not = client.stream().read_to_end(&mut answer);
        let closed = || client.send("x").and_then(|()| client.send("x")).is_err();
        // What is waited for is a client's silence of five seconds.
        let begin = Instant::now();
        crate::support::wait_for("the end of its connection", closed);
        assert!(begin.elapsed() < Duration::from_secs(4), "{:?}", begin.elapsed());
    }
}

#[test]
fn a_client_that_goes_on_for_ever_keeps_neither_its_connection_nor_the_proxy() {
    let (_backend, mut proxy) = with(|table| {
        table.routes[0].body_limit = Bytes(10);
        table.drain = Span::from_secs(1);
    });
    let mut client = Client::connect(proxy.address());
    client.send("POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\nxx").unwrap();
    assert_eq!(client.receive().unwrap().status, 413);
    assert!(client.is_closed(), "nothing more comes");
    // It is never silent for long enough to be left for that.
    let dripping = std::thread::spawn(move || {
        while client.send("x").is_ok() {
            std::thread::sleep(Duration::from_millis(100));
        }
    });
    let begin = Instant::now();
    proxy.signal(rustix::process::Signal::TERM);
    crate::support::wait_for("the proxy's end", || proxy.has_ended());
    dripping.join().unwrap();
    // Half a minute is how long the rest of a body is read away.
    assert!(begin.elapsed() < Duration::from_secs(20), "{:?}", begin.elapsed());
}
