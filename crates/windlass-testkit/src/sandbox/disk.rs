//! What an environment has on the disk.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use super::Sandbox;

/// What lies in the directories that runs fill and empty, and what `current` names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Disk {
    /// The target of the link.
    pub current: Option<PathBuf>,
    directories: BTreeMap<&'static str, BTreeSet<String>>,
}

/// The directories that runs fill and empty.
const DIRECTORIES: [&str; 6] =
    ["releases", "state/settings", "instances", "jobs", "state/rotating", "state/unrevoked"];

impl Disk {
    /// As it is now.
    #[must_use]
    pub fn of(sandbox: &Sandbox) -> Self {
        let root = sandbox.environment();
        let names = |directory: &str| names(&root.join(directory));
        Self {
            current: std::fs::read_link(root.join("current")).ok(),
            directories: DIRECTORIES.into_iter().map(|directory| (directory, names(directory))).collect(),
        }
    }

    /// The names in one of the directories.
    ///
    /// # Panics
    /// When it is none of them.
    #[must_use]
    pub fn names(&self, directory: &str) -> &BTreeSet<String> {
        &self.directories[directory]
    }
}

/// The names in a directory.
fn names(directory: &Path) -> BTreeSet<String> {
    let entries = std::fs::read_dir(directory).into_iter().flatten().flatten();
    entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect()
}

/// What it takes to go back: of each finished release's tree the files with their lengths, and the
/// settings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WayBack(BTreeMap<String, BTreeMap<PathBuf, u64>>);

impl WayBack {
    /// As it is now.
    #[must_use]
    pub fn of(sandbox: &Sandbox) -> Self {
        let (releases, state) =
            (sandbox.environment().join("releases"), sandbox.environment().join("state/settings"));
        let finished = |name: &String| releases.join(name).join(".windlass-sealed").is_file();
        let trees = names(&releases).into_iter().filter(finished);
        let mut all: BTreeMap<_, _> = trees.map(|name| (name.clone(), files(&releases.join(name)))).collect();
        all.insert("settings".to_owned(), files(&state));
        Self(all)
    }

    /// What of it is no more, or is another.
    #[must_use]
    pub fn missing_in(&self, later: &Self) -> Vec<PathBuf> {
        let all = self.0.iter().flat_map(|(name, files)| files.iter().map(move |file| (name, file)));
        let is_there = |name: &String, path: &PathBuf, length: &u64| {
            later.0.get(name).and_then(|files| files.get(path)) == Some(length)
        };
        all.filter(|(name, (path, length))| !is_there(name, path, length))
            .map(|(_, (path, _))| path.clone())
            .collect()
    }
}

/// Windlass's own notes in a tree: that it was found damaged, which goes when all is well again, and which of its
/// files need not be read again.
const NOTES: [&str; 2] = [".windlass-damaged", ".windlass-known"];

/// All files below a directory, with their lengths; links are not followed.
fn files(directory: &Path) -> BTreeMap<PathBuf, u64> {
    let mut found = BTreeMap::new();
    for entry in std::fs::read_dir(directory).into_iter().flatten().flatten() {
        let Ok(facts) = entry.path().symlink_metadata() else { continue };
        if facts.is_dir() {
            found.extend(files(&entry.path()));
        } else if !NOTES.iter().any(|note| entry.file_name() == *note) {
            found.insert(entry.path(), facts.len());
        }
    }
    found
}
