//! The machine's processes, as `/proc` tells of them.

use std::io;
use std::path::PathBuf;
use std::sync::OnceLock;
use std::time::Duration;

use zeroize::Zeroizing;

/// What `/proc/PID/stat` says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Stat {
    pub(crate) parent: i32,
    pub(crate) session: i32,
    /// Its start, in clock ticks since boot.
    pub(crate) start_ticks: u64,
    /// It has ended and waits for its parent to take notice.
    pub(crate) zombie: bool,
    /// It was stopped by a signal.
    pub(crate) stopped: bool,
    /// The processor time that it has used, in clock ticks.
    pub(crate) cpu_ticks: u64,
    /// Its resident memory, in pages. Shared ones count for each process.
    pub(crate) resident_pages: u64,
}

/// All processes; none where the system hides even this one.
pub(crate) fn all() -> Vec<i32> {
    let entries = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect()
}

/// Looks at a process; `None` when there is none.
pub(crate) fn stat(pid: i32) -> Option<Stat> {
    parse(&std::fs::read_to_string(of(pid, "stat")).ok()?)
}

/// The name in brackets may hold anything, so fields count from the last bracket.
fn parse(line: &str) -> Option<Stat> {
    let fields: Vec<&str> = line[line.rfind(')')? + 1..].split_ascii_whitespace().collect();
    let number = |at: usize| fields.get(at)?.parse::<u64>().ok();
    Some(Stat {
        zombie: matches!(*fields.first()?, "Z" | "X"),
        // What a tracer holds for a moment (`t`) goes on: strace, a profiler.
        stopped: *fields.first()? == "T",
        parent: fields.get(1)?.parse().ok()?,
        session: fields.get(3)?.parse().ok()?,
        cpu_ticks: number(11)? + number(12)?,
        start_ticks: number(19)?,
        resident_pages: number(21)?,
    })
}

/// Whether anybody has this number, ended or not.
pub(crate) fn exists(pid: u32) -> bool {
    PathBuf::from(format!("/proc/{pid}")).exists()
}

/// Whether this very process (not a later one with its number) still runs.
pub(crate) fn lives(pid: i32, start_ticks: u64) -> bool {
    stat(pid).is_some_and(|stat| stat.start_ticks == start_ticks && !stat.zombie)
}

/// Whether any of these still does, each by its number and its start.
pub(crate) fn any_lives(all: &[(i32, u64)]) -> bool {
    all.iter().any(|(pid, start_ticks)| lives(*pid, *start_ticks))
}

/// Whether a process was stopped and does nothing until it is told to go on.
pub(crate) fn is_stopped(pid: i32) -> bool {
    stat(pid).is_some_and(|stat| stat.stopped)
}

/// How long ago a process was started, where the machine has run for so long now.
pub(crate) fn age(start_ticks: u64, since_boot: Duration) -> Duration {
    let ticks = rustix::param::clock_ticks_per_second().max(1);
    let rest = Duration::from_millis((start_ticks % ticks) * 1000 / ticks);
    since_boot.saturating_sub(Duration::from_secs(start_ticks / ticks) + rest)
}

/// The id of the machine's present boot; empty where the kernel does not tell.
pub(crate) fn boot() -> &'static str {
    static BOOT: OnceLock<String> = OnceLock::new();
    BOOT.get_or_init(|| {
        let id = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
        id.trim().to_owned()
    })
}

/// What a process is called. Everybody may read it, unless even that is hidden.
///
/// # Errors
/// When there is no such process, or it is hidden.
pub(crate) fn name(pid: i32) -> io::Result<String> {
    let name = std::fs::read(of(pid, "comm"))?;
    Ok(String::from_utf8_lossy(name.trim_ascii()).into_owned())
}

/// The program and the arguments of a process; none where it has gone or may not be looked at.
pub(crate) fn arguments(pid: i32) -> Vec<String> {
    let line = std::fs::read(of(pid, "cmdline")).unwrap_or_default();
    let words = line.split(|byte| *byte == 0).map(|word| String::from_utf8_lossy(word).into_owned());
    let mut words: Vec<String> = words.collect();
    let _behind_the_last = words.pop_if(|word| word.is_empty());
    words
}

/// The directory that a process works in.
///
/// # Errors
/// When there is no such process, or it may not be traced: that of another account, or as root in most containers.
pub(crate) fn directory(pid: i32) -> io::Result<PathBuf> {
    std::fs::read_link(of(pid, "cwd"))
}

/// What a process was started with.
///
/// # Errors
/// When there is no such process, or it is that of another account.
pub(crate) fn environment(pid: i32) -> io::Result<Environment> {
    Ok(Environment(Zeroizing::new(std::fs::read(of(pid, "environ"))?)))
}

fn of(pid: i32, file: &str) -> String {
    format!("/proc/{pid}/{file}")
}

/// The variables of a process. They hold secrets: no `Debug`.
pub(crate) struct Environment(Zeroizing<Vec<u8>>);

impl Environment {
    /// Names and values, in their order.
    pub(crate) fn variables(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        self.0.split(|byte| *byte == 0).filter_map(|variable| {
            let equals = variable.iter().position(|byte| *byte == b'=')?;
            Some((&variable[..equals], &variable[equals + 1..]))
        })
    }

    /// The value of a variable.
    pub(crate) fn get(&self, name: &str) -> Option<&[u8]> {
        self.variables().find(|(found, _)| *found == name.as_bytes()).map(|(_, value)| value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_full_of_brackets_does_not_shift_the_fields() {
        let line = "7 (a) b (c) Z 3 7 5 0 -1 0 0 0 0 0 20 3 0 0 20 0 1 0 4711 0 9 0";
        let stat = Stat {
            parent: 3,
            session: 5,
            start_ticks: 4711,
            zombie: true,
            stopped: false,
            cpu_ticks: 23,
            resident_pages: 9,
        };
        assert_eq!(parse(line), Some(stat));
        assert!(parse(&line.replace("c) Z", "c) T")).is_some_and(|stat| stat.stopped && !stat.zombie));
        assert!(parse(&line.replace("c) Z", "c) t")).is_some_and(|stat| !stat.stopped), "traced, not frozen");
        assert_eq!(parse("7 (cut"), None);
    }

    #[test]
    fn a_process_is_as_old_as_the_machine_but_for_the_time_before_it() {
        let ticks = rustix::param::clock_ticks_per_second();
        assert_eq!(age(90 * ticks, Duration::from_secs(100)), Duration::from_secs(10));
        assert_eq!(age(u64::MAX, Duration::from_secs(100)), Duration::ZERO);
        let old = age(stat(me()).unwrap().start_ticks, crate::clock::since_boot());
        assert!(old < Duration::from_secs(600), "{old:?}");
    }

    #[test]
    fn this_process_lives_and_a_later_one_of_its_number_is_another() {
        let ticks = stat(me()).unwrap().start_ticks;
        assert!(lives(me(), ticks));
        assert!(!lives(me(), ticks + 1));
        assert!(all().contains(&me()));
    }

    #[test]
    fn a_value_may_hold_what_separates_a_name_from_it() {
        let environment = Environment(Zeroizing::new(b"A=1\0B=x=y\0odd\0C=\0".to_vec()));
        assert_eq!(environment.get("B"), Some(&b"x=y"[..]));
        assert_eq!(environment.get("C"), Some(&b""[..]));
        assert_eq!(environment.get("odd"), None);
    }

    fn me() -> i32 {
        i32::try_from(std::process::id()).unwrap()
    }
}
