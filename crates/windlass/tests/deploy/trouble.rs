//! Releases that are no good: the old one goes on answering, and the exit code says so.

use std::time::Duration;

use rustix::process::Signal;
use serde_json::Value;
use windlass::keeper::limits::{By, capabilities};
use windlass_testkit::sandbox::score::Running;
use windlass_testkit::sandbox::{Manifest, Output, Sandbox, WayBack, get, kill, until};

use super::{deployed, line};

/// A deploy of a release that behaves so ends with this code, loses no request, leaves nothing of
/// itself, and none of the releases in `never` answers.
fn goes_back(line: &Running, manifest: &Manifest, behaviour: &str, code: i32, may_answer: bool) -> Output {
    let sandbox = deployed(manifest);
    let count = |sandbox: &Sandbox| (sandbox.running("web").len(), sandbox.running("worker").len());
    let before = count(&sandbox);
    let (before_it, watch) = (WayBack::of(&sandbox), line.watch(&sandbox));
    sandbox.behave(behaviour);
    let output = line.ends(sandbox.start(&["deploy"]), Duration::from_secs(60));
    assert_eq!(output.code, code, "{output:#?}\n{}", sandbox.logs());
    if may_answer {
        watch.end();
    } else {
        let seen = watch.end_without_loss();
        assert_eq!(seen.releases().into_iter().collect::<Vec<_>>(), ["r1"]);
    }
    line.keeps_the_way_back(&sandbox, &before_it, behaviour);
    line.is_sound(&sandbox, behaviour);
    assert_eq!(sandbox.answering(), "r1");
    assert_eq!(sandbox.release(), "r1");
    assert_eq!(count(&sandbox), before);
    assert_eq!(sandbox.running("job").len(), 0);
    assert!(!sandbox.environment().join("releases/r2").exists(), "its tree is left");
    assert!(!sandbox.environment().join("state/settings/r2.json").exists(), "its settings are left");
    assert_eq!(sandbox.status()["run"], serde_json::Value::Null);
    sandbox.write("behaviour", "");
    sandbox.succeed(&["deploy"]);
    assert_eq!(sandbox.answering(), sandbox.release());
    sandbox.down();
    output
}

#[test]
fn a_release_that_is_never_ready() {
    let line = line("a_release_that_is_never_ready");
    let manifest = Manifest {
        web: "readiness = { http = \"/health\", interval = \"100ms\", timeout = \"1s\", start_period = \"1s\" }"
            .into(),
        ..Manifest::default()
    };
    goes_back(&line, &manifest, "web.unready", 3, false);
    line.held("");
}

#[test]
fn a_release_that_accepts_and_never_answers() {
    let line = line("a_release_that_accepts_and_never_answers");
    let manifest = Manifest {
        web: "readiness = { http = \"/health\", interval = \"100ms\", timeout = \"300ms\", start_period = \"1s\" }"
            .into(),
        ..Manifest::small()
    };
    goes_back(&line, &manifest, "web.silent", 3, false);
    line.held("");
}

#[test]
fn a_web_service_that_crashes_at_once() {
    let line = line("a_web_service_that_crashes_at_once");
    let output = goes_back(&line, &Manifest::default(), "web.crash:20 web.slow-bind:500", 3, false);
    assert!(output.stderr.contains("crashing, as told"), "its last words are shown: {output:?}");
    line.held("");
}

#[test]
fn a_worker_that_crashes_beside_a_healthy_web_service() {
    let line = line("a_worker_that_crashes_beside_a_healthy_web_service");
    let manifest = Manifest { worker: Some("settle = \"500ms\"".to_owned()), ..Manifest::default() };
    goes_back(&line, &manifest, "worker.crash:0", 3, false);
    line.held("");
}

#[test]
fn a_singleton_that_crashes() {
    let line = line("a_singleton_that_crashes");
    let manifest = Manifest { scheduler: Some("settle = \"500ms\"".to_owned()), ..Manifest::default() };
    goes_back(&line, &manifest, "scheduler.crash:0", 3, false);
    line.held("");
}

#[test]
fn a_worker_that_crashes_while_the_release_is_watched() {
    let line = line("a_worker_that_crashes_while_the_release_is_watched");
    let manifest = Manifest { deploy: "bake = \"3s\"".into(), ..Manifest::default() };
    goes_back(&line, &manifest, "worker.crash:800", 3, true);
    line.held("");
}

