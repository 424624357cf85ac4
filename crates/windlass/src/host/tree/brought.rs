//! What the application wrote to a directory of its release is brought into the one that releases share from now on.
//!
//! Both directories may be another account's, which does what it likes in them meanwhile: nothing is followed.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fs::{File, Metadata};
use std::io;
use std::os::unix::fs::{MetadataExt, fchown};
use std::path::{Component, Path, PathBuf};

use rustix::fs::{
    AtFlags, FileType, Mode, OFlags, ResolveFlags, Timespec, Timestamps, fchmod, fstatvfs, fsync, futimens,
    mkdirat, openat, readlinkat, renameat, statat, symlinkat, unlinkat,
};
use rustix::io::Errno;

use super::contents::{self, Written};
use super::handover::within;
use crate::account::Account;
use crate::failpoint;

/// Under which name a file is written until it is whole.
const NEW: &str = ".windlass-new";

/// The active release, which does not share yet what a new one does.
#[derive(Debug, Clone, Copy)]
pub(in crate::host) struct Before<'a> {
    /// Its tree.
    pub(in crate::host) root: &'a Path,
    /// So many bytes of the disk, at least, are left free for the application that runs.
    pub(in crate::host) keep_free: u64,
}

/// What was brought.
#[derive(Debug, Default, PartialEq, Eq)]
pub(in crate::host) struct Brought {
    /// How many files.
    pub(in crate::host) files: u64,
    /// Databases that were not: paths in the tree.
    pub(in crate::host) left: BTreeSet<PathBuf>,
}

/// What becomes of a file that is there already.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum There {
    /// It is the source's, and gives way to what the application made of it.
    GivesWay,
    /// It stays, unless it is older.
    StaysIfNewer,
}

/// Brings what was added to `directory` of the sealed tree, or written to, into a directory that is there. Each file is whole
/// or not there, so that what was broken off is done again.
///
/// # Errors
/// When there is no room for all of it, before anything is written; and when something cannot be read or written.
pub(super) fn bring(
    before: Before<'_>,
    directory: &str,
    to: &File,
    account: Option<&Account>,
    there: There,
) -> io::Result<Brought> {
    let Written { files: written, databases: left } = contents::written(before.root, Path::new(directory))?;
    if written.is_empty() {
        return Ok(Brought { files: 0, left });
    }
    has_room(before, directory, &written, to, there)?;
    let tree = File::open(before.root)?;
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
    Ok(Brought { files, left })
}

/// Refuses what would leave too little of the disk to the application that runs.
fn has_room(
    before: Before<'_>,
    directory: &str,
    written: &[PathBuf],
    to: &File,
    there: There,
) -> io::Result<()> {
    // Not every file system can tell.
    let Ok(disk) = fstatvfs(to) else { return Ok(()) };
    let mut wanted: u64 = 0;
    for path in written {
        let Ok(facts) = before.root.join(path).symlink_metadata() else { continue };
        let Ok(inner) = path.strip_prefix(directory) else { continue };
        if facts.is_file() && !(there == There::StaysIfNewer && is_newer(to, inner, facts.mtime())) {
            wanted = wanted.saturating_add(facts.len().next_multiple_of(disk.f_frsize.max(1)));
        }
    }
    let (free, kept) = (disk.f_bavail.saturating_mul(disk.f_frsize), before.keep_free);
    if wanted == 0 || wanted.saturating_add(kept) <= free {
        return Ok(());
    }
    let megabytes = |bytes: u64| bytes.div_ceil(1_000_000);
    let what = format!(
        "what the application wrote to {directory} takes {} MB, and where shared/{directory} lies {} MB are free, of which \
         min_free_disk of [deploy] keeps {} MB",
        megabytes(wanted),
        free / 1_000_000,
        megabytes(kept)
    );
    Err(io::Error::new(io::ErrorKind::StorageFull, what))
}

/// Whether what lies there is of this time, or was written later.
fn is_newer(above: &File, name: impl rustix::path::Arg, modified: i64) -> bool {
    statat(above, name, AtFlags::SYMLINK_NOFOLLOW).is_ok_and(|seen| seen.st_mtime >= modified)
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
    let is_newer_there = |modified: i64| there == There::StaysIfNewer && is_newer(above, name, modified);
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
    let copied = copy(&mut from, &facts, above, account, there)
        .and_then(|()| Ok(failpoint::around(|| renameat(above, NEW, above, name))?));
    if copied.is_err() {
        // A part of one may be what has filled the disk.
        let _the_first_error_counts = unlinkat(above, NEW, AtFlags::empty());
    }
    copied.map(|()| true)
}

/// Writes a file until it is whole, under the name that nobody looks for.
fn copy(
    from: &mut File,
    facts: &Metadata,
    above: &File,
    account: Option<&Account>,
    there: There,
) -> io::Result<()> {
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let mut file = File::from(openat(above, NEW, flags, Mode::from_raw_mode(0o600))?);
    io::copy(from, &mut file)?;
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
    Ok(())
}
