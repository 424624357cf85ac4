//! Looking at a project: loading its manifest, and proposing one where there is none.

pub mod diag;
pub mod init;
pub mod load;
