//! The end of what a test has started when the test is ended itself, so that it cannot: by a signal, because it took too
//! long.
//!
//! A process of its own, the program `fixture`, knows the directories of the test and waits until that is gone, which
//! the system tells by closing a pipe.

#![expect(clippy::unwrap_used, reason = "only tests use this")]

use std::io::{Read as _, Write as _};
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Child, ChildStdin, Command, ExitCode, Stdio};
use std::sync::{Mutex, OnceLock};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{PidfdFlags, getppid, pidfd_open};

use crate::built;
use crate::sandbox::{end_all_from, forget_files_of_settings};

/// As what the program is started.
pub const VERB: &str = "watchdog";

/// The variable with which the directories of what failed stay.
const KEEP: &str = "KEEP";

/// How long a test may take to end once its files are closed.
const A_MOMENT: Timespec = Timespec { tv_sec: 10, tv_nsec: 0 };

/// From now on the end of this process is the end of all that belongs to this directory, which is removed, too, unless
/// `KEEP` is set.
///
/// # Panics
/// When that cannot be seen to.
pub fn watch_over(directory: &Path) {
    static WATCHDOG: OnceLock<Mutex<ChildStdin>> = OnceLock::new();
    let pipe = WATCHDOG.get_or_init(|| Mutex::new(start().stdin.take().unwrap()));
    let directory = directory.canonicalize().unwrap();
    writeln!(pipe.lock().unwrap(), "{}", directory.to_str().unwrap()).unwrap();
}

fn start() -> Child {
    let mut command = Command::new(built::program("fixture"));
    command.arg(VERB).env_clear().current_dir("/").stdin(Stdio::piped());
    command.envs(std::env::var_os(KEEP).map(|keep| (KEEP, keep)));
    // Not in the test's group: whoever ends the test ends that.
    command.stdout(Stdio::null()).stderr(Stdio::null()).process_group(0).spawn().unwrap()
}

/// Waits until the test is gone, and ends what is left of it.
#[must_use]
pub fn main() -> ExitCode {
    let test = getppid().and_then(|test| pidfd_open(test, PidfdFlags::empty()).ok());
    let mut directories = String::new();
    let _gone = std::io::stdin().read_to_string(&mut directories);
    // The pipe is closed a moment before the system gives away the children of the test, and this is one of them.
    if let Some(test) = &test {
        let _ended = poll(&mut [PollFd::new(test, PollFlags::IN)], Some(&A_MOMENT));
    }
    for directory in directories.lines().map(Path::new).filter(|directory| directory.exists()) {
        end_all_from(getppid, directory);
        forget_files_of_settings(directory);
        if std::env::var_os(KEEP).is_none() {
            let _somebody_elses = std::fs::remove_dir_all(directory);
        }
    }
    ExitCode::SUCCESS
}

#[cfg(test)]
mod tests {
    use std::io::{BufRead as _, BufReader};

    use rustix::process::Signal;

    use super::*;
    use crate::sandbox::{Process, kill, lives, processes, until};

    const WATCHED: &str = "WINDLASS_TEST_WATCHED";

    /// The test that is ended, by the one below.
    #[test]
    #[ignore = "the test below runs it"]
    fn one_that_hangs() {
        let Some(directory) = std::env::var_os(WATCHED) else { return };
        watch_over(Path::new(&directory));
        let mut sleep = Command::new("sleep").arg("600").current_dir(&directory).spawn().unwrap();
        sleep.wait().unwrap();
    }

    #[test]
    fn what_is_left_of_a_test_ends_with_it_and_who_looks_at_it_does_not() {
        for keep in [None, Some("1")] {
            let (left, others) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
            let below = left.path().canonicalize().unwrap();
            let mut test = Command::new(std::env::current_exe().unwrap());
            test.args(["--exact", "watchdog::tests::one_that_hangs", "--ignored"]).env(WATCHED, &below);
            test.env_remove(KEEP).envs(keep.map(|keep| (KEEP, keep))).stdout(Stdio::null());
            let mut test = test.spawn().unwrap();
            let pid = i32::try_from(test.id()).unwrap();
            let sleeps = |process: &Process| process.argv == ["sleep", "600"];
            let own = until("what it starts", || processes(&below).into_iter().find(sleeps)).pid;
            let watches = |process: &Process| process.parent == pid && process.is("fixture", VERB);
            let watchdog = processes(&built::program("fixture")).into_iter().find(watches).unwrap().pid;
            let mut other = Command::new("sleep").arg("600").current_dir(&others).spawn().unwrap();
            // A shell elsewhere, and what it started there.
            let mut looks = Command::new("sh");
            looks.args(["-c", "read there; (cd \"$there\"; exec sleep 599) & echo $!; wait"]);
            let mut looks = looks.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
            writeln!(looks.stdin.take().unwrap(), "{}", below.display()).unwrap();
            let mut looker = String::new();
            BufReader::new(looks.stdout.take().unwrap()).read_line(&mut looker).unwrap();
            let looker: i32 = looker.trim().parse().unwrap();
            until("somebody to look", || processes(&below).iter().find(|one| one.pid == looker).map(drop));

            test.kill().unwrap();
            test.wait().unwrap();
            until("the watchdog's end", || (!lives(watchdog)).then_some(()));
            let spared = (other.try_wait().unwrap().is_none(), lives(looker));
            kill(looker, Signal::KILL);
            other.kill().unwrap();
            other.wait().unwrap();
            looks.wait().unwrap();
            assert!(!lives(own), "it sleeps on");
            assert_eq!((spared, left.path().exists()), ((true, true), keep.is_some()), "{keep:?}");
        }
    }
}
