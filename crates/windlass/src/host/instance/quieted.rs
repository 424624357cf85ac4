//! Which workers were told to take no more work. That cannot be taken back: one that is to go on after all has
//! to start anew.

use std::io;
use std::path::Path;

use crate::layout;

const FILE: &str = "quieted";

/// Notes, durably, that the worker in this directory is about to be told.
///
/// # Errors
/// When it cannot be written: then it must not be told.
pub(in crate::host) fn note(directory: &Path) -> io::Result<()> {
    layout::replace_file(&directory.join(FILE), b"", 0o600)
}

/// Whether it may have been told, and has not been stopped since.
pub(in crate::host) fn is_noted(directory: &Path) -> bool {
    directory.join(FILE).is_file()
}

/// It has been stopped: what starts next takes work.
pub(in crate::host) fn forget(directory: &Path) {
    let _none = std::fs::remove_file(directory.join(FILE));
}
