//! What the directories of a project say of what an ignore file above it leaves out.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use ignore::gitignore::Gitignore;

/// The names of ignore files, the one that has the last word first.
pub(super) const IGNORE_FILES: [&str; 3] = [super::walk::OWN_IGNORE_FILE, ".ignore", ".gitignore"];

/// The directories of a project, each read once.
#[derive(Debug)]
pub(super) struct Within {
    root: PathBuf,
    read: Mutex<HashMap<PathBuf, Arc<Directory>>>,
}

#[derive(Debug)]
struct Directory {
    files: Vec<Gitignore>,
    is_checkout: bool,
}

impl Within {
    pub(super) fn new(root: &Path) -> Self {
        Self { root: root.to_owned(), read: Mutex::default() }
    }

    /// Whether nothing above the project has a say in a path: an ignore file of the project takes it in, or it
    /// lies in a checkout of its own.
    pub(super) fn frees(&self, path: &Path, is_dir: bool) -> bool {
        let within = path.ancestors().skip(1).take_while(|directory| directory.starts_with(&self.root));
        within.map(|directory| (directory, self.directory(directory))).any(|(directory, read)| {
            (read.is_checkout && directory != self.root)
                || read.files.iter().any(|file| file.matched(path, is_dir).is_whitelist())
        })
    }

    fn directory(&self, directory: &Path) -> Arc<Directory> {
        let mut read = self.read.lock().unwrap_or_else(PoisonError::into_inner);
        let new = || {
            let files =
                IGNORE_FILES.map(|name| directory.join(name)).into_iter().filter(|file| file.is_file());
            let files = files.map(|file| Gitignore::new(file).0).collect();
            Arc::new(Directory { files, is_checkout: directory.join(".git").exists() })
        };
        read.entry(directory.to_owned()).or_insert_with(new).clone()
    }
}
