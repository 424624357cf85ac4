//! The proxy as a process, with real sockets.

mod forwarding;
mod framing;
mod support;
mod switching;
