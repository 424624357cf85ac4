//! Processes by kinship, read from `/proc`.
//!
//! A keeper is a subreaper: whatever its process leaves behind becomes the keeper's own child, so
//! that walking down from the keeper finds all of it, whoever forked, however often.

use std::fs;
use std::path::Path;
use std::sync::OnceLock;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

/// What `/proc/PID/stat` says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Stat {
    pub(crate) parent: i32,
    pub(crate) session: i32,
    /// Its start, in clock ticks since boot.
    pub(crate) start_ticks: u64,
    /// It has ended and waits for its parent to take notice.
    pub(crate) zombie: bool,
    /// It was stopped by a signal, or a debugger holds it.
    pub(crate) stopped: bool,
}

/// Looks at a process; `None` when there is none.
pub(crate) fn stat(pid: i32) -> Option<Stat> {
    parse(&fs::read_to_string(format!("/proc/{pid}/stat")).ok()?)
}

/// The name in brackets may hold anything, so fields count from the last bracket.
fn parse(line: &str) -> Option<Stat> {
    let fields: Vec<&str> = line[line.rfind(')')? + 1..].split_ascii_whitespace().collect();
    Some(Stat {
        zombie: matches!(*fields.first()?, "Z" | "X"),
        stopped: matches!(*fields.first()?, "T" | "t"),
        parent: fields.get(1)?.parse().ok()?,
        session: fields.get(3)?.parse().ok()?,
        start_ticks: fields.get(19)?.parse().ok()?,
    })
}

/// Whether this very process (not a later one with its number) still runs.
pub(crate) fn lives(pid: i32, start_ticks: u64) -> bool {
    stat(pid).is_some_and(|stat| stat.start_ticks == start_ticks && !stat.zombie)
}

/// The id of the machine's present boot; empty where the kernel does not tell.
pub(crate) fn boot() -> &'static str {
    static BOOT: OnceLock<String> = OnceLock::new();
    BOOT.get_or_init(|| {
        let id = fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
        id.trim().to_owned()
    })
}

/// Whether a process was stopped and does nothing until it is told to go on.
pub(crate) fn is_stopped(pid: i32) -> bool {
    stat(pid).is_some_and(|stat| stat.stopped)
}

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

/// All processes.
fn all() -> Vec<i32> {
    let Ok(entries) = fs::read_dir("/proc") else { return Vec::new() };
    entries.flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect()
}

/// The processes of a session: what a process left behind that did not leave its session.
pub(super) fn session(sid: i32) -> Vec<i32> {
    all()
        .into_iter()
        .filter(|pid| stat(*pid).is_some_and(|stat| stat.session == sid && !stat.zombie))
        .collect()
}

/// The variable by which a start in a directory is known: `DIR#N`.
pub(super) const MARK: &str = "WINDLASS_PROCESS";

/// Which start in this directory a process comes from; `None` when it comes from another.
pub(super) fn start_number(pid: i32, directory: &Path) -> Option<u32> {
    let environ = fs::read(format!("/proc/{pid}/environ")).ok()?;
    environ.split(|byte| *byte == 0).find_map(|entry| {
        let mark = entry.strip_prefix(MARK.as_bytes())?.strip_prefix(b"=")?;
        let number = mark.strip_prefix(directory.as_os_str().as_encoded_bytes())?.strip_prefix(b"#")?;
        std::str::from_utf8(number).ok()?.parse().ok()
    })
}

/// Whether a process was started in this directory, or by one that was.
pub(crate) fn is_of(pid: i32, directory: &Path) -> bool {
    directory.canonicalize().is_ok_and(|directory| start_number(pid, &directory).is_some())
}

/// The processes that come from a start in this directory: from this one, or from any.
pub(super) fn started_in(directory: &Path, number: Option<u32>) -> Vec<i32> {
    let is_wanted = |found: u32| number.is_none_or(|number| number == found);
    marked_in(directory).into_iter().filter(|(_, found)| is_wanted(*found)).map(|(pid, _)| pid).collect()
}

/// The processes that come from a start in this directory, and which start that was.
pub(super) fn marked_in(directory: &Path) -> Vec<(i32, u32)> {
    all().into_iter().filter_map(|pid| Some((pid, start_number(pid, directory)?))).collect()
}

/// How long ago a process was started, where the machine has run for so long now.
pub(crate) fn age(start_ticks: u64, since_boot: Duration) -> Duration {
    let ticks = rustix::param::clock_ticks_per_second().max(1);
    let rest = Duration::from_millis((start_ticks % ticks) * 1000 / ticks);
    since_boot.saturating_sub(Duration::from_secs(start_ticks / ticks) + rest)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_full_of_brackets_does_not_shift_the_fields() {
        let line = "7 (a) b (c) Z 3 7 5 0 -1 0 0 0 0 0 0 0 0 0 20 0 1 0 4711 0 0";
        assert_eq!(
            parse(line),
            Some(Stat { parent: 3, session: 5, start_ticks: 4711, zombie: true, stopped: false })
        );
        assert!(parse(&line.replace("c) Z", "c) T")).is_some_and(|stat| stat.stopped && !stat.zombie));
        assert_eq!(parse("7 (cut"), None);
    }

    #[test]
    fn a_process_is_as_old_as_the_machine_but_for_the_time_before_it() {
        let ticks = rustix::param::clock_ticks_per_second();
        assert_eq!(age(90 * ticks, Duration::from_secs(100)), Duration::from_secs(10));
        assert_eq!(age(u64::MAX, Duration::from_secs(100)), Duration::ZERO);
        let me = i32::try_from(std::process::id()).unwrap();
        let old = age(stat(me).unwrap().start_ticks, crate::clock::since_boot());
        assert!(old < Duration::from_secs(600), "{old:?}");
    }

    #[test]
    fn this_process_lives_and_a_later_one_of_its_number_is_another() {
        let me = i32::try_from(std::process::id()).unwrap();
        let ticks = stat(me).unwrap().start_ticks;
        assert!(lives(me, ticks));
        assert!(!lives(me, ticks + 1));
    }
}
