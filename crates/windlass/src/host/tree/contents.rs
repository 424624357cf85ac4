//! What a finished tree holds, written down when it is sealed, so that it can be told later whether
//! it still does.
//!
//! Written down is every file that is there at that time, less what changes by itself: the
//! directories that builds carry on (`cache`; of those only the programs that are run), what Python
//! compiles for itself, and what lies behind links, such as the directories that releases share.
//! What the application adds later does not matter.

mod added;
mod databases;
mod known;
mod walk;

use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Component, Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};

use serde::{Deserialize, Serialize};
use windlass_core::plan::Tree;
use windlass_core::spec::{Command, Part, Spec};

pub(in crate::host) use added::{Added, Written, added, ships, written};
pub(in crate::host) use databases::databases;
use known::{Facts, Known};

/// The list, in the tree.
const FILE: &str = ".windlass-contents";
/// Says that the tree was found damaged, and is built from no more.
const DAMAGED: &str = ".windlass-damaged";
/// The version of the list and of the seal.
const VERSION: u32 = 2;
/// How many files are read at the same time.
const TOGETHER: usize = 4;

/// Each file's kind and hash, by path.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Contents {
    version: u32,
    entries: BTreeMap<String, String>,
}

/// The file whose presence says that a tree is finished. Version 1 was a [`Tree`] and nothing else.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Seal {
    version: u32,
    tree: Tree,
    /// The hash of the list.
    contents: String,
}

/// Writes down what a tree holds. Answers the text of its seal.
///
/// # Errors
/// When a file cannot be read, or the list cannot be written.
pub(in crate::host) fn write_down(root: &Path, tree: &Tree, spec: &Spec) -> io::Result<Vec<u8>> {
    let paths = selected(root, spec)?;
    let now = known::now(root)?;
    let seen = Reading::of_all(root).entries(&paths)?;
    let entries = seen.iter().filter_map(|seen| Some((seen.path.clone(), seen.entry.clone()?)));
    let list = serde_json::to_vec(&Contents { version: VERSION, entries: entries.collect() })?;
    let path = root.join(FILE);
    let _ = std::fs::remove_file(&path);
    let mut file = File::options().write(true).create_new(true).mode(0o644).open(&path)?;
    io::Write::write_all(&mut file, &list)?;
    let seal = Seal { version: VERSION, tree: tree.clone(), contents: hash(&mut list.as_slice())? };
    let mut known = Known::default();
    for Seen { path, facts, .. } in seen {
        facts.into_iter().for_each(|facts| known.learn(path.clone(), facts));
    }
    known.keep(root, now);
    Ok(serde_json::to_vec(&seal)?)
}

/// What of a tree is not as it was sealed.
pub(in crate::host) struct Damage {
    /// In words.
    pub(in crate::host) what: String,
    /// All of it was written to since, as applications and people do it: what decays keeps its time, and what is
    /// gone has none.
    pub(in crate::host) was_written: bool,
}

/// How closely a sealed tree is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::host) enum Look {
    /// Every file is read, so that also what the disk has lost is found.
    AtAll,
    /// Only the files that somebody may have written to since they were read last.
    AtChanged,
}

/// Looks whether a sealed tree still holds what was sealed. Answers what is damaged, in words, and
/// remembers it, so that no later release is made of this tree; `None` when nothing is.
///
/// # Errors
/// When the system cannot read it.
pub(in crate::host) fn damage(root: &Path, seal: &Path, how: Look) -> io::Result<Option<Damage>> {
    let reading = match how {
        Look::AtAll => Reading::of_all(root),
        Look::AtChanged => Reading::of_changed(root),
    };
    let found = look(&reading, seal)?;
    let mark = root.join(DAMAGED);
    match &found {
        Some(damage) => std::fs::write(mark, &damage.what)?,
        None => drop(std::fs::remove_file(mark)),
    }
    Ok(found)
}

/// Whether a tree was found damaged.
pub(in crate::host) fn was_found_damaged(root: &Path) -> bool {
    root.join(DAMAGED).exists()
}

fn look(reading: &Reading<'_>, seal: &Path) -> io::Result<Option<Damage>> {
    let root = reading.root;
    let decayed = |what: String| Damage { what, was_written: false };
    let text = std::fs::read(seal)?;
    let sealed_at = seal.metadata()?.modified()?;
    let Ok(seal) = serde_json::from_slice::<Seal>(&text) else {
        // One of version 1 says nothing of the contents.
        let is_old = serde_json::from_slice::<Tree>(&text).is_ok();
        return Ok((!is_old).then(|| decayed("its seal is damaged".to_owned())));
    };
    let list = match std::fs::read(root.join(FILE)) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
        list => list?,
    };
    if hash(&mut list.as_slice())? != seal.contents {
        return Ok(Some(decayed(format!("{FILE} is not what it was"))));
    }
    let wanted: Contents = serde_json::from_slice(&list)?;
    let paths: Vec<PathBuf> = wanted.entries.keys().map(PathBuf::from).collect();
    // Whoever may not write here, or has no room, reads all of it each time.
    let now = known::now(root);
    let (mut known, mut wrong, mut was_written) = (Known::default(), Vec::new(), true);
    for Seen { path, entry: found, facts } in reading.entries(&paths)? {
        let unread = facts.is_some() && found.is_none();
        let how = match (wanted.entries.get(&path), &found) {
            (Some(then), Some(now)) if then == now => None,
            _ if unread => None,
            (_, Some(_)) => Some("is not what it was"),
            (_, None) => Some("is gone"),
        };
        let Some(how) = how else {
            facts.into_iter().for_each(|facts| known.learn(path.clone(), facts));
            continue;
        };
        let modified = root.join(&path).symlink_metadata().and_then(|facts| facts.modified());
        was_written &= found.is_some() && modified.is_ok_and(|modified| modified > sealed_at);
        wrong.push(format!("{path} {how}"));
    }
    if let Some(now) = now.ok().filter(|_| reading.read.load(Ordering::Relaxed) > 0) {
        known.keep(root, now);
    }
    let what = match wrong.as_slice() {
        [] => return Ok(None),
        [one] => one.clone(),
        [first, others @ ..] => format!("{first}, and {} more", others.len()),
    };
    Ok(Some(Damage { what, was_written }))
}

