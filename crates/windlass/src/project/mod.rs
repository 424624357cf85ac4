//! Looking at a project: which framework it is, which files belong to a release.
