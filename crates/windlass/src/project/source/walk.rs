//! Visiting what belongs to a release.

use std::collections::HashSet;
use std::error::Error as _;
use std::fs::FileType;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Mutex, PoisonError};

use ignore::{DirEntry, WalkBuilder};

use super::checkout::Above;
use super::patterns::{Patterns, Reach};
use super::unfit::{Unfit, closed};
use super::within::{IGNORE_FILES, Within};
use super::{LeftOut, Selection};

/// What is no part of a release, whatever the manifest says: version control's own directory, and settings.
const NEVER: [&str; 8] = [".git", ".hg", ".svn", ".jj", ".env", ".env.*", "!.env.example", "/secrets.*.enc"];

/// What is none unless `include` names it.
const MANIFEST: &str = "/windlass.toml";

pub(super) const OWN_IGNORE_FILE: &str = ".windlassignore";

/// What a selection leaves out beside what ignore files do.
struct Rules {
    root: PathBuf,
    without: Vec<PathBuf>,
    never: Patterns,
    exclude: Patterns,
}

impl Rules {
    fn of(selection: &Selection) -> io::Result<Self> {
        Ok(Self {
            root: selection.root.clone(),
            without: selection.without.iter().map(|path| selection.root.join(path)).collect(),
            never: patterns(NEVER)?,
            exclude: patterns(selection.exclude.iter().map(String::as_str))?,
        })
    }

    /// Whether a path can be part of a release at all.
    fn allow(&self, entry: &DirEntry) -> bool {
        !self.without.iter().any(|path| path == entry.path())
            && !self.never.name(self.relative(entry), is_dir(entry))
    }

    fn relative<'e>(&self, entry: &'e DirEntry) -> &'e Path {
        entry.path().strip_prefix(&self.root).unwrap_or(entry.path())
    }
}

/// What a walk has met beside what it visited.
#[derive(Debug, Default)]
pub(super) struct Met {
    /// What an ignore file above the project leaves out.
    pub(super) left_out: Vec<LeftOut>,
    /// Directories that cannot be read, and ignore files that are no files.
    pub(super) closed: Vec<Unfit>,
}

/// Visits what is selected. A path may be visited twice.
pub(super) fn walk(
    selection: &Selection,
    visit: &mut dyn FnMut(&Path, FileType) -> io::Result<()>,
) -> io::Result<Met> {
    // All other directories are looked at before they are entered.
    if let Some(unfit) = endless(&selection.root, &selection.root) {
        return Ok(Met { left_out: Vec::new(), closed: vec![unfit] });
    }
    let (mut walker, left_out, endless) = unignored(selection)?;
    let mut entered = HashSet::new();
    let mut closed = each(&selection.root, &mut walker, &mut |path, kind| {
        if kind.is_dir() && !selection.include.is_empty() {
            entered.insert(path.to_owned());
        }
        visit(path, kind)
    })?;
    drop(walker);
    closed.extend(endless);
    let left_out = left_out.into_iter().collect();
    if selection.include.is_empty() {
        return Ok(Met { left_out, closed });
    }
    let include = patterns(selection.include.iter().map(String::as_str))?;
    let mut walker = included(selection, include, entered)?;
    closed.extend(each(&selection.root, &mut walker, &mut |path, kind| {
        // A directory is there for what lies in it. One whose name is no text has to be told of itself.
        if kind.is_dir() && path.to_str().is_some() { Ok(()) } else { visit(path, kind) }
    })?);
    Ok(Met { left_out, closed })
}

/// Visits all that a walker finds, and answers what it could not enter: the rest is there all the same.
fn each(
    root: &Path,
    walker: &mut WalkBuilder,
    visit: &mut dyn FnMut(&Path, FileType) -> io::Result<()>,
) -> io::Result<Vec<Unfit>> {
    let mut unentered = Vec::new();
    for entry in walker.build() {
        match entry {
            Ok(entry) => {
                if let Some(kind) = entry.file_type() {
                    visit(entry.path(), kind)?;
                }
            }
            Err(error) => match (place(&error), error.io_error().map(of_the_system)) {
                (Some(path), Some(error)) => unentered.push(closed(root, path, error)),
                _ => return Err(io::Error::other(error)),
            },
        }
    }
    Ok(unentered)
}

/// What the system said, without what was put around it.
fn of_the_system(error: &io::Error) -> &io::Error {
    error.source().and_then(|source| source.downcast_ref()).unwrap_or(error)
}

/// Where a walk went wrong.
fn place(error: &ignore::Error) -> Option<&Path> {
    match error {
        ignore::Error::WithPath { path, .. } => Some(path),
        ignore::Error::WithDepth { err, .. } | ignore::Error::WithLineNumber { err, .. } => place(err),
        _ => None,
    }
}

