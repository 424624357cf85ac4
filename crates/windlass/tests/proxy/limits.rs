//! What a client may not make the proxy put up with.

use std::io::Read;

use crate::support::{Backend, Client, Proxy, get, table};

#[test]
fn heads_are_limited_in_size_and_number_of_lines() {
    let backend = Backend::start("one");
    let proxy = Proxy::with(&table(1, "r1", &[("web.r1.1", backend.address)]));
    for head in [
        format!("GET / HTTP/1.1\r\nHost: a\r\nX-Long: {}\r\n\r\n", "x".repeat(100_000)),
        format!("GET / HTTP/1.1\r\nHost: a\r\n{}\r\n", "X-Many: 1\r\n".repeat(200)),
        format!("GET /{} HTTP/1.1\r\nHost: a\r\n\r\n", "x".repeat(70_000)),
    ] {
        let mut client = Client::connect(proxy.address());
        // It may be refused before it is sent whole.
        let _ = client.send(&head);
        let status = client.receive().map(|got| got.status);
        assert!(matches!(status, Ok(414 | 431) | Err(_)), "{status:?} for {} bytes", head.len());
    }
    assert_eq!(backend.count(), 0);
    assert_eq!(get(proxy.address(), "/").text(), "one");
}

#[test]
fn nonsense_is_refused_and_the_connection_closed() {
    let backend = Backend::start("one");
    let proxy = Proxy::with(&table(1, "r1", &[("web.r1.1", backend.address)]));
    for nonsense in
        ["\0\0\0\0\r\n\r\n", "GET\r\n\r\n", "GET / HTTP/9.9\r\n\r\n", "GET / HTTP/1.1\r\nNo colon\r\n\r\n"]
    {
        let mut client = Client::connect(proxy.address());
        client.send(nonsense).unwrap();
        let mut text = Vec::new();
        let _ = client.stream().read_to_end(&mut text);
        assert!(text.is_empty() || text.starts_with(b"HTTP/1.1 400"), "{}", String::from_utf8_lossy(&text));
    }
    assert_eq!(backend.count(), 0);
}

#[test]
fn many_silent_clients_are_in_nobodys_way() {
    let backend = Backend::start("one");
    let proxy = Proxy::with(&table(1, "r1", &[("web.r1.1", backend.address)]));
    let address = proxy.address();
    let _silent: Vec<_> = (0..300)
        .map(|_| {
            let mut client = Client::connect(address);
            client.send("GET / HTTP/1.1\r\nHost:").unwrap();
            client
        })
        .collect();
    for _ in 0..20 {
        assert_eq!(get(address, "/").text(), "one");
    }
}
