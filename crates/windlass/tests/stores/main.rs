//! External stores, each against a small server that follows its documented protocol and refuses what
//! does not, and each fault that a store, the way to it, or a program can have, with the words in which
//! it is told. Real servers are asked in `tests/real/stores.rs`.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a helper of a test fails the test")]

mod kit;
mod server;

mod aws;
mod azure;
mod command;
mod faults;
mod gcp;
mod tls;
mod vault;
