//! Redis.

use windlass::resource::{Fault, Prepared, after_start, prepare, ready, try_options};
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

/// A Redis that is started, asked and ended again and again.
struct Queue {
    _dir: tempfile::TempDir,
    place: windlass::resource::Place,
}

impl Queue {
    fn new() -> Self {
        let dir = directory();
        let place = place(dir.path(), "queue");
        Self { _dir: dir, place }
    }

    fn prepare(&self, options: &[(&str, &str)]) -> Result<Prepared, Fault> {
        prepare(&resource(Engine::Redis, "0", options), &self.place)
    }

    fn start(&self, options: &[(&str, &str)]) -> Server {
        let mut server = Server::start(self.prepare(options).unwrap());
        server.await_ready();
        server
    }

    /// What a start is refused with, both beforehand and by itself.
    fn refused(&self, options: &[(&str, &str)]) -> String {
        let fault = self.prepare(options).unwrap_err();
        let wanted = resource(Engine::Redis, "0", options);
        let before = try_options(&wanted, &self.place.directory, &self.place.directory.join("scratch"));
        assert_eq!(before, Err(fault.clone()));
        fault.to_string()
    }

    fn appends(&self) -> bool {
        let text = std::fs::read_to_string(self.place.directory.join("config/redis.conf")).unwrap();
        text.contains("appendonly \"yes\"")
    }
}

fn ask(server: &Server, words: &[&str]) -> String {
    let facts = &server.prepared.facts;
    let args = [&["-p", &facts["port"], "--no-auth-warning"], words].concat();
    client("redis-cli", &args, &[("REDISCLI_AUTH", &facts["password"])]).unwrap()
}

/// As the guide says.
fn switch_by_hand(server: &Server) {
    assert_eq!(ask(server, &["CONFIG", "SET", "appendonly", "yes"]), "OK");
    let is_done = |text: &str| {
        ["aof_rewrite_in_progress:0", "aof_rewrite_scheduled:0", "aof_last_bgrewrite_status:ok"]
            .iter()
            .all(|line| text.lines().any(|said| said.trim() == *line))
    };
    while !is_done(&ask(server, &["INFO", "persistence"])) {
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
}

const YES: &[(&str, &str)] = &[("appendonly", "yes")];
const NO: &[(&str, &str)] = &[("appendonly", "no")];

#[test]
fn a_redis_with_snapshots_only_is_not_started_with_nothing() {
    let queue = Queue::new();
    let mut server = queue.start(NO);
    assert_eq!(ask(&server, &["SET", "job", "1"]), "OK");
    assert_eq!(server.stop(), Some(0));
    let mut server = queue.start(NO);
    let refused = queue.refused(YES);
    assert!(
        refused.contains("CONFIG SET appendonly yes") && refused.contains("take the option away"),
        "{refused}"
    );
    assert_eq!(ask(&server, &["GET", "job"]), "1", "it goes on");
    assert_eq!(server.stop(), Some(0));
    queue.refused(YES);
    // Whoever takes the option away has it as it was.
    let server = queue.start(&[]);
    assert!(!queue.appends());
    assert_eq!(ask(&server, &["GET", "job"]), "1");
    switch_by_hand(&server);
    assert_eq!(ask(&server, &["SET", "job", "2"]), "OK");
    // It is killed.
    drop(server);
    let mut server = queue.start(YES);
    assert!(queue.appends());
    assert_eq!(ask(&server, &["GET", "job"]), "2");
    let fingerprint = server.prepared.fingerprint.clone();
    assert_eq!(queue.prepare(YES).unwrap().fingerprint, fingerprint, "no reason to start it again");
    assert_eq!(queue.prepare(&[]).unwrap().fingerprint, fingerprint, "it stays as it is");
    assert_eq!(server.stop(), Some(0));
    let fault = queue.prepare(&[("appendonly", "perhaps")]).unwrap_err();
    assert!(fault.to_string().contains("write \"yes\" or \"no\""), "{fault}");
}

#[test]
fn a_redis_without_snapshots_that_was_switched_by_hand_keeps_what_it_has() {
    let queue = Queue::new();
    let without = |appends: &'static str| [("save", ""), ("appendonly", appends)];
    let mut server = queue.start(&without("no"));
    assert_eq!(ask(&server, &["SET", "job", "1"]), "OK");
    // All that it has is in its memory.
    queue.refused(&without("yes"));
    switch_by_hand(&server);
    let next = queue.prepare(&without("yes")).unwrap();
    assert_eq!(server.stop(), Some(0));
    let mut server = Server::start(next);
    server.await_ready();
    assert_eq!(ask(&server, &["GET", "job"]), "1");
    assert_eq!(server.stop(), Some(0));
}

#[test]
fn a_redis_does_not_begin_with_a_file_of_long_ago_nor_without_the_one_it_lost() {
    let queue = Queue::new();
    let mut server = queue.start(YES);
    assert_eq!(ask(&server, &["SET", "job", "1"]), "OK");
    assert_eq!(server.stop(), Some(0));
    // The file of then stays, and knows nothing of what comes.
    let mut server = queue.start(NO);
    assert_eq!(ask(&server, &["SET", "job", "2"]), "OK");
    let refused = queue.refused(YES);
    assert!(refused.contains("an old file"), "{refused}");
    switch_by_hand(&server);
    assert_eq!(server.stop(), Some(0));
    let mut server = queue.start(YES);
    assert_eq!(ask(&server, &["GET", "job"]), "2");
    assert_eq!(ask(&server, &["SAVE"]), "OK");
    assert_eq!(server.stop(), Some(0));

    // As where a backup is put back that has the snapshot only.
    let data = queue.place.directory.join("data");
    let _of_older_servers = std::fs::remove_file(data.join("appendonly.aof"));
    let _of_newer_ones = std::fs::remove_dir_all(data.join("appendonlydir"));
    queue.refused(YES);
    let mut server = queue.start(&[]);
    assert!(!queue.appends());
    assert_eq!(ask(&server, &["GET", "job"]), "2");
    assert_eq!(server.stop(), Some(0));
}
