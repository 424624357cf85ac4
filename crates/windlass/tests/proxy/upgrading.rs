//! WebSockets through the proxy, and how they end.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::time::{Duration, Instant};

use tokio_tungstenite::tungstenite::handshake::client::Request;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::stream::MaybeTlsStream;
use tokio_tungstenite::tungstenite::{self, Message, WebSocket};
use windlass_core::units::Span;

use crate::support::{PATIENCE, Proxy, table, wait_for};

/// Says back what it is told, until it is left.
fn echo_server() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let stream = stream.unwrap();
            std::thread::spawn(move || {
                let mut socket = tungstenite::accept(stream).unwrap();
                while let Ok(message) = socket.read() {
                    if message.is_close() || socket.send(message).is_err() {
                        break;
                    }
                }
            });
        }
    });
    address
}

fn connect(address: SocketAddr) -> WebSocket<MaybeTlsStream<std::net::TcpStream>> {
    let stream = std::net::TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let request = Request::builder()
        .uri(format!("ws://{address}/socket"))
        .header("host", "example.org")
        .header("connection", "Upgrade")
        .header("upgrade", "websocket")
        .header("sec-websocket-version", "13")
        .header("sec-websocket-key", tungstenite::handshake::client::generate_key())
        .body(())
        .unwrap();
    let (socket, response) = tungstenite::client(request, MaybeTlsStream::Plain(stream)).unwrap();
    assert_eq!(response.status().as_u16(), 101);
    socket
}

// proves: HS-12
#[test]
fn messages_go_both_ways() {
    let proxy = Proxy::with(&table(1, "r1", &[("web.r1.1", echo_server())]));
    let mut socket = connect(proxy.address());
    for length in [0, 1, 200, 70_000, 300_000] {
        let text = "w".repeat(length);
        socket.send(Message::text(text.clone())).unwrap();
        assert_eq!(socket.read().unwrap().into_text().unwrap().as_str(), text);
    }
    assert_eq!(proxy.left_on("web.r1.1"), 1);
    socket.close(None).unwrap();
    while socket.read().is_ok() {}
    wait_for("the end", || proxy.left_on("web.r1.1") == 0);
}

#[test]
fn when_the_endpoint_leaves_they_are_closed_politely_one_after_another() {
    let mut first = table(1, "r1", &[("web.r1.1", echo_server())]);
    first.drain = Span::from_millis(1000);
    let proxy = Proxy::with(&first);
    let address = proxy.address();
    let mut sockets: Vec<_> = (0..4).map(|_| connect(address)).collect();
    let mut second = table(2, "r2", &[("web.r2.1", echo_server())]);
    second.drain = Span::from_millis(1000);
    proxy.apply(&second);
    let begin = Instant::now();
    // They work on until it is their turn.
    sockets[0].send(Message::text("still here")).unwrap();
    assert_eq!(sockets[0].read().unwrap().into_text().unwrap().as_str(), "still here");
    // All begin to wait before the first is waited for.
    let waiting: Vec<_> = sockets
        .into_iter()
        .map(|mut socket| {
            std::thread::spawn(move || {
                let message = socket.read().unwrap();
                let Message::Close(Some(frame)) = message else { panic!("{message:?}") };
                assert_eq!(frame.code, CloseCode::Away);
                let _ = socket.flush();
                begin.elapsed()
            })
        })
        .collect();
    let ends: Vec<_> = waiting.into_iter().map(|thread| thread.join().unwrap()).collect();
    let (first, last) = (ends.iter().min().unwrap(), ends.iter().max().unwrap());
    assert!(*last - *first > Duration::from_millis(200), "all at once: {ends:?}");
    wait_for("the drain", || proxy.left_on("web.r1.1") == 0);
}

/// WebSockets over HTTP/2 (RFC 8441) are not offered. Whoever could speak them is told so by the
/// server's settings, and comes by HTTP/1.1, as browsers do by themselves.
#[test]
fn over_http2_no_websocket_is_offered() {
    const ENABLE_CONNECT_PROTOCOL: u16 = 8;
    let proxy = Proxy::with(&table(1, "r1", &[("web.r1.1", echo_server())]));
    let mut stream = std::net::TcpStream::connect(proxy.address()).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    // The client's preface and its empty settings.
    stream.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0").unwrap();
    let mut head = [0; 9];
    stream.read_exact(&mut head).unwrap();
    let length = usize::from(head[1]) << 8 | usize::from(head[2]);
    assert_eq!((head[0], head[3], head[4]), (0, 4, 0), "the server's settings come first");
    let mut settings = vec![0; length];
    stream.read_exact(&mut settings).unwrap();
    let offered: Vec<u16> =
        settings.chunks(6).map(|setting| u16::from_be_bytes([setting[0], setting[1]])).collect();
    assert!(!offered.is_empty() && !offered.contains(&ENABLE_CONNECT_PROTOCOL), "{offered:?}");
    let mut socket = connect(proxy.address());
    socket.send(Message::text("by HTTP/1.1")).unwrap();
    assert_eq!(socket.read().unwrap().into_text().unwrap().as_str(), "by HTTP/1.1");
}

/// Requests within such a connection would pass every rule by.
#[test]
fn no_other_protocol_is_passed_on() {
    let backend = crate::support::Backend::start("one");
    let proxy = Proxy::with(&table(1, "r1", &[("web.r1.1", backend.address)]));
    let got = crate::support::send(
        proxy.address(),
        "GET /headers HTTP/1.1\r\nHost: a\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\n\
         HTTP2-Settings: AAMAAABkAAQAAP__\r\n\r\n",
    );
    assert_eq!(got.status, 200);
    for name in ["upgrade", "http2-settings", "connection"] {
        assert!(!got.text().contains(&format!("{name}:")), "{}", got.text());
    }
    let got = crate::support::send(
        proxy.address(),
        "GET /headers HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: WebSocket\r\n\r\n",
    );
    assert!(got.text().contains("upgrade: WebSocket"), "{}", got.text());
}

/// One that does not even take the end of its connection.
#[tokio::test(flavor = "multi_thread")]
async fn a_deaf_client_behind_tls_does_not_hold_up_the_drain() {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let _ = stream.read(&mut [0; 4096]);
        let answer = "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n";
        stream.write_all(answer.as_bytes()).unwrap();
        // Frames of 0x7000 bytes.
        let frame = [&[0x82, 126, 0x70, 0][..], &[b'x'; 0x7000]].concat();
        while stream.write_all(&frame).is_ok() {}
    });
    let files = tempfile::tempdir().unwrap();
    let tls = crate::encrypted::certificate(files.path(), "a.example");
    let mut first = crate::encrypted::secure(table(1, "r1", &[("web.r1.1", address)]), &[&tls]);
    first.drain = Span::from_millis(300);
    let proxy = Proxy::with(&first);
    let (_, secure) = crate::encrypted::addresses(&proxy);
    let mut client = crate::encrypted::connect(secure, "a.example", &[&tls], b"http/1.1").await.unwrap();
    client
        .write_all(b"GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
        .await
        .unwrap();
    client.read_exact(&mut [0; 12]).await.unwrap();
    // Until nothing more goes into the buffers on the way.
    tokio::time::sleep(Duration::from_millis(500)).await;
    let mut second = first.clone();
    second.generation = 2;
    second.pools["web"].endpoints.clear();
    proxy.apply(&second);
    wait_for("the drain", || proxy.left_on("web.r1.1") == 0);
}
