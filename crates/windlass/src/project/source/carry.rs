//! Copying what a build carries over from the last one.

use std::io;
use std::os::unix::fs::symlink;
use std::path::Path;

/// What was carried over.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Carried {
    /// How many files.
    pub files: u64,
    /// How large they are together, in bytes.
    pub bytes: u64,
}

/// Copies a directory as it is, for what a build carries over from the last one. Hard links would be
/// faster, and a build that writes its files in place would write into the release that serves; where
/// the file system has reflinks, the system makes them.
///
/// # Errors
/// When something cannot be read or written.
pub fn carry(from: &Path, to: &Path) -> io::Result<Carried> {
    let mut carried = Carried::default();
    carry_into(from, to, &mut carried)?;
    Ok(carried)
}

fn carry_into(from: &Path, to: &Path, carried: &mut Carried) -> io::Result<()> {
    std::fs::create_dir_all(to)?;
    for entry in std::fs::read_dir(from)? {
        let entry = entry?;
        let (source, target) = (entry.path(), to.join(entry.file_name()));
        let kind = entry.file_type()?;
        if kind.is_dir() {
            carry_into(&source, &target, carried)?;
        } else if kind.is_symlink() {
            symlink(std::fs::read_link(&source)?, &target)?;
        } else if kind.is_file() {
            carried.bytes += copy_file(&source, &target)?;
            carried.files += 1;
        }
    }
    Ok(())
}

/// Copies a file with its mode and its time of change: build tools compare those.
pub(super) fn copy_file(from: &Path, to: &Path) -> io::Result<u64> {
    let bytes = std::fs::copy(from, to)?;
    let changed = std::fs::metadata(from)?.modified()?;
    match std::fs::File::options().write(true).open(to).and_then(|file| file.set_modified(changed)) {
        // A read-only file keeps its content and mode; only its time is new.
        Err(error) if error.kind() != io::ErrorKind::PermissionDenied => Err(error),
        _ => Ok(bytes),
    }
}
