//! Test kit.

pub mod hostile;
