//! The standard output: what was asked for, and nothing else.

use std::io::{self, Write};

use rustix::event::{PollFd, PollFlags, Timespec, poll};

use super::failure::Failure;
use crate::observe::printable;

/// Prints a line of what was asked for. A reader that has gone is no failure: what was begun goes on.
pub(super) fn print_line(line: &str) {
    let _ = put_line(line);
}

/// The same for a verb that does nothing but print.
pub(super) fn put_line(line: &str) -> io::Result<()> {
    writeln!(io::stdout(), "{}", printable(line))
}

/// What it means for such a verb that something was not printed. A reader that has seen enough ends it, and
/// that is no failure.
pub(super) fn printed(result: io::Result<()>) -> Result<(), Failure> {
    match result {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            Err(Failure::failed(format!("the standard output cannot be written: {error}"), ""))
        }
        _ => Ok(()),
    }
}

/// Whether nobody reads the standard output any more, as far as can be seen without writing.
pub(super) fn is_unread() -> bool {
    let stdout = io::stdout();
    let mut looked_at = [PollFd::new(&stdout, PollFlags::empty())];
    let now = Timespec { tv_sec: 0, tv_nsec: 0 };
    poll(&mut looked_at, Some(&now)).is_ok() && looked_at[0].revents().contains(PollFlags::ERR)
}
