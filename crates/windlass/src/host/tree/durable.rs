//! Making a tree survive a power cut.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use crate::sys;

/// Up to so many files are synced one by one. That waits for nothing but them, where `syncfs` waits
/// for all that anybody has written to the file system; with thousands of files it is the slower.
const FEW: usize = 100;

/// How many wait for the disk at the same time: they share the commits of the file system's journal.
const TOGETHER: usize = 4;

/// Writes a tree to the disk, with its entry in the directory above.
///
/// # Errors
/// When the system cannot write it.
pub(in crate::host) fn sync_tree(root: &Path) -> io::Result<()> {
    let open = |paths: Vec<PathBuf>| paths.iter().map(File::open).collect::<io::Result<Vec<File>>>().ok();
    match few(root)?.and_then(open) {
        Some(files) => each(&files),
        // Too many, or one that may not be opened.
        None => sync_all(root),
    }
}

/// Writes all of the file system that this path lies on.
///
/// # Errors
/// When the system cannot write it.
pub(in crate::host) fn sync_all(path: &Path) -> io::Result<()> {
    Ok(rustix::fs::syncfs(File::open(path)?)?)
}

/// Files and directories of a tree, and the directory above it; `None` where they are better synced
/// all at once.
fn few(root: &Path) -> io::Result<Option<Vec<PathBuf>>> {
    if !syncs_links_with_their_directory(root)? {
        return Ok(None);
    }
    let mut paths: Vec<PathBuf> = root.parent().map(Path::to_owned).into_iter().collect();
    let mut directories = vec![root.to_owned()];
    while let Some(directory) = directories.pop() {
        for entry in std::fs::read_dir(&directory)? {
            let entry = entry?;
            let kind = entry.file_type()?;
            if kind.is_dir() {
                directories.push(entry.path());
            } else if kind.is_file() {
                paths.push(entry.path());
            }
            if paths.len() + directories.len() > FEW {
                return Ok(None);
            }
        }
        paths.push(directory);
    }
    Ok(Some(paths))
}

/// Whether syncing a directory makes the symbolic links in it durable: they cannot be synced
/// themselves. So it is where a link and its entry are one transaction of a journal.
fn syncs_links_with_their_directory(path: &Path) -> io::Result<bool> {
    const EXT4: i64 = 0xEF53;
    const XFS: i64 = 0x5846_5342;
    let kind = rustix::fs::statfs(path)?.f_type;
    #[allow(clippy::unnecessary_cast, reason = "its type differs between machines")]
    Ok([EXT4, XFS].contains(&(kind as i64)))
}

fn each(files: &[File]) -> io::Result<()> {
    // With all data on its way the first sync commits what the file system notes of all of them, and
    // the others find little left to do.
    for file in files {
        sys::begin_writeback(file);
    }
    let share = files.len().div_ceil(TOGETHER).max(1);
    std::thread::scope(|scope| {
        let parts: Vec<_> = files
            .chunks(share)
            .map(|part| scope.spawn(|| part.iter().try_for_each(File::sync_all)))
            .collect();
        let failed = || io::Error::other("a thread that syncs files has failed");
        parts.into_iter().try_for_each(|part| part.join().map_err(|_| failed())?)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_small_tree_is_synced_file_by_file_and_a_large_one_at_once() {
        let above = tempfile::tempdir().unwrap();
        let tree = above.path().join("r1");
        std::fs::create_dir_all(tree.join("deep/er")).unwrap();
        std::fs::write(tree.join("deep/er/file"), "x").unwrap();
        std::os::unix::fs::symlink("/nowhere", tree.join("link")).unwrap();
        sync_tree(&tree).unwrap();
        if let Some(mut paths) = few(&tree).unwrap() {
            paths.sort();
            let expected = [
                above.path().to_owned(),
                tree.clone(),
                tree.join("deep"),
                tree.join("deep/er"),
                tree.join("deep/er/file"),
            ];
            assert_eq!(paths, expected);
        }
        for number in 0..FEW {
            std::fs::write(tree.join(number.to_string()), "x").unwrap();
        }
        assert_eq!(few(&tree).unwrap(), None);
        sync_tree(&tree).unwrap();
    }

    #[test]
    fn a_tree_that_is_not_there_is_an_error() {
        assert!(sync_tree(Path::new("/nowhere/r1")).is_err());
    }
}
