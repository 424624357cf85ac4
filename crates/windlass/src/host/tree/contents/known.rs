//! Which files of a tree need not be read again: their size, their times and their place on the disk are as they
//! were when they were read last, so that nobody can have written to them since.
//!
//! The time that counts is that of the inode (`ctime`), which nobody can set back. A file of which it is not older
//! than the look itself is read once more the next time: what is written in the same tick of the clock leaves the
//! same time. What goes bad below the file system keeps all of these: who must know even that reads everything.

use std::collections::BTreeMap;
use std::fs::{File, Metadata};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::checksummed;
use crate::layout;

/// What is known, in the tree.
const FILE: &str = ".windlass-known";
/// Tells the time of the tree's file system, which is another machine's where that is mounted.
const CLOCK: &str = ".windlass-clock";

/// What tells that nobody wrote to a file: bytes, and nanoseconds since 1970.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Facts {
    size: u64,
    inode: u64,
    modified: i64,
    changed: i64,
}

impl Facts {
    pub(super) fn of(metadata: &Metadata) -> Self {
        let nanos = |seconds: i64, rest: i64| seconds.saturating_mul(1_000_000_000).saturating_add(rest);
        Self {
            size: metadata.size(),
            inode: metadata.ino(),
            modified: nanos(metadata.mtime(), metadata.mtime_nsec()),
            changed: nanos(metadata.ctime(), metadata.ctime_nsec()),
        }
    }
}

/// The files of a tree that were found as they were sealed, by path.
#[derive(Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub(super) struct Known(BTreeMap<String, Facts>);

impl Known {
    /// What is known of a tree: nothing where that cannot be read, as then all of it is.
    pub(super) fn read(root: &Path) -> Self {
        checksummed::read(&root.join(FILE)).ok().flatten().unwrap_or_default()
    }

    /// Whether the file at `path` is the one that was read, and nobody has written to it.
    pub(super) fn is_unchanged(&self, path: &str, now: Facts) -> bool {
        self.0.get(path) == Some(&now)
    }

    /// Learns of a file that was read after it was like this.
    pub(super) fn learn(&mut self, path: String, facts: Facts) {
        self.0.insert(path, facts);
    }

    /// Keeps it in the tree, but for what may be written to at the time `now` without a sign of it. Where it
    /// cannot be kept the files are read the next time.
    pub(super) fn keep(mut self, root: &Path, now: i64) {
        self.0.retain(|_, facts| facts.changed < now);
        let kept = checksummed::text(&self);
        let _read_again_otherwise =
            kept.and_then(|text| layout::replace_passing_file(&root.join(FILE), &text));
    }
}

/// The time of the file system that a tree lies on, before anything of it is looked at.
pub(super) fn now(root: &Path) -> io::Result<i64> {
    let path = root.join(CLOCK);
    let _left_by_a_crash = std::fs::remove_file(&path);
    let made = File::create_new(&path).and_then(|file| file.metadata());
    let _never_there = std::fs::remove_file(&path);
    made.map(|made| Facts::of(&made).changed)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn facts(changed: i64) -> Facts {
        Facts { size: 1, inode: 2, modified: 3, changed }
    }

    #[test]
    fn what_was_written_at_the_time_of_the_look_is_not_known() {
        let tree = tempfile::tempdir().unwrap();
        let mut known = Known::default();
        known.learn("old".to_owned(), facts(9));
        known.learn("new".to_owned(), facts(10));
        known.keep(tree.path(), 10);
        let known = Known::read(tree.path());
        assert!(known.is_unchanged("old", facts(9)) && !known.is_unchanged("new", facts(10)));
        assert!(!known.is_unchanged("old", facts(8)), "the clock may go back");
    }

    #[test]
    fn damaged_knowledge_is_none() {
        let tree = tempfile::tempdir().unwrap();
        let mut known = Known::default();
        known.learn("old".to_owned(), facts(9));
        known.keep(tree.path(), 10);
        let path = tree.path().join(FILE);
        let text = std::fs::read_to_string(&path).unwrap();
        std::fs::write(&path, text.replacen(":9}", ":8}", 1)).unwrap();
        assert_eq!(Known::read(tree.path()), Known::default());
    }
}
