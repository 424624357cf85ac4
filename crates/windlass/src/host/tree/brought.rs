//! What the application wrote to a directory of its release is brought into the one that releases share from now on.
//!
//! Both directories may be another account's, which does what it likes in them meanwhile: nothing is followed.

use std::ffi::OsStr;
use std::fs::File;
use std::io;
use std::os::unix::fs::{MetadataExt, fchown};
use std::path::{Component, Path};

use rustix::fs::{
    AtFlags, FileType, Mode, OFlags, ResolveFlags, Timespec, Timestamps, fchmod, fsync, futimens, mkdirat,
    openat, readlinkat, renameat, statat, symlinkat, unlinkat,
};
use rustix::io::Errno;

use super::contents;
use super::handover::within;
use crate::account::Account;
use crate::failpoint;

/// Under which name a file is written until it is whole.
const NEW: &str = ".windlass-new";

/// What becomes of a file that is there already.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum There {
    /// It is the source's, and gives way to what the application made of it.
    GivesWay,
    /// It stays, unless it is older.
    StaysIfNewer,
}

/// Brings what was added to `directory` of the sealed tree, or written to, into a directory that is there. Answers how
/// many files. Each is whole or not there, so that what was broken off is done again.
pub(super) fn bring(
    tree: &Path,
    directory: &str,
    to: &File,
    account: Option<&Account>,
    there: There,
) -> io::Result<u64> {
    let written = contents::written(tree, Path::new(directory))?;
    if written.is_empty() {
        return Ok(0);
    }
    let tree = File::open(tree)?;
    let mut files = 0;
    for path in written {
        let Ok(inner) = path.strip_prefix(directory) else { continue };
        let Some(name) = inner.file_name() else { continue };
        let above = inner.parent().unwrap_or(Path::new(""));
        let Some(above) = made(to, above, account)? else { continue };
        files += u64::from(bring_one(&tree, &path, &above, name, account, there)?);
        if there == There::StaysIfNewer {
            fsync(&above)?;
        }
    }
    Ok(files)
}

/// A directory below another, made where it is not there; `None` where something else is in the way.
fn made(top: &File, path: &Path, account: Option<&Account>) -> io::Result<Option<File>> {
    let mut at = top.try_clone()?;
    for part in path.components() {
        let Component::Normal(name) = part else { continue };
        match mkdirat(&at, name, Mode::from_raw_mode(0o755)) {
            Err(Errno::EXIST) => {}
            Err(error) => return Err(error.into()),
            Ok(()) => {
                if let (Some(account), Some(new)) = (account, directory_in(&at, name)?) {
                    fchown(&new, Some(account.uid), Some(account.gid))?;
                }
            }
        }
        match directory_in(&at, name)? {
            Some(next) => at = next,
            None => return Ok(None),
        }
    }
    Ok(Some(at))
}

fn directory_in(above: &File, name: &OsStr) -> io::Result<Option<File>> {
    within(above, name, OFlags::RDONLY | OFlags::DIRECTORY, ResolveFlags::empty())
}

fn bring_one(
    tree: &File,
    path: &Path,
    above: &File,
    name: &OsStr,
    account: Option<&Account>,
    there: There,
) -> io::Result<bool> {
    let is_newer_there = |modified: i64| {
        there == There::StaysIfNewer
            && statat(above, name, AtFlags::SYMLINK_NOFOLLOW).is_ok_and(|seen| seen.st_mtime >= modified)
    };
    match unlinkat(above, NEW, AtFlags::empty()) {
        Err(Errno::NOENT) | Ok(()) => {}
        Err(error) => return Err(error.into()),
    }
    // What the source ships as a directory stays one.
    if statat(above, name, AtFlags::SYMLINK_NOFOLLOW)
        .is_ok_and(|seen| FileType::from_raw_mode(seen.st_mode).is_dir())
    {
        return Ok(false);
    }
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK;
    let Some(mut from) = within(tree, path, flags, ResolveFlags::empty())? else {
        // A link, or it is gone meanwhile.
        let Ok(target) = readlinkat(tree, path, Vec::new()) else { return Ok(false) };
        if is_newer_there(i64::MIN) {
            return Ok(false);
        }
        symlinkat(&target, above, NEW)?;
        renameat(above, NEW, above, name)?;
        return Ok(true);
    };
    let facts = from.metadata()?;
    if !facts.is_file() || is_newer_there(facts.mtime()) {
        return Ok(false);
    }
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let mut file = File::from(openat(above, NEW, flags, Mode::from_raw_mode(0o600))?);
    io::copy(&mut from, &mut file)?;
    if let Some(account) = account {
        fchown(&file, Some(account.uid), Some(account.gid))?;
    }
    fchmod(&file, Mode::from_raw_mode(facts.mode() & 0o777))?;
    let time = Timespec { tv_sec: facts.mtime(), tv_nsec: facts.mtime_nsec() };
    futimens(&file, &Timestamps { last_access: time, last_modification: time })?;
    // A directory that nobody knows yet is synced as a whole.
    if there == There::StaysIfNewer {
        file.sync_all()?;
    }
    failpoint::around(|| renameat(above, NEW, above, name))?;
    Ok(true)
}