/// What is written down: relative paths.
fn selected(root: &Path, spec: &Spec) -> io::Result<Vec<PathBuf>> {
    let cache: Vec<PathBuf> = spec.build.cache.iter().map(|path| plain(Path::new(path))).collect();
    let mut paths = Vec::new();
    let mut directories = vec![PathBuf::new()];
    while let Some(directory) = directories.pop() {
        for entry in std::fs::read_dir(root.join(&directory))? {
            let entry = entry?;
            let (path, kind) = (directory.join(entry.file_name()), entry.file_type()?);
            if kind.is_dir() {
                if !cache.contains(&path) && entry.file_name() != "__pycache__" {
                    directories.push(path);
                }
            } else if !entry.file_name().to_string_lossy().starts_with(".windlass-")
                && path.extension().is_none_or(|extension| extension != "pyc")
            {
                paths.push(path);
            }
        }
    }
    let cached = programs(spec).filter(|program| cache.iter().any(|cache| program.starts_with(cache)));
    paths.extend(cached);
    paths.sort();
    paths.dedup();
    Ok(paths)
}

/// The programs of the release itself that are run.
pub(in crate::host) fn programs(spec: &Spec) -> impl Iterator<Item = PathBuf> + '_ {
    let services = spec.services.values().map(|service| (&service.directory, &service.command));
    let jobs = spec.jobs.values().map(|job| (&job.directory, &job.command));
    let crons = spec.crons.values().map(|cron| (&cron.directory, &cron.command));
    services.chain(jobs).chain(crons).filter_map(|(directory, command)| {
        let Command::Argv(words) = command else { return None };
        let [Part::Text(program)] = words.first()?.parts() else { return None };
        let path = Path::new(program);
        (program.contains('/') && path.is_relative()).then(|| plain(&Path::new(directory).join(path)))
    })
}

/// A path without `.` and the like.
fn plain(path: &Path) -> PathBuf {
    path.components().filter(|part| matches!(part, Component::Normal(_))).collect()
}

/// What is there at a path.
struct Seen {
    path: String,
    /// Its kind and hash; `None` where nothing is, or nobody has written to what is.
    entry: Option<String>,
    /// Of a file.
    facts: Option<Facts>,
}

/// Reads the files of a tree, less those that nobody has written to.
struct Reading<'a> {
    root: &'a Path,
    known: Known,
    /// How many it has read.
    read: AtomicUsize,
}

impl<'a> Reading<'a> {
    fn of_all(root: &'a Path) -> Self {
        Self { root, known: Known::default(), read: AtomicUsize::default() }
    }

    fn of_changed(root: &'a Path) -> Self {
        Self { root, known: Known::read(root), read: AtomicUsize::default() }
    }

    /// What is there now at these paths. Names that are no text are left out.
    fn entries(&self, paths: &[PathBuf]) -> io::Result<Vec<Seen>> {
        let named: Vec<&str> = paths.iter().filter_map(|path| path.to_str()).collect();
        let share = named.len().div_ceil(TOGETHER).max(1);
        std::thread::scope(|scope| {
            let parts: Vec<_> = named
                .chunks(share)
                .map(|part| {
                    scope.spawn(move || {
                        part.iter().map(|path| self.entry(path)).collect::<io::Result<Vec<_>>>()
                    })
                })
                .collect();
            let failed = || io::Error::other("a thread that reads files has failed");
            let mut all = Vec::with_capacity(named.len());
            for part in parts {
                all.extend(part.join().map_err(|_| failed())??);
            }
            Ok(all)
        })
    }

    fn entry(&self, path: &str) -> io::Result<Seen> {
        use io::ErrorKind::{NotADirectory, NotFound};

        let place = self.root.join(path);
        let seen = |entry, facts| Ok(Seen { path: path.to_owned(), entry, facts });
        let metadata = match std::fs::symlink_metadata(&place) {
            Err(error) if matches!(error.kind(), NotFound | NotADirectory) => return seen(None, None),
            metadata => metadata?,
        };
        if metadata.is_symlink() {
            return seen(Some(format!("link {}", std::fs::read_link(place)?.display())), None);
        }
        if !metadata.is_file() {
            // Sockets, pipes, and what was replaced by a directory.
            return seen(None, None);
        }
        let facts = Facts::of(&metadata);
        if self.known.is_unchanged(path, facts) {
            return seen(None, Some(facts));
        }
        self.read.fetch_add(1, Ordering::Relaxed);
        let kind = if metadata.permissions().mode() & 0o111 == 0 { "file" } else { "program" };
        seen(Some(format!("{kind} {}", hash(&mut File::open(place)?)?)), Some(facts))
    }
}

fn hash(from: &mut dyn io::Read) -> io::Result<String> {
    let mut hasher = blake3::Hasher::new();
    io::copy(from, &mut hasher)?;
    Ok(hasher.finalize().to_hex()[..32].to_owned())
}

#[cfg(test)]
mod tests;
