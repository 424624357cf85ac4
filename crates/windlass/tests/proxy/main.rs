//! The proxy as a process, with real sockets.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod balancing;
mod early_answers;
mod encrypted;
mod exhaustion;
mod forwarding;
mod framing;
mod health;
mod http2;
mod limits;
mod restarting;
mod static_files;
mod support;
mod switching;
mod timeouts;
mod upgrading;
