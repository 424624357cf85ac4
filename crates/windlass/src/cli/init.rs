//! `windlass init`: writes a manifest for a project that has none.

use std::io;
use std::path::{Path, PathBuf};

use crate::project::init::{Proposal, propose};
use crate::project::load::FILE;

/// What was written.
#[derive(Debug)]
pub struct Written {
    /// The manifest.
    pub path: PathBuf,
    /// What it was made from.
    pub proposal: Proposal,
}

/// Proposes a manifest for `directory` and writes it there.
///
/// # Errors
/// [`io::ErrorKind::AlreadyExists`] when there is one and `force` is not set, or any other error of
/// looking at the project or writing the file.
pub fn init(directory: &Path, force: bool) -> io::Result<Written> {
    let path = directory.join(FILE);
    let proposal = propose(directory)?;
    write(&path, &proposal.text, force)?;
    Ok(Written { path, proposal })
}

/// Writes a manifest; without `force` only where there is none, decided by the file system itself.
///
/// # Errors
/// See [`init`].
pub(super) fn write(path: &Path, text: &str, force: bool) -> io::Result<()> {
    use io::Write as _;
    let taken = |error: io::Error| match error.kind() {
        io::ErrorKind::AlreadyExists => io::Error::new(
            io::ErrorKind::AlreadyExists,
            format!("{} exists; --force writes over it", path.display()),
        ),
        _ => error,
    };
    if force {
        // Beside it first, so that a full disk does not cost the one that is there.
        let beside = path.with_extension("toml.new");
        std::fs::write(&beside, text)?;
        return std::fs::rename(&beside, path);
    }
    let mut file = std::fs::OpenOptions::new().write(true).create_new(true).open(path).map_err(taken)?;
    file.write_all(text.as_bytes())
}
