//! Databases of SQLite that an application keeps in its tree: with the next release it would begin without them.

use std::fs::File;
use std::io::Read;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use rustix::fs::OFlags;

use super::added::{is_listed, list};
use super::plain;
use super::walk::{INSTALLED, files, is_one_of};

/// How every database of SQLite begins.
const BEGINNING: &[u8] = b"SQLite format 3\0";

/// What the names end in of the files that SQLite puts beside one.
const BESIDE: [&str; 3] = ["-wal", "-shm", "-journal"];

/// The databases that were made in a sealed tree, or written to, since it was: paths in it. What lies behind links, such
/// as the directories that releases share, and what builds carry on is elsewhere.
pub(in crate::host) fn databases(root: &Path, seal: &Path, cache: &[String]) -> Vec<PathBuf> {
    let Ok(sealed) = seal.metadata().and_then(|seal| seal.modified()) else { return vec![] };
    let list = list(root).unwrap_or_default();
    let cache: Vec<PathBuf> = cache.iter().map(|path| plain(Path::new(path))).collect();
    let mut found = Vec::new();
    let enters =
        |path: &Path| !is_one_of(&INSTALLED, path.file_name()) && !cache.iter().any(|cache| cache == path);
    let _as_far_as_was_looked = files(root, enters, |path| {
        let file = root.join(&path);
        if (!is_listed(&list, &path) || is_written(&file, sealed)) && is_database(&file) {
            found.push(path);
        }
    });
    found.sort();
    found
}

/// Whether it was written to after this time, or its log was.
fn is_written(path: &Path, since: SystemTime) -> bool {
    let is_newer = |path: &Path| {
        path.symlink_metadata().and_then(|facts| facts.modified()).is_ok_and(|modified| modified > since)
    };
    is_newer(path) || is_newer(&beside(path, "-wal"))
}

/// The database that a file is, or lies beside as one of those that SQLite puts there. One that is just being made is
/// empty, and has them as well.
pub(super) fn database_of(path: &Path) -> Option<&Path> {
    let name = path.to_str().unwrap_or_default();
    let main = BESIDE.iter().find_map(|end| name.strip_suffix(end)).map_or(path, Path::new);
    let is_empty = || main.symlink_metadata().is_ok_and(|facts| facts.is_file() && facts.len() == 0);
    let has_one = || BESIDE.iter().any(|end| beside(main, end).symlink_metadata().is_ok());
    (is_database(main) || (is_empty() && has_one())).then_some(main)
}

fn beside(main: &Path, end: &str) -> PathBuf {
    let mut name = main.as_os_str().to_owned();
    name.push(end);
    name.into()
}

fn is_database(path: &Path) -> bool {
    let mut start = [0; BEGINNING.len()];
    // The application may put a pipe there meanwhile, which would have us wait.
    let flags = (OFlags::NONBLOCK | OFlags::NOFOLLOW).bits().cast_signed();
    let file = File::options().read(true).custom_flags(flags).open(path);
    file.and_then(|mut file| file.read_exact(&mut start)).is_ok() && start == BEGINNING
}
