//! The files of a keeper's directory.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::{checksummed, failpoint};

/// What is to be run.
pub(crate) const LAUNCH: &str = "launch.json";
/// Held as long as the keeper lives.
pub(crate) const LOCK: &str = "lock";
/// What has become of the process.
pub(crate) const STATUS: &str = "status.json";
/// Of what runs once: the machine's boot in which it was to begin.
pub(crate) const BOOT: &str = "boot";
/// Commands and changes.
pub(crate) const SOCKET: &str = "sock";
/// The socket store.
pub(crate) const NOTIFY: &str = "notify";

/// Whether a write must outlive a power cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Durability {
    /// It describes what runs, and nothing runs after a power cut.
    UntilReboot,
    /// It is the record of an outcome, which others decide by.
    Forever,
}

/// Replaces a file in one step: readers see the old value or the new one.
///
/// # Errors
/// Those of the file system; the old value is then still there.
pub(crate) fn replace<T: Serialize>(path: &Path, value: &T, durability: Durability) -> io::Result<()> {
    let fresh = path.with_extension("new");
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&fresh)?;
    if durability == Durability::UntilReboot {
        file.write_all(&text_of(value)?)?;
        return fs::rename(&fresh, path);
    }
    failpoint::around(|| {
        // Others decide by it, so that it must say whether it is whole.
        file.write_all(&checksummed::text(value)?)?;
        file.sync_all()?;
        fs::rename(&fresh, path)?;
        let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
        File::open(parent)?.sync_all()
    })
}

fn text_of<T: Serialize>(value: &T) -> io::Result<Vec<u8>> {
    let mut text = serde_json::to_vec(value)?;
    text.push(b'\n');
    Ok(text)
}

/// Writes a value over the old one, for a disk that has no room for a second file: the old one's block
/// is there already. A power cut in between may tear it, which readers take for missing.
///
/// # Errors
/// Those of the file system.
pub(crate) fn overwrite<T: Serialize>(path: &Path, value: &T) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(path)?;
    let text = text_of(value)?;
    file.write_all(&text)?;
    file.set_len(text.len() as u64)?;
    file.sync_all()
}

/// Reads a value; `None` when the file is missing or damaged: torn, as a power cut may leave it.
pub(crate) fn read<T: DeserializeOwned>(path: &Path) -> Option<T> {
    checksummed::read(path).ok().flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_torn_file_counts_as_missing_at_every_byte() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(STATUS);
        replace(&path, &["a value", "of some length"], Durability::Forever).unwrap();
        let whole = fs::read(&path).unwrap();
        let counts = whole.iter().position(|byte| *byte == b'\n').unwrap();
        for end in 0..whole.len() {
            fs::write(&path, &whole[..end]).unwrap();
            // Where only what stands behind the value is gone, that is whole.
            let is_whole = end == counts || end == counts + 1;
            assert_eq!(read::<Vec<String>>(&path).is_some(), is_whole, "cut at {end}");
        }
        fs::write(&path, &whole).unwrap();
        assert_eq!(read::<Vec<String>>(&path).unwrap().len(), 2);
        overwrite(&path, &["short"]).unwrap();
        assert_eq!(read::<Vec<String>>(&path).unwrap(), ["short"]);
    }
}
