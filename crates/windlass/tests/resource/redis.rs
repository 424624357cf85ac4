//! Redis.

use windlass::resource::{after_start, prepare, ready};
use windlass_core::spec::Engine;

use crate::SHORT;
use crate::server::{Server, assert_private, client, directory, place, resource};

// proves: HS-16, MDC-2, APE-2, APE-12
#[test]
fn redis_serves_and_keeps_its_data() {
    let dir = directory();
    let place = place(dir.path(), "cache");
    let wanted = resource(Engine::Redis, "2", &[("appendonly", "yes"), ("save", "900 1")]);
    let mut server = Server::start(prepare(&wanted, &place).unwrap());
    server.await_ready();
    after_start(&server.prepared).unwrap();
    let facts = server.prepared.facts.clone();
    assert!(Engine::Redis.facts().iter().all(|fact| facts.contains_key(*fact)));
    let cli = |words: &[&str]| {
        let args = [&["-p", &facts["port"], "-n", "2", "--no-auth-warning"], words].concat();
        client("redis-cli", &args, &[("REDISCLI_AUTH", &facts["password"])])
    };
    assert_eq!(cli(&["SET", "k", "v"]), Ok("OK".into()));
    assert_eq!(cli(&["CONFIG", "GET", "maxmemory"]), Ok(format!("maxmemory\n{}", 192 << 20)));
    assert_eq!(cli(&["CONFIG", "GET", "save"]), Ok("save\n900 1".into()));
    let mut wrong = facts.clone();
    wrong.insert("password".into(), "wrong".into());
    let refused = ready(Engine::Redis, &wrong, SHORT).unwrap_err().reason;
    assert!(refused.contains("it answers WRONGPASS") && !refused.contains("wrong\""), "{refused}");
    assert_private(&place.directory, &facts["password"]);

    let again = prepare(&wanted, &place).unwrap();
    assert_eq!((&again.launch, &again.facts), (&server.prepared.launch, &facts));
    assert_eq!(server.stop(), Some(0));
    assert!(ready(Engine::Redis, &facts, SHORT).unwrap_err().reason.contains("cannot connect"));
    let mut server = Server::start(again);
    server.await_ready();
    assert_eq!(cli(&["GET", "k"]), Ok("v".into()));
    assert_eq!(server.stop(), Some(0));
}

#[test]
fn a_new_redis_loses_nothing_when_it_is_killed_and_an_old_one_keeps_its_way() {
    let dir = directory();
    let place = place(dir.path(), "queue");
    let wanted = resource(Engine::Redis, "0", &[]);
    let text = || std::fs::read_to_string(place.directory.join("config/redis.conf")).unwrap();
    let facts = {
        let mut server = Server::start(prepare(&wanted, &place).unwrap());
        server.await_ready();
        assert!(text().contains("appendonly \"yes\""), "{}", text());
        let facts = server.prepared.facts.clone();
        let cli = ["-p", &facts["port"], "--no-auth-warning", "SET", "job", "17"];
        assert_eq!(client("redis-cli", &cli, &[("REDISCLI_AUTH", &facts["password"])]), Ok("OK".into()));
        // Dropped, it is killed.
        facts
    };
    let mut server = Server::start(prepare(&wanted, &place).unwrap());
    server.await_ready();
    let cli = ["-p", &facts["port"], "--no-auth-warning", "GET", "job"];
    assert_eq!(client("redis-cli", &cli, &[("REDISCLI_AUTH", &facts["password"])]), Ok("17".into()));
    drop(server);

    // One whose data was never appended would begin with none.
    std::fs::remove_file(place.directory.join("persistence")).unwrap();
    prepare(&wanted, &place).unwrap();
    assert!(text().contains("appendonly \"no\""), "{}", text());
}

#[test]
fn a_redis_that_is_to_append_from_now_on_keeps_what_it_has() {
    let dir = directory();
    let place = place(dir.path(), "queue");
    let text = || std::fs::read_to_string(place.directory.join("config/redis.conf")).unwrap();
    let start = |appends: &str| {
        let options = [("appendonly", appends)];
        let mut server = Server::start(prepare(&resource(Engine::Redis, "0", &options), &place).unwrap());
        server.await_ready();
        after_start(&server.prepared).unwrap();
        server
    };
    let ask = |server: &Server, words: &[&str]| {
        let facts = &server.prepared.facts;
        let args = [&["-p", &facts["port"], "--no-auth-warning"], words].concat();
        client("redis-cli", &args, &[("REDISCLI_AUTH", &facts["password"])])
    };
    let mut server = start("yes");
    assert_eq!(ask(&server, &["SET", "job", "1"]), Ok("OK".into()));
    assert_eq!(server.stop(), Some(0));
    // The file of then stays, and knows nothing of what comes.
    let mut server = start("no");
    assert_eq!(ask(&server, &["SET", "job", "2"]), Ok("OK".into()));
    assert_eq!(server.stop(), Some(0));
    let server = start("yes");
    assert!(text().contains("appendonly \"yes\""), "{}", text());
    assert_eq!(ask(&server, &["GET", "job"]), Ok("2".into()));
    assert_eq!(ask(&server, &["SET", "job", "3"]), Ok("OK".into()));
    // It is killed.
    let before = server.prepared.fingerprint.clone();
    drop(server);
    let server = start("yes");
    assert_eq!(ask(&server, &["GET", "job"]), Ok("3".into()));
    assert_eq!(server.prepared.fingerprint, before, "no reason to start it again");
    drop(server);
    // Without a word about it, it stays as it is.
    prepare(&resource(Engine::Redis, "0", &[]), &place).unwrap();
    assert!(text().contains("appendonly \"yes\""), "{}", text());
    let fault = prepare(&resource(Engine::Redis, "0", &[("appendonly", "perhaps")]), &place).unwrap_err();
    assert!(fault.to_string().contains("write \"yes\" or \"no\""), "{fault}");
}
