//! What runs by the clock.

mod outcomes;
pub(super) mod queue;
mod runs;
pub(super) mod schedules;
