//! What a person does on an ordinary day.

use std::path::Path;

use rustix::process::Signal;
use windlass_testkit::sandbox::{Load, Manifest, Sandbox, get, kill, until};

use super::{WINDLASS, deployed};

// proves: HS-7
#[test]
fn the_first_deploy_answers_with_the_address() {
    let sandbox = Sandbox::new(WINDLASS);
    let output = sandbox.succeed(&["deploy"]);
    assert!(output.stdout.contains(&format!("http://127.0.0.1:{}", sandbox.port)), "{output:?}");
    assert_eq!(sandbox.answering(), "r1");
    assert_eq!(sandbox.running("web").len(), 2);
    assert_eq!(sandbox.running("worker").len(), 1);
    assert_eq!(sandbox.running("scheduler").len(), 1);
    assert_eq!(sandbox.shared("migrate"), "migrate r1\n");
    sandbox.down();
}

#[test]
fn a_deploy_of_the_same_does_nothing() {
    let sandbox = deployed(&Manifest::default());
    let before = sandbox.processes();
    let output = sandbox.succeed(&["deploy", "--json"]);
    assert_eq!(output.json()["changed"], false, "{output:?}");
    assert_eq!(sandbox.processes(), before);
    assert_eq!(sandbox.release(), "r1");
    sandbox.down();
}

/// As when it is installed elsewhere by its next version. What runs goes on, and nothing needs the file
/// that is gone.
#[test]
fn the_program_may_move() {
    let sandbox = Sandbox::with(WINDLASS, &Manifest::small());
    let [first, second] = ["one", "two"].map(|name| sandbox.root().join(name));
    std::fs::create_dir(&first).unwrap();
    std::fs::copy(WINDLASS, first.join("windlass")).unwrap();
    let deploy_from = |directory: &Path| {
        sandbox.change();
        let output = sandbox.command_of(&directory.join("windlass"), &["deploy"]).output().unwrap();
        assert!(output.status.success(), "{output:#?}\n{}", sandbox.logs());
    };
    deploy_from(&first);
    std::fs::rename(&first, &second).unwrap();
    kill(sandbox.host().unwrap(), Signal::KILL);
    deploy_from(&second);
    assert_eq!(sandbox.answering(), "r2");
    kill(sandbox.proxy().unwrap(), Signal::KILL);
    deploy_from(&second);
    assert_eq!(sandbox.answering(), "r3");
    sandbox.down();
}

// proves: HS-7, HS-8, CM-10, APE-15
#[test]
fn deploys_and_going_back_under_load_lose_nothing() {
    let sandbox = deployed(&Manifest::default());
    let load = Load::begin(sandbox.port);
    for release in ["r2", "r3"] {
        sandbox.change();
        sandbox.succeed(&["deploy"]);
        assert_eq!(sandbox.answering(), release);
    }
    sandbox.succeed(&["rollback"]);
    assert_eq!(sandbox.release(), "r4");
    let seen = load.end();
    seen.assert_none_failed();
    assert_eq!(seen.releases().into_iter().collect::<Vec<_>>(), ["r1", "r2", "r3", "r4"]);
    sandbox.down();
}

// proves: HS-18
#[test]
fn only_what_changed_is_started_again() {
    let manifest = Manifest { worker: Some("files = [\"worker/**\"]".into()), ..Manifest::default() };
    let sandbox = deployed(&manifest);
    let pids = |kind: &str| sandbox.running(kind).iter().map(|process| process.pid).collect::<Vec<_>>();
    let (web, worker) = (pids("web"), pids("worker"));
    sandbox.change();
    sandbox.succeed(&["deploy"]);
    assert_ne!(pids("web"), web);
    assert_eq!(pids("worker"), worker);
    // The manifest is no file of the release: only what it says to a service concerns that.
    let text = std::fs::read_to_string(sandbox.source().join("windlass.toml")).unwrap();
    sandbox.write("windlass.toml", &format!("# A remark.\n{text}"));
    assert!(sandbox.succeed(&["deploy"]).stdout.contains("Nothing to do"));
    // Nor is a key that lies about.
    sandbox.succeed(&["secrets", "keygen", "ci.key"]);
    assert!(sandbox.succeed(&["deploy"]).stdout.contains("Nothing to do"));
    sandbox.down();
}

