//! The end of what a test has started when the test is ended itself, so that it cannot: by a signal, because it took too
//! long.
//!
//! A process of its own, the program `fixture`, knows the directories of the test and waits until that is gone, which
//! the system tells by closing a pipe.

#![expect(clippy::unwrap_used, reason = "only tests use this")]

use std::io::{Read as _, Write as _};
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{ChildStdin, Command, ExitCode, Stdio};
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
    let pipe = WATCHDOG.get_or_init(|| {
        let mut command = Command::new(built::program("fixture"));
        command.arg(VERB).env_clear().current_dir("/").stdin(Stdio::piped());
        // Not in the test's group: whoever ends the test ends that.
        let child = command.stdout(Stdio::null()).stderr(Stdio::null()).process_group(0).spawn();
        Mutex::new(child.unwrap().stdin.take().unwrap())
    });
    let directory = directory.canonicalize().unwrap();
    writeln!(pipe.lock().unwrap(), "{}", directory.to_str().unwrap()).unwrap();
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
