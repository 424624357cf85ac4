//! Preparations that are killed.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use windlass::resource::{after_start, prepare};
use windlass_core::spec::Engine;

use crate::server::{Server, directory, place, resource, sql};

/// Not a test of its own: what `a_kill_at_any_write_is_made_good` runs and kills.
#[test]
#[ignore = "run by another test"]
fn prepare_and_be_killed() {
    let directory = std::env::var("WINDLASS_TEST_DIRECTORY").unwrap();
    let engine = serde_json::from_str(&std::env::var("WINDLASS_TEST_ENGINE").unwrap()).unwrap();
    prepare(&resource(engine, "shop", &[]), &place(Path::new(&directory), "db")).unwrap();
}

/// Kills the preparation at its first, second, ... system call of a kind, until it gets through;
/// after each, another preparation must succeed. Returns how often it was killed.
fn kill_at_every(engine: Engine, calls: &str) -> usize {
    for killed in 0..100 {
        let dir = directory();
        let output = Command::new("strace")
            .args(["-f", "-b", "execve", "-qq", "-o", "/dev/null", "-e", &format!("trace={calls}")])
            .args(["-e", &format!("inject={calls}:signal=KILL:when={}", killed + 1)])
            .arg(std::env::current_exe().unwrap())
            .args(["--exact", "crash::prepare_and_be_killed", "--ignored", "--test-threads=1"])
            .env("WINDLASS_TEST_DIRECTORY", dir.path())
            .env("WINDLASS_TEST_ENGINE", serde_json::to_string(&engine).unwrap())
            .stdin(Stdio::null())
            .output()
            .unwrap_or_else(|error| panic!("strace: {error}; apt-get install strace"));
        let prepared = prepare(&resource(engine, "shop", &[]), &place(dir.path(), "db")).unwrap();
        let again = prepare(&resource(engine, "shop", &[]), &place(dir.path(), "db")).unwrap();
        assert_eq!((&prepared.facts, &prepared.fingerprint), (&again.facts, &again.fingerprint));
        let left: Vec<_> =
            fs::read_dir(dir.path().join("db")).unwrap().map(|e| e.unwrap().file_name()).collect();
        assert!(!left.iter().any(|name| name.to_string_lossy().ends_with("partial")), "{left:?}");
        if output.status.success() {
            return killed;
        }
    }
    panic!("it never got through");
}

/// strace counts each kind of call by itself.
fn kill_everywhere(engine: Engine, calls: &[&str], at_least: usize) {
    let killed: usize = calls.iter().map(|call| kill_at_every(engine, call)).sum();
    assert!(killed >= at_least, "it was killed {killed} times only");
}

#[test]
fn a_kill_at_any_write_of_redis_is_made_good() {
    kill_everywhere(Engine::Redis, &["fsync", "rename", "mkdir"], 6);
}

#[test]
fn a_kill_at_any_write_of_rabbitmq_is_made_good() {
    kill_everywhere(Engine::Rabbitmq, &["fsync", "rename", "mkdir"], 20);
}

#[test]
fn a_kill_at_any_write_of_postgres_is_made_good() {
    // Each round initialises a database; before a rename is all that differs for the next one.
    kill_everywhere(Engine::Postgres, &["rename"], 6);
}

#[test]
fn an_initdb_that_outlives_its_windlass_is_waited_for() {
    let dir = directory();
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "crash::prepare_and_be_killed", "--ignored"])
        .env("WINDLASS_TEST_DIRECTORY", dir.path())
        .env("WINDLASS_TEST_ENGINE", "\"postgres\"")
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let begun = dir.path().join("db/data.partial/base");
    let deadline = Instant::now() + Duration::from_secs(90);
    while !begun.exists() {
        assert!(Instant::now() < deadline, "initdb does not begin");
        std::thread::sleep(Duration::from_millis(1));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    let mut server =
        Server::start(prepare(&resource(Engine::Postgres, "shop", &[]), &place(dir.path(), "db")).unwrap());
    server.await_ready();
    after_start(&server.prepared).unwrap();
    assert_eq!(sql(&server.prepared.facts, "SELECT 1"), Ok("1".into()));
    assert_eq!(server.stop(), Some(0));
}
