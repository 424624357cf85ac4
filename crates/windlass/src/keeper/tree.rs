//! Processes by kinship.
//!
//! A keeper is a subreaper: whatever its process leaves behind becomes the keeper's own child, so
//! that walking down from the keeper finds all of it, whoever forked, however often.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use rustix::process::{Pid, Signal, kill_process};

use crate::processes::{self, all, stat};

/// Everything below `root`, parents before children.
pub(super) fn descendants(root: i32) -> Vec<i32> {
    let mut found = children(root);
    let mut at = 0;
    while at < found.len() {
        for child in children(found[at]) {
            if !found.contains(&child) {
                found.push(child);
            }
        }
        at += 1;
    }
    found
}

fn children(pid: i32) -> Vec<i32> {
    let Ok(tasks) = fs::read_dir(format!("/proc/{pid}/task")) else { return Vec::new() };
    let mut found = Vec::new();
    for task in tasks.flatten() {
        match fs::read_to_string(task.path().join("children")) {
            Ok(text) => found.extend(text.split_ascii_whitespace().filter_map(|pid| pid.parse::<i32>().ok())),
            // A kernel without CONFIG_PROC_CHILDREN, or a thread that just ended.
            Err(_) => return children_by_scan(pid),
        }
    }
    found
}

/// The children of a process, by asking every process for its parent.
pub(super) fn children_by_scan(pid: i32) -> Vec<i32> {
    all().into_iter().filter(|found| stat(*found).is_some_and(|stat| stat.parent == pid)).collect()
}

/// The processes of a session: what a process left behind that did not leave its session.
pub(super) fn session(sid: i32) -> Vec<i32> {
    all()
        .into_iter()
        .filter(|pid| stat(*pid).is_some_and(|stat| stat.session == sid && !stat.zombie))
        .collect()
}

/// The variable by which a start in a directory is known: `DIR#N`.
pub(crate) const MARK: &str = "WINDLASS_PROCESS";

/// Which start in this directory a process comes from; `None` when it comes from another.
pub(super) fn start_number(pid: i32, directory: &Path) -> Option<u32> {
    let environment = processes::environment(pid).ok()?;
    let mark = environment.get(MARK)?.strip_prefix(directory.as_os_str().as_encoded_bytes())?;
    std::str::from_utf8(mark.strip_prefix(b"#")?).ok()?.parse().ok()
}

/// Whether a process was started in this directory, or by one that was.
pub(crate) fn is_of(pid: i32, directory: &Path) -> bool {
    directory.canonicalize().is_ok_and(|directory| start_number(pid, &directory).is_some())
}

/// Whether a process was started in the directory of any keeper, or by one that was.
pub(crate) fn is_of_any(pid: i32) -> bool {
    processes::environment(pid).is_ok_and(|environment| environment.get(MARK).is_some())
}

/// The processes that come from a start in this directory: from this one, or from any.
pub(crate) fn started_in(directory: &Path, number: Option<u32>) -> Vec<i32> {
    let is_wanted = |found: u32| number.is_none_or(|number| number == found);
    marked_in(directory).into_iter().filter(|(_, found)| is_wanted(*found)).map(|(pid, _)| pid).collect()
}

/// The processes that come from a start in this directory, and which start that was.
pub(super) fn marked_in(directory: &Path) -> Vec<(i32, u32)> {
    all().into_iter().filter_map(|pid| Some((pid, start_number(pid, directory)?))).collect()
}

/// The processes that print to a log and that no keeper has below it: a daemon of one that was killed, which has taken
/// neither its environment nor its session along. What has the mark of a keeper is found by that.
pub(crate) fn printing_to(log: &Path) -> Vec<i32> {
    let Some(log) = fs::metadata(log).ok().filter(fs::Metadata::is_file) else { return Vec::new() };
    let is_it = |output: &str, pid: i32| {
        fs::metadata(format!("/proc/{pid}/fd/{output}"))
            .is_ok_and(|open| (open.dev(), open.ino()) == (log.dev(), log.ino()))
    };
    let prints = all().into_iter().filter(|pid| ["1", "2"].iter().any(|output| is_it(output, *pid)));
    prints.filter(|pid| !is_of_any(*pid) && !is_kept(*pid)).collect()
}

/// Whether a process is a keeper, or lives below one.
fn is_kept(pid: i32) -> bool {
    let parents = std::iter::successors(Some(pid), |pid| Some(stat(*pid)?.parent));
    parents
        .take_while(|pid| *pid > 1)
        .any(|pid| processes::arguments(pid).get(1).is_some_and(|verb| verb == "keeper"))
}

/// Sends a signal to each that still lives.
pub(super) fn signal(pids: &[i32], signal: Signal) {
    for pid in pids.iter().copied().filter_map(Pid::from_raw) {
        let _gone_already = kill_process(pid, signal);
    }
}

/// Kills all that `list` names. They are stopped first, until no new one turns up, because what
/// forks faster than it is killed would get away otherwise.
pub(super) fn kill(list: impl Fn() -> Vec<i32>) {
    let mut stopped = Vec::new();
    for _ in 0..64 {
        let fresh: Vec<i32> = list().into_iter().filter(|pid| !stopped.contains(pid)).collect();
        if fresh.is_empty() {
            break;
        }
        signal(&fresh, Signal::STOP);
        stopped.extend(fresh);
    }
    signal(&stopped, Signal::KILL);
}
