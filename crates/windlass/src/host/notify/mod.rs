//! Telling those who asked for it (`[notify]`). What is told, and in which words, is decided by
//! `windlass_core::notice`; here it is sent, by tasks of their own that nothing waits for.

mod occasions;
mod send;
mod streak;
mod unready;
mod webhook;

pub(super) use send::Post;
