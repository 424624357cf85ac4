//! Settings: where values come from, who gets them, and that a change restarts only who sees it.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::Command;

use crate::http::get;
use crate::needs::{Need, are_met};
use crate::place::Place;
use crate::processes;

const MANIFEST: &str = r#"
[app]
name = "colours"

[services.web]
command = ["python3", "app.py"]
port = "auto"
readiness = "/"

[services.worker]
command = ["python3", "-c", "import signal; signal.pause()"]

[settings]
COLOUR = { default = "grey" }
PACE = { services = ["worker"] }
TOKEN = { secret = true, services = ["web"] }

[listen]
http = "127.0.0.1:8080"
"#;

/// Answers with its colour.
const APP: &str = r#"
import os
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

class Page(BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(os.environ["COLOUR"].encode())

ThreadingHTTPServer(("127.0.0.1", int(os.environ["PORT"])), Page).serve_forever()
"#;

const TOKEN: &str = "zq3Kd9vLw0TnX7";

fn project() -> Place {
    let place = Place::new("colours");
    place.write("app.py", APP);
    place.write("windlass.toml", &MANIFEST.replace("8080", &place.port.to_string()));
    place.write(".env", &format!("PACE=1\nTOKEN={TOKEN}\n"));
    place
}

fn environ(pid: i64) -> Vec<String> {
    let text = fs::read_to_string(format!("/proc/{pid}/environ")).unwrap();
    text.split('\0').map(str::to_owned).collect()
}

/// Deploys, and tells which of web and worker were exchanged.
#[track_caller]
fn exchanged(place: &Place) -> Vec<&'static str> {
    let services = ["web", "worker"];
    let before = services.map(|name| place.pids(name));
    place.windlass(&["deploy"]).exits(0);
    services
        .into_iter()
        .zip(before)
        .filter(|(name, pids)| place.pids(name) != *pids)
        .map(|(name, _)| name)
        .collect()
}

#[test]
fn a_change_restarts_only_who_sees_it() {
    if !are_met("settings", &[Need::Python]) {
        return;
    }
    let mut place = project();
    place.windlass(&["deploy"]).exits(0);
    assert_eq!(get(place.port, "/").body, "grey");
    let [web, worker] = ["web", "worker"].map(|name| environ(place.pids(name)[0]));
    assert!(web.contains(&format!("TOKEN={TOKEN}")) && !web.iter().any(|pair| pair.starts_with("PACE=")));
    assert!(worker.contains(&"PACE=1".to_owned()) && !worker.iter().any(|pair| pair.starts_with("TOKEN=")));

    place.edit(".env", "PACE=1", "PACE=2");
    let plan = place.windlass(&["plan"]).exits(0).out;
    assert!(plan.contains("worker") && plan.contains("a setting it sees changed"), "{plan}");
    assert_eq!(exchanged(&place), ["worker"]);
    assert!(environ(place.pids("worker")[0]).contains(&"PACE=2".to_owned()));

    place.edit(".env", TOKEN, &format!("{TOKEN}-new"));
    assert_eq!(exchanged(&place), ["web"]);

    place.write(".env.production", "COLOUR=red\n");
    let said = place.windlass(&["deploy"]).exits(0);
    assert!(
        said.out.contains("Nothing to do"),
        "the file of another environment changes nothing: {}",
        said.out
    );
    place.write(".env.local", "COLOUR=green\n");
    assert_eq!(exchanged(&place), ["web", "worker"]);
    assert_eq!(get(place.port, "/").body, "green");
    place.set("COLOUR", Some("blue"));
    assert_eq!(exchanged(&place), ["web", "worker"]);
    assert_eq!(get(place.port, "/").body, "blue");
    place.set("COLOUR", None);

    // A rollback brings back the values that the release had.
    place.windlass(&["rollback"]).exits(0);
    assert_eq!(get(place.port, "/").body, "green");

    assert_secret_is_kept(&place);
    place.down();
}

/// HS-18: no file that others may read and no argument holds the secret, and `.env` is no part of
/// a release.
fn assert_secret_is_kept(place: &Place) {
    assert!(!processes::of(&place.home()).iter().any(|(_, arguments)| arguments.contains(TOKEN)));
    let mut directories = vec![place.home()];
    while let Some(directory) = directories.pop() {
        for entry in fs::read_dir(directory).unwrap().flatten() {
            let kind = entry.file_type().unwrap();
            if kind.is_dir() {
                directories.push(entry.path());
            }
            assert!(!entry.file_name().to_string_lossy().starts_with(".env"), "{}", entry.path().display());
            let text = if kind.is_file() { fs::read(entry.path()).unwrap_or_default() } else { Vec::new() };
            if text.windows(TOKEN.len()).any(|window| window == TOKEN.as_bytes()) {
                let mode = entry.metadata().unwrap().permissions().mode() & 0o777;
                assert_eq!(mode, 0o600, "{}", entry.path().display());
            }
        }
    }
}

#[test]
fn a_file_of_settings_that_others_see_is_warned_of() {
    let place = project();
    fs::set_permissions(place.project().join(".env"), fs::Permissions::from_mode(0o644)).unwrap();
    let said = place.windlass(&["check"]).exits(0);
    assert!(
        said.err.contains(".env: other accounts may read it (mode 0644); run: chmod 600 .env"),
        "{said:?}"
    );

    fs::set_permissions(place.project().join(".env"), fs::Permissions::from_mode(0o600)).unwrap();
    assert!(!place.windlass(&["check"]).exits(0).err.contains(".env"));
    for arguments in [&["init", "-q"][..], &["add", ".env"]] {
        let done = Command::new("git").args(arguments).current_dir(place.project()).status().unwrap();
        assert!(done.success());
    }
    let said = place.windlass(&["check"]).exits(0);
    assert!(said.err.contains(".env: git keeps it"), "{said:?}");
}

#[test]
fn a_setting_without_a_value_is_told_before_anything_starts() {
    let place = project();
    place.write(".env", "PACE=1\n");
    for verb in ["check", "plan", "deploy"] {
        let said = place.windlass(&[verb]).exits(2);
        assert!(said.err.contains("TOKEN"), "{said:?}");
    }
    assert!(fs::read_dir(place.home()).unwrap().next().is_none(), "nothing is started");
}
