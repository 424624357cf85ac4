//! Runs: begun, followed, settled, and what they leave behind.

mod half_done;
pub(super) mod reserve;
pub(super) mod runs;
mod story;
