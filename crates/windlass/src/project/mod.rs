//! Looking at a project: its manifest, which framework it is, which files belong to a release.

pub mod adopt;
pub mod brought;
pub mod committed;
pub mod diag;
mod django;
mod git;
pub mod init;
pub mod keys;
pub mod load;
pub mod no_host;
#[cfg(test)]
mod odd;
pub mod origin;
mod python;
pub mod served;
pub mod source;
pub mod sqlite;
pub mod uploads;
pub mod version;
