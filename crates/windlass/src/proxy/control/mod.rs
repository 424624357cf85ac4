//! Tables: asked for, put in force, kept on the disk; the sockets, and how the endpoints are.

pub(super) mod admin;
pub(super) mod bind;
pub(super) mod health;
pub(super) mod inherit;
pub(super) mod keep;
pub(super) mod last_good;
pub(super) mod listen;
pub(super) mod state;
pub(super) mod tables;
