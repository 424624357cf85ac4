//! Copying what a build carries over from the last one.

use std::io;
use std::os::unix::fs::symlink;
use std::path::Path;

/// Copies a directory as it is, with hard links where the file system can: for what a build carries
/// over from the last one. Builds that write files in place would write into both; the ones that
/// replace them, as nearly all do, do not. So files are copied whole and only directories that are
/// huge are worth the time; reflinks make it cheap where they exist.
///
/// # Errors
/// When something cannot be read or written.
pub fn carry(from: &Path, to: &Path) -> io::Result<()> {
    std::fs::create_dir_all(to)?;
    for entry in std::fs::read_dir(from)? {
        let entry = entry?;
        let (source, target) = (entry.path(), to.join(entry.file_name()));
        let kind = entry.file_type()?;
        if kind.is_dir() {
            carry(&source, &target)?;
        } else if kind.is_symlink() {
            symlink(std::fs::read_link(&source)?, &target)?;
        } else if kind.is_file() {
            copy_file(&source, &target)?;
        }
    }
    Ok(())
}

/// Copies a file with its mode and its time of change: build tools compare those.
pub(super) fn copy_file(from: &Path, to: &Path) -> io::Result<()> {
    std::fs::copy(from, to)?;
    let changed = std::fs::metadata(from)?.modified()?;
    std::fs::File::options().write(true).open(to).and_then(|file| file.set_modified(changed)).or_else(
        |error| {
            // A read-only file keeps its content and mode; only its time is new.
            if error.kind() == io::ErrorKind::PermissionDenied { Ok(()) } else { Err(error) }
        },
    )
}