/// An ignore file in a directory that is a pipe or a device: whoever reads it waits for somebody to write to it, or
/// never comes to its end.
fn endless(root: &Path, directory: &Path) -> Option<Unfit> {
    let is_endless = |file: &PathBuf| file.metadata().is_ok_and(|facts| !facts.is_file() && !facts.is_dir());
    let file = IGNORE_FILES.map(|name| directory.join(name)).into_iter().find(is_endless)?;
    Some(Unfit::Endless { path: file.strip_prefix(root).unwrap_or(&file).display().to_string() })
}

/// What neither an ignore file nor the manifest leaves out; and, when the walk is over, what one above does, and which
/// ignore files are no files.
fn unignored(selection: &Selection) -> io::Result<(WalkBuilder, Receiver<LeftOut>, Receiver<Unfit>)> {
    let rules = Rules::of(selection)?;
    let manifest = patterns([MANIFEST])?;
    let above = Above::of(&selection.root);
    let within = Within::new(&selection.root);
    let (tell, left_out) = channel();
    let (tell_of_endless, told_of_endless) = channel();
    // Entered for what git tracks in them alone.
    let tracked_alone = Mutex::new(HashSet::new());
    let is_left_out = move |path: &Path, entry: &DirEntry| {
        let is_dir = is_dir(entry);
        let mut tracked_alone = tracked_alone.lock().unwrap_or_else(PoisonError::into_inner);
        let is_within = path.parent().is_some_and(|parent| tracked_alone.contains(parent));
        let by = match is_within {
            true => None,
            false => match above.leaving_out(path, is_dir) {
                Some(file) if !within.frees(entry.path(), is_dir) => Some(file),
                _ => return false,
            },
        };
        if above.tracks(path) {
            // A submodule is tracked, and says itself what it leaves out.
            if is_dir && !entry.path().join(".git").exists() {
                tracked_alone.insert(path.to_owned());
            }
            return false;
        }
        let left_out = by.map(|by| LeftOut { path: path.to_owned(), by: by.to_owned() });
        // Whoever does not listen does not want to know.
        left_out.into_iter().for_each(|left_out| drop(tell.send(left_out)));
        true
    };
    let is_endless = move |root: &Path, directory: &Path| {
        let found = endless(root, directory);
        let is_endless = found.is_some();
        found.into_iter().for_each(|unfit| drop(tell_of_endless.send(unfit)));
        is_endless
    };
    let mut walker = WalkBuilder::new(&selection.root);
    walker
        .hidden(false)
        .git_global(false)
        .require_git(false)
        // Above a checkout nothing is read, and in it not what a build leaves out for itself.
        .parents(false)
        .add_custom_ignore_filename(OWN_IGNORE_FILE)
        .sort_by_file_name(std::cmp::Ord::cmp)
        .filter_entry(move |entry| {
            let (path, is_dir) = (rules.relative(entry), is_dir(entry));
            entry.depth() == 0
                || (rules.allow(entry)
                    && !manifest.name(path, is_dir)
                    && !rules.exclude.name(path, is_dir)
                    && !is_left_out(path, entry)
                    && (!is_dir || !is_endless(&rules.root, entry.path())))
        });
    Ok((walker, left_out, told_of_endless))
}

/// What `include` names, and the directories on the way there. Those that a release has anyhow were `entered`;
/// one that it has not only where a pattern leads into it by name.
pub(super) fn included(
    selection: &Selection,
    include: Patterns,
    entered: HashSet<PathBuf>,
) -> io::Result<WalkBuilder> {
    let rules = Rules::of(selection)?;
    let mut walker = WalkBuilder::new(&selection.root);
    walker.standard_filters(false).filter_entry(move |entry| {
        let path = rules.relative(entry);
        entry.depth() == 0
            || (rules.allow(entry)
                && match is_dir(entry) {
                    false => include.name(path, false),
                    true => match include.reach(path) {
                        Reach::Named => true,
                        Reach::Possible => {
                            !rules.exclude.name(path, true)
                                && include.lead_into(path, first_without(&entered, &rules.root, path))
                        }
                        Reach::Nothing => false,
                    },
                })
    });
    Ok(walker)
}

/// The first directory on the way to the one at `path`, or that one, which is not `entered`.
fn first_without<'p>(entered: &HashSet<PathBuf>, root: &Path, path: &'p Path) -> Option<&'p Path> {
    let within = path.ancestors().filter(|path| !path.as_os_str().is_empty());
    within.take_while(|path| !entered.contains(&root.join(path))).last()
}

fn is_dir(entry: &DirEntry) -> bool {
    entry.file_type().is_some_and(|kind| kind.is_dir())
}

fn patterns<'p>(patterns: impl IntoIterator<Item = &'p str>) -> io::Result<Patterns> {
    Patterns::new(patterns).map_err(io::Error::other)
}
