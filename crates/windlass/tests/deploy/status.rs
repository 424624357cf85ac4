//! What a person sees who looks how everything is, also while it changes.

use rustix::process::Signal;
use serde_json::Value;
use windlass_testkit::sandbox::{Manifest, Sandbox, kill, until};

use super::{WINDLASS, deployed};

/// The only copy of a service.
fn copy<'s>(status: &'s Value, service: &str) -> &'s Value {
    let services = status["services"].as_array().unwrap();
    let service = services.iter().find(|known| known["name"] == service).unwrap();
    &service["instances"][0]
}

/// The table's line of a copy.
fn row(sandbox: &Sandbox, id: &str) -> String {
    let text = sandbox.succeed(&["status"]).stdout;
    let row = text.lines().find(|line| line.starts_with(&format!("{id} ")));
    row.unwrap_or_else(|| panic!("{id}: {text}")).to_owned()
}

// Crashes and a check that fails are one thing to whoever reads the manifest: both wait longer each time, and both
// come to an end.
#[test]
fn a_copy_that_is_never_alive_for_long_becomes_a_crash_loop() {
    let manifest = Manifest {
        web: "liveness = { http = \"/alive\", interval = \"50ms\", timeout = \"1s\", start_period = \"0s\", \
              unhealthy_after = 1 }\n\
              restart = { backoff = \"10ms\", limit = 2, again = \"0s\" }"
            .into(),
        ..Manifest::small()
    };
    let sandbox = deployed(&manifest);
    sandbox.behave("web.dead-after:100 web.told");
    sandbox.succeed(&["deploy"]);
    sandbox.let_die();
    let problem = until("the end of it", || {
        let status = sandbox.status();
        let problems = status["problems"].as_array().unwrap();
        let of_web = problems.iter().filter_map(Value::as_str).find(|problem| problem.contains("left alone"));
        of_web.map(ToOwned::to_owned)
    });
    let begin = "web.r2.1 was not alive 3 times within 1m (last: liveness: GET /alive on 127.0.0.1:";
    assert!(problem.starts_with(begin) && problem.ends_with("windlass restart web tries again"), "{problem}");
    assert!(sandbox.running("web").is_empty());
    // Nobody is kept waiting for what will not come.
    let refused = sandbox.get("/version");
    assert_eq!((refused.status, refused.body.contains("no instance runs")), (503, true), "{refused:?}");
    sandbox.down();
}

#[test]
fn every_restart_counts_whoever_restarts_and_the_last_one_is_explained() {
    let manifest = Manifest {
        web:
            "liveness = { http = \"/alive\", interval = \"100ms\", timeout = \"1s\", start_period = \"0s\", \
              unhealthy_after = 2 }\n\
              restart = { backoff = \"10ms\" }"
                .into(),
        ..Manifest::small()
    };
    let sandbox = deployed(&manifest);
    let first = sandbox.status();
    assert_eq!(copy(&first, "web")["status"]["restarts"], 0);
    assert_eq!(copy(&first, "web")["last_restart"], Value::Null);
    assert!(!row(&sandbox, "web.r1.1").contains("restarted:"));

    // Its keeper starts it again.
    kill(sandbox.running("web")[0].pid, Signal::KILL);
    let restarted = |id: &str| {
        until("the restart to be seen", || {
            let status = sandbox.status();
            let web = copy(&status, "web");
            let again = web["id"] == id && web["status"]["restarts"].as_u64() > Some(0);
            again.then(|| web.clone())
        })
    };
    assert_eq!(restarted("web.r1.1")["last_restart"], "killed by SIGKILL");

    // It does so too when the host side finds that it is not alive.
    sandbox.behave("web.dead-after:100 web.told");
    sandbox.succeed(&["deploy"]);
    sandbox.let_die();
    let web = restarted("web.r2.1");
    let why = web["last_restart"].as_str().unwrap();
    assert!(why.starts_with("liveness: GET /alive on 127.0.0.1:") && why.contains("503"), "{why}");
    let activated = sandbox.status()["release"]["activated"].as_i64();
    assert!(web["status"]["since"].as_i64() > activated, "of the present process: {web}");
    assert!(row(&sandbox, "web.r2.1").contains("  restarted: liveness: GET /alive on"));

    // The host side does, because nobody else is left who could.
    sandbox.behave("");
    sandbox.succeed(&["deploy"]);
    let status = sandbox.status();
    assert_eq!(copy(&status, "web")["status"]["restarts"], 0, "those of another copy do not count");
    let keeper = copy(&status, "web")["status"]["keeper"].as_i64().unwrap();
    let process = sandbox.running("web")[0].pid;
    kill(i32::try_from(keeper).unwrap(), Signal::KILL);
    kill(process, Signal::KILL);
    assert_eq!(restarted("web.r3.1")["last_restart"], "it was gone, and its keeper with it");
    sandbox.down();
}