/// There is no old one to go back to.
#[test]
fn a_first_release_of_which_a_copy_ends_while_it_is_watched_is_not_live() {
    let manifest = Manifest { deploy: "bake = \"3s\"".into(), ..Manifest::default() };
    let sandbox = Sandbox::with(super::WINDLASS, &manifest);
    let deploy = sandbox.start(&["deploy"]);
    until("the release to be live", || {
        get(sandbox.port, "/version").ok().filter(|reply| reply.status == 200)
    });
    kill(sandbox.running("worker")[0].pid, Signal::KILL);
    let output = deploy.finish();
    assert_eq!(output.code, 3, "{output:#?}");
    for expected in ["worker.r1.1 ended while the release was watched", "nothing is live"] {
        assert!(output.stderr.contains(expected), "{output:#?}");
    }
    sandbox.change();
    sandbox.succeed(&["deploy"]);
    sandbox.down();
}

#[test]
fn a_release_that_turns_bad_while_it_is_watched() {
    let line = line("a_release_that_turns_bad_while_it_is_watched");
    let manifest = Manifest { deploy: "bake = \"5s\"\nmin_requests = 10".into(), ..Manifest::default() };
    let output = goes_back(&line, &manifest, "web.bad-after:2000", 3, true);
    assert!(output.stderr.contains("requests to r2 failed"), "{output:?}");
    line.held("");
}

#[test]
fn a_release_whose_health_flaps() {
    let line = line("a_release_whose_health_flaps");
    let manifest = Manifest {
        web:
            "readiness = { http = \"/health\", interval = \"50ms\", timeout = \"1s\", start_period = \"1s\", \
              healthy_after = 3 }"
                .into(),
        ..Manifest::default()
    };
    goes_back(&line, &manifest, "web.flap", 3, false);
    line.held("");
}

/// What a deploy that goes back says in its events and in the record of the run, in one message.
fn says_why(sandbox: &Sandbox, events: &str, message: &str) {
    let events: Vec<Value> = events.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let failed: Vec<&Value> =
        events.iter().map(|event| &event["event"]["step_failed"]["fault"]["message"]).collect();
    assert!(failed.contains(&&Value::from(message)), "{events:#?}");
    let run = sandbox.succeed(&["runs", "--limit", "1", "--json"]).json();
    assert_eq!(run[0]["verdict"]["rolled_back"]["message"], message, "{run:#}");
}

#[test]
fn a_release_that_uses_up_its_memory() {
    let line = line("a_release_that_uses_up_its_memory");
    if !matches!(capabilities().memory, By::ControlGroup { .. }) {
        return line
            .skipped("no control group can be made here, so the program is told that there is no more");
    }
    let manifest = |bake: &str| Manifest {
        web: "limits = { memory = \"32MiB\" }".into(),
        deploy: format!("bake = {bake:?}"),
        ..Manifest::small()
    };
    let sandbox = deployed(&manifest("20s"));
    let grow = sandbox.environment().join("shared/grow");
    let watch = line.watch(&sandbox);

    // While it starts: nobody was sent to it.
    sandbox.behave("web.memory:200");
    let output = sandbox.fail(&["deploy", "--json"], 3);
    says_why(&sandbox, &output.stdout, "web.r2.1 ended before it was ready: out of memory");
    watch.end_without_loss();
    assert_eq!(sandbox.answering(), "r1");

    // After the switch, while it is watched.
    sandbox.behave("web.grow:200");
    let deploy = sandbox.start(&["deploy", "--json"]);
    until("the new release to answer", || (sandbox.answering() == "r3").then_some(()));
    std::fs::write(&grow, "").unwrap();
    let output = deploy.finish();
    assert_eq!(output.code, 3, "{output:#?}");
    says_why(&sandbox, &output.stdout, "web.r3.1 ended while the release was watched: out of memory");
    assert_eq!(sandbox.answering(), "r1");
    let releases = sandbox.succeed(&["releases", "--json"]).json();
    let listed: Vec<&Value> = releases.as_array().unwrap().iter().map(|row| &row["release"]).collect();
    assert_eq!(listed, ["r1"], "what went back was never a release");
    line.is_sound(&sandbox, "went back twice");

    // When it is live: it is started again, and the status says why.
    sandbox.manifest(&manifest("100ms"));
    sandbox.behave("web.grow:200");
    sandbox.succeed(&["deploy"]);
    std::fs::write(&grow, "").unwrap();
    let web = until("it to be started again", || {
        let web = sandbox.status()["services"][0]["instances"][0].clone();
        (web["status"]["restarts"] == 1 && web["ready"] == true).then_some(web)
    });
    assert_eq!(web["last_restart"], "out of memory", "{web:#}");
    assert!(sandbox.succeed(&["status"]).stdout.contains("restarted: out of memory"));
    sandbox.down();
    line.held(
        "while it starts, while it is watched, and when it is live: each says that it ran out of memory",
    );
}

