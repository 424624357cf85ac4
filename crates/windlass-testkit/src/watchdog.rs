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

use crate::built;
use crate::sandbox::end_all;

/// As what the program is started.
pub const VERB: &str = "watchdog";

/// From now on the end of this process is the end of all that belongs to this directory, which is removed, too.
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
    // Not in the test's group: whoever ends the test ends that.
    command.stdout(Stdio::null()).stderr(Stdio::null()).process_group(0).spawn().unwrap()
}

/// Waits until the test is gone, and ends what is left of it.
#[must_use]
pub fn main() -> ExitCode {
    let mut directories = String::new();
    let _gone = std::io::stdin().read_to_string(&mut directories);
    for directory in directories.lines().map(Path::new).filter(|directory| directory.exists()) {
        end_all(directory);
        let _somebody_elses = std::fs::remove_dir_all(directory);
    }
    ExitCode::SUCCESS
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_left_ends_when_the_pipe_does() {
        let (left, others) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let sleeps_in = |directory: &Path| Command::new("sleep").arg("600").current_dir(directory).spawn();
        let mut own = sleeps_in(left.path()).unwrap();
        let mut other = sleeps_in(others.path()).unwrap();
        let mut watchdog = start();
        writeln!(watchdog.stdin.take().unwrap(), "{}", left.path().display()).unwrap();
        let done = watchdog.wait().unwrap();
        let spared = other.try_wait().unwrap().is_none();
        other.kill().unwrap();
        other.wait().unwrap();
        assert!(done.success() && spared && !left.path().exists());
        assert!(!own.wait().unwrap().success());
    }
}
