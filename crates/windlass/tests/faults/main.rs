//! The real program is injured in every way that one machine allows, and must keep what it promises.
//!
//! Each test is a line of `docs/reference/reliability.md`.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "what stands around a test may end it as the test itself may"
)]

mod boundaries;
mod calls;
mod clock;
mod controllers;
mod crashes;
mod damage;
mod database;
mod disk;
mod dying;
mod elsewhere;
mod exec_trace;
mod failing;
mod first;
mod foreign;
mod forms;
mod hostile;
mod journal;
mod leaks;
mod memory;
mod mount;
mod places;
mod power;
mod processes;
mod requests;
mod rotated_setting;
mod rotation;
mod secrets;
mod services;
mod shapes;
mod source;
mod strace;
mod table;
mod texts;
mod written;

use std::io::{BufRead, BufReader};
use std::process::{Child, Stdio};
use std::sync::OnceLock;

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

/// A number below this one that differs from run to run; `WINDLASS_TEST_CHANCE` says which, where a run is to be tried
/// again. All of one process come from one number.
fn chance(below: usize) -> usize {
    static CHOSEN: OnceLock<u128> = OnceLock::new();
    let chosen = CHOSEN.get_or_init(|| {
        let now = || std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_millis();
        let told = std::env::var("WINDLASS_TEST_CHANCE").ok().map(|text| text.parse().unwrap());
        let chosen = told.unwrap_or_else(now);
        #[expect(clippy::print_stderr, reason = "shown where a test fails")]
        {
            eprintln!("WINDLASS_TEST_CHANCE={chosen}");
        }
        chosen
    });
    usize::try_from(chosen % below as u128).unwrap()
}

/// Deploys, and acts as soon as so many boundaries of steps were told. Answers the exit code, and whether it came so far.
fn act_at(sandbox: &Sandbox, boundary: usize, act: impl FnOnce(&Child)) -> (Option<i32>, bool) {
    let mut told = 0;
    let is_reached = |event: &Value| {
        let what = &event["event"];
        told += usize::from(what.get("step_began").is_some() || what.get("step_done").is_some());
        told >= boundary
    };
    act_when(sandbox, &["deploy"], is_reached, act)
}

/// Runs a verb, and acts at the first event of which this is so. Answers the exit code, and whether there was one.
fn act_when(
    sandbox: &Sandbox,
    args: &[&str],
    mut is: impl FnMut(&Value) -> bool,
    act: impl FnOnce(&Child),
) -> (Option<i32>, bool) {
    let mut command = sandbox.command(args);
    let mut deploy = command.arg("--json").stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
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