#[test]
fn a_smoke_test_that_fails() {
    let line = line("a_smoke_test_that_fails");
    let manifest = Manifest {
        deploy: "smoke = [{ service = \"web\", path = \"/version\" }]".into(),
        ..Manifest::default()
    };
    goes_back(&line, &manifest, "web.wrong", 3, false);
    line.held("");
}

#[test]
fn a_migration_that_fails() {
    let line = line("a_migration_that_fails");
    let output = goes_back(&line, &Manifest::default(), "migrate.exit:4", 3, false);
    assert!(output.stderr.contains("exit code 4"), "{output:?}");
    line.held("");
}

#[test]
fn a_backup_that_fails_before_a_migration() {
    let line = line("a_backup_that_fails_before_a_migration");
    // What it signs in with lies beside it, and is lost or is no longer good.
    let shell = "grep -q backup.exit behaviour && exit 1; grep -q backup.hang behaviour && sleep 600; \
                 grep -qx good \"$CREDENTIAL\" || { echo the store refuses the credential; exit 7; }";
    let backup = format!(
        "[jobs.backup]\ncommand = {{ shell = {shell:?} }}\nwhen = \"before-start\"\ntimeout = \"1s\"\n\
         env = {{ CREDENTIAL = \"{{shared}}/credential\" }}\n"
    );
    let sandbox = Sandbox::with(super::WINDLASS, &Manifest { top: backup, ..Manifest::default() });
    let credential = sandbox.environment().join("shared/credential");
    std::fs::create_dir_all(credential.parent().unwrap()).unwrap();
    std::fs::write(&credential, "good\n").unwrap();
    sandbox.write("behaviour", "");
    sandbox.succeed(&["deploy"]);
    let watch = line.watch(&sandbox);
    let refused = ["the job backup failed: exit code 7", "the store refuses the credential"];
    let cases: [(&str, Option<&str>, &[&str]); 4] = [
        ("backup.exit", Some("good"), &["the job backup failed: exit code 1"]),
        ("backup.hang", Some("good"), &["the job backup did not end within 1s and was stopped"]),
        ("", Some("expired"), &refused),
        ("", None, &refused),
    ];
    for (behaviour, value, told) in cases {
        match value {
            Some(value) => std::fs::write(&credential, format!("{value}\n")).unwrap(),
            None => std::fs::remove_file(&credential).unwrap(),
        }
        sandbox.behave(behaviour);
        let output = sandbox.fail(&["deploy"], 3);
        assert!(told.iter().all(|told| output.stderr.contains(told)), "{behaviour} {value:?}: {output:#?}");
        let migrations = sandbox.shared("migrate");
        assert_eq!(migrations.lines().collect::<Vec<_>>(), ["migrate r1"], "{behaviour} {value:?}");
        assert_eq!((sandbox.answering(), sandbox.release()), ("r1".into(), "r1".into()));
        let trees = std::fs::read_dir(sandbox.environment().join("releases")).unwrap();
        let is_tree = |name: &std::ffi::OsString| name.to_string_lossy().starts_with('r');
        let trees = trees.flatten().map(|entry| entry.file_name()).filter(is_tree).count();
        assert_eq!(trees, 1, "its tree is left");
    }
    watch.end_without_loss();
    line.is_sound(&sandbox, "backups that failed");
    std::fs::write(&credential, "good\n").unwrap();
    sandbox.succeed(&["deploy"]);
    sandbox.down();
    line.held(
        "it fails, hangs, or its credential is refused or lost: nothing is migrated, 0 failed requests",
    );
}

#[test]
fn a_migration_that_hangs() {
    let line = line("a_migration_that_hangs");
    let manifest = Manifest { migrate: Some("timeout = \"500ms\"".into()), ..Manifest::default() };
    goes_back(&line, &manifest, "migrate.hang", 3, false);
    line.held("");
}

