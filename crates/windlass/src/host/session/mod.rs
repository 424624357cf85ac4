//! Whoever asks: the socket, one conversation each, and an environment at rest.

mod conversation;
pub(super) mod leaving;
pub(super) mod rest;
pub(super) mod serve;
