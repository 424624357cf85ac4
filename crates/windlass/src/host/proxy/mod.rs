//! The proxy, as the host side sees it: its process, and the table it is given.

pub(super) mod client;
pub(super) mod table;
pub(super) mod waits;
