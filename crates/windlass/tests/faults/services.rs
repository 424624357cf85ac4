//! Services that are no good guests: they fork what outlives them, and print more than anybody reads.

use std::path::Path;

use windlass_testkit::sandbox::{Manifest, Sandbox, until};

use super::{deployed, line};

/// What services have left in sessions of their own.
fn daemons(sandbox: &Sandbox) -> usize {
    sandbox.processes().iter().filter(|process| process.argv == ["sleep", "100000"]).count()
}

/// Bytes of the logs of a service.
fn logged(sandbox: &Sandbox, service: &str) -> u64 {
    let is_its = |path: &Path| {
        path.file_name().is_some_and(|name| name.to_string_lossy().starts_with(&format!("{service}.")))
    };
    let logs = std::fs::read_dir(sandbox.environment().join("logs")).unwrap();
    logs.flatten()
        .filter(|log| is_its(&log.path()))
        .map(|log| log.metadata().map_or(0, |log| log.len()))
        .sum()
}

/// How much it prints as fast as it can, in MiB, and how many bytes its logs take of that at the most.
const PRINTED: u64 = 400;
const MOST_KEPT: u64 = PRINTED / 2 * 1024 * 1024;

#[test]
fn a_service_forks_what_outlives_it_and_floods_its_log() {
    let line = line("a_service_forks_what_outlives_it_and_floods_its_log");
    let sandbox = deployed(&Manifest { worker: Some("settle = \"200ms\"".into()), ..Manifest::default() });
    let watch = line.watch(&sandbox);
    for _ in 0..2 {
        sandbox.behave(&format!("worker.forks worker.floods:{PRINTED}"));
        sandbox.succeed(&["deploy"]);
        until("what it forks, of one release", || (daemons(&sandbox) == 2).then_some(()));
    }
    until("the end of the flood", || sandbox.shared("flooded").contains("r3").then_some(()));
    until("rotated logs", || (logged(&sandbox, "worker") < MOST_KEPT).then_some(()));
    watch.end_without_loss();
    line.is_sound(&sandbox, "it is exchanged twice");
    sandbox.succeed(&["stop", "worker"]);
    assert_eq!(daemons(&sandbox), 0, "{:#?}", sandbox.processes());
    sandbox.down();
    line.held(
        "2 deploys while it prints: 0 failed requests, most of its log is compressed, nothing of it is left",
    );
}
