//! Finding and reading the manifest.

use std::io;
use std::path::{Path, PathBuf};

use windlass_core::diag::Diag;
use windlass_core::manifest::{self, Manifest};

/// The name of the manifest.
pub const FILE: &str = "windlass.toml";

/// Larger than any manifest, in bytes; a file beyond it was named by mistake.
const LARGEST: u64 = 4 << 20;

/// A manifest that was read, and what is to be said about it.
#[derive(Debug)]
pub struct Loaded {
    /// Its text.
    pub text: String,
    /// The manifest, unless its text is no TOML.
    pub manifest: Option<Manifest>,
    /// All faults and warnings, in the order of the text.
    pub diags: Vec<Diag>,
}

/// Reads the manifest `path`.
///
/// # Errors
/// When it cannot be read, or is no UTF-8 text.
pub fn load(path: &Path) -> io::Result<Loaded> {
    if std::fs::metadata(path)?.len() > LARGEST {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "the file is too large to be a manifest"));
    }
    let text = String::from_utf8(std::fs::read(path)?)
        .map_err(|_| io::Error::new(io::ErrorKind::InvalidData, "the file is not UTF-8 text"))?;
    let (manifest, diags) = manifest::load(&text);
    Ok(Loaded { text, manifest, diags })
}

/// The manifest of `directory` or the nearest one above it.
#[must_use]
pub fn find(directory: &Path) -> Option<PathBuf> {
    directory.ancestors().map(|directory| directory.join(FILE)).find(|path| path.is_file())
}
