//! The encrypted file: real deploys with it, and a real program that is not ours opens it.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::http::get;
use crate::needs::{Need, are_met};
use crate::place::Place;

const FILE: &str = "secrets.local.enc";

const MANIFEST: &str = r#"
[app]
name = "colours"

[services.web]
command = ["python3", "app.py"]
port = "auto"
readiness = "/"

[settings]
COLOUR = { default = "grey" }
TOKEN = { secret = true, services = ["web"] }

[listen]
http = "127.0.0.1:8080"
"#;

/// Answers with its colour and its token.
const APP: &str = r#"
import os
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

class Page(BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        self.wfile.write((os.environ["COLOUR"] + " " + os.environ["TOKEN"]).encode())

ThreadingHTTPServer(("127.0.0.1", int(os.environ["PORT"])), Page).serve_forever()
"#;

/// A project whose settings are in an encrypted file.
fn project() -> Place {
    let mut place = Place::new("colours");
    place.write("app.py", APP);
    place.write("windlass.toml", &MANIFEST.replace("8080", &place.port.to_string()));
    let key = place.home().join("../key").display().to_string();
    // Nobody's key but this project's is tried.
    place.set("HOME", Some("/nowhere"));
    place.set("XDG_CONFIG_HOME", None);
    place.windlass(&["secrets", "keygen", &key]).exits(0);
    place.set("WINDLASS_KEY_FILE", Some(&key));
    place.windlass(&["secrets", "init", "--name", "ada"]).exits(0);
    seal(&place, "COLOUR=red\nTOKEN=sealed-token\n");
    place
}

fn seal(place: &Place, values: &str) {
    place.write(".env.taken", values);
    place.windlass(&["secrets", "import", ".env.taken"]).exits(0);
    fs::remove_file(place.project().join(".env.taken")).unwrap();
}

fn page(place: &Place) -> String {
    get(place.port, "/").body
}

// proves: DC-10, DC-11
#[test]
fn a_deploy_takes_what_is_sealed_and_what_stands_above_it_wins() {
    if !are_met("sealed", &[Need::Python]) {
        return;
    }
    let mut place = project();
    place.windlass(&["check"]).exits(0);
    place.windlass(&["deploy"]).exits(0);
    assert_eq!(page(&place), "red sealed-token");
    assert!(place.windlass(&["deploy"]).exits(0).out.contains("Nothing to do"));
    let tree = fs::canonicalize(place.root().join("current")).unwrap();
    assert!(tree.join("app.py").exists() && !tree.join(FILE).exists(), "the file is no part of a release");

    // A write that changes no value restarts nothing.
    let pids = place.pids("web");
    place.windlass(&["secrets", "rekey"]).exits(0);
    place.windlass(&["deploy"]).exits(0);
    assert_eq!(place.pids("web"), pids);

    place.write(".env", "COLOUR=from-env-file\n");
    place.windlass(&["deploy"]).exits(0);
    assert_eq!(page(&place), "from-env-file sealed-token");
    place.set("COLOUR", Some("from-environment"));
    place.windlass(&["deploy"]).exits(0);
    assert_eq!(page(&place), "from-environment sealed-token");
    place.set("COLOUR", None);
    fs::remove_file(place.project().join(".env")).unwrap();
    place.windlass(&["secrets", "unset", "COLOUR"]).exits(0);
    place.windlass(&["deploy"]).exits(0);
    assert_eq!(page(&place), "grey sealed-token");
    place.down();
}

// proves: DC-10
#[test]
fn a_deploy_refuses_a_damaged_file_and_an_older_one() {
    if !are_met("sealed", &[Need::Python]) {
        return;
    }
    let mut place = project();
    let old = place.read(FILE);
    place.windlass(&["deploy"]).exits(0);
    seal(&place, "TOKEN=changed-token\n");
    place.windlass(&["deploy"]).exits(0);
    assert_eq!(page(&place), "red changed-token");

    let sound = place.read(FILE);
    let line = sound.lines().find(|line| line.starts_with("TOKEN = ")).unwrap();
    let before = old.lines().find(|line| line.starts_with("TOKEN = ")).unwrap();
    for (damaged, what) in [
        (sound.replace("TOKEN = 20", "TOKEN = 19"), "secrets.local.enc:8: TOKEN cannot be opened"),
        (sound.replace(&format!("{line}\n"), ""), "secrets.local.enc:8: the seal does not hold"),
        (sound.replace(line, before), "secrets.local.enc:9: the seal does not hold"),
        (
            sound.replace(&format!("{line}\n"), "garbage\n"),
            "secrets.local.enc:8: this is neither a recipient",
        ),
    ] {
        place.write(FILE, &damaged);
        for verb in ["check", "plan", "deploy"] {
            let said = place.windlass(&[verb]).exits(2);
            assert!(said.err.contains(what), "{verb}: {what}: {}", said.err);
        }
    }

    // Sound in itself, and older than what runs.
    place.write(FILE, &old);
    assert!(place.windlass(&["plan"]).exits(0).err.contains("is older (epoch 2)"));
    let said = place.windlass(&["deploy"]).exits(6);
    assert!(
        said.err.contains("older (epoch 2) than the one of the active release (epoch 3)"),
        "{}",
        said.err
    );
    // Of the same age, and without the change that runs: written beside it.
    seal(&place, "COLOUR=blue\n");
    let said = place.windlass(&["deploy"]).exits(6);
    assert!(said.err.contains("was written beside the one of the active release (epoch 3)"), "{}", said.err);
    place.write(FILE, &old);
    assert_eq!(page(&place), "red changed-token");
    place.windlass(&["deploy", "--allow-older-secrets"]).exits(0);
    assert_eq!(page(&place), "red sealed-token");

    // Another file altogether, which says nothing about its age.
    fs::remove_file(place.project().join(FILE)).unwrap();
    place.windlass(&["secrets", "init", "--name", "ada"]).exits(0);
    seal(&place, "TOKEN=another-token\n");
    assert!(place.windlass(&["deploy"]).exits(6).err.contains("another encrypted file"));

    place.set("WINDLASS_KEY_FILE", None);
    let said = place.windlass(&["deploy"]).exits(2);
    assert!(
        said.err.contains("no key opens it") && said.err.contains("it is for ada (wlpub1_"),
        "{}",
        said.err
    );
    assert_eq!(page(&place), "red sealed-token");
    place.down();
}

// proves: DC-10
#[test]
fn a_program_of_30_lines_that_is_not_ours_opens_the_file() {
    if !are_met("sealed", &[Need::Python, Need::PyPi("cryptography")]) {
        return;
    }
    let place = project();
    seal(&place, "TOKEN='two\nlines é'\nEMPTY=\n");
    let venv = place.home().join("venv");
    run(Command::new("python3").args(["-m", "venv"]).arg(&venv));
    run(Command::new(venv.join("bin/pip")).args(["install", "--quiet", "cryptography"]));

    let reference = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/reference/secrets-file");
    let decrypt = |file: &Path, key: &Path| {
        run(Command::new(venv.join("bin/python")).arg(reference.join("decrypt.py")).args([file, key]))
    };
    assert_eq!(
        decrypt(&reference.join("secrets.example.enc"), &reference.join("example.key")),
        serde_json::json!({
            "DB_PASSWORD": "p:w/ö\"$%' #1", "DB_PASSWORD.pending": "its successor", "EMPTY": "",
            "CERTIFICATE": "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n",
        })
    );
    assert_eq!(
        decrypt(&place.project().join(FILE), &place.home().join("../key")),
        serde_json::json!({ "COLOUR": "red", "TOKEN": "two\nlines é", "EMPTY": "" })
    );
}

/// Runs a program, which must succeed, and reads what it prints as JSON, if it prints anything.
#[track_caller]
fn run(command: &mut Command) -> serde_json::Value {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap_or_default()
}
