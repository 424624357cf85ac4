//! Keepers with real processes: each test has a directory of its own, and leaves no process behind.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "these are tests"
)]

mod adoption;
mod endings;
mod kit;
mod limits;
mod logs;
mod sockets;
mod starting;
