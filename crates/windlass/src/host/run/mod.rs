//! Runs: begun, followed, settled, and what they leave behind.

pub(super) mod half_done;
pub(super) mod handle;
pub(super) mod no;
mod open;
mod record;
mod remaining;
pub(super) mod reserve;
mod runs;
mod story;
mod sweep;
