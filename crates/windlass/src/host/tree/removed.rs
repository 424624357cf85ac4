//! Trees that are to go: put aside at once, so that nothing takes them for one that can be run, and removed
//! then. Files that were written just now may take a busy disk longer to remove than it took to write them,
//! and nothing that a run still has to do needs them gone.

use std::io;
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use crate::layout;

/// What the names begin with of those that are put aside.
const ASIDE: &str = ".removed-";

/// Puts a tree aside, durably: it is gone for everybody from then on, also after a power cut.
///
/// # Errors
/// When it can neither be renamed nor removed.
pub(in crate::host) fn put_aside(tree: &Path) -> io::Result<()> {
    let (Some(releases), Some(name)) = (tree.parent(), tree.file_name()) else { return Ok(()) };
    // One of that name may be there from a run before.
    let asides = (0_u32..).map(|turn| releases.join(format!("{ASIDE}{}-{turn}", name.display())));
    let Some(aside) = asides.into_iter().find(|aside| aside.symlink_metadata().is_err()) else {
        return Ok(());
    };
    match std::fs::rename(tree, aside) {
        Ok(()) => layout::sync_dir(releases),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        // Something is mounted there, say.
        Err(_) => remove_tree(tree),
    }
}

/// Removes all that is put aside. One does it at a time.
///
/// # Errors
/// Why the last of those that could not be removed was not; whoever comes next tries again.
pub(in crate::host) fn remove_put_aside(releases: &Path) -> io::Result<()> {
    static ALONE: Mutex<()> = Mutex::new(());
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let mut result = Ok(());
    for entry in std::fs::read_dir(releases)? {
        let path = entry?.path();
        if is_aside(&path) {
            result = remove_tree(&path).and(result);
        }
    }
    result
}

/// Whether it is a tree that was put aside.
pub(in crate::host) fn is_aside(path: &Path) -> bool {
    path.file_name().is_some_and(|name| name.to_string_lossy().starts_with(ASIDE))
}

/// Removes a directory with all that is in it, if it is there.
pub(in crate::host) fn remove_tree(path: &Path) -> io::Result<()> {
    match std::fs::remove_dir_all(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        result => result,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_put_aside_is_gone_at_once_and_removed_by_whoever_comes_next() {
        let place = tempfile::tempdir().unwrap();
        let tree = place.path().join("r3");
        let names = || {
            let mut names: Vec<_> = std::fs::read_dir(place.path())
                .unwrap()
                .map(|entry| entry.unwrap().file_name().into_string().unwrap())
                .collect();
            names.sort();
            names
        };
        std::fs::create_dir(place.path().join("r2")).unwrap();
        for _ in 0..2 {
            // The second as after a host side that died before it had removed the first.
            std::fs::create_dir_all(tree.join("deep/er")).unwrap();
            std::fs::write(tree.join("deep/file"), "").unwrap();
            put_aside(&tree).unwrap();
        }
        assert_eq!(names(), [".removed-r3-0", ".removed-r3-1", "r2"]);
        put_aside(&tree).unwrap();
        remove_put_aside(place.path()).unwrap();
        assert_eq!(names(), ["r2"]);
    }
}
