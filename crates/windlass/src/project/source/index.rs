//! What git tracks, as its index says. The controller and the host side both ask, and must get one answer: so
//! neither asks a program that may not be there for one of them, or may not trust its account.
//! The format: <https://git-scm.com/docs/index-format>.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::ops::Bound;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// The lengths of hashes in bytes: SHA-1, SHA-256.
const HASHES: [usize; 2] = [20, 32];

/// Where the length of a name lies in its flags. One that is longer is not told.
const LENGTH: u16 = 0xfff;

/// That more flags follow.
const EXTENDED: u16 = 0x4000;

/// Files of a directory that git tracks.
#[derive(Debug, Default)]
pub(super) struct Tracked(BTreeSet<PathBuf>);

impl Tracked {
    /// Those below `directory`, a path within the work tree whose own directory is `git`. None where the
    /// index cannot be read.
    pub(super) fn below(directory: &Path, git: &Path) -> Self {
        let index = std::fs::read(git.join("index")).unwrap_or_default();
        let paths = HASHES.into_iter().find_map(|hash| paths(&index, hash)).unwrap_or_default();
        let below =
            paths.iter().filter_map(|path| Path::new(OsStr::from_bytes(path)).strip_prefix(directory).ok());
        Self(below.map(Path::to_owned).collect())
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether it is one of them, or a directory of one.
    pub(super) fn has(&self, path: &Path) -> bool {
        let from = (Bound::Included(path), Bound::Unbounded);
        self.0.range::<Path, _>(from).next().is_some_and(|next| next.starts_with(path))
    }
}

/// The paths of an index with hashes of this length; `None` where it is none.
fn paths(index: &[u8], hash: usize) -> Option<Vec<Vec<u8>>> {
    let number = |at: usize| Some(u32::from_be_bytes(index.get(at..at + 4)?.try_into().ok()?));
    let version = number(4).filter(|version| index.starts_with(b"DIRC") && (2..=4).contains(version))?;
    let mut at = 12;
    let mut path = Vec::new();
    let mut paths = Vec::new();
    for _ in 0..number(8)? {
        let begin = at;
        at += 40 + hash;
        let flags = u16::from_be_bytes(index.get(at..at + 2)?.try_into().ok()?);
        at += if flags & EXTENDED == 0 { 2 } else { 4 };
        // Of the path before, as much is kept as is not taken away.
        let kept = match version {
            4 => path.len().checked_sub(offset(index, &mut at)?)?,
            _ => 0,
        };
        path.truncate(kept);
        let rest = index.get(at..)?;
        let length = rest.iter().position(|byte| *byte == 0)?;
        path.extend_from_slice(&rest[..length]);
        if usize::from(flags & LENGTH) != path.len().min(usize::from(LENGTH)) {
            return None;
        }
        at += length;
        at += if version == 4 { 1 } else { 8 - (at - begin) % 8 };
        paths.push(path.clone());
    }
    Some(paths)
}

/// A number of a length that it tells itself.
fn offset(index: &[u8], at: &mut usize) -> Option<usize> {
    let mut number = 0_usize;
    loop {
        let byte = *index.get(*at)?;
        *at += 1;
        number = number.checked_mul(128)?.checked_add(usize::from(byte & 127))?;
        if byte & 128 == 0 {
            return Some(number);
        }
        number += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_git_writes_is_read() {
        let checkout = tempfile::tempdir().unwrap();
        let git = |arguments: &[&str]| {
            let git =
                std::process::Command::new("git").arg("-C").arg(checkout.path()).args(arguments).status();
            assert!(git.unwrap().success(), "{arguments:?}");
        };
        let long = "l".repeat(200);
        for file in ["a", "app/main.py", "app/main.pyc", "app/sub/x", "apple", &long] {
            let path = checkout.path().join(file);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, "").unwrap();
        }
        for format in ["sha1", "sha256"] {
            git(&["init", "--quiet", "--object-format", format]);
            git(&["add", "."]);
            git(&["rm", "--quiet", "--cached", "app/main.pyc"]);
            git(&["add", "--intent-to-add", "app/main.pyc"]);
            for version in ["2", "3", "4"] {
                git(&["update-index", "--index-version", version]);
                let all = Tracked::below(Path::new(""), &checkout.path().join(".git"));
                assert_eq!(all.0.len(), 6, "{format} {version}: {all:?}");
                let app = Tracked::below(Path::new("app"), &checkout.path().join(".git"));
                let names = ["main.py", "main.pyc", "sub/x"].map(PathBuf::from);
                assert_eq!(app.0, BTreeSet::from(names), "{format} {version}");
                assert_eq!(
                    ["sub", "sub/x", "su", "main"].map(|path| app.has(Path::new(path))),
                    [true, true, false, false]
                );
            }
            std::fs::remove_dir_all(checkout.path().join(".git")).unwrap();
        }
        assert!(Tracked::below(Path::new(""), &checkout.path().join(".git")).is_empty());
    }

    #[test]
    fn what_is_no_index_tracks_nothing() {
        let mut bytes = b"DIRC\0\0\0\x04\0\0\0\x01".to_vec();
        bytes.extend([255; 80]);
        for end in 0..bytes.len() {
            assert_eq!(paths(&bytes[..end], 20), None);
        }
    }
}
