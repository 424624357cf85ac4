//! The documentation is true: its commands work as shown, its references are those of the code, its links lead
//! somewhere, and the list of requirements names tests that exist.
//!
//! `scripts/bless` writes the generated parts anew.

// Tests may look at files, print, and fail; the library may not.
#![allow(clippy::disallowed_methods, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod console;
mod links;
mod reference;
mod requirements;
mod sandbox;
mod shells;

use std::path::{Path, PathBuf};

/// A path in the repository.
fn repository(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(path)
}

/// Compares a generated file with the one in the repository, or writes it with `BLESS=1`.
fn is_current(file: &str, generated: &str) {
    let path = repository(file);
    if std::env::var_os("BLESS").is_some() {
        std::fs::write(&path, generated).unwrap();
    }
    let committed = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(committed == generated, "{file} is not current; run scripts/bless");
}

/// All files below a directory of the repository that end so.
fn files(directory: &Path, ending: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(directory).unwrap().flatten() {
        let path = entry.path();
        if path.is_dir() && entry.file_name() != "target" {
            found.extend(files(&path, ending));
        } else if path.to_string_lossy().ends_with(ending) {
            found.push(path);
        }
    }
    found.sort();
    found
}
