//! Requests that two programs might understand differently.

use crate::support::{Backend, Client, Proxy, table};

/// The status of each answer that comes before the connection is closed.
fn statuses(proxy: &Proxy, request: &str) -> Vec<u16> {
    let mut client = Client::connect(proxy.address());
    client.send(request).unwrap();
    let mut statuses = Vec::new();
    while let Ok(got) = client.receive() {
        statuses.push(got.status);
    }
    statuses
}

#[test]
fn ambiguous_requests_are_refused_and_end_the_connection() {
    let backend = Backend::start("one");
    let proxy = Proxy::with(&table(1, "r1", &[("web.r1.1", backend.address)]));
    let smuggled = "GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n";
    for head in [
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n0\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\nContent-Length: 0\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\nContent-Length: 41\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0, 0\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: +0\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length : 0\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
        "POST / HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a:1:2\r\n\r\n",
        "GET / HTTP/1.1\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\n folded: x\r\n\r\n",
        "CONNECT example.org:443 HTTP/1.1\r\nHost: example.org:443\r\n\r\n",
    ] {
        assert_eq!(statuses(&proxy, &format!("{head}{smuggled}")), [400], "{head:?}");
    }
    assert_eq!(backend.count(), 0, "one of them reached the application");
}

#[test]
fn what_is_clear_is_served_in_order() {
    let backend = Backend::start("one");
    let proxy = Proxy::with(&table(1, "r1", &[("web.r1.1", backend.address)]));
    let requests = "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc\
                    POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nde\r\n0\r\n\r\n\
                    GET http://b/headers HTTP/1.1\r\nHost: a\r\n\r\n";
    let mut client = Client::connect(proxy.address());
    client.send(requests).unwrap();
    assert_eq!(client.receive().unwrap().text(), "abc");
    assert_eq!(client.receive().unwrap().text(), "de");
    assert!(client.receive().unwrap().text().contains("host: b\n"), "the absolute form names the host");
}

#[test]
fn upgraded_bytes_flow_only_after_the_application_agreed() {
    let backend = Backend::start("one");
    let proxy = Proxy::with(&table(1, "r1", &[("web.r1.1", backend.address)]));
    let mut client = Client::connect(proxy.address());
    // The application answers 200: what follows is a request of its own, seen and counted by the proxy.
    client
        .send(
            "GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n\
             GET /inside HTTP/1.1\r\nHost: a\r\n\r\n",
        )
        .unwrap();
    assert_eq!(client.receive().unwrap().status, 200);
    assert_eq!(client.receive().unwrap().status, 200);
    assert_eq!(proxy.report().releases["r1"].served, 2);
}

/// Everything in one segment: what looks like a head's line in a body is none.
#[test]
fn only_the_lines_of_a_head_are_its_content_lengths() {
    let backend = Backend::start("one");
    let proxy = Proxy::with(&table(1, "r1", &[("web.r1.1", backend.address)]));
    let part = "--x\r\nContent-Type: text/plain\r\nContent-Length: 3\r\n\r\nabc\r\n--x--\r\n";
    let length = part.len();
    let multipart = format!("POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: {length}\r\n\r\n{part}");
    let chunked = format!(
        "POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n{length:x}\r\n{part}\r\n0\r\n\r\n"
    );
    for requests in [
        vec![&multipart],
        vec![&chunked],
        vec![&multipart, &multipart],
        vec![&chunked, &multipart, &chunked, &chunked],
    ] {
        let mut client = Client::connect(proxy.address());
        client.send(requests.iter().map(|request| request.as_str()).collect::<String>()).unwrap();
        for _ in requests {
            let got = client.receive().unwrap();
            assert_eq!((got.status, got.text().as_str()), (200, part));
        }
    }
}

#[test]
fn an_ambiguous_request_is_refused_behind_another_too() {
    let backend = Backend::start("one");
    let proxy = Proxy::with(&table(1, "r1", &[("web.r1.1", backend.address)]));
    let first = "POST /slow/300 HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\n";
    let ambiguous =
        "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n0\r\n\r\n";
    // While the first is answered, and together with it.
    for (before, after) in
        [(format!("{first}x"), ambiguous.to_owned()), (first.to_owned(), format!("x{ambiguous}"))]
    {
        let mut client = Client::connect(proxy.address());
        let seen = backend.count();
        client.send(before).unwrap();
        crate::support::wait_for("the first", || backend.count() > seen);
        client.send(after).unwrap();
        assert_eq!(client.receive().unwrap().status, 200);
        assert_eq!(client.receive().unwrap().status, 400);
        assert!(client.is_closed());
        assert_eq!(backend.count(), seen + 1, "it reached the application");
    }
}