#[test]
fn both_releases_are_seen_while_one_follows_the_other() {
    let deploy = "bake = \"60s\"".to_owned();
    let readiness = "readiness = { http = \"/health\", interval = \"100ms\", start_period = \"60s\" }";
    let sandbox = Sandbox::with(WINDLASS, &Manifest { web: readiness.into(), ..Manifest::small() });
    sandbox.succeed(&["deploy"]);
    sandbox.manifest(&Manifest { web: readiness.into(), deploy, ..Manifest::small() });

    let at = |stage: &str| {
        until(stage, || {
            let status = sandbox.status();
            (status["transient"][0]["stage"] == stage).then_some(status)
        })
    };
    // One that is never ready.
    sandbox.behave("web.unready");
    let deploying = sandbox.start(&["deploy"]);
    let status = at("starting");
    assert_eq!(status["transient"][0]["id"], "web.r2.1");
    assert_eq!(status["transient"][0]["ready"], false);
    assert_eq!(copy(&status, "web")["id"], "web.r1.1");
    assert!(row(&sandbox, "web.r1.1").contains(" ready "));
    assert!(row(&sandbox, "web.r2.1").contains(" starting "));
    assert!(sandbox.succeed(&["status"]).stdout.contains("under way: Deploy fixture (local): r1 -> r2"));
    sandbox.fail(&["abort"], 3);
    assert_eq!(deploying.finish().code, 3);
    assert_eq!(sandbox.status()["transient"], serde_json::json!([]));

    // One that is watched.
    sandbox.behave("");
    let deploying = sandbox.start(&["deploy"]);
    let status = at("baking");
    assert_eq!(status["transient"][0]["ready"], true);
    assert_eq!(copy(&status, "web")["id"], "web.r1.1", "until the bake is over it is the active one");
    assert!(row(&sandbox, "web.r3.1").contains(" baking "), "{status}");
    sandbox.fail(&["abort"], 3);
    assert_eq!(deploying.finish().code, 3);
    sandbox.down();
}

#[test]
fn a_crash_loop_is_told_with_what_to_do() {
    let worker = "restart = { backoff = \"1ms\", limit = 2, window = \"60s\", again = \"0s\" }".to_owned();
    let sandbox = deployed(&Manifest { worker: Some(worker), ..Manifest::small() });
    for _ in 0..3 {
        let process = until("the worker to run", || sandbox.running("worker").first().cloned());
        kill(process.pid, Signal::KILL);
        until("its end", || (!windlass_testkit::sandbox::lives(process.pid)).then_some(()));
    }
    let problem = "worker.r1.1 crashed 3 times within 1m (last: killed by SIGKILL) and is left alone; \
                   windlass logs worker shows why, windlass restart worker tries again";
    let status = until("the crash loop", || {
        let status = sandbox.status();
        (status["problems"][0] == problem).then_some(status)
    });
    assert_eq!(copy(&status, "worker")["status"]["state"], serde_json::json!({ "ended": "crash_loop" }));
    assert!(sandbox.succeed(&["status"]).stdout.ends_with(&format!("\n! {problem}\n")));
    sandbox.succeed(&["restart", "worker"]);
    assert_eq!(sandbox.status()["problems"], serde_json::json!([]));
    sandbox.down();
}
