//! The health of the whole application on one page (MDC-9), while a resource comes and goes.

use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

use crate::http::{Answer, ask, get};
use crate::needs::{Need, are_met};
use crate::place::{Place, wait_for};

const MANIFEST: &str = r#"
[app]
name = "clinic"

[services.web]
command = ["python3", "-m", "http.server", "--bind", "127.0.0.1", "{port}"]
port = "auto"
readiness = { http = "/", interval = "100ms", timeout = "300ms" }
needs = ["cache"]
replicas = 2

[services.tick]
command = ["sleep", "100000"]
singleton = true
settle = "1s"

[resources.cache]
engine = "redis"
port = "auto"

[settings]
WATCHERS = { secret = true }

[listen]
http = "127.0.0.1:8080"

[[routes]]
service = "web"

[[routes]]
path = "/health"
health = true

[[routes]]
path = "/inside"
health = true
basic_auth = "WATCHERS"

[[routes]]
path = "/elsewhere"
health = true
allow = ["192.0.2.0/24"]
"#;

fn signal(place: &Place, name: &str, signal: Signal) {
    let pid = i32::try_from(place.pids(name)[0]).unwrap();
    kill_process(Pid::from_raw(pid).unwrap(), signal).unwrap();
}

fn inside(place: &Place, credentials: &str) -> Answer {
    ask(place.port, "GET", "/inside", &[("authorization", credentials)], "").unwrap()
}

#[test]
fn it_says_what_is_ill_and_that_it_is_well_again() {
    if !are_met("health page", &[Need::Python, Need::Program("redis-server")]) {
        return;
    }
    let place = Place::new("clinic");
    place.write("index.html", "hello");
    place.write("windlass.toml", &MANIFEST.replace("8080", &place.port.to_string()));
    place.write(".env", "WATCHERS=ada:lovelace\n");
    place.windlass(&["deploy"]).exits(0);

    let answer = get(place.port, "/health");
    assert_eq!((answer.status, answer.header("content-type")), (200, Some("application/json")));
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    let page = answer.json();
    assert_eq!((page["status"].as_str(), page["release"].as_str()), (Some("ok"), Some("r1")));
    assert!(page["at"].as_str().is_some_and(|at| at.ends_with('Z')), "{page}");
    let well = |copies: u32| serde_json::json!({ "status": "ok", "ready": copies, "wanted": copies });
    let expected =
        serde_json::json!({ "web": well(2), "tick": well(1), "cache": well(1), "windlass.storage": well(1) });
    assert_eq!(page["checks"], expected, "{page}");

    let html = ask(place.port, "GET", "/health", &[("accept", "text/html")], "").unwrap();
    assert_eq!((html.status, html.header("content-type")), (200, Some("text/html; charset=utf-8")));
    assert!(html.body.contains("<h1>clinic (local) is ok</h1>"), "{}", html.body);

    let refused = get(place.port, "/inside");
    assert_eq!(refused.status, 401);
    assert!(refused.header("www-authenticate").is_some_and(|how| how.starts_with("Basic ")), "{refused:?}");
    assert_eq!(inside(&place, "Basic YWRhOndyb25n").status, 401);
    assert_eq!(inside(&place, "Basic YWRhOmxvdmVsYWNl").status, 200);
    assert_eq!(get(place.port, "/elsewhere").status, 403);

    // A server that hangs has a process, and is ill all the same.
    signal(&place, "cache", Signal::STOP);
    let answer = wait_for_status(&place, 503);
    let page = answer.json();
    assert_eq!((page["status"].as_str(), &page["checks"]["web"]), (Some("unhealthy"), &well(2)));
    let ill =
        serde_json::json!({ "status": "unhealthy", "ready": 0, "wanted": 1, "reason": "does not answer" });
    assert_eq!(page["checks"]["cache"], ill);
    let html = ask(place.port, "GET", "/health", &[("accept", "text/html")], "").unwrap();
    assert_eq!(html.status, 503);
    assert!(html.body.contains("unhealthy"), "{}", html.body);
    assert_eq!(get(place.port, "/").status, 200, "what does not need it serves");
    signal(&place, "cache", Signal::CONT);
    wait_for_status(&place, 200);

    // One that dies is started again.
    let before = place.pids("cache");
    signal(&place, "cache", Signal::KILL);
    wait_for("another Redis runs", Duration::from_secs(10), || {
        let now = place.pids("cache");
        !now.is_empty() && now != before
    });
    wait_for_status(&place, 200);

    // Where somebody answers yet nobody is to be sent elsewhere: one of two copies hangs, a singleton is handed over.
    signal(&place, "web", Signal::STOP);
    let fewer =
        serde_json::json!({ "status": "warning", "ready": 1, "wanted": 2, "reason": "not all are ready" });
    wait_for("one copy is not ready", Duration::from_secs(15), || {
        let answer = get(place.port, "/health");
        assert_eq!(answer.status, 200, "{answer:?}");
        answer.json()["checks"]["web"] == fewer
    });
    signal(&place, "web", Signal::CONT);
    place.write("index.html", "hello again");
    let seen = std::thread::scope(|scope| {
        let deploy = scope.spawn(|| place.windlass(&["deploy"]).exits(0));
        let mut seen = std::collections::BTreeSet::new();
        while !deploy.is_finished() {
            let answer = get(place.port, "/health");
            assert_eq!(answer.status, 200, "{answer:?}");
            seen.insert(answer.json()["checks"]["tick"].to_string());
        }
        seen
    });
    let handed_over =
        serde_json::json!({ "status": "warning", "ready": 0, "wanted": 1, "reason": "a run exchanges it" });
    assert_eq!(seen, [well(1), handed_over].map(|entry| entry.to_string()).into());
    place.down();
}

fn wait_for_status(place: &Place, status: u16) -> Answer {
    let mut last = None;
    wait_for(&format!("the page answers {status}"), Duration::from_secs(15), || {
        let answer = get(place.port, "/health");
        let is = answer.status == status;
        last = Some(answer);
        is
    });
    last.unwrap()
}
