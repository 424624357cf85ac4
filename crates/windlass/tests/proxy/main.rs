//! The proxy as a process, with real sockets.

mod forwarding;
mod framing;
mod restarting;
mod static_files;
mod support;
mod switching;
mod upgrading;
