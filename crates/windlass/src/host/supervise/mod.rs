//! Between runs: what should run and does not, what runs and is not alive.

mod crash_loops;
pub(super) mod liveness;
pub(super) mod loops;
mod readiness;
pub(super) mod resources;
mod supervised;
pub(super) mod verdicts;
