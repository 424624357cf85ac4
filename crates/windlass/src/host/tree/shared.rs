//! Directories that releases share: made, and linked into trees.

use std::io;
use std::os::unix::fs::symlink;
use std::path::Path;

use rustix::fs::{CWD, RenameFlags, renameat_with};
use rustix::io::Errno;

use crate::account::Account;
use crate::host::tree::durable;
use crate::host::tree::removed::remove_tree;
use crate::project::source;
use crate::{failpoint, layout};

/// How the name begins of the place where a shared directory is made.
const NEW: &str = ".windlass-new-";

/// Links a shared directory into a tree. Whether it had to be made first.
pub(in crate::host) fn link(
    tree: &Path,
    shared: &Path,
    directory: &str,
    account: Option<&Account>,
) -> io::Result<bool> {
    let target = shared.join(directory);
    let link = tree.join(directory);
    stays(tree, &link)?;
    let missing = !target.exists();
    if missing {
        make(tree, &target, &link, account)?;
    }
    if link.is_symlink() {
        std::fs::remove_file(&link)?;
    }
    remove_tree(&link)?;
    if let Some(parent) = link.parent() {
        std::fs::create_dir_all(parent)?;
    }
    symlink(&target, &link)?;
    Ok(missing)
}

/// Refuses to link where the way leads out of the tree: what is there is replaced, and a step of the build may have
/// made a link of a directory above it.
fn stays(tree: &Path, link: &Path) -> io::Result<()> {
    let Some(above) = link.ancestors().skip(1).find(|above| above.exists()) else { return Ok(()) };
    let there = above.canonicalize()?;
    if there.starts_with(tree.canonicalize()?) {
        return Ok(());
    }
    let what = format!(
        "{} leads out of the release, to {}, and what lies in it would be replaced by a shared directory",
        above.strip_prefix(tree).unwrap_or(above).display(),
        there.display()
    );
    Err(io::Error::new(io::ErrorKind::InvalidInput, what))
}

/// Makes a shared directory: beside its place, where nobody else can reach it, until it is whole. Another
/// run may do so for its own tree at the same time, as builds need no lock: the first one counts.
fn make(tree: &Path, target: &Path, link: &Path, account: Option<&Account>) -> io::Result<()> {
    let beside = target.parent().unwrap_or(target);
    layout::make_dir(beside, 0o755)?;
    let own = tree.file_name().unwrap_or_default().to_string_lossy();
    let place = beside.join(format!("{NEW}{own}"));
    remove_tree(&place)?;
    layout::make_dir(&place, 0o700)?;
    let new = place.join("directory");
    layout::make_dir(&new, 0o755)?;
    // What the source ships there is where the shared directory begins.
    if link.is_dir() && !link.is_symlink() {
        source::carry(link, &new)?;
    }
    if let Some(account) = account {
        give_all(&new, account)?;
    }
    failpoint::around(|| durable::sync_all(&new))?;
    let placed = failpoint::around(|| match renameat_with(CWD, &new, CWD, target, RenameFlags::NOREPLACE) {
        // Not every file system knows how not to replace; none replaces a directory that has something in it.
        Err(Errno::INVAL | Errno::NOSYS) => rustix::fs::rename(&new, target),
        placed => placed,
    });
    remove_tree(&place)?;
    match placed {
        Err(Errno::EXIST | Errno::NOTEMPTY) => Ok(()),
        placed => Ok(placed?),
    }
}

/// Gives away a directory that was just made, with all that is in it, where only we can reach it.
fn give_all(path: &Path, account: &Account) -> io::Result<()> {
    account.give(path)?;
    if path.symlink_metadata()?.is_dir() {
        for entry in std::fs::read_dir(path)? {
            give_all(&entry?.path(), account)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_lies_outside_the_release_is_not_replaced() {
        let place = tempfile::tempdir().unwrap();
        let [tree, shared, outside] = ["r1", "shared", "outside"].map(|name| place.path().join(name));
        std::fs::create_dir_all(tree.join("app/media")).unwrap();
        std::fs::create_dir_all(outside.join("media/photo")).unwrap();
        symlink("app", tree.join("inside")).unwrap();
        symlink("../outside", tree.join("static")).unwrap();
        let refused = link(&tree, &shared, "static/media", None).unwrap_err().to_string();
        assert!(refused.starts_with("static leads out of the release, to "), "{refused}");
        assert!(outside.join("media/photo").is_dir() && !shared.join("static").exists());
        for directory in ["inside/media", "new/media"] {
            assert!(link(&tree, &shared, directory, None).unwrap(), "{directory}");
            assert_eq!(std::fs::read_link(tree.join(directory)).unwrap(), shared.join(directory));
        }
    }
}
