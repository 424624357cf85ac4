//! Whether something that was handed out is still in the hands of what runs.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use windlass_core::journal::Fault;
use windlass_core::name::ReleaseId;

use super::Host;
use crate::runtime::process;

/// How long what runs once, and was given what is to be revoked, may take to end.
const PATIENCE: Duration = Duration::from_secs(60);

/// How often it is looked for.
const PACE: Duration = Duration::from_millis(200);

/// Waits until nobody has `what` any more: a cron job or a command that began before may still work
/// with it. `users` are those that were given it and run.
pub(super) async fn until_unused(what: &str, users: impl Fn() -> Vec<String>) -> Result<String, Fault> {
    let began = Instant::now();
    loop {
        let Some(first) = users().into_iter().next() else {
            let waited = began.elapsed() >= PACE;
            return Ok(if waited { "waited for what still used it".to_owned() } else { String::new() });
        };
        if began.elapsed() > PATIENCE {
            return Err(Fault::new(
                format!("{what} is not revoked: {first} was given it, and runs"),
                "when it has ended, run `windlass deploy`: that revokes it",
            ));
        }
        tokio::time::sleep(PACE).await;
    }
}

impl Host {
    /// What still runs in a tree: what was started there and is kept, wherever it went since; and whatever
    /// else is there, such as a command at a terminal.
    pub(super) fn works_in(&self, tree: ReleaseId) -> Option<String> {
        let tree = self.layout.tree(tree);
        let jobs = fs::read_dir(self.layout.jobs()).into_iter().flatten().flatten();
        let kept = jobs.filter_map(|job| process::observe(&job.path()));
        let mut kept =
            kept.filter(|seen| seen.is_under_way() && Path::new(&seen.launch.directory).starts_with(&tree));
        if let Some(seen) = kept.next() {
            return Some(seen.launch.label);
        }
        let tree = tree.canonicalize().ok()?;
        let processes = fs::read_dir("/proc").into_iter().flatten().flatten();
        let mut there = processes.filter_map(|entry| {
            let number = entry.file_name().into_string().ok()?.parse::<u32>().ok()?;
            let directory = fs::read_link(entry.path().join("cwd")).ok()?;
            let name = fs::read_to_string(entry.path().join("comm")).unwrap_or_default();
            directory.starts_with(&tree).then(|| format!("process {number} ({})", name.trim()))
        });
        there.next()
    }
}

/// The environments of processes, by their numbers. Those of other accounts cannot be read; nothing that
/// Windlass starts is among them unless it runs as root itself.
pub(super) fn environments() -> impl Iterator<Item = (String, Vec<u8>)> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    entries.filter_map(|entry| {
        let number = entry.file_name().into_string().ok()?;
        number.parse::<u32>().ok()?;
        Some((number, fs::read(entry.path().join("environ")).ok()?))
    })
}