// proves: DC-6
#[test]
fn services_are_scaled_restarted_stopped_and_started_without_a_gap() {
    let sandbox = deployed(&Manifest::default());
    let load = Load::begin(sandbox.port);
    sandbox.succeed(&["scale", "web=3"]);
    assert_eq!(sandbox.running("web").len(), 3);
    sandbox.succeed(&["restart", "web"]);
    assert_eq!(sandbox.running("web").len(), 3);
    sandbox.succeed(&["stop", "worker"]);
    assert_eq!(sandbox.running("worker").len(), 0);
    sandbox.succeed(&["restart", "worker"]);
    assert_eq!(sandbox.running("worker").len(), 1);
    load.end().assert_none_failed();

    sandbox.succeed(&["stop"]);
    assert_eq!(sandbox.running("web").len() + sandbox.running("scheduler").len(), 0);
    assert!(get(sandbox.port, "/version").is_err(), "nobody listens any more");
    sandbox.succeed(&["deploy"]);
    assert_eq!(sandbox.get("/version").status, 200);
    sandbox.down();
}

// proves: DC-6
#[test]
fn twenty_processes_are_started_watched_restarted_and_stopped() {
    let services: String = (1..20)
        .map(|n| format!("[services.s{n}]\ncommand = [\"sleep\", \"1000{n:02}\"]\nsettle = \"150ms\"\n\n"))
        .collect();
    let sandbox = deployed(&Manifest { more: services, ..Manifest::small() });
    let sleeps = || -> Vec<i32> {
        let mut all = sandbox.processes();
        all.retain(|process| process.argv.first().is_some_and(|program| program == "sleep"));
        all.iter().map(|process| process.pid).collect()
    };
    let first = sleeps();
    assert_eq!(first.len(), 19);
    first.iter().for_each(|pid| windlass_testkit::sandbox::kill(*pid, rustix::process::Signal::KILL));
    until("all to be back", || {
        let now = sleeps();
        (now.len() == 19 && now.iter().all(|pid| !first.contains(pid))).then_some(())
    });
    let status = sandbox.status();
    let services = status["services"].as_array().unwrap();
    assert_eq!(services.len(), 20);
    let restarts = |service: &serde_json::Value| service["instances"][0]["status"]["restarts"].as_u64();
    assert_eq!(services.iter().filter(|service| restarts(service) == Some(1)).count(), 19, "{status}");
    sandbox.succeed(&["stop"]);
    assert_eq!(sleeps(), [0; 0]);
    sandbox.down();
}

#[test]
fn what_the_application_writes_can_be_read_in_the_log() {
    let sandbox = deployed(&Manifest::small());
    sandbox.behave("web.crash:50");
    sandbox.fail(&["deploy"], 3);
    let output = sandbox.succeed(&["logs", "web"]);
    assert!(output.stdout.contains("crashing, as told"), "{output:?}");
    let runs = sandbox.succeed(&["runs", "--json"]).json();
    assert_eq!(runs.as_array().unwrap().len(), 2, "{runs}");
    sandbox.down();
}

// proves: CM-6
#[test]
fn going_down_leaves_the_data_unless_told_otherwise() {
    let more = "[jobs.hello]\ncommand = { shell = \"echo hello from $WINDLASS_RELEASE\" }\nwhen = \"before-start\"\n";
    let sandbox = deployed(&Manifest { more: more.to_owned(), ..Manifest::default() });
    sandbox.succeed(&["down"]);
    sandbox.until_nothing_runs();
    assert!(sandbox.shared("migrate").contains("r1"));
    // Looking at it starts nothing.
    let status = sandbox.succeed(&["status"]).stdout;
    let first = status.lines().next().unwrap();
    assert_eq!(first, "fixture (local)  r1, stopped: `windlass restart` starts it again");
    assert!(!status.contains('!'), "{status}");
    assert_eq!(sandbox.succeed(&["status", "--json"]).json()["stopped"], true);
    assert!(sandbox.succeed(&["releases"]).stdout.starts_with("* r1"));
    assert!(sandbox.succeed(&["runs"]).stdout.contains("Stop fixture (local)"));
    assert_eq!(sandbox.succeed(&["logs", "hello"]).stdout, "hello from r1\n");
    assert_eq!(sandbox.processes().len(), 0);
    sandbox.succeed(&["restart"]);
    assert_eq!(sandbox.get("/version").status, 200);
    sandbox.succeed(&["down"]);
    sandbox.succeed(&["deploy"]);
    assert_eq!(sandbox.get("/version").status, 200);
    sandbox.fail(&["down", "--delete-data"], 2);
    sandbox.down();
}

