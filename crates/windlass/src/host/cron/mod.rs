//! What runs by the clock.

mod queue;
mod runs;
mod schedules;
