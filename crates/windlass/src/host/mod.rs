//! The host side: owns one environment on this machine.
//!
//! ```text
//! controller --frames--> session ---> run: begun, followed, settled
//!                           |          |
//!                         view,      engine (the journal, step by step)
//!                        by_hand       |
//!                                    world: carries a step out on
//!                                      |    tree, settings, resource, once, instance, proxy
//!        supervise, cron --------------+
//! ```
//! [`session`] hears what is asked, [`view`] answers how everything is, [`by_hand`] runs one
//! command for a person. A [`run`] holds the lock and hands the plan to the engine, which carries
//! it out on the [`world`]: trees are made, values are filled in, private resources, jobs and copies
//! of services are started through their keepers, and the proxy is given its table. Between runs
//! [`supervise`] keeps what should run running, and [`cron`] starts what is due. [`logs`] and
//! [`notify`] serve them all.
//!
//! It is one thread. Nothing that serves requests depends on it: when it dies its keeper starts it
//! again, and it takes up what it finds.

mod by_hand;
mod cron;
#[cfg(test)]
pub(crate) mod damaged;
mod instance;
mod logs;
mod notify;
mod once;
mod preflight;
mod proxy;
mod resource;
mod run;
mod session;
mod settings;
mod state;
mod supervise;
#[cfg(test)]
mod testing;
mod tree;
mod view;
mod world;

pub use preflight::left_behind;
pub use preflight::machine::{Lack, Looked, before_the_start, home_hint, look, users};
pub use session::rest::{converse_at_rest, is_at_rest};
pub use settings::values::{key as fingerprint_key, read as kept_values};
pub use state::{Host, build, program, refusal};
pub use view::observe::{observe, observe_from_disk};

use std::ffi::OsString;
use std::process::ExitCode;

/// Runs the host side for the environment in the directory that `args` name.
#[must_use]
pub fn main(args: &[OsString]) -> ExitCode {
    // Whatever whoever started it had: what is made from here on, services among it, is not for
    // everybody to write.
    rustix::process::umask(rustix::fs::Mode::from_raw_mode(0o022));
    match session::serve::run(args) {
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
