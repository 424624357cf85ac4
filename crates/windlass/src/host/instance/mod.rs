//! Copies of services: described, started, awaited, stopped.

mod astray;
pub(super) mod hurry;
pub(super) mod identity;
pub(super) mod lifecycle;
pub(super) mod port;
pub(super) mod quiet;
pub(super) mod quieted;
pub(super) mod restarts;
