//! The keeper: parent of one process. What it is told and tells is in `windlass_core::launch`.
//!
//! It is small and dumb on purpose: one thread, no async runtime, one loop over `poll`. It outlives
//! every control process; whoever controls it talks to it through its directory (`runtime::process`).
//!
//! ```text
//! detach   alone in its directory (lock), nobody's child
//!   run    the loop: start, wait, decide, start again or end
//!     child     starting: session, limits, account, exec     limits, cgroup, account
//!     exit      how exactly it ended                         policy: whether it is started again
//!     tree      finding and killing what it left behind
//!     watchers  commands and changes                         store: sockets that outlive the process
//!     log       rotation, in a process of its own for as long as it takes
//! ```

mod cgroup;
mod child;
#[cfg(test)]
pub(crate) mod damaged;
mod detach;
mod exit;
pub(crate) mod files;
pub mod limits;
pub(crate) mod log;
mod policy;
mod run;
pub(crate) mod signal;
mod store;
pub(crate) mod tree;
pub(crate) mod watchers;

pub(crate) use detach::Verdict;
pub(crate) use run::BEING_REPLACED;

/// Runs a keeper for the directory that `args` name.
#[must_use]
pub fn main(args: &[std::ffi::OsString]) -> std::process::ExitCode {
    let [directory] = args else {
        use std::io::Write;
        let _closed = writeln!(std::io::stderr(), "windlass keeper: usage: windlass keeper DIRECTORY");
        return std::process::ExitCode::from(Verdict::Unusable as u8);
    };
    detach::enter(directory.as_ref())
}
