//! Keepers with real processes: each test has a directory of its own, and leaves no process behind.

mod adoption;
mod endings;
mod kit;
mod limits;
mod logs;
mod sockets;
mod starting;