#[test]
fn requests_to_a_service_that_was_stopped_are_refused_and_not_held() {
    let deploy = "bake = \"1s\"\nmin_requests = 5".to_owned();
    let sandbox = deployed(&Manifest { deploy, ..Manifest::default() });
    sandbox.succeed(&["stop", "web"]);
    let reply = sandbox.get("/version");
    assert_eq!((reply.status, reply.body.trim()), (503, "503 Service Unavailable: the service is stopped"));
    sandbox.succeed(&["scale", "worker=2"]);
    assert_eq!(sandbox.get("/version").status, 503, "it stays so");
    // Nor do those who go on asking make a failure of another service's restart.
    let asking = Load::begin(sandbox.port);
    sandbox.succeed(&["restart", "worker"]);
    assert!(asking.end().failed().len() > 5);
    assert_eq!(sandbox.succeed(&["runs", "--json"]).json()[0]["requests"]["failed"], 0);
    sandbox.succeed(&["restart", "web"]);
    assert_eq!(sandbox.get("/version").status, 200);
    let again = sandbox.succeed(&["scale", "worker=2"]).stdout;
    assert_eq!(again, "Nothing to do: fixture (local) is so already.\n");
    sandbox.down();
}

// proves: CM-10
#[test]
fn two_environments_live_side_by_side() {
    let mut sandbox = Sandbox::with(WINDLASS, &Manifest::small());
    let other = Sandbox::with(WINDLASS, &Manifest::small()).port;
    sandbox.set("STAGE_ADDRESS", "unused");
    let more = format!("[environments.staging]\nlisten.http = \"127.0.0.1:{other}\"\n");
    sandbox.manifest(&Manifest { more, ..Manifest::small() });
    sandbox.succeed(&["deploy"]);
    sandbox.succeed(&["deploy", "--env", "staging"]);
    sandbox.change();
    sandbox.succeed(&["deploy", "--env", "staging"]);
    assert_eq!(sandbox.answering(), "r1");
    assert_eq!(windlass_testkit::sandbox::get(other, "/version").unwrap().body, "r2");
    sandbox.succeed(&["down", "--delete-data", "--yes", "--env", "staging"]);
    assert_eq!(sandbox.answering(), "r1");
    sandbox.down();
}

// A page that was loaded before a deploy asks for its scripts after it.
// proves: MDC-7
#[test]
fn files_with_a_hash_in_their_names_outlive_their_release() {
    let route =
        "[[routes]]\npath = \"/app\"\nfiles = \"dist\"\nfallback = \"index.html\"\nstrip_prefix = true\n";
    let sandbox = Sandbox::with(WINDLASS, &Manifest { more: route.to_owned(), ..Manifest::small() });
    let build = |name: &str| {
        let _none = std::fs::remove_dir_all(sandbox.source().join("dist"));
        std::fs::create_dir_all(sandbox.source().join("dist/assets")).unwrap();
        sandbox.write("dist/index.html", name);
        sandbox.write(&format!("dist/assets/{name}"), name);
        sandbox.write(&format!("dist/plain-{name}.txt"), name);
        sandbox.succeed(&["deploy"]);
    };
    let got = |path: &str| {
        let reply = sandbox.get(path);
        (reply.status, reply.body)
    };
    build("index-mUEkpVIN.js");
    build("index-Cm_3x-8q.js");
    for name in ["index-mUEkpVIN.js", "index-Cm_3x-8q.js"] {
        assert_eq!(got(&format!("/app/assets/{name}")), (200, name.to_owned()));
    }
    // What has no such name is gone with its release, and a page is no answer to whoever asks for a file.
    assert_eq!(got("/app/plain-index-mUEkpVIN.js.txt").0, 404);
    assert_eq!(got("/app/assets/index-00000000.js").0, 404);
    assert_eq!(got("/app/any/page"), (200, "index-Cm_3x-8q.js".to_owned()));
    // Also for those that have the newer page when it goes back.
    sandbox.succeed(&["rollback"]);
    assert_eq!(got("/app/assets/index-Cm_3x-8q.js").0, 200);
    assert_eq!(got("/app/any/page").1, "index-mUEkpVIN.js");
    sandbox.down();
}

#[test]
fn down_stops_also_a_copy_of_which_nothing_can_be_read() {
    let sandbox = deployed(&Manifest { worker: Some(String::new()), ..Manifest::small() });
    std::fs::write(sandbox.environment().join("instances/worker.r1.1/instance.json"), "{").unwrap();
    sandbox.succeed(&["down"]);
    sandbox.until_nothing_runs();
    sandbox.down();
}
