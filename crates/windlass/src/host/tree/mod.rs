//! Trees: copied from the source, built, sealed, checked, removed.

mod brought;
mod carried;
pub(super) mod contents;
mod durable;
pub(super) mod handover;
mod in_use;
pub(super) mod releases;
pub(super) mod removed;
mod shared;
