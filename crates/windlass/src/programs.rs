//! Looking for programs where the system does.

use std::ffi::OsString;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

/// Where programs are looked for when nobody says where.
pub(crate) const USUAL: &str = "/usr/local/bin:/usr/bin:/bin";

/// The directories of `PATH`.
pub(crate) fn path() -> Vec<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_else(|| OsString::from(USUAL));
    std::env::split_paths(&path).collect()
}

/// Whether `program`, named without a directory, is in one of `PATH`.
pub(crate) fn is_on_path(program: &str) -> bool {
    is_in(&path(), program)
}

/// Whether it is in one of these directories.
pub(crate) fn is_in(path: &[PathBuf], program: &str) -> bool {
    path.iter().any(|directory| is_program(&directory.join(program)))
}

/// Whether it is a file that somebody may run.
pub(crate) fn is_program(path: &Path) -> bool {
    path.metadata().is_ok_and(|facts| facts.is_file() && facts.permissions().mode() & 0o111 != 0)
}
