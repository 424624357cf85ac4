//! Files that values are written to, for the account that writes them alone.

use std::fs::{self, DirBuilder, Metadata};
use std::io::{self, ErrorKind};
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};

use crate::cli::failure::Failure;
use crate::layout;

/// Puts the values into a file of 0600, which takes the place of the one that is there.
pub(super) fn file(path: &Path, contents: &[u8]) -> Result<PathBuf, Failure> {
    let path = whole(path)?;
    if let Some(facts) = there(&path)? {
        own(&path, &facts)?;
        if !facts.is_file() {
            return Err(refused(&path, "is no file"));
        }
    }
    layout::replace_file(&path, contents, 0o600).map_err(|error| cannot(&path, &error))?;
    Ok(path)
}

/// A directory of 0700, made where there is none.
pub(super) fn directory(path: &Path) -> Result<PathBuf, Failure> {
    let path = whole(path)?;
    if let Some(facts) = there(&path)? {
        own(&path, &facts)?;
        if !facts.is_dir() {
            return Err(refused(&path, "is no directory"));
        }
        let mode = facts.mode() & 0o777;
        // It may be anybody's, such as /etc: it is not for us to shut it.
        if mode & 0o077 != 0 {
            return Err(Failure::usage(
                format!("{} may be entered by other accounts (mode {mode:04o})", path.display()),
                "name one that is not there yet, or that is for you alone (chmod 700)",
            ));
        }
        return Ok(path);
    }
    DirBuilder::new().mode(0o700).create(&path).map_err(|error| cannot(&path, &error))?;
    Ok(path)
}

/// The path from the root on: what it is told to others by, and what has a directory.
fn whole(path: &Path) -> Result<PathBuf, Failure> {
    std::path::absolute(path).map_err(|error| cannot(path, &error))
}

fn there(path: &Path) -> Result<Option<Metadata>, Failure> {
    match fs::symlink_metadata(path) {
        Ok(facts) => Ok(Some(facts)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(cannot(path, &error)),
    }
}

/// Refuses what somebody else has put there: they would read what is written, or lose what is theirs.
fn own(path: &Path, facts: &Metadata) -> Result<(), Failure> {
    if facts.is_symlink() {
        return Err(refused(path, "is a link, and what it leads to may be anybody's"));
    }
    if facts.uid() != rustix::process::geteuid().as_raw() {
        return Err(refused(path, &format!("belongs to another account (uid {})", facts.uid())));
    }
    Ok(())
}

fn refused(path: &Path, why: &str) -> Failure {
    Failure::usage(format!("{} {why}", path.display()), "remove it, or name another place")
}

fn cannot(path: &Path, error: &io::Error) -> Failure {
    Failure::failed(format!("{} cannot be written: {error}", path.display()), "nothing was written there")
}
