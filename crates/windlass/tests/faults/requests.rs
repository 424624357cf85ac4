//! Requests and connections that last longer than a deploy.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use windlass_testkit::sandbox::{Manifest, get, until};

use super::{deployed, line};

/// A WebSocket that has answered once.
fn websocket(port: u16) -> TcpStream {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    let opening =
        b"GET /socket HTTP/1.1\r\nHost: fixture.test\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
        Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
    stream.write_all(opening).unwrap();
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte).unwrap();
        head.push(byte[0]);
    }
    assert!(head.starts_with(b"HTTP/1.1 101"), "{}", String::from_utf8_lossy(&head));
    echo(&mut stream);
    stream
}

/// A masked text frame with "hi" under the key 0 comes back as it is.
fn echo(stream: &mut TcpStream) {
    let frame = [0x81, 0x82, 0, 0, 0, 0, b'h', b'i'];
    stream.write_all(&frame).unwrap();
    let mut back = [0; 8];
    stream.read_exact(&mut back).unwrap();
    assert_eq!(back, frame);
}

// proves: HS-11
#[test]
fn a_request_of_29_seconds_and_a_websocket_outlast_a_switch() {
    let line = line("a_request_of_29_seconds_and_a_websocket_outlast_a_switch");
    let manifest = Manifest { deploy: "drain = \"40s\"".into(), ..Manifest::small() };
    let sandbox = deployed(&manifest);
    let watch = line.watch_at_pace(&sandbox, Duration::from_millis(40));
    let port = sandbox.port;
    let mut open = websocket(port);
    let long = std::thread::spawn(move || get(port, "/slow?29000"));
    until("the request to be with the old release", || {
        (sandbox.status()["requests"]["in_flight"].as_u64().unwrap_or(1) >= 1).then_some(())
    });
    sandbox.change();
    let deploy = sandbox.start(&["deploy"]);
    until("the new release to answer", || (sandbox.answering() == "r2").then_some(()));
    assert!(!long.is_finished(), "the request is over already");
    // The old release still talks to whoever is connected to it.
    echo(&mut open);
    let reply = long.join().unwrap().unwrap();
    assert_eq!((reply.status, reply.body.as_str()), (200, "r1"));
    let mut rest = Vec::new();
    open.read_to_end(&mut rest).unwrap();
    assert_eq!(rest, [0x88, 0x02, 0x03, 0xE9], "a close frame with 1001, going away");
    let output = deploy.finish_within(Duration::from_secs(90));
    assert_eq!(output.code, 0, "{output:#?}\n{}", sandbox.logs());
    websocket(port);
    watch.end_without_loss();
    line.is_sound(&sandbox, "drained");
    sandbox.down();
    line.held(
        "the request was answered by the old release, the WebSocket told to go with a close frame at the end \
         of the drain; 0 failed requests",
    );
}
