//! Credentials are exchanged while requests come, and whatever dies meanwhile, one holds in the end.

use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::Mutex;
use std::time::Duration;

use rustix::process::Signal;
use serde_json::Value;
use windlass::resource::{facts_of_url, ready};
use windlass_core::spec::Engine;
use windlass_testkit::sandbox::{Manifest, Process, Sandbox, kill, until};

use super::dying::{Case, PER_SANDBOX, crash, in_ways, of_steps};
use super::{WINDLASS, exhaustive, line};

/// An application that signs in to both for every request; its worker sees neither.
fn manifest() -> Manifest {
    Manifest {
        web: "env = { PGHOST = \"{resources.db.host}\", PGPORT = \"{resources.db.port}\", \
              PGUSER = \"{resources.db.user}\", PGPASSWORD = \"{resources.db.password}\", \
              PGDATABASE = \"{resources.db.database}\", REDIS_PORT = \"{resources.cache.port}\", \
              REDIS_PASSWORD = \"{resources.cache.password}\", SIGN_IN = \"1\" }"
            .into(),
        more: "[resources.db]\nengine = \"postgres\"\n[resources.cache]\nengine = \"redis\"\n".into(),
        deploy: "bake = \"50ms\"\nsmoke = [{ service = \"web\", path = \"/version\" }]".into(),
        worker: None,
        scheduler: None,
        migrate: None,
        ..Manifest::default()
    }
}

fn deployed(manifest: &Manifest) -> Sandbox {
    let sandbox = Sandbox::with(WINDLASS, manifest);
    // Servers that run as accounts of their own have to pass it.
    std::fs::set_permissions(sandbox.root(), std::fs::Permissions::from_mode(0o711)).unwrap();
    sandbox.succeed(&["deploy"]);
    sandbox
}

fn identity(sandbox: &Sandbox, resource: &str) -> Value {
    let path: PathBuf = sandbox.environment().join("resources").join(resource).join("identity.json");
    let text = std::fs::read_to_string(path).unwrap();
    // Its second line is a checksum.
    serde_json::from_str(text.lines().next().unwrap()).unwrap()
}

/// The credentials that a resource knows: each with its account's name and password.
fn known(sandbox: &Sandbox, resource: &str) -> Vec<(String, String)> {
    let of = |account: &Value| {
        let user = match account["credential"].as_u64().unwrap() {
            0 => "fixture".to_owned(),
            release => format!("fixture_r{release}"),
        };
        (user, account["password"].as_str().unwrap().to_owned())
    };
    identity(sandbox, resource)["accounts"].as_array().unwrap().iter().map(of).collect()
}

/// Asks the database, as this account.
fn sql(sandbox: &Sandbox, (user, password): &(String, String), statement: &str) -> Result<String, String> {
    let port = identity(sandbox, "db")["ports"][0].to_string();
    let mut command = Command::new(windlass_testkit::outside::psql());
    command.args(["-XAtqw", "-c", statement]).stdin(Stdio::null());
    command.env("PGHOST", "127.0.0.1").env("PGPORT", port).env("PGUSER", user);
    let output = command.env("PGPASSWORD", password).env("PGDATABASE", "fixture").output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim().to_owned();
    if output.status.success() { Ok(text(&output.stdout)) } else { Err(text(&output.stderr)) }
}

/// One credential holds for each resource, the servers know no other, and the application signs in.
fn one_holds(sandbox: &Sandbox, context: &str) {
    for resource in ["db", "cache"] {
        let known = known(sandbox, resource);
        assert_eq!(known.len(), 1, "{context}: {resource} knows {} credentials", known.len());
    }
    let only = known(sandbox, "db").remove(0);
    let roles = "SELECT string_agg(rolname, ' ') FROM pg_roles WHERE rolcanlogin AND rolname <> 'postgres'";
    assert_eq!(sql(sandbox, &only, roles), Ok(only.0.clone()), "{context}");
    assert_eq!(sandbox.get("/version").status, 200, "{context}\n{}", sandbox.logs());
}

