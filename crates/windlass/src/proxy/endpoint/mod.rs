//! An endpoint: chosen and waited for, connected to, asked.

pub(super) mod backend;
mod bell;
pub(super) mod claim;
pub(super) mod forward;
pub(super) mod hold;
pub(super) mod socket_path;
pub(super) mod tunnel;
pub(super) mod upstream;
pub(super) mod websocket;
