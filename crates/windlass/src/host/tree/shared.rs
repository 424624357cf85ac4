//! Directories that releases share: made, and linked into trees.

use std::fs::File;
use std::io;
use std::os::unix::fs::symlink;
use std::path::Path;

use rustix::fs::{CWD, RenameFlags, renameat_with};
use rustix::io::Errno;

use crate::account::Account;
use crate::host::tree::brought::{Before, Brought, There, bring};
use crate::host::tree::removed::remove_tree;
use crate::host::tree::{durable, handover};
use crate::project::source;
use crate::{failpoint, layout};

/// How the name begins of the place where a shared directory is made.
const NEW: &str = ".windlass-new-";

/// What linking a shared directory came to.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::host) struct Linked {
    /// Whether it had to be made first.
    pub(in crate::host) made: bool,
    /// What was brought over from the release before.
    pub(in crate::host) brought: Brought,
}

/// Links a shared directory into a tree. Where that is `before`, the active one, does not share it, the application has
/// written to it there, and goes on with that here.
pub(in crate::host) fn link(
    tree: &Path,
    shared: &Path,
    directory: &str,
    account: Option<&Account>,
    before: Option<Before<'_>>,
) -> io::Result<Linked> {
    let target = shared.join(directory);
    let link = tree.join(directory);
    stays(tree, &link)?;
    let made = !target.exists();
    let mut brought = Brought::default();
    if made {
        brought = make(tree, shared, directory, account, before)?;
    } else if let Some(before) = before
        && let Some(to) = handover::open(shared, directory)?
    {
        // A run that failed may have made it, and the application has gone on without.
        brought = bring(before, directory, &to, account, There::StaysIfNewer)?;
    }
    if link.is_symlink() {
        std::fs::remove_file(&link)?;
    }
    remove_tree(&link)?;
    if let Some(parent) = link.parent() {
        std::fs::create_dir_all(parent)?;
    }
    symlink(&target, &link)?;
    Ok(Linked { made, brought })
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
///
/// It begins with what the source ships there, and over that with what the application wrote to the release `before`.
fn make(
    tree: &Path,
    shared: &Path,
    directory: &str,
    account: Option<&Account>,
    before: Option<Before<'_>>,
) -> io::Result<Brought> {
    let (target, link) = (&shared.join(directory), &tree.join(directory));
    let beside = target.parent().unwrap_or(target);
    layout::make_dir(beside, 0o755)?;
    remove_what_was_left(beside, tree)?;
    let own = tree.file_name().unwrap_or_default().to_string_lossy();
    let place = beside.join(format!("{NEW}{own}"));
    layout::make_dir(&place, 0o700)?;
    let new = place.join("directory");
    let brought = filled(&new, link, directory, account, before).and_then(|brought| {
        let placed =
            failpoint::around(|| match renameat_with(CWD, &new, CWD, target, RenameFlags::NOREPLACE) {
                // Not every file system knows how not to replace; none replaces a directory that has something in it.
                Err(Errno::INVAL | Errno::NOSYS) => rustix::fs::rename(&new, target),
                placed => placed,
            });
        match placed {
            Err(Errno::EXIST | Errno::NOTEMPTY) => Ok(Brought::default()),
            placed => Ok(placed.map(|()| brought)?),
        }
    });
    // Where it failed it may be what has filled the disk.
    let removed = remove_tree(&place);
    brought.and_then(|brought| removed.map(|()| brought))
}

/// Makes a directory of what the source ships and what the application wrote. Answers what of that it has.
fn filled(
    new: &Path,
    shipped: &Path,
    directory: &str,
    account: Option<&Account>,
    before: Option<Before<'_>>,
) -> io::Result<Brought> {
    layout::make_dir(new, 0o755)?;
    if shipped.is_dir() && !shipped.is_symlink() {
        source::carry(shipped, new)?;
    }
    let brought = match before {
        Some(before) => bring(before, directory, &File::open(new)?, account, There::GivesWay)?,
        None => Brought::default(),
    };
    if let Some(account) = account {
        give_all(new, account)?;
    }
    failpoint::around(|| durable::sync_all(new))?;
    Ok(brought)
}

/// Removes what nobody goes on with: places of this tree, and of those that are gone, as where the power went.
fn remove_what_was_left(beside: &Path, tree: &Path) -> io::Result<()> {
    for entry in std::fs::read_dir(beside)? {
        let entry = entry?;
        let name = entry.file_name();
        let Some(of) = name.to_str().and_then(|name| name.strip_prefix(NEW)) else { continue };
        let is_anothers = tree.file_name().is_none_or(|own| own != of) && tree.with_file_name(of).exists();
        if !is_anothers && entry.file_type()?.is_dir() {
            remove_tree(&entry.path())?;
        }
    }
    Ok(())
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
    use std::path::PathBuf;

    use windlass_core::plan::Tree;

    use super::*;
    use crate::host::tree::contents;

    #[test]
    fn what_lies_outside_the_release_is_not_replaced() {
        let place = tempfile::tempdir().unwrap();
        let [tree, shared, outside] = ["r1", "shared", "outside"].map(|name| place.path().join(name));
        std::fs::create_dir_all(tree.join("app/media")).unwrap();
        std::fs::create_dir_all(outside.join("media/photo")).unwrap();
        symlink("app", tree.join("inside")).unwrap();
        symlink("../outside", tree.join("static")).unwrap();
        let refused = link(&tree, &shared, "static/media", None, None).unwrap_err().to_string();
        assert!(refused.starts_with("static leads out of the release, to "), "{refused}");
        assert!(outside.join("media/photo").is_dir() && !shared.join("static").exists());
        for directory in ["inside/media", "new/media"] {
            assert!(link(&tree, &shared, directory, None, None).unwrap().made, "{directory}");
            assert_eq!(std::fs::read_link(tree.join(directory)).unwrap(), shared.join(directory));
        }
    }

    /// A sealed tree with a file in `uploads`, another of which the application has changed, and one that it has added.
    fn written_to(place: &Path) -> PathBuf {
        let tree = place.join("r1");
        std::fs::create_dir_all(tree.join("uploads/2026")).unwrap();
        for name in ["shipped", "changed"] {
            std::fs::write(tree.join("uploads").join(name), "of r1").unwrap();
        }
        let of =
            Tree { id: windlass_core::name::ReleaseId(1), source: windlass_testkit::sample::source("one") };
        contents::write_down(&tree, &of, &windlass_testkit::sample::shop()).unwrap();
        for name in ["changed", "2026/added"] {
            std::fs::write(tree.join("uploads").join(name), "written").unwrap();
        }
        symlink("added", tree.join("uploads/2026/link")).unwrap();
        tree
    }

    fn came_to(made: bool, files: u64) -> Linked {
        Linked { made, brought: Brought { files, ..Brought::default() } }
    }

    fn of(root: &Path) -> Option<Before<'_>> {
        Some(Before { root, keep_free: 0 })
    }

    fn read(directory: &Path, names: &[&str]) -> Vec<Option<String>> {
        names.iter().map(|name| std::fs::read_to_string(directory.join(name)).ok()).collect()
    }

    const NAMES: [&str; 5] = ["shipped", "changed", "2026/added", "2026/link", "new"];

    #[test]
    fn a_directory_that_becomes_shared_has_what_the_application_wrote() {
        let place = tempfile::tempdir().unwrap();
        let before = written_to(place.path());
        let [tree, shared] = ["r2", "shared"].map(|name| place.path().join(name));
        std::fs::create_dir_all(tree.join("uploads")).unwrap();
        for name in ["changed", "new"] {
            std::fs::write(tree.join("uploads").join(name), "of r2").unwrap();
        }
        let linked = link(&tree, &shared, "uploads", None, of(&before)).unwrap();
        assert_eq!(linked, came_to(true, 3));
        let uploads = shared.join("uploads");
        let wanted = [None, Some("written"), Some("written"), Some("written"), Some("of r2")];
        assert_eq!(read(&uploads, &NAMES), wanted.map(|text| text.map(str::to_owned)));
        assert_eq!(std::fs::read_link(uploads.join("2026/link")).unwrap(), Path::new("added"));
        // The run has failed, the application goes on without it, and the next one finds the directory.
        std::fs::remove_file(tree.join("uploads")).unwrap();
        std::fs::write(before.join("uploads/later"), "later").unwrap();
        std::fs::write(uploads.join("changed"), "by the other release").unwrap();
        let soon = std::time::SystemTime::now() + std::time::Duration::from_secs(60);
        let set = |path: &Path| File::options().write(true).open(path).unwrap().set_modified(soon).unwrap();
        set(&uploads.join("changed"));
        std::fs::write(before.join("uploads/2026/added"), "anew").unwrap();
        set(&before.join("uploads/2026/added"));
        let linked = link(&tree, &shared, "uploads", None, of(&before)).unwrap();
        assert_eq!(linked, came_to(false, 2));
        let seen = read(&uploads, &["later", "changed", "2026/added"]);
        assert_eq!(seen, ["later", "by the other release", "anew"].map(|text| Some(text.to_owned())));
    }

    #[test]
    fn what_is_shared_already_is_not_brought_over_and_no_link_is_followed() {
        let place = tempfile::tempdir().unwrap();
        let before = written_to(place.path());
        let [shared, outside] = ["shared", "outside"].map(|name| place.path().join(name));
        std::fs::create_dir_all(shared.join("uploads")).unwrap();
        std::fs::create_dir(&outside).unwrap();
        symlink(&outside, shared.join("uploads/2026")).unwrap();
        let to = File::open(shared.join("uploads")).unwrap();
        assert_eq!(bring(of(&before).unwrap(), "uploads", &to, None, There::StaysIfNewer).unwrap().files, 1);
        assert_eq!(std::fs::read_dir(&outside).unwrap().count(), 0);
        std::fs::remove_dir_all(before.join("uploads")).unwrap();
        symlink(&outside, before.join("uploads")).unwrap();
        std::fs::write(outside.join("file"), "").unwrap();
        assert_eq!(bring(of(&before).unwrap(), "uploads", &to, None, There::GivesWay).unwrap().files, 0);
    }

    #[test]
    fn databases_are_not_brought_nor_what_lies_beside_them() {
        let place = tempfile::tempdir().unwrap();
        let before = written_to(place.path());
        let uploads = before.join("uploads");
        for name in ["changed", "new.db"] {
            for (end, text) in
                [("", "SQLite format 3\0"), ("-wal", "log"), ("-shm", "log"), ("-journal", "log")]
            {
                std::fs::write(uploads.join(format!("{name}{end}")), text).unwrap();
            }
        }
        // One that is being made, and what is none.
        for (name, text) in [("made.db", ""), ("made.db-journal", "log"), ("my-journal", "of mine")] {
            std::fs::write(uploads.join(name), text).unwrap();
        }
        let [tree, shared] = ["r2", "shared"].map(|name| place.path().join(name));
        for made in [true, false] {
            std::fs::create_dir_all(tree.join("uploads")).unwrap();
            let linked = link(&tree, &shared, "uploads", None, of(&before)).unwrap();
            assert_eq!(linked.made, made);
            let left = ["changed", "made.db", "new.db"].map(|name| Path::new("uploads").join(name));
            assert_eq!(linked.brought.left, left.into());
            assert_eq!(names(&shared.join("uploads")), ["2026", "my-journal"]);
            std::fs::remove_file(tree.join("uploads")).unwrap();
        }
    }

    #[test]
    fn a_directory_that_the_source_ships_stays_where_the_application_made_a_link_or_a_file() {
        let place = tempfile::tempdir().unwrap();
        let before = written_to(place.path());
        symlink("2026", before.join("uploads/newest")).unwrap();
        std::fs::write(before.join("uploads/later"), "").unwrap();
        let [tree, shared] = ["r2", "shared"].map(|name| place.path().join(name));
        for name in ["newest", "later"] {
            std::fs::create_dir_all(tree.join("uploads").join(name)).unwrap();
        }
        assert_eq!(link(&tree, &shared, "uploads", None, of(&before)).unwrap().brought.files, 3);
        for name in ["newest", "later"] {
            assert!(shared.join("uploads").join(name).symlink_metadata().unwrap().is_dir(), "{name}");
        }
    }

    /// What lies in a directory.
    fn names(directory: &Path) -> Vec<String> {
        let entries = std::fs::read_dir(directory).unwrap();
        let mut names: Vec<_> =
            entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    #[test]
    fn a_disk_that_has_no_room_is_not_filled_and_nothing_is_left_on_it() {
        let place = tempfile::tempdir().unwrap();
        let before = written_to(place.path());
        let [tree, shared] = ["r2", "shared"].map(|name| place.path().join(name));
        for left in ["r2", "r3", "r7"] {
            std::fs::create_dir_all(shared.join(format!("{NEW}{left}/directory"))).unwrap();
        }
        for under_way in [&tree, &place.path().join("r3")] {
            std::fs::create_dir(under_way).unwrap();
        }
        let tried = |keep_free: u64| {
            let linked = link(&tree, &shared, "uploads", None, Some(Before { root: &before, keep_free }));
            if linked.is_ok() {
                std::fs::remove_file(tree.join("uploads")).unwrap();
            }
            linked
        };
        let refused = tried(u64::MAX).unwrap_err();
        assert_eq!(refused.kind(), io::ErrorKind::StorageFull);
        let said = refused.to_string();
        assert!(
            said.starts_with("what the application wrote to uploads takes 1 MB, and where shared/"),
            "{said}"
        );
        assert_eq!(names(&shared), [".windlass-new-r3"]);
        assert_eq!(tried(0).unwrap(), came_to(true, 3));
        // What is there already needs no room.
        assert_eq!(tried(u64::MAX).unwrap(), came_to(false, 0));
        std::fs::write(before.join("uploads/later"), "later").unwrap();
        assert_eq!(tried(u64::MAX).unwrap_err().kind(), io::ErrorKind::StorageFull);
        assert_eq!(names(&shared.join("uploads")), ["2026", "changed"]);
        assert_eq!(names(&shared), [".windlass-new-r3", "uploads"]);
    }
}
