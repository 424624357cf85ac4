//! What runs by the clock.

pub(in crate::host) mod outcomes;
pub(super) mod queue;
mod runs;
pub(super) mod schedules;
