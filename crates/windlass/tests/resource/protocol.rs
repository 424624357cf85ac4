//! Servers that are not what they should be.

use std::time::{Duration, Instant};

use indexmap::IndexMap;
use windlass::resource::ready;
use windlass_core::spec::Engine;

use crate::SHORT;

#[test]
fn whatever_else_answers_is_not_taken_for_the_server() {
    use std::io::{Read, Write};
    for engine in [Engine::Postgres, Engine::Redis, Engine::Rabbitmq] {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port().to_string();
        let server = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let _ = stream.read(&mut [0; 512]);
            let _ = stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n");
        });
        let facts = [
            ("host", "127.0.0.1"),
            ("port", port.as_str()),
            ("user", "u"),
            ("password", "p"),
            ("vhost", "/"),
        ];
        let facts = facts.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let why = ready(engine, &facts, SHORT).unwrap_err().reason;
        assert!(why.contains("what answers there is not"), "{engine:?}: {why}");
        server.join().unwrap();
    }
}

#[test]
fn a_silent_server_is_given_up_in_time() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port().to_string();
    let facts = IndexMap::from([("host".to_owned(), "127.0.0.1".to_owned()), ("port".into(), port)]);
    let began = Instant::now();
    let why = ready(Engine::Rabbitmq, &facts, Duration::from_millis(200)).unwrap_err().reason;
    assert!(why.ends_with("it does not answer in time"), "{why}");
    assert!(began.elapsed() < SHORT);
}
