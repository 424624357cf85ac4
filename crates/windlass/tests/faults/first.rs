//! A first deploy that did not come to its end.

use windlass_testkit::sandbox::score::{Invariant, Running};
use windlass_testkit::sandbox::{Disk, Sandbox};

/// The release that is in force; empty where nothing is, as before a first deploy and after one that went back.
pub(super) fn in_force(sandbox: &Sandbox) -> String {
    let status = sandbox.run(&["status", "--json"]);
    if status.code == 2 {
        return String::new();
    }
    status.json()["release"]["release"].as_str().unwrap_or_default().to_owned()
}

/// One that went back leaves nothing (I10), and going on once more changes that no more (I4).
pub(super) fn nothing_is_left(line: &Running, sandbox: &Sandbox, context: &str) {
    sandbox.until_nothing_runs_after(context);
    let disk = Disk::of(sandbox);
    let directories = ["releases", "state/settings", "instances", "jobs"];
    let is_empty = disk.current.is_none() && directories.iter().all(|name| disk.names(name).is_empty());
    line.holds(Invariant::I10, is_empty, || format!("{context}: {disk:#?}\n{}", sandbox.logs()));
    let again = sandbox.run(&["resume"]);
    let is_same = again.code != 0 && Disk::of(sandbox) == disk;
    line.holds(Invariant::I4, is_same, || format!("{context}: {again:#?}\n{}", sandbox.logs()));
}
