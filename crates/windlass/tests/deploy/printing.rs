//! What is printed, and what it means that it is not.

use std::fs::File;
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