// proves: HS-19
#[test]
fn credentials_are_exchanged_without_losing_a_request() {
    let line = line("credentials_are_exchanged_without_losing_a_request");
    let sandbox = deployed(&Manifest { worker: Some(String::new()), ..manifest() });
    let worker = sandbox.running("worker")[0].pid;
    let servers = || -> Vec<i32> {
        let is_redis =
            |process: &Process| process.argv.first().is_some_and(|title| title.contains("redis-server"));
        let is_server = |process: &Process| process.is("postgres", "-D") || is_redis(process);
        sandbox.processes().iter().filter(|process| is_server(process)).map(|process| process.pid).collect()
    };
    let before = servers();
    assert!(before.len() >= 2, "{before:?}");
    let first = known(&sandbox, "db").remove(0);
    sql(&sandbox, &first, "CREATE TABLE kept AS SELECT 1 AS n").unwrap();
    let watch = line.watch_at_pace(&sandbox, Duration::from_millis(150));
    // A command that began before works with what it was given until it ends.
    let query = "sleep 3; psql -XAtqwc 'SELECT n FROM kept'";
    let command = sandbox.start(&["run", "--", "sh", "-c", query]);
    until("the command to run", || {
        sandbox.processes().iter().any(|process| process.is("sleep", "3")).then_some(())
    });
    sandbox.succeed(&["secrets", "rotate", "db"]);
    let command = command.finish();
    assert_eq!((command.code, command.stdout.trim()), (0, "1"), "{command:?}");
    sandbox.succeed(&["secrets", "rotate", "cache"]);
    watch.end_without_loss();
    one_holds(&sandbox, "rotated");
    assert_eq!(sandbox.running("worker")[0].pid, worker, "it signs in to nothing");
    assert_eq!(servers(), before, "no server was started again");
    assert!(sql(&sandbox, &first, "SELECT 1").is_err());
    let second = known(&sandbox, "db").remove(0);
    assert_eq!(
        sql(&sandbox, &second, "ALTER TABLE kept ADD COLUMN m int; SELECT n FROM kept"),
        Ok("1".into())
    );

    // What was never told who signs in comes back although that was revoked.
    let of_worker = |process: &&Process| process.argv.iter().any(|word| word.contains("/worker.r1"));
    sandbox.keepers().iter().filter(of_worker).for_each(|keeper| kill(keeper.pid, Signal::KILL));
    kill(worker, Signal::KILL);
    until("the worker to come back", || {
        sandbox.running("worker").iter().any(|process| process.pid != worker).then_some(())
    });

    // Nothing brings the old one back.
    let nothing = sandbox.succeed(&["deploy"]);
    assert!(nothing.stdout.contains("Nothing to do"), "{nothing:?}");
    sandbox.succeed(&["rollback", "r1", "--yes"]);
    one_holds(&sandbox, "rolled back");
    assert_eq!(known(&sandbox, "db"), [second]);
    sandbox.change();
    sandbox.succeed(&["deploy"]);
    sandbox.succeed(&["secrets", "rotate", "db"]);
    one_holds(&sandbox, "rotated again");
    let unknown = sandbox.fail(&["secrets", "rotate", "nothing"], 2).stderr;
    assert!(unknown.contains("there is no private resource nothing; there is "), "{unknown}");
    sandbox.down();
    line.held("PostgreSQL and Redis, under load: 0 failed requests, only what signs in was exchanged");
}

// proves: HS-19
#[test]
fn a_rotation_that_fails_leaves_the_old_credential() {
    let line = line("a_rotation_that_fails_leaves_the_old_credential");
    let sandbox = deployed(&manifest());
    let before = known(&sandbox, "db");
    let web: Vec<i32> = sandbox.running("web").iter().map(|process| process.pid).collect();
    // What is started from now on in this release's tree answers wrongly.
    let behaviour = sandbox.environment().join("releases/r1/behaviour");
    for wrong in ["web.wrong", "web.unready", "web.crash:20"] {
        std::fs::write(&behaviour, wrong).unwrap();
        let watch = line.watch_at_pace(&sandbox, Duration::from_millis(150));
        let output = sandbox.fail(&["secrets", "rotate", "db"], 3);
        watch.end_without_loss();
        assert_eq!(known(&sandbox, "db"), before, "{wrong}: {output:?}");
        one_holds(&sandbox, wrong);
        line.is_sound(&sandbox, wrong);
        let now: Vec<i32> = sandbox.running("web").iter().map(|process| process.pid).collect();
        assert_eq!(now, web, "{wrong}");
    }
    std::fs::remove_file(&behaviour).unwrap();
    sandbox.succeed(&["secrets", "rotate", "db"]);
    one_holds(&sandbox, "at last");
    sandbox.down();
    line.held("3 ways to fail: the old credential alone, the old processes, 0 failed requests");
}

#[test]
fn a_credential_that_could_not_be_revoked_is_told_until_it_is() {
    let line = line("a_credential_that_could_not_be_revoked_is_told_until_it_is");
    let sandbox = deployed(&manifest());
    sandbox.succeed(&["secrets", "rotate", "cache"]);
    assert_eq!(sandbox.status()["unrevoked_credentials"], serde_json::json!([]));
    // As a rotation leaves it whose last step fails.
    let place = sandbox.environment().join("resources/cache/identity.json");
    let mut kept = identity(&sandbox, "cache");
    let accounts = kept["accounts"].as_array_mut().unwrap();
    let first = serde_json::json!({ "credential": 0, "password": "Zk31blauFenster99", "revoked": true });
    accounts.insert(0, first);
    std::fs::write(&place, kept.to_string()).unwrap();
    let status = sandbox.status();
    let left = serde_json::json!([{ "resource": "cache", "credential": 0 }]);
    assert_eq!(status["unrevoked_credentials"], left, "{status}");
    let told =
        "the first credential of cache could not be revoked and is good still: windlass deploy tries again";
    assert!(sandbox.succeed(&["status"]).stdout.contains(told), "{status}");
    let listed = sandbox.succeed(&["secrets", "rotate"]).stdout;
    assert!(listed.contains("private Redis; the first credential is good still"), "{listed}");
    sandbox.succeed(&["deploy"]);
    assert_eq!(sandbox.status()["unrevoked_credentials"], serde_json::json!([]));
    one_holds(&sandbox, "revoked at last");
    line.is_sound(&sandbox, "revoked at last");
    sandbox.down();
    line.held("told of by `status` and `secrets rotate`, and revoked by the next deploy");
}

