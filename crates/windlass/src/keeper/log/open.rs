//! Opening the log of a process.
//!
//! A file system that an error has made read-only, or that has no inode or no block left for another file, lets no log be
//! opened that is not there yet. (One that is there opens on a full disk as on any other.) What is to be started again
//! whenever it ends is started all the same: it serves, and what it would write is lost either way. Its descriptors are its
//! own, and nobody else's data passes through its keeper: only its next start, or the process itself, opens the log then.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileTypeExt, MetadataExt, OpenOptionsExt};
use std::path::Path;

use rustix::process::Pid;
use windlass_core::launch::NO_LOG;
use windlass_core::spec::RestartWhen;

const NOWHERE: &str = "/dev/null";

/// The log of a process; or, where the file system takes nothing, what takes its place, and why.
///
/// # Errors
/// Why it cannot be opened, of what is not started without.
pub(crate) fn open(path: &Path, restart: RestartWhen) -> Result<(File, Option<String>), String> {
    use io::ErrorKind::{QuotaExceeded, ReadOnlyFilesystem, StorageFull};

    if let Some(parent) = path.parent() {
        let _seen_when_opening = fs::create_dir_all(parent);
    }
    match append(path) {
        Ok(file) => Ok((file, None)),
        Err(error)
            if restart != RestartWhen::Never
                && matches!(error.kind(), ReadOnlyFilesystem | StorageFull | QuotaExceeded) =>
        {
            let nowhere = File::options().write(true).open(NOWHERE).map_err(|e| format!("{NOWHERE}: {e}"))?;
            Ok((nowhere, Some(format!("{}{error})", no_log(path)))))
        }
        Err(error) => Err(format!("cannot open the log {}: {error}", path.display())),
    }
}

fn no_log(path: &Path) -> String {
    format!("{NO_LOG} ({} cannot be opened: ", path.display())
}

/// What a keeper said of a missing log, without what else it said was amiss then.
pub(crate) fn lost_in(told: &str, path: &Path) -> Option<String> {
    let begins = no_log(path);
    let error = told.strip_prefix(&begins)?.split("; ").next()?;
    Some(begins + error)
}

/// Opens a log, to write to its end.
///
/// # Errors
/// The system's.
pub(crate) fn append(path: &Path) -> io::Result<File> {
    OpenOptions::new().append(true).create(true).mode(0o600).open(path)
}

/// Whether a process that was started without its log has opened one since, as far as can be seen.
pub(crate) fn is_open_in(pid: Pid) -> bool {
    leads_somewhere(&format!("/proc/{}/fd/2", pid.as_raw_nonzero())).unwrap_or(false)
}

/// Whether what this process writes to its standard error goes nowhere.
pub(crate) fn is_lost() -> bool {
    leads_somewhere("/proc/self/fd/2").is_ok_and(|does| !does)
}

fn leads_somewhere(descriptor: &str) -> io::Result<bool> {
    let (it, nowhere) = (fs::metadata(descriptor)?, fs::metadata(NOWHERE)?);
    Ok(!it.file_type().is_char_device() || it.rdev() != nowhere.rdev())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_leads_nowhere_is_known_by_where_it_leads() {
        let place = tempfile::tempdir().unwrap();
        let link = |target: &Path| {
            let link = place.path().join("link");
            let _none_yet = fs::remove_file(&link);
            std::os::unix::fs::symlink(target, &link).unwrap();
            leads_somewhere(link.to_str().unwrap()).ok()
        };
        let log = place.path().join("web.log");
        assert_eq!(link(&log), None);
        drop(append(&log).unwrap());
        assert_eq!([link(&log), link(Path::new(NOWHERE))], [Some(true), Some(false)]);
        assert_eq!(link(Path::new("/dev/zero")), Some(true), "it is another device");
    }

    #[test]
    fn what_runs_once_is_not_started_without_its_log() {
        let place = tempfile::tempdir().unwrap();
        // A directory stands there: no fault of the file system's.
        for restart in [RestartWhen::Never, RestartWhen::Always] {
            let why = open(place.path(), restart).unwrap_err();
            assert!(why.starts_with(&format!("cannot open the log {}: ", place.path().display())), "{why}");
        }
        let (_file, lost) = open(&place.path().join("logs/web.log"), RestartWhen::Always).unwrap();
        assert_eq!(lost, None);
    }
}
