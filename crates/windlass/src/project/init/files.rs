//! The files of a project, as far as a detector wants to see them.

use std::io;
use std::path::{Path, PathBuf};

/// Sources larger than this are not written by hand.
const LARGEST: u64 = 512 << 10;
/// How deep sources are searched, and how many of them.
const DEEPEST: usize = 4;
const MOST: usize = 2000;

/// Directories that hold no sources of the project itself.
const SKIPPED: [&str; 10] = [
    "node_modules",
    "target",
    "venv",
    "env",
    "dist",
    "build",
    "__pycache__",
    "site-packages",
    "migrations",
    "tests",
];

/// A project's directory.
pub(in crate::project) struct Files {
    root: PathBuf,
    /// Paths relative to the root, sorted, the shallow ones first.
    paths: Vec<String>,
    directories: Vec<String>,
    is_installed: fn(&str) -> bool,
}

impl Files {
    /// `is_installed` says which programs the machine has.
    pub(in crate::project) fn of(directory: &Path, is_installed: fn(&str) -> bool) -> io::Result<Self> {
        let root = directory.canonicalize()?;
        let (mut paths, mut directories) = (Vec::new(), Vec::new());
        let mut queue = vec![(root.clone(), String::new(), 0)];
        while let Some((directory, prefix, depth)) = queue.pop() {
            let entries = match std::fs::read_dir(&directory) {
                Ok(entries) => entries,
                Err(error) if depth == 0 => return Err(error),
                Err(_) => continue,
            };
            for entry in entries.flatten().take(MOST) {
                let Ok(name) = entry.file_name().into_string() else { continue };
                let Ok(kind) = entry.file_type() else { continue };
                let path = format!("{prefix}{name}");
                if kind.is_dir() && depth == 0 && !name.starts_with('.') {
                    directories.push(name.clone());
                }
                let skipped = name.starts_with('.') || SKIPPED.contains(&name.as_str());
                if kind.is_dir() && depth < DEEPEST && !skipped {
                    queue.push((entry.path(), format!("{path}/"), depth + 1));
                } else if kind.is_file() && paths.len() < MOST {
                    paths.push(path);
                }
            }
        }
        paths.sort_by_key(|path| (path.matches('/').count(), path.clone()));
        directories.sort();
        Ok(Self { root, paths, directories, is_installed })
    }

    /// The name of the directory.
    pub(super) fn name(&self) -> String {
        self.root.file_name().map_or_else(|| "app".to_owned(), |name| name.to_string_lossy().into_owned())
    }

    /// Where a file of the project is.
    pub(super) fn path(&self, path: &str) -> PathBuf {
        self.root.join(path)
    }

    /// Whether the machine has this program.
    pub(super) fn is_installed(&self, program: &str) -> bool {
        (self.is_installed)(program)
    }

    /// Whether there is such a file.
    pub(in crate::project) fn has(&self, path: &str) -> bool {
        self.paths.iter().any(|other| other == path)
    }

    /// Whether there is such a directory in the project.
    pub(super) fn has_directory(&self, path: &str) -> bool {
        let inside = !path.starts_with('/') && !path.split('/').any(|part| part == "..");
        inside && self.root.join(path).is_dir()
    }

    /// The directories at the top that are not hidden, sorted.
    pub(super) fn directories(&self) -> impl Iterator<Item = &str> {
        self.directories.iter().map(String::as_str)
    }

    /// The text of a file, where there is such a file of text.
    pub(in crate::project) fn read(&self, path: &str) -> Option<String> {
        text_of(&self.root.join(path))
    }

    /// The files whose names end so.
    pub(in crate::project) fn ending(&self, ending: &str) -> impl Iterator<Item = &str> {
        self.paths.iter().map(String::as_str).filter(move |path| path.ends_with(ending))
    }

    /// The sources whose names end so, with their texts.
    pub(in crate::project) fn sources<'a>(
        &'a self,
        ending: &'a str,
    ) -> impl Iterator<Item = (&'a str, String)> {
        self.ending(ending).filter_map(|path| Some((path, self.read(path)?)))
    }
}

/// The text of a file of sources; `None` also where it is a pipe or a device, which may have no end.
pub(in crate::project) fn text_of(path: &Path) -> Option<String> {
    let facts = std::fs::metadata(path).ok()?;
    if !facts.is_file() || facts.len() > LARGEST {
        return None;
    }
    String::from_utf8(std::fs::read(path).ok()?).ok()
}

/// A path at which programs are often asked for their health, where `source` has one in quotes.
pub(super) fn health_path(source: &str) -> Option<&'static str> {
    ["/health", "/healthz", "/health/", "/healthz/", "/up", "/ping", "/status"]
        .into_iter()
        .find(|path| source.contains(&format!("\"{path}\"")) || source.contains(&format!("'{path}'")))
}
