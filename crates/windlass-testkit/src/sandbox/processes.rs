//! The processes of one sandbox, found by what the kernel knows of them.

use std::path::Path;

use rustix::process::{Pid, Signal, getpid, kill_process};

/// A process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Process {
    /// Its id.
    pub pid: i32,
    /// Who started it, or has it since that ended.
    pub parent: i32,
    /// Its arguments.
    pub argv: Vec<String>,
    /// Its environment.
    pub env: Vec<String>,
}

impl Process {
    /// Whether it is the program called so, run with this first argument.
    #[must_use]
    pub fn is(&self, program: &str, verb: &str) -> bool {
        let name = self.argv.first().and_then(|path| path.rsplit('/').next());
        name == Some(program) && self.argv.get(1).is_some_and(|word| word == verb)
    }
}

/// All processes whose arguments or environment name something below this directory, or that work there: Redis and
/// PostgreSQL show a title where their arguments and their environment were.
#[must_use]
pub fn processes(below: &Path) -> Vec<Process> {
    let below = below.to_str().unwrap();
    let own = getpid().as_raw_nonzero().get();
    let mut found = Vec::new();
    for entry in std::fs::read_dir("/proc").unwrap().flatten() {
        let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse().ok()) else { continue };
        let read = |file: &str| std::fs::read(entry.path().join(file)).unwrap_or_default();
        let argv = read("cmdline");
        // What has no arguments is the kernel's, or has ended. There are many processes, and this is asked often:
        // of others than the wanted ones as little is read as shows that they are others.
        if argv.is_empty() || pid == own {
            continue;
        }
        let env = read("environ");
        let names = |bytes: &[u8]| String::from_utf8_lossy(bytes).contains(below);
        let works_there =
            || std::fs::read_link(entry.path().join("cwd")).is_ok_and(|cwd| cwd.starts_with(below));
        if !(names(&argv) || names(&env) || works_there()) {
            continue;
        }
        if !lives(pid) {
            continue;
        }
        let parent = parent(pid).unwrap_or_default();
        found.push(Process { pid, parent, argv: words(&argv), env: words(&env) });
    }
    found
}

fn words(bytes: &[u8]) -> Vec<String> {
    let words = bytes.split(|byte| *byte == 0).filter(|word| !word.is_empty());
    words.map(|word| String::from_utf8_lossy(word).into_owned()).collect()
}

/// Whether a process runs; one that has ended and was not yet taken notice of does not.
#[must_use]
pub fn lives(pid: i32) -> bool {
    stat(pid).is_some_and(|fields| !fields.starts_with('Z'))
}

/// Whether a process was stopped by a signal.
#[must_use]
pub fn is_stopped(pid: i32) -> bool {
    stat(pid).is_some_and(|fields| fields.starts_with('T'))
}

/// What the kernel says of a process behind its name: its state, its parent, and so on.
fn stat(pid: i32) -> Option<String> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    Some(stat[stat.rfind(')')? + 1..].trim_start().to_owned())
}

fn parent(pid: i32) -> Option<i32> {
    stat(pid)?.split(' ').nth(1)?.parse().ok()
}

/// Sends a signal; a process that has gone already is no failure.
pub fn kill(pid: i32, signal: Signal) {
    let _gone = kill_process(Pid::from_raw(pid).expect("no process id"), signal);
}

/// Kills all processes of this directory; keepers first, or they would start what they keep again.
pub fn end_all(below: &Path) {
    end(|| processes(below));
}

/// The same for those that come from children of one process only. Who looks at the directory, in a shell or by
/// `tail -f`, comes from elsewhere.
pub(crate) fn end_all_from(origin: impl Fn() -> Option<Pid>, below: &Path) {
    end(|| {
        let (found, origin) = (processes(below), origin().map_or(0, |origin| origin.as_raw_nonzero().get()));
        let comes_from_there = |process: &Process| {
            let mut eldest = process.pid;
            loop {
                match parent(eldest) {
                    Some(parent) if parent == origin => break found.iter().any(|other| other.pid == eldest),
                    Some(parent) if parent > 0 => eldest = parent,
                    _ => break false,
                }
            }
        };
        found.iter().filter(|process| comes_from_there(process)).cloned().collect()
    });
}

/// How often it is looked whether anything is left, and for how many times a server may end in its own way.
const ROUNDS: u32 = 300;
/// See [`ROUNDS`].
const PATIENCE: u32 = 200;

fn end(look: impl Fn() -> Vec<Process>) {
    for round in 0..ROUNDS {
        let mut left = look();
        if left.is_empty() {
            return;
        }
        left.sort_by_key(|process| !process.is("windlass", "keeper"));
        for process in left {
            // Killed, it would leave its shared memory behind; it is quick where it can.
            let signal = match process.is("postgres", "-D") {
                true if round < PATIENCE => Signal::QUIT,
                _ => Signal::KILL,
            };
            kill(process.pid, signal);
        }
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    #[test]
    fn one_that_hides_its_arguments_and_environment_is_found_by_where_it_works() {
        let directory = tempfile::tempdir().unwrap();
        let below = directory.path().canonicalize().unwrap();
        let mut command = Command::new("sleep");
        let mut child = command.arg("60").env_clear().current_dir(&below).spawn().unwrap();
        let found = processes(&below);
        child.kill().unwrap();
        child.wait().unwrap();
        assert_eq!(found.len(), 1, "{found:?}");
        assert_eq!(processes(&below), []);
    }
}
