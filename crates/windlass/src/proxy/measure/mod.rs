//! What is counted, and what is logged.

pub(super) mod access_log;
pub(super) mod gap;
pub(super) mod metrics;