#[test]
fn a_build_that_fails() {
    let line = line("a_build_that_fails");
    let manifest = Manifest {
        more: "[build]\nsteps = [{ shell = \"! grep -q build.exit behaviour\" }]\n".into(),
        ..Manifest::default()
    };
    let output = goes_back(&line, &manifest, "build.exit", 1, false);
    assert!(output.stderr.contains("nothing changed") || output.stderr.contains("exit code 1"), "{output:?}");
    line.held("");
}

#[test]
fn a_build_that_hangs() {
    let line = line("a_build_that_hangs");
    let manifest = Manifest {
        more: "[build]\nsteps = [{ shell = \"if grep -q build.hang behaviour; then sleep 100; fi\", timeout = \"500ms\" }]\n"
            .into(),
        ..Manifest::default()
    };
    goes_back(&line, &manifest, "build.hang", 1, false);
    line.held("");
}

#[test]
fn a_process_that_ignores_sigterm_is_killed_after_its_grace() {
    let line = line("a_process_that_ignores_sigterm_is_killed_after_its_grace");
    let (web, deploy) = ("stop = { grace = \"300ms\" }".into(), "drain = \"1s\"".into());
    let sandbox = deployed(&Manifest { web, deploy, ..Manifest::small() });
    sandbox.behave("web.stubborn");
    sandbox.succeed(&["deploy"]);
    sandbox.change();
    let watch = line.watch(&sandbox);
    // Nobody waits for a request that lasts longer than the drain.
    let port = sandbox.port;
    let endless = std::thread::spawn(move || windlass_testkit::sandbox::get(port, "/held"));
    until("the request to be with the old copy", || (sandbox.shared("asked") == "r2\n").then_some(()));
    let output = line.ends(sandbox.start(&["deploy"]), Duration::from_secs(60));
    assert_eq!(output.code, 0, "{output:#?}");
    // It is cut, or asked again of the new copy.
    std::fs::write(sandbox.environment().join("shared/go"), "").unwrap();
    let reply = endless.join().unwrap().unwrap();
    assert!(reply.status == 502 || (reply.status, reply.body.as_str()) == (200, "r3"), "{reply:?}");
    watch.end_without_loss();
    assert_eq!(sandbox.running("web").len(), 1);
    line.is_sound(&sandbox, "the stubborn one is gone");
    sandbox.down();
    line.held("");
}

#[test]
fn a_copy_that_is_not_alive_is_started_again() {
    let line = line("a_copy_that_is_not_alive_is_started_again");
    let manifest = Manifest {
        web:
            "liveness = { http = \"/alive\", interval = \"100ms\", timeout = \"1s\", start_period = \"0s\", \
              unhealthy_after = 2 }"
                .into(),
        ..Manifest::small()
    };
    let sandbox = deployed(&manifest);
    sandbox.behave("web.dead-after:100 web.told");
    sandbox.succeed(&["deploy"]);
    let before = sandbox.get("/pid").body;
    sandbox.let_die();
    line.comes("another process", || {
        let pids: Vec<i32> = sandbox.running("web").iter().map(|process| process.pid).collect();
        (pids.len() == 1 && pids[0].to_string() != before).then_some(())
    });
    sandbox.down();
    line.held("");
}

#[test]
fn a_slow_start_is_waited_for_and_no_longer_than_it_may_take() {
    let line = line("a_slow_start_is_waited_for_and_no_longer_than_it_may_take");
    let sandbox = deployed(&Manifest::small());
    sandbox.behave("web.slow-bind:1500");
    let watch = line.watch(&sandbox);
    let output = sandbox.succeed(&["deploy"]);
    assert!(output.took >= Duration::from_millis(1500));
    assert_eq!(sandbox.answering(), "r2");
    // Longer than its start may take: what is still starting is ended.
    sandbox.behave("web.slow-bind:600000");
    let output = line.ends(sandbox.start(&["deploy"]), Duration::from_secs(60));
    assert_eq!(output.code, 3, "{output:#?}");
    assert_eq!(sandbox.running("web").len(), 1, "an orphan is left");
    watch.end_without_loss();
    line.is_sound(&sandbox, "too slow");
    sandbox.down();
    line.held("");
}
