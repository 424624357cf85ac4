//! Credentials are exchanged while requests come, and whatever dies meanwhile, one holds in the end.

use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::Mutex;
use std::time::Duration;

use rustix::process::Signal;
use serde_json::Value;
use windlass_testkit::sandbox::{Manifest, Process, Sandbox, kill, until_within};

use super::{WINDLASS, exhaustive, line};

/// How many crashes one sandbox sees.
const PER_SANDBOX: usize = 8;

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
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
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
    until_within(Duration::from_secs(20), "the command to run", || {
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
    until_within(Duration::from_secs(30), "the worker to come back", || {
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

/// What happens after the crash.
const WAYS: [&str; 4] = ["", "resume", "abort", "deploy"];

/// Every place of a rotation's plan, each in one way or in every way.
fn cases() -> Vec<(String, &'static str)> {
    let sandbox = deployed(&manifest());
    let events = sandbox.succeed(&["secrets", "rotate", "cache", "--json"]).stdout;
    sandbox.down();
    let events = events.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let steps = events.filter(|event| event.to_string().contains("step_began")).count();
    assert!(steps > 8, "only {steps} steps");
    let mut cases = Vec::new();
    for step in 0..steps {
        for place in ["after-intent", "after-act", "after-result"] {
            let ways = if exhaustive() { WAYS.len() } else { 1 };
            let turn = |way: usize| WAYS[(cases.len() + cases.len() / 4 + way) % WAYS.len()];
            let chosen: Vec<_> = (0..ways).map(turn).collect();
            cases.extend(chosen.into_iter().map(|way| (format!("{place}:{step}"), way)));
        }
    }
    cases
}

fn crash(sandbox: &Sandbox, resource: &str, place: &str, verb: &str, context: &str) -> bool {
    sandbox.die_at(place);
    let rotation = sandbox.start(&["secrets", "rotate", resource]);
    if verb.is_empty() {
        // Whoever asked for it lives, and goes on by itself.
        let output = rotation.finish();
        assert_eq!(output.code, 0, "{context}: {output:#?}\n{}", sandbox.logs());
        return sandbox.died();
    }
    let failpoint = sandbox.root().join("failpoint");
    until_within(Duration::from_secs(40), "the crash or the end", || {
        (!failpoint.exists() || !rotation.runs()).then_some(())
    });
    rotation.signal(Signal::KILL);
    let _killed = rotation.finish();
    let died = sandbox.died();
    let output = sandbox.run(&[verb]);
    assert!(matches!(output.code, 0..=3), "{context}: {output:#?}\n{}", sandbox.logs());
    if verb == "deploy" {
        assert_eq!(output.code, 0, "{context}: {output:#?}\n{}", sandbox.logs());
    }
    died
}

// proves: HS-19
#[test]
fn the_host_side_dies_at_every_step_of_a_rotation() {
    let line = line("the_host_side_dies_at_every_step_of_a_rotation");
    let cases = cases();
    let hit = Mutex::new(0);
    let chunks = Mutex::new(cases.chunks(PER_SANDBOX).enumerate());
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                loop {
                    let Some((number, chunk)) = chunks.lock().unwrap().next() else { return };
                    let resource = if number % 2 == 0 { "db" } else { "cache" };
                    let sandbox = deployed(&manifest());
                    let watch = line.watch_at_pace(&sandbox, Duration::from_millis(300));
                    for (place, verb) in chunk {
                        let context = format!("{resource}: {place}, then {verb:?}");
                        let died = crash(&sandbox, resource, place, verb, &context);
                        *hit.lock().unwrap() += usize::from(died);
                        line.is_sound(&sandbox, &context);
                        one_holds(&sandbox, &context);
                    }
                    watch.end_without_loss();
                    sandbox.down();
                }
            });
        }
    });
    let hit = *hit.lock().unwrap();
    assert!(hit * 10 >= cases.len() * 8, "only {hit} of {} places were reached", cases.len());
    line.held(&format!("{} crashes: one credential holds, 0 failed requests", cases.len()));
}
