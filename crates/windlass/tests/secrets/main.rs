//! `windlass secrets`, as people, scripts and git call it.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stderr,
    reason = "what stands around a test may end it as the test itself may"
)]

mod damage;
mod editing;
mod exporting;
mod importing;
mod keys;
mod kit;
mod merging;
mod people;
mod terminal;
mod values;
