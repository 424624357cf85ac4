//! `windlass import compose FILE`: writes a manifest made from a compose file.

use std::io;
use std::path::{Path, PathBuf};

use windlass_core::manifest::compose::{Imported, Note};
use windlass_core::manifest::import_compose;

use crate::project::load::FILE;

/// What was written.
#[derive(Debug)]
pub struct Written {
    /// The manifest.
    pub path: PathBuf,
    /// What it was made from, with what could not be carried over, line by line.
    pub imported: Imported,
}

/// Why nothing was written.
#[derive(Debug)]
pub enum NotImported {
    /// A file could not be read or written, or there is a manifest already.
    Io(io::Error),
    /// The compose file has a fault.
    Fault(Note),
}

impl std::fmt::Display for NotImported {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Io(error) => error.fmt(f),
            Self::Fault(note) => note.fmt(f),
        }
    }
}

impl std::error::Error for NotImported {}

/// Makes a manifest of the compose file `from`, beside it.
///
/// # Errors
/// [`NotImported`]; without `force` also when there is a manifest.
pub fn import(from: &Path, force: bool) -> Result<Written, NotImported> {
    let text = std::fs::read_to_string(from).map_err(NotImported::Io)?;
    let directory =
        from.canonicalize().map_err(NotImported::Io)?.parent().map(Path::to_owned).unwrap_or_default();
    let app = directory.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let imported = import_compose(&text, &app).map_err(NotImported::Fault)?;
    let path = directory.join(FILE);
    super::init::write(&path, &imported.text, force).map_err(NotImported::Io)?;
    Ok(Written { path, imported })
}
