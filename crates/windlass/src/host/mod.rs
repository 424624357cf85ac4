//! The host side: owns one environment on this machine.
//!
//! ```text
//! controller --frames--> session -> Host -> runs -> engine -> world -> keepers, proxy, files
//!                                    |                          ^
//!                                    +-> supervise: health, cron, what should run and does not
//! ```
//!
//! It is one thread. Nothing that serves requests depends on it: when it dies its keeper starts it
//! again, and it takes up what it finds.

mod carried;
mod commands;
mod contents;
mod credentials;
mod cron_queue;
mod cron_schedules;
mod crons;
mod durable;
mod errand;
mod fill;
mod half_done;
mod health_page;
mod identity;
mod in_use;
mod instances;
mod liveness;
mod logs;
mod masked;
mod masks;
mod notify;
mod observe;
mod oneshot;
mod preflight;
mod proxy_client;
mod quiet;
mod releases;
mod reserve;
mod resources;
mod rest;
mod restarts;
mod rotation;
mod routing;
mod runs;
mod secret_files;
mod serve;
mod session;
mod settings;
mod shared;
mod state;
mod status;
mod storage;
mod story;
mod supervise;
mod supervised;
mod tree_in_use;
mod undo;
mod usage;
mod values;
mod world;

pub use observe::{observe, observe_at_rest};
pub use rest::{converse_at_rest, is_at_rest};
pub use state::{Host, build, program, refusal};
pub use values::{key as fingerprint_key, read as kept_values};

use std::ffi::OsString;
use std::process::ExitCode;

/// Runs the host side for the environment in the directory that `args` name.
#[must_use]
pub fn main(args: &[OsString]) -> ExitCode {
    // Whatever whoever started it had: what is made from here on, services among it, is not for
    // everybody to write.
    rustix::process::umask(rustix::fs::Mode::from_raw_mode(0o022));
    match serve::run(args) {
        Ok(()) => ExitCode::SUCCESS,
        Err(problem) => {
            // Its standard error is its log, which `windlass` shows when the host side does not answer.
            #[expect(clippy::print_stderr, reason = "the host side's own log")]
            {
                eprintln!("windlass host: {problem}");
            }
            ExitCode::FAILURE
        }
    }
}
