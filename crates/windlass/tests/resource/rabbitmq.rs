//! RabbitMQ.

use std::time::Instant;

use windlass::resource::{after_start, prepare, ready};
use windlass_core::spec::Engine;

use crate::SHORT;
use crate::server::{Server, assert_private, directory, place, resource};

// proves: DC-2, DC-15
#[test]
fn rabbitmq_serves_apart_from_any_other() {
    let dir = directory();
    let place = place(dir.path(), "mq");
    let wanted = resource(Engine::Rabbitmq, "shop", &[("channel_max", "100")]);
    let began = Instant::now();
    let mut server = Server::start(prepare(&wanted, &place).unwrap());
    server.await_ready();
    eprintln!("rabbitmq was ready after {:?}", began.elapsed());
    after_start(&server.prepared).unwrap();
    let facts = server.prepared.facts.clone();
    assert!(Engine::Rabbitmq.facts().iter().all(|fact| facts.contains_key(*fact)));
    let mut wrong = facts.clone();
    wrong.insert("password".into(), "wrong".into());
    let refused = ready(Engine::Rabbitmq, &wrong, SHORT).unwrap_err().reason;
    assert!(refused.contains("it refuses: ACCESS_REFUSED"), "{refused}");
    let mut wrong = facts.clone();
    wrong.insert("vhost".into(), "other".into());
    let refused = ready(Engine::Rabbitmq, &wrong, SHORT).unwrap_err().reason;
    assert!(refused.contains("it refuses: NOT_ALLOWED"), "{refused}");
    assert_private(&place.directory, &facts["password"]);
    assert_eq!(server.stop(), Some(0));
    // A second start finds what the first one made.
    let mut server = Server::start(prepare(&wanted, &place).unwrap());
    assert_eq!(server.prepared.facts, facts);
    server.await_ready();
    assert_eq!(server.stop(), Some(0));
}
