//! Visiting what belongs to a release.

use std::fs::FileType;
use std::io;
use std::path::{Path, PathBuf};

use ignore::gitignore::Gitignore;
use ignore::{DirEntry, WalkBuilder};

use super::Selection;
use super::checkout::Above;
use super::patterns::{Patterns, Reach};

/// What is no part of a release, whatever the manifest says: version control's own directory, and settings.
const NEVER: [&str; 8] = [".git", ".hg", ".svn", ".jj", ".env", ".env.*", "!.env.example", "/secrets.*.enc"];

/// What is none unless `include` names it.
const MANIFEST: &str = "/windlass.toml";

/// The names of ignore files, the one that has the last word first.
const IGNORE_FILES: [&str; 3] = [OWN_IGNORE_FILE, ".ignore", ".gitignore"];
const OWN_IGNORE_FILE: &str = ".windlassignore";

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

/// Visits what is selected. A path may be visited twice.
pub(super) fn walk(
    selection: &Selection,
    visit: &mut dyn FnMut(&Path, FileType) -> io::Result<()>,
) -> io::Result<()> {
    each(&mut unignored(selection)?, visit)?;
    if selection.include.is_empty() {
        return Ok(());
    }
    let include = patterns(selection.include.iter().map(String::as_str))?;
    each(&mut included(selection, include)?, &mut |path, kind| {
        if kind.is_dir() { Ok(()) } else { visit(path, kind) }
    })
}

fn each(
    walker: &mut WalkBuilder,
    visit: &mut dyn FnMut(&Path, FileType) -> io::Result<()>,
) -> io::Result<()> {
    for entry in walker.build() {
        let entry = entry.map_err(io::Error::other)?;
        if let Some(kind) = entry.file_type() {
            visit(entry.path(), kind)?;
        }
    }
    Ok(())
}

/// What neither an ignore file nor the manifest leaves out.
fn unignored(selection: &Selection) -> io::Result<WalkBuilder> {
    let rules = Rules::of(selection)?;
    let manifest = patterns([MANIFEST])?;
    let above = Above::of(&selection.root);
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
                    && (!above.leave_out(path, is_dir) || is_taken_in(&rules.root, entry.path(), is_dir)))
        });
    Ok(walker)
}

/// What `include` names, and the directories on the way there.
pub(super) fn included(selection: &Selection, include: Patterns) -> io::Result<WalkBuilder> {
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
                        Reach::Possible => !rules.exclude.name(path, true),
                        Reach::Nothing => false,
                    },
                })
    });
    Ok(walker)
}

/// Whether an ignore file of the project takes in what one above leaves out.
fn is_taken_in(root: &Path, path: &Path, is_dir: bool) -> bool {
    let within = path.ancestors().skip(1).take_while(|directory| directory.starts_with(root));
    within
        .flat_map(|directory| IGNORE_FILES.map(|name| directory.join(name)))
        .any(|file| file.is_file() && Gitignore::new(file).0.matched(path, is_dir).is_whitelist())
}

fn is_dir(entry: &DirEntry) -> bool {
    entry.file_type().is_some_and(|kind| kind.is_dir())
}

fn patterns<'p>(patterns: impl IntoIterator<Item = &'p str>) -> io::Result<Patterns> {
    Patterns::new(patterns).map_err(io::Error::other)
}
