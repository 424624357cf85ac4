//! What runs by the clock.

pub(in crate::host) mod outcomes;
mod queue;
mod runs;
mod schedules;
