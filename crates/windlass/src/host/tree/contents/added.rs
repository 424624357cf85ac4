//! What an application has added to its tree, or written to, since that was sealed: the next release has none of it.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::fs::DirEntry;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use super::databases::database_of;
use super::walk::{INSTALLED, files, is_one_of};
use super::{Contents, FILE, Reading, Seen, plain};

/// Directories whose content can be made again, or that is nobody's data, beside what was installed.
const PASSING: [&str; 17] = [
    "cache",
    ".cache",
    ".pytest_cache",
    ".mypy_cache",
    ".ruff_cache",
    ".parcel-cache",
    ".turbo",
    ".next",
    ".nuxt",
    "log",
    "logs",
    "tmp",
    "temp",
    ".tmp",
    "run",
    "pid",
    "pids",
];

/// The same of files, by what their names end in.
const PASSING_FILES: [&str; 6] = ["pyc", "log", "pid", "tmp", "swp", "lock"];

/// Files that only have git keep a directory.
const KEEPING: [&str; 4] = [".gitkeep", ".keep", ".gitignore", ".placeholder"];

/// The files that were added, by their directory.
#[derive(Debug, Default, PartialEq, Eq)]
pub(in crate::host) struct Added {
    /// How many lie in a directory or below it. The tree's own is none of them.
    pub(in crate::host) directories: BTreeMap<PathBuf, Few>,
    /// Whether not all of the tree was looked at.
    pub(in crate::host) more: bool,
}

/// What was added to a directory.
#[derive(Debug, Default, PartialEq, Eq)]
pub(in crate::host) struct Few {
    /// How many files.
    pub(in crate::host) files: u64,
    /// Whether the release itself has files there as well, or what is kept lies below.
    pub(in crate::host) beside: bool,
}

/// What was added to a sealed tree, but for databases, which are told of by themselves. Not looked at is what lies behind
/// links, such as the directories that releases share, nor what is `kept`: nothing above that is named, as no directory is
/// kept within another.
pub(in crate::host) fn added<'a>(root: &Path, kept: impl Iterator<Item = &'a String>) -> Added {
    let mut added = Added::default();
    let Some(list) = list(root) else { return added };
    let shipped: HashSet<&Path> = list
        .keys()
        .map(Path::new)
        .filter(|path| !only_keeps(path))
        .flat_map(|path| path.ancestors().skip(1))
        .collect();
    let kept: Vec<PathBuf> = kept.map(|path| plain(Path::new(path))).collect();
    let is_own = |above: &Path| {
        !above.as_os_str().is_empty()
            && !shipped.contains(above)
            && !kept.iter().any(|kept| kept.starts_with(above))
    };
    let enters = |path: &Path| {
        let (name, kept) = (path.file_name(), kept.iter().any(|kept| kept == path));
        !kept && !is_one_of(&INSTALLED, name) && !is_one_of(&PASSING, name)
    };
    let all = files(root, enters, |path| {
        if is_passing(&path) || is_listed(&list, &path) || database_of(&root.join(&path)).is_some() {
            return;
        }
        let own = path.ancestors().skip(1).filter(|above| is_own(above)).last();
        let above = own.or_else(|| path.parent()).filter(|above| !above.as_os_str().is_empty());
        if let Some(above) = above {
            let few = added.directories.entry(above.to_owned()).or_default();
            *few = Few { files: few.files + 1, beside: own.is_none() };
        }
    });
    added.more = !all;
    added
}

/// Whether a sealed tree came with files below a directory, other than such as only keep it and these `databases`. It did
/// where that is not known.
pub(in crate::host) fn ships(root: &Path, directory: &Path, databases: &[PathBuf]) -> bool {
    let Some(list) = list(root) else { return true };
    let mut below = list.keys().map(Path::new).filter(|path| path.starts_with(directory));
    below.any(|path| !only_keeps(path) && !databases.iter().any(|database| database == path))
}

/// What was added below a directory of a sealed tree, or written to, since it was: paths in it.
#[derive(Debug, Default)]
pub(in crate::host) struct Written {
    pub(in crate::host) files: Vec<PathBuf>,
    /// Those of SQLite.
    pub(in crate::host) databases: BTreeSet<PathBuf>,
}

/// The files below a directory of a sealed tree that were added since, or written to. Nothing where the way there leads
/// through a link. Databases are apart: one that is copied while somebody writes to it is broken, and so is one whose log is
/// another's.
///
/// # Errors
/// When the system cannot read it.
pub(in crate::host) fn written(root: &Path, below: &Path) -> io::Result<Written> {
    let Some(list) = list(root) else { return Ok(Written::default()) };
    let top = root.join(below);
    if !top.is_dir() || top.canonicalize()? != root.canonicalize()?.join(below) {
        return Ok(Written::default());
    }
    let (mut found, mut listed) = (Vec::new(), Vec::new());
    let mut directories = vec![below.to_owned()];
    while let Some(directory) = directories.pop() {
        for entry in entries(&root.join(&directory))? {
            let (path, kind) = (directory.join(entry.file_name()), entry.file_type()?);
            if kind.is_dir() {
                if entry.file_name() != "__pycache__" {
                    directories.push(path);
                }
            } else if is_listed(&list, &path) {
                listed.push(path);
            } else if kind.is_file() || kind.is_symlink() {
                found.push(path);
            }
        }
    }
    for Seen { path, entry, .. } in Reading::of_changed(root).entries(&listed)? {
        if entry.is_some_and(|now| list.get(&path) != Some(&now)) {
            found.push(path.into());
        }
    }
    let mut databases = BTreeSet::new();
    found.retain(|path| {
        let path = root.join(path);
        let database = database_of(&path).and_then(|database| database.strip_prefix(root).ok());
        databases.extend(database.map(Path::to_owned));
        database.is_none()
    });
    found.sort();
    Ok(Written { files: found, databases })
}

/// What is in a directory. Nothing, where the application has removed it meanwhile.
pub(super) fn entries(directory: &Path) -> io::Result<Vec<DirEntry>> {
    match std::fs::read_dir(directory).and_then(Iterator::collect) {
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => Ok(vec![]),
        entries => entries,
    }
}

/// What the tree held when it was sealed; `None` where that is not known.
pub(super) fn list(root: &Path) -> Option<BTreeMap<String, String>> {
    let list = std::fs::read(root.join(FILE)).ok()?;
    serde_json::from_slice(&list).ok().map(|Contents { entries, .. }| entries)
}

pub(super) fn is_listed(list: &BTreeMap<String, String>, path: &Path) -> bool {
    path.to_str().is_some_and(|path| list.contains_key(path))
}

fn only_keeps(path: &Path) -> bool {
    KEEPING.iter().any(|name| path.ends_with(name))
}

fn is_passing(path: &Path) -> bool {
    path.extension().is_some_and(|extension| PASSING_FILES.iter().any(|passing| extension == *passing))
}