/// An application that is told of a broker of its own.
fn with_a_broker() -> Manifest {
    Manifest {
        web: "env = { MQ_URL = \"{resources.mq.url}\" }".into(),
        more: "[resources.mq]\nengine = \"rabbitmq\"\n".into(),
        ..manifest()
    }
}

/// What a copy was told of the broker.
fn told(sandbox: &Sandbox) -> String {
    let web = sandbox.running("web").remove(0);
    web.env.iter().find_map(|variable| variable.strip_prefix("MQ_URL=")).unwrap().to_owned()
}

/// The broker knows one credential, which the copies have, and none of those that were replaced.
fn the_broker_knows_one(sandbox: &Sandbox, replaced: &mut Vec<String>, context: &str) {
    let lets_in = |url: &String| {
        let facts = facts_of_url(Engine::Rabbitmq, url).unwrap();
        ready(Engine::Rabbitmq, &facts, Duration::from_secs(20)).is_ok()
    };
    let url = told(sandbox);
    assert_eq!(known(sandbox, "mq").len(), 1, "{context}: it knows more than one");
    assert!(lets_in(&url), "{context}: {}", sandbox.logs());
    for other in replaced.iter().filter(|other| **other != url) {
        assert!(!lets_in(other), "{context}: a replaced credential is good still");
    }
    if !replaced.contains(&url) {
        replaced.push(url);
    }
}

/// Crashes in the rotation of one resource.
struct Crashes {
    resource: &'static str,
    cases: Vec<Case>,
}

/// The places to die at: those of every step of one resource's plan, and of each other resource's plan those of the
/// steps that tell its server, because the rest is the same. In exhaustive runs all of them.
fn crashes() -> Vec<Crashes> {
    let both = deployed(&manifest());
    let broker = deployed(&with_a_broker());
    let of = |sandbox: &Sandbox, resource: &'static str| {
        let rotate = ["secrets", "rotate", resource];
        let own = |line: &str| line.ends_with(&format!(" in {resource}")) || line.contains(" sign in to ");
        let all = resource == "db" || exhaustive();
        let places = of_steps(sandbox, &rotate, |line| all || own(line));
        assert_eq!(places.len() % 3, 0);
        assert!(places.len() >= if all { 27 } else { 6 }, "{resource}: {places:?}");
        in_ways(places).chunks(PER_SANDBOX).map(|cases| Crashes { resource, cases: cases.to_vec() }).collect()
    };
    let all: [Vec<Crashes>; 3] = [of(&both, "db"), of(&both, "cache"), of(&broker, "mq")];
    both.down();
    broker.down();
    // The broker's take longest.
    all.into_iter().rev().flatten().collect()
}

// proves: HS-19
#[test]
fn the_host_side_dies_at_every_step_of_a_rotation() {
    let line = line("the_host_side_dies_at_every_step_of_a_rotation");
    let all = crashes();
    let count: usize = all.iter().map(|crashes| crashes.cases.len()).sum();
    let chunks = Mutex::new(all.into_iter());
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                loop {
                    let Some(Crashes { resource, cases }) = chunks.lock().unwrap().next() else { return };
                    let is_broker = resource == "mq";
                    let sandbox = deployed(&if is_broker { with_a_broker() } else { manifest() });
                    let mut replaced = Vec::new();
                    let watch = line.watch_at_pace(&sandbox, Duration::from_millis(300));
                    for (place, verb) in cases {
                        let context = format!("{resource}: {place}, then {verb:?}");
                        let rotate = ["secrets", "rotate", resource];
                        crash(&sandbox, &rotate, &place, verb, &context);
                        line.is_sound(&sandbox, &context);
                        match is_broker {
                            true => the_broker_knows_one(&sandbox, &mut replaced, &context),
                            false => one_holds(&sandbox, &context),
                        }
                    }
                    watch.end_without_loss();
                    sandbox.down();
                }
            });
        }
    });
    line.held(&format!(
        "{count} crashes, in each step that tells PostgreSQL, Redis or RabbitMQ, and in every other one: one \
         credential holds, 0 failed requests"
    ));
}
