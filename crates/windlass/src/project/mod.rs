//! Looking at a project: which framework it is, which files belong to a release.

pub mod source;
pub mod version;
