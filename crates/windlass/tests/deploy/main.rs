//! The real program deploys a real application, and the application is asked all the while.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "what stands around a test may end it as the test itself may"
)]

mod accounts;
mod baking;
mod basics;
mod boot;
mod carried;
mod checking;
mod elsewhere;
mod given;
mod going_back;
mod hints;
mod jobs;
mod logs;
mod ports;
mod printing;
mod readiness;
mod refusals;
mod resources;
mod resting;
mod retiring;
mod runs;
mod schemas;
mod settings;
mod signals;
mod status;
mod staying_up;
mod strategies;
mod telling;
mod trouble;
mod undoing;
mod upgrading;
mod workers;

use windlass_testkit::sandbox::{Manifest, Sandbox, score};

/// The program under test.
const WINDLASS: &str = env!("CARGO_BIN_EXE_windlass");

/// A sandbox in which the application runs.
fn deployed(manifest: &Manifest) -> Sandbox {
    let sandbox = Sandbox::with(WINDLASS, manifest);
    sandbox.succeed(&["deploy"]);
    sandbox
}

/// Begins the line of this test in the table of `docs/reference/reliability.md`.
fn line(test: &str) -> score::Running {
    score::begin(WINDLASS, test)
}
