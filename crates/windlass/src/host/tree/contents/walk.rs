//! The files of a tree that an application writes to while somebody looks.

use std::collections::VecDeque;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// No more entries of a tree than this are looked at, those near its top first.
const MOST: usize = 20_000;

/// Nor for longer.
const LONGEST: Duration = Duration::from_secs(2);

/// Directories where nothing is but what was installed.
pub(super) const INSTALLED: [&str; 4] = ["node_modules", "site-packages", "__pycache__", ".git"];

pub(super) fn is_one_of(names: &[&str], name: Option<&OsStr>) -> bool {
    name.is_some_and(|name| names.iter().any(|one| name == *one))
}

/// Shows `see` the regular files, as paths in the tree, of all directories that `enters` lets in; answers whether that were
/// all. What lies behind links is elsewhere.
pub(super) fn files(root: &Path, enters: impl Fn(&Path) -> bool, mut see: impl FnMut(PathBuf)) -> bool {
    let deadline = Instant::now() + LONGEST;
    let mut directories = VecDeque::from([PathBuf::new()]);
    let mut left = MOST;
    while let Some(directory) = directories.pop_front() {
        for entry in std::fs::read_dir(root.join(&directory)).into_iter().flatten().flatten() {
            if left == 0 || Instant::now() > deadline {
                return false;
            }
            left -= 1;
            let Ok(kind) = entry.file_type() else { continue };
            let path = directory.join(entry.file_name());
            if kind.is_dir() && enters(&path) {
                directories.push_back(path);
            } else if kind.is_file() {
                see(path);
            }
        }
    }
    true
}
