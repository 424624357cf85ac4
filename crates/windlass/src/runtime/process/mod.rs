//! Plain processes, each in the hands of a keeper (`windlass_core::launch`, [`crate::keeper`]).
//!
//! A directory names a process. All state is the keeper's and the kernel's: whoever calls these
//! functions may die at any point, and the next caller sees what is.
//!
//! ```text
//! start     launch.json, then `windlass keeper DIR`, which answers when the process runs
//! observe   files and /proc; asks nobody
//! ask       stop, signal, replace, watch: through the keeper's socket
//! log       where the lines are when a log has been rotated
//! readopt   a keeper was killed, its process lives: another keeper takes over
//! ```

mod ask;
mod connection;
mod error;
pub mod log;
mod observe;
mod start;

pub use ask::{
    Ended, Replaced, look, outlast, replace, replace_by, restart, signal, start_now, stop, stop_by,
    wait_ended, watch,
};
pub use error::{Fault, RuntimeError};
pub use observe::{
    Keeper, Observation, is_kept, is_locked, is_of_another_boot, is_under_way, keeper, observe,
};
pub use start::{Tie, readopt, start, start_part, start_tied, use_program};
