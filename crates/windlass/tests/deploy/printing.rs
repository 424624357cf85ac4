//! What is printed, and what it means that it is not.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::Stdio;

use windlass_testkit::sandbox::{Manifest, Sandbox, until};

use super::{WINDLASS, deployed};

/// Verbs that do nothing but print.
const VERBS: [&[&str]; 6] = [
    &["schema"],
    &["completion", "bash"],
    &["config", "template"],
    &["plan", "--json"],
    &["check"],
    &["config"],
];

#[test]
fn what_cannot_be_printed_is_a_failure_of_a_verb_that_only_prints() {
    let sandbox = Sandbox::with(WINDLASS, &Manifest::small());
    for args in VERBS {
        let full = File::options().write(true).open("/dev/full").unwrap();
        let output = sandbox.command(args).stdout(full).stderr(Stdio::piped()).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{args:?}: {said}");
        assert!(said.contains("the standard output cannot be written"), "{args:?}: {said}");
    }
}

#[test]
fn a_reader_that_has_seen_enough_ends_a_verb_quietly() {
    let sandbox = deployed(&Manifest::small());
    for args in VERBS.into_iter().chain([&["logs", "-f", "web"][..]]) {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let mut command = sandbox.command(args);
        let mut child = command.stdout(writer).stderr(Stdio::piped()).spawn().unwrap();
        drop(command);
        until("it to end", || child.try_wait().unwrap().map(|_| ()));
        let output = child.wait_with_output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(0), "{args:?}: {said}");
        assert!(!said.contains("panic"), "{args:?}: {said}");
    }
    sandbox.down();
}

/// In an editor's shell, or through a serial line.
#[test]
fn a_terminal_that_cannot_move_its_cursor_is_told_line_by_line() {
    let sandbox = Sandbox::with(WINDLASS, &Manifest::small());
    let deploy = format!("{WINDLASS} deploy");
    for term in [Some("dumb"), None] {
        let mut terminal = sandbox
            .command_of(Path::new("script"), &["--quiet", "--return", "--command", &deploy, "/dev/null"]);
        let output = terminal.envs(term.map(|term| ("TERM", term))).output().unwrap();
        let said = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success(), "{said}");
        assert!(said.lines().any(|line| line.starts_with('[')), "{term:?}: {said}");
        sandbox.change();
    }
    sandbox.down();
}

/// How many pieces of what is drawn are looked at, each up to an `s`: a spinner draws some thirty of them in a second.
const PIECES: usize = 600;

#[test]
fn the_time_of_a_phase_goes_on_while_a_step_says_nothing() {
    let step = "touch $WINDLASS_SHARED/begun; while [ ! -e $WINDLASS_SHARED/go ]; do sleep 0.05; done";
    let more = format!("[build]\nsteps = [{{ shell = \"{step}\" }}]\n");
    let sandbox = Sandbox::with(WINDLASS, &Manifest { more, ..Manifest::small() });
    let deploy = format!("stty rows 40 cols 200; exec {WINDLASS} deploy");
    let mut terminal =
        sandbox.command_of(Path::new("script"), &["--quiet", "--return", "--command", &deploy, "/dev/null"]);
    let mut child = terminal.env("TERM", "xterm").stdout(Stdio::piped()).spawn().unwrap();
    let mut said = BufReader::new(child.stdout.take().unwrap());
    let (mut told, mut piece) = (BTreeSet::new(), Vec::new());
    for _ in 0..PIECES {
        piece.clear();
        said.read_until(b's', &mut piece).unwrap();
        let text = String::from_utf8_lossy(&piece).into_owned();
        let time = text.trim_end_matches('s').rsplit_once("build ").map(|(_, time)| time.trim().to_owned());
        told.extend(time.filter(|time| time.parse::<f64>().is_ok()));
        if told.len() > 2 {
            break;
        }
    }
    std::fs::write(sandbox.environment().join("shared/go"), "").unwrap();
    let mut rest = String::new();
    said.read_to_string(&mut rest).unwrap();
    assert!(child.wait().unwrap().success(), "{rest}");
    assert!(told.len() > 2, "{told:?}: {rest}");
    sandbox.down();
}
