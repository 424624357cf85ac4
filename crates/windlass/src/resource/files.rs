//! Directories and files that nobody else may read, written so that a crash leaves the old or the new.

use std::fs::{self, DirBuilder, File, OpenOptions, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt, fchown};
use std::path::Path;

use rustix::fs::OFlags;

use super::fault::Fault;
use crate::account::Account;
use crate::failpoint;

/// Makes `path` a directory of mode 0700 that belongs to `account`, or to us. Its parent must be
/// ours: else who owns that could put a link in its place.
pub(super) fn private_directory(path: &Path, account: Option<&Account>) -> Result<(), Fault> {
    let made = || {
        DirBuilder::new().recursive(true).mode(0o700).create(path)?;
        fs::set_permissions(path, Permissions::from_mode(0o700))?;
        account.map_or(Ok(()), |account| account.give(path))
    };
    made().map_err(Fault::at("make the directory", path))
}

/// Makes `path` a directory that is ours, and that `account` can pass to reach files of its own in
/// it, without being able to change which files these are.
pub(super) fn passable_directory(path: &Path, account: Option<&Account>) -> Result<(), Fault> {
    private_directory(path, None)?;
    let mode = if account.is_some() { 0o711 } else { 0o700 };
    fs::set_permissions(path, Permissions::from_mode(mode)).map_err(Fault::at("set the mode of", path))
}

/// Makes `path` a directory that belongs to `account`, and that others can pass to reach what is open to them in it.
pub(super) fn entered_directory(path: &Path, account: Option<&Account>) -> Result<(), Fault> {
    private_directory(path, account)?;
    let mode = if account.is_some() { 0o711 } else { 0o700 };
    fs::set_permissions(path, Permissions::from_mode(mode)).map_err(Fault::at("set the mode of", path))
}

/// Makes `path` a file of mode 0600 with `content`, that belongs to `account`, or to us. It is
/// replaced at once, and is on the disk when this returns.
pub(super) fn private_file(path: &Path, content: &[u8], account: Option<&Account>) -> Result<(), Fault> {
    let written = || {
        if fs::read(path).is_ok_and(|there| there == content) {
            let no_link = i32::try_from(OFlags::NOFOLLOW.bits()).unwrap_or_default();
            return owned(&OpenOptions::new().read(true).custom_flags(no_link).open(path)?, account);
        }
        let partial = path.with_added_extension("partial");
        match fs::remove_file(&partial) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&partial)?;
        file.write_all(content)?;
        owned(&file, account)?;
        failpoint::around(|| {
            file.sync_all()?;
            fs::rename(&partial, path)?;
            sync_parent(path)
        })
    };
    written().map_err(Fault::at("write", path))
}

fn owned(file: &File, account: Option<&Account>) -> io::Result<()> {
    file.set_permissions(Permissions::from_mode(0o600))?;
    account.map_or(Ok(()), |account| fchown(file, Some(account.uid), Some(account.gid)))
}

/// Makes the entry of `path` in its directory durable.
pub(super) fn sync_parent(path: &Path) -> io::Result<()> {
    path.parent().map_or(Ok(()), |parent| File::open(parent)?.sync_all())
}

/// Removes a directory with all that is in it, if it is there.
pub(super) fn remove_directory(path: &Path) -> Result<(), Fault> {
    match fs::remove_dir_all(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(Fault::at("remove", path)(error)),
        _ => Ok(()),
    }
}
