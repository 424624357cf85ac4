//! What runs by the clock.

mod outcomes;
mod queue;
mod runs;
mod schedules;
