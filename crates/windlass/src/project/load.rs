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

/// What can be known of a manifest that is no TOML: the application's name, where all lines that give one
/// in `[app]` say the same. Nothing else is in what this returns.
#[must_use]
pub fn salvage(text: &str) -> Option<Manifest> {
    let mut is_app = false;
    let mut names = text.lines().map(str::trim).filter(|line| {
        if line.starts_with('[') {
            is_app = *line == "[app]";
        }
        is_app && line.split_once('=').is_some_and(|(key, _)| key.trim() == "name")
    });
    let name = names.next()?;
    let manifest = manifest::load(&format!("[app]\n{name}\n")).0?;
    let others = names.map(|other| manifest::load(&format!("[app]\n{other}\n")).0?.app());
    let all: Vec<_> = others.collect();
    all.iter().all(|other| *other == manifest.app()).then_some(manifest)
}

/// The manifest of `directory` or the nearest one above it.
#[must_use]
pub fn find(directory: &Path) -> Option<PathBuf> {
    directory.ancestors().map(|directory| directory.join(FILE)).find(|path| path.is_file())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_is_found_in_what_is_left_of_a_manifest() {
        let app = |text: &str| salvage(text).and_then(|manifest| manifest.app()).map(|app| app.to_string());
        let merge =
            "# ours\n[app]\nname = \"shop\" # ours\n<<<<<<< HEAD\n[services.web]\n=======\nname = \"x\"\n";
        assert_eq!(app(merge).as_deref(), Some("shop"));
        assert_eq!(app("[app]\n[services.name]\nname = \"web\"\n<<<"), None);
        assert_eq!(app("name = \"shop\"\n<<<"), None);
        assert_eq!(app("[app]\nname = \"No Name\"\n<<<"), None);
        assert_eq!(app("[app]\nname = \"shop\n"), None, "it is not whole itself");
    }
}
