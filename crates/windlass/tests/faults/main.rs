//! The real program is injured in every way that one machine allows, and must keep what it promises.
//!
//! Each test is a line of `docs/reference/reliability.md`.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "what stands around a test may end it as the test itself may"
)]

mod clock;
mod controllers;
mod crashes;
mod damage;
mod database;
mod disk;
mod dying;
mod elsewhere;
mod exec_trace;
mod forms;
mod hostile;
mod journal;
mod leaks;
mod mount;
mod places;
mod power;
mod processes;
mod requests;
mod rotated_setting;
mod rotation;
mod secrets;
mod shapes;
mod table;
mod texts;

use std::io::{BufRead, BufReader};
use std::process::{Child, Stdio};

use rustix::process::Signal;
use serde_json::Value;
use windlass_testkit::sandbox::{Manifest, Process, Sandbox, kill, score};

/// The program under test.
const WINDLASS: &str = env!("CARGO_BIN_EXE_windlass");

/// A sandbox in which the application runs.
fn deployed(manifest: &Manifest) -> Sandbox {
    let sandbox = Sandbox::with(WINDLASS, manifest);
    sandbox.succeed(&["deploy"]);
    sandbox
}

/// Begins the line of this test in the table.
fn line(test: &str) -> score::Running {
    score::begin(WINDLASS, test)
}

/// Kills every process, the keepers first, as a power cut does.
fn kill_everything(sandbox: &Sandbox) {
    for _ in 0..20 {
        let mut all = sandbox.processes();
        all.sort_by_key(|process| !process.is("windlass", "keeper"));
        all.iter().for_each(|process| kill(process.pid, Signal::KILL));
    }
}

/// The keeper of a copy.
fn keeper_of(sandbox: &Sandbox, copy: &str) -> i32 {
    let keepers = sandbox.keepers();
    let is_its = |process: &&Process| process.argv.iter().any(|word| word.contains(copy));
    keepers.iter().find(is_its).unwrap_or_else(|| panic!("{copy} has no keeper: {keepers:#?}")).pid
}

/// Whether every place of a crash is to be tried in every way.
fn exhaustive() -> bool {
    std::env::var_os("WINDLASS_TEST_EXHAUSTIVE").is_some_and(|value| value == "1")
}

/// The boundaries of the steps of the next deploy: each begins, and each is done.
fn boundaries(sandbox: &Sandbox) -> usize {
    let plan = sandbox.succeed(&["plan", "--json"]).json();
    plan["steps"].as_array().unwrap().len() * 2
}

/// Deploys, and acts as soon as so many boundaries of steps were told. Answers the exit code.
fn act_at(sandbox: &Sandbox, boundary: usize, act: impl FnOnce(&Child)) -> Option<i32> {
    let mut told = 0;
    let is_reached = |event: &Value| {
        let what = &event["event"];
        told += usize::from(what.get("step_began").is_some() || what.get("step_done").is_some());
        told >= boundary
    };
    act_when(sandbox, is_reached, act).0
}

/// Deploys, and acts at the first event of which this is so. Answers the exit code, and whether there was one.
fn act_when(
    sandbox: &Sandbox,
    mut is: impl FnMut(&Value) -> bool,
    act: impl FnOnce(&Child),
) -> (Option<i32>, bool) {
    let mut command = sandbox.command(&["deploy", "--json"]);
    let mut deploy = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let mut act = Some(act);
    for line in BufReader::new(deploy.stdout.take().unwrap()).lines() {
        let event: Value = serde_json::from_str(&line.unwrap()).unwrap_or_default();
        if act.is_some()
            && is(&event)
            && let Some(act) = act.take()
        {
            act(&deploy);
        }
    }
    (deploy.wait().unwrap().code(), act.is_none())
}

/// What must be so between runs, whatever happened: one release, which the ledger, the proxy and
/// the processes agree on; nothing of any other; no lock.
fn is_sound(sandbox: &Sandbox, context: &str) {
    let status = sandbox.status();
    let release = status["release"]["release"].as_str().unwrap_or_default().to_owned();
    assert!(status["run"].is_null(), "{context}: a run is left: {status}");
    let answering = sandbox.answering();
    assert_eq!(answering, release, "{context}: {status}\n{}", sandbox.logs());
    for service in status["services"].as_array().unwrap() {
        let name = service["name"].as_str().unwrap();
        let wanted = usize::try_from(service["wanted"].as_u64().unwrap()).unwrap();
        let running = sandbox.running(name);
        assert_eq!(running.len(), wanted, "{context}: {name}: {running:#?}\n{}", sandbox.logs());
        let mine = format!("WINDLASS_RELEASE={release}");
        let of_release = running.iter().filter(|process| process.env.contains(&mine)).count();
        assert_eq!(of_release, wanted, "{context}: {name}: {running:#?}");
    }
    assert_eq!(sandbox.running("job").len(), 0, "{context}: a job is left");
    let tree = status["release"]["tree"].as_str().unwrap();
    let current = std::fs::read_link(sandbox.environment().join("current")).unwrap();
    assert_eq!(current.to_str().unwrap(), format!("releases/{tree}"), "{context}");
    assert!(
        sandbox.environment().join("current/.windlass-sealed").is_file(),
        "{context}: current is no release"
    );
    let migrations = sandbox.shared("migrate");
    let mut lines: Vec<&str> = migrations.lines().collect();
    let all = lines.len();
    lines.sort_unstable();
    lines.dedup();
    assert_eq!(lines.len(), all, "{context}: a migration ran twice: {migrations}");
    assert!(!migrations.contains("overlap") && !sandbox.shared("ticks").contains("overlap"), "{context}");
}
