//! Values of settings on disk: one 0600 file for each release, because a service must come back
//! when no controller is there to say them again.

use std::io;
use std::os::unix::fs::MetadataExt;

use windlass_core::name::ReleaseId;
use windlass_core::protocol::{FingerprintKey, Values};

use crate::layout::{self, Layout};

/// Writes a release's values.
///
/// # Errors
/// When they cannot be written.
pub(super) fn write(layout: &Layout, release: ReleaseId, values: &Values) -> io::Result<()> {
    layout::replace_file(&layout.settings(release), &serde_json::to_vec(values)?, 0o600)
}

/// Reads a release's values; none when it has none.
///
/// # Errors
/// When the file cannot be read, or others than its owner may read it.
pub(super) fn read(layout: &Layout, release: ReleaseId) -> io::Result<Values> {
    let path = layout.settings(release);
    let text = match std::fs::read(&path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Values::default()),
        text => text?,
    };
    let mode = std::fs::metadata(&path)?.mode() & 0o777;
    if mode & 0o077 != 0 {
        return Err(io::Error::other(format!(
            "{} has mode {mode:o}, so others may have read its secrets: chmod 600 it, and change them",
            path.display()
        )));
    }
    serde_json::from_slice(&text).map_err(io::Error::other)
}

/// Removes the values of releases that are gone.
pub(super) fn forget(layout: &Layout, release: ReleaseId) {
    let _ = std::fs::remove_file(layout.settings(release));
    super::secret_files::forget(layout, release);
}

/// The key of the environment's fingerprints, if it has one yet.
#[must_use]
pub fn key(layout: &Layout) -> Option<FingerprintKey> {
    let bytes = std::fs::read(layout.state().join("fingerprint.key")).ok()?;
    Some(FingerprintKey(bytes.try_into().ok()?))
}

/// Keeps the key.
pub(super) fn write_key(layout: &Layout, key: &FingerprintKey) -> io::Result<()> {
    layout::replace_file(&layout.state().join("fingerprint.key"), &key.0, 0o600)
}
