//! Trees that are to go: put aside at once, so that nothing takes them for one that can be run, and removed
//! then. Files that were written just now may take a busy disk longer to remove than it took to write them,
//! and nothing that a run still has to do needs them gone.

use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use crate::{failpoint, layout};

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
    failpoint::around(|| match std::fs::rename(tree, aside) {
        Ok(()) => layout::sync_dir(releases),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        // Something is mounted there, say.
        Err(_) => remove_tree(tree),
    })
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
            let named =
                |error: io::Error| io::Error::new(error.kind(), format!("{}: {error}", path.display()));
            result = remove_tree(&path).map_err(named).and(result);
        }
    }
    result
}

/// Whether it is a tree that was put aside.
pub(in crate::host) fn is_aside(path: &Path) -> bool {
    path.file_name().is_some_and(|name| name.to_string_lossy().starts_with(ASIDE))
}

/// Removes a directory with all that is in it, if it is there. Some build tools write-protect directories, as
/// Go does in its module cache.
pub(in crate::host) fn remove_tree(path: &Path) -> io::Result<()> {
    let removed = match std::fs::remove_dir_all(path) {
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
            open_up(path).and_then(|()| std::fs::remove_dir_all(path))
        }
        removed => removed,
    };
    match removed {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        removed => removed,
    }
}

/// Lets us write to the directories that are ours, so that what is in them can go. Links are not followed.
fn open_up(directory: &Path) -> io::Result<()> {
    if !directory.symlink_metadata()?.is_dir() {
        return Ok(());
    }
    // Where it is another's, its removal says so.
    let _not_ours = std::fs::set_permissions(directory, std::fs::Permissions::from_mode(0o700));
    for entry in std::fs::read_dir(directory)? {
        open_up(&entry?.path())?;
    }
    Ok(())
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

    #[test]
    fn directories_that_are_write_protected_are_opened_and_what_links_lead_to_is_not() {
        let mode = |path: &Path| path.metadata().unwrap().permissions().mode() & 0o777;
        let place = tempfile::tempdir().unwrap();
        let (tree, elsewhere) = (place.path().join("r3"), place.path().join("elsewhere"));
        std::fs::create_dir_all(tree.join("deep/er")).unwrap();
        std::fs::create_dir(&elsewhere).unwrap();
        std::os::unix::fs::symlink(&elsewhere, tree.join("deep/link")).unwrap();
        for closed in [&tree.join("deep/er"), &tree.join("deep"), &elsewhere] {
            std::fs::set_permissions(closed, std::fs::Permissions::from_mode(0o555)).unwrap();
        }
        open_up(&tree).unwrap();
        assert_eq!((mode(&tree.join("deep/er")), mode(&tree.join("deep"))), (0o700, 0o700));
        assert_eq!(mode(&elsewhere), 0o555);
        remove_tree(&tree).unwrap();
        assert!(!tree.exists() && elsewhere.exists());
    }
}
