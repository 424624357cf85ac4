//! Private resources whose configuration changes.

use std::os::unix::fs::PermissionsExt;
use std::time::{Duration, Instant};

use rustix::process::Signal;
use windlass_testkit::sandbox::{Manifest, Sandbox, kill, until};

use super::WINDLASS;

/// Deployed with a resource of this engine, without options.
fn with(engine: &str) -> Sandbox {
    let sandbox = Sandbox::with(WINDLASS, &Manifest::small());
    // The account of the server must be able to pass.
    std::fs::set_permissions(sandbox.root(), PermissionsExt::from_mode(0o711)).unwrap();
    configure(&sandbox, engine, "");
    sandbox.succeed(&["deploy"]);
    sandbox
}

fn configure(sandbox: &Sandbox, engine: &str, options: &str) {
    let more = format!("[resources.store]\nengine = {engine:?}\noptions = {{ {options} }}\n");
    sandbox.manifest(&Manifest { more, ..Manifest::small() });
}

/// The server's process, if it serves.
fn serving(sandbox: &Sandbox) -> Option<i64> {
    let status = sandbox.status();
    assert_eq!(status["problems"].as_array().unwrap().len(), 0, "{status}");
    status["resources"][0]["instances"][0]["status"]["state"]["running"]["pid"].as_i64()
}

/// Redis says what is wrong with its configuration only by not starting.
#[test]
fn a_server_that_does_not_start_with_its_new_options_starts_with_the_old_ones_again() {
    let sandbox = with("redis");
    assert!(serving(&sandbox).is_some());
    configure(&sandbox, "redis", "maxmemory = \"lots\"");
    let output = sandbox.fail(&["deploy"], 3);
    assert!(output.stderr.contains("store does not answer"), "{output:?}");
    assert!(output.stderr.contains("'maxmemory \"lots\"'"), "its own words are shown: {output:?}");
    assert_eq!(sandbox.answering(), "r1");
    assert!(serving(&sandbox).is_some());
    configure(&sandbox, "redis", "");
    let again = sandbox.succeed(&["deploy"]);
    assert!(again.stdout.contains("Nothing to do"), "{again:?}");
    configure(&sandbox, "redis", "maxmemory = \"8mb\"");
    sandbox.succeed(&["deploy"]);
    assert!(serving(&sandbox).is_some());
    sandbox.down();
}

#[test]
fn status_says_of_a_server_that_does_not_answer_what_the_health_page_says() {
    let sandbox = with("redis");
    let server = i32::try_from(serving(&sandbox).unwrap()).unwrap();
    kill(server, Signal::STOP);
    let status = until("the second in which it had answered to pass", || {
        let status = sandbox.status();
        (status["resources"][0]["instances"][0]["ready"] == false).then_some(status)
    });
    let problem = "store is not ready: it does not answer; windlass logs store shows what it says";
    assert_eq!(status["problems"], serde_json::json!([problem]));
    kill(server, Signal::CONT);
    until("its answer", || (sandbox.status()["resources"][0]["instances"][0]["ready"] == true).then_some(()));
    sandbox.down();
}

/// Erlang drops a signal that comes before it listens to any.
#[test]
fn a_server_that_has_only_begun_to_start_is_stopped_as_fast_as_any() {
    let sandbox = with("rabbitmq");
    // That it does not run for a moment is a problem, and said.
    let state = || sandbox.status()["resources"][0]["instances"][0]["status"]["state"].clone();
    let pid = || state()["running"]["pid"].as_i64().and_then(|pid| i32::try_from(pid).ok());
    let first = pid().unwrap();
    kill(first, Signal::KILL);
    until("Erlang to begin again", || {
        let again = pid().filter(|pid| *pid != first)?;
        let program = std::fs::read_to_string(format!("/proc/{again}/comm")).ok()?;
        program.starts_with("beam").then_some(())
    });
    let asked = Instant::now();
    sandbox.succeed(&["down"]);
    // It was a minute, after which it is killed.
    assert!(asked.elapsed() < Duration::from_secs(45), "{:?}", asked.elapsed());
}

#[test]
fn resources_of_the_first_release_are_seen_while_it_is_brought_up() {
    let sandbox = Sandbox::with(WINDLASS, &Manifest::small());
    std::fs::set_permissions(sandbox.root(), PermissionsExt::from_mode(0o711)).unwrap();
    let job = "[jobs.wait]\nwhen = \"before-start\"\n\
               command = { shell = \"while [ ! -e $WINDLASS_SHARED/go ]; do sleep 0.05; done\" }\n";
    let more = format!("[resources.store]\nengine = \"redis\"\n{job}");
    sandbox.manifest(&Manifest { more, ..Manifest::small() });
    let deploy = sandbox.start(&["deploy"]);
    let status = until("it to be started", || {
        let status = sandbox.run(&["status", "--json"]);
        let status: serde_json::Value = serde_json::from_str(&status.stdout).ok()?;
        let seen = &status["transient"][0];
        // Whatever is seen before is on its way there.
        assert!(seen.is_null() || seen["id"] == "store.r0.1", "{status}");
        assert!(
            seen.is_null() || ["starting", "started"].iter().any(|stage| seen["stage"] == *stage),
            "{status}"
        );
        (seen["stage"] == "started").then_some(status)
    });
    assert_eq!(status["transient"][0]["ready"], true, "{status}");
    let text = sandbox.succeed(&["status"]).stdout;
    assert!(text.lines().any(|line| line.starts_with("store ") && line.contains(" started ")), "{text}");
    std::fs::write(sandbox.environment().join("shared/go"), "").unwrap();
    assert_eq!(deploy.finish().code, 0);
    let status = sandbox.status();
    assert_eq!(
        (&status["transient"], &status["resources"][0]["name"]),
        (&serde_json::json!([]), &"store".into())
    );
    sandbox.down();
}

#[test]
fn a_resource_that_is_renamed_does_not_begin_empty_in_silence() {
    let sandbox = Sandbox::with(WINDLASS, &Manifest::small());
    std::fs::set_permissions(sandbox.root(), PermissionsExt::from_mode(0o711)).unwrap();
    let store = |name: &str| {
        let more = format!("[resources.{name}]\nengine = \"redis\"\n");
        sandbox.manifest(&Manifest { more, ..Manifest::small() });
    };
    store("store");
    sandbox.succeed(&["deploy"]);
    store("cache");
    let why = "the data of store (Redis) would stay behind, and cache begins empty";
    let warned = format!("warning: {why}: a deploy refuses it without --allow-new-data\n");
    let output = sandbox.succeed(&["plan", "--out", "../renamed.plan"]);
    assert!(output.stderr.contains(&warned), "{}", output.stderr);
    let output = sandbox.succeed(&["check"]);
    assert!(output.stderr.contains(&format!("warning: {why}: ")), "{}", output.stderr);
    for args in [&["deploy"][..], &["deploy", "--yes"], &["apply", "../renamed.plan"]] {
        let output = sandbox.fail(args, 6);
        assert!(output.stderr.starts_with(&format!("error: {why}\n  hint: ")), "{}", output.stderr);
    }
    assert_eq!(sandbox.answering(), "r1");
    sandbox.succeed(&["deploy", "--allow-new-data"]);
    // Back to the data that is there: it is that of the release.
    sandbox.succeed(&["rollback"]);
    assert_eq!(sandbox.status()["resources"][0]["name"], "store");
    sandbox.down();
}

/// As by an upgrade of its package, which takes the program away that the keeper was told to start.
#[test]
fn a_server_whose_program_has_moved_comes_back() {
    let mut sandbox = Sandbox::with(WINDLASS, &Manifest::small());
    std::fs::set_permissions(sandbox.root(), PermissionsExt::from_mode(0o711)).unwrap();
    let old = sandbox.root().join("old");
    std::fs::create_dir(&old).unwrap();
    std::os::unix::fs::symlink("/usr/bin/redis-server", old.join("redis-server")).unwrap();
    let path = format!("{}:{}", old.display(), std::env::var("PATH").unwrap());
    sandbox.set("PATH", &path);
    configure(&sandbox, "redis", "");
    sandbox.succeed(&["deploy"]);
    let first = serving(&sandbox).unwrap();
    std::fs::remove_dir_all(&old).unwrap();
    kill(i32::try_from(first).unwrap(), Signal::KILL);
    // That it does not run for a moment is a problem, and said.
    until("another server", || {
        let status = sandbox.status();
        let pid = status["resources"][0]["instances"][0]["status"]["state"]["running"]["pid"].as_i64();
        pid.filter(|pid| *pid != first)
    });
    sandbox.down();
}

/// PostgreSQL is asked before anything changes.
#[test]
fn options_that_the_server_does_not_know_or_take_are_found_by_the_preflight() {
    let sandbox = with("postgres");
    let before = serving(&sandbox);
    assert!(before.is_some());
    for (options, expected) in [
        ("max_connections = \"lots\"", "invalid value for parameter \"max_connections\": \"lots\""),
        ("max_conections = \"50\"", "unrecognized configuration parameter \"max_conections\""),
    ] {
        configure(&sandbox, "postgres", options);
        let output = sandbox.fail(&["deploy"], 1);
        let expected = format!("resources.store: PostgreSQL does not take these options: {expected}\n");
        assert!(output.stderr.contains(&expected), "{output:?}");
        assert_eq!(serving(&sandbox), before, "it was left alone");
    }
    sandbox.down();
}
