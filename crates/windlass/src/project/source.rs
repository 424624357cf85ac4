//! Which files of a project belong to a release, and copying them.

use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use ignore::WalkBuilder;
use ignore::overrides::OverrideBuilder;
use indexmap::IndexMap;
use windlass_core::name::Name;
use windlass_core::settings::sealed::Identity;
use windlass_core::spec::Spec;

/// A file that is larger, in bytes, is none that `windlass secrets keygen` has written.
const LARGEST_KEY: u64 = 4096;

/// Which files of a project belong to a release: all that no ignore file (`.gitignore`, `.ignore`,
/// `.windlassignore`) leaves out, less `exclude`, and `include` in any case. Version control's own
/// directory and settings files (`.env`, `.env.*`, `secrets.*.enc`) never do; nor does the manifest, unless
/// `include` names it: what it says reaches those whom it concerns, and nobody else need start again.
/// Private keys of Windlass are left out wherever they lie.
#[derive(Debug, Clone)]
pub struct Selection {
    /// The project.
    pub root: PathBuf,
    /// Ignore patterns.
    pub exclude: Vec<String>,
    /// Patterns of files that an ignore file leaves out and that belong to it all the same.
    pub include: Vec<String>,
    /// Files and directories, relative to the project, that never do.
    pub without: Vec<String>,
}

impl Selection {
    /// The same, as paths.
    fn without(&self) -> Vec<PathBuf> {
        self.without.iter().map(|path| self.root.join(path)).collect()
    }
}

/// What was selected: each file's mode and hash, by path.
#[derive(Debug, Default)]
pub struct Listing {
    entries: BTreeMap<String, String>,
    /// Links that were met and not taken.
    leaving: Vec<Leaving>,
    /// How many files there are.
    pub files: u64,
    /// How large they are together, in bytes.
    pub bytes: u64,
}

impl Listing {
    /// A digest of the files and of what is done to them.
    #[must_use]
    pub fn digest(&self, spec: &Spec) -> String {
        spec.build_digest(&self.digest_of(|_| true))
    }

    /// Digests of the parts that services with `files` patterns see.
    #[must_use]
    pub fn parts(&self, spec: &Spec) -> IndexMap<Name, String> {
        let partial = spec.services.iter().filter(|(_, service)| !service.files.is_empty());
        partial
            .filter_map(|(name, service)| {
                let mut builder = OverrideBuilder::new("/");
                for pattern in &service.files {
                    builder.add(pattern).ok()?;
                }
                let seen = builder.build().ok()?;
                let sees = |path: &str| seen.matched(path, false).is_whitelist();
                Some((name.clone(), spec.build_digest(&self.digest_of(sees))))
            })
            .collect()
    }

    fn digest_of(&self, sees: impl Fn(&str) -> bool) -> String {
        let mut hasher = blake3::Hasher::new();
        for (path, entry) in self.entries.iter().filter(|(path, _)| sees(path)) {
            hasher.update(path.as_bytes()).update(b"\0").update(entry.as_bytes()).update(b"\n");
        }
        hasher.finalize().to_hex()[..32].to_owned()
    }
}

/// A link that leaves the project. A release must be whole: it would point at whatever lies there later.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Leaving {
    /// The link, relative to the project.
    pub link: String,
    /// Where it leads.
    pub target: String,
}

/// Why files cannot be selected.
#[derive(Debug)]
pub enum Trouble {
    /// One cannot be read or written, or a pattern is wrong.
    Io(io::Error),
    /// Links among them leave the project.
    Leaving(Vec<Leaving>),
}

impl From<io::Error> for Trouble {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io(error) => error.fmt(f),
            Self::Leaving(links) => {
                let each: Vec<String> =
                    links.iter().map(|Leaving { link, target }| format!("{link} (to {target})")).collect();
                write!(f, "links leave the project: {}", each.join(", "))
            }
        }
    }
}

impl std::error::Error for Trouble {}

/// Lists the selected files, with their hashes.
///
/// # Errors
/// [`Trouble`], with all links that leave the project.
pub fn list(selection: &Selection) -> Result<Listing, Trouble> {
    take_all(selection, None)
}

/// Copies the selected files to a directory that does not exist yet.
///
/// # Errors
/// [`Trouble`], with all links that leave the project.
pub fn copy(selection: &Selection, to: &Path) -> Result<Listing, Trouble> {
    std::fs::create_dir_all(to)?;
    take_all(selection, Some(to))
}

/// The links among the selected files that leave the project, which neither [`list`] nor [`copy`] takes.
/// No file is read.
///
/// # Errors
/// When a directory cannot be read, or a pattern is wrong.
pub fn leaving(selection: &Selection) -> io::Result<Vec<Leaving>> {
    let mut found = Vec::new();
    walk(selection, &mut |path, is_link| {
        if let (true, Ok(relative)) = (is_link, path.strip_prefix(&selection.root)) {
            found.extend(leaves(relative, &std::fs::read_link(path)?));
        }
        Ok(())
    })?;
    found.sort();
    found.dedup();
    Ok(found)
}

/// Copies a directory as it is, with hard links where the file system can: for what a build carries
/// over from the last one. Builds that write files in place would write into both; the ones that
/// replace them, as nearly all do, do not. So files are copied whole and only directories that are
/// huge are worth the time; reflinks make it cheap where they exist.
///
/// # Errors
/// When something cannot be read or written.
pub fn carry(from: &Path, to: &Path) -> io::Result<()> {
    std::fs::create_dir_all(to)?;
    for entry in std::fs::read_dir(from)? {
        let entry = entry?;
        let (source, target) = (entry.path(), to.join(entry.file_name()));
        let kind = entry.file_type()?;
        if kind.is_dir() {
            carry(&source, &target)?;
        } else if kind.is_symlink() {
            symlink(std::fs::read_link(&source)?, &target)?;
        } else if kind.is_file() {
            copy_file(&source, &target)?;
        }
    }
    Ok(())
}

/// Copies a file with its mode and its time of change: build tools compare those.
fn copy_file(from: &Path, to: &Path) -> io::Result<()> {
    std::fs::copy(from, to)?;
    let changed = std::fs::metadata(from)?.modified()?;
    std::fs::File::options().write(true).open(to).and_then(|file| file.set_modified(changed)).or_else(
        |error| {
            // A read-only file keeps its content and mode; only its time is new.
            if error.kind() == io::ErrorKind::PermissionDenied { Ok(()) } else { Err(error) }
        },
    )
}

fn take_all(selection: &Selection, to: Option<&Path>) -> Result<Listing, Trouble> {
    let mut listing = Listing::default();
    walk(selection, &mut |path, _| take(&mut listing, &selection.root, path, to))?;
    let mut leaving = std::mem::take(&mut listing.leaving);
    if leaving.is_empty() {
        return Ok(listing);
    }
    leaving.sort();
    leaving.dedup();
    Err(Trouble::Leaving(leaving))
}

/// Visits what is selected: each path, and whether it is a link.
fn walk(selection: &Selection, visit: &mut dyn FnMut(&Path, bool) -> io::Result<()>) -> io::Result<()> {
    let mut walker = WalkBuilder::new(&selection.root);
    walker
        .hidden(false)
        .git_global(false)
        .require_git(false)
        .parents(false)
        .add_custom_ignore_filename(".windlassignore")
        .sort_by_file_name(std::cmp::Ord::cmp);
    let mut exclude = ignore::gitignore::GitignoreBuilder::new(&selection.root);
    for pattern in
        [".git", ".hg", ".svn", ".jj", ".env", ".env.*", "!.env.example", "/secrets.*.enc", "/windlass.toml"]
    {
        exclude.add_line(None, pattern).map_err(io::Error::other)?;
    }
    for pattern in &selection.exclude {
        exclude.add_line(None, pattern).map_err(io::Error::other)?;
    }
    let exclude = exclude.build().map_err(io::Error::other)?;
    let without = selection.without();
    walker.filter_entry(move |entry| {
        let is_dir = entry.file_type().is_some_and(|kind| kind.is_dir());
        let is_excluded = || {
            without.iter().any(|path| path == entry.path())
                || exclude.matched(entry.path(), is_dir).is_ignore()
        };
        entry.depth() == 0 || !is_excluded()
    });
    for entry in walker.build() {
        let entry = entry.map_err(io::Error::other)?;
        visit(entry.path(), entry.path_is_symlink())?;
    }
    for (path, is_link) in included(selection)? {
        visit(&path, is_link)?;
    }
    Ok(())
}

/// Files that `include` names although an ignore file leaves them out, and whether each is a link.
fn included(selection: &Selection) -> io::Result<Vec<(PathBuf, bool)>> {
    if selection.include.is_empty() {
        return Ok(Vec::new());
    }
    let mut builder = OverrideBuilder::new(&selection.root);
    for pattern in &selection.include {
        builder.add(pattern).map_err(io::Error::other)?;
    }
    let overrides = builder.build().map_err(io::Error::other)?;
    let mut walker = WalkBuilder::new(&selection.root);
    let without = selection.without();
    walker
        .standard_filters(false)
        .overrides(overrides)
        .filter_entry(move |entry| !without.iter().any(|path| path == entry.path()));
    let mut paths = Vec::new();
    for entry in walker.build() {
        let entry = entry.map_err(io::Error::other)?;
        if entry.file_type().is_some_and(|kind| !kind.is_dir()) {
            let is_link = entry.path_is_symlink();
            paths.push((entry.into_path(), is_link));
        }
    }
    Ok(paths)
}

fn take(listing: &mut Listing, root: &Path, path: &Path, to: Option<&Path>) -> io::Result<()> {
    let Ok(relative) = path.strip_prefix(root) else { return Ok(()) };
    if relative.as_os_str().is_empty() {
        return Ok(());
    }
    let name = relative.to_str().ok_or_else(|| {
        io::Error::other(format!("the name of {} is not UTF-8: rename or exclude it", relative.display()))
    })?;
    let target = to.map(|to| to.join(relative));
    let metadata = std::fs::symlink_metadata(path)?;
    if let Some(parent) = target.as_ref().and_then(|target| target.parent()) {
        std::fs::create_dir_all(parent)?;
    }
    if metadata.is_dir() {
        if let Some(target) = target {
            std::fs::create_dir_all(&target)?;
        }
        return Ok(());
    }
    let entry = if metadata.is_symlink() {
        let points_to = std::fs::read_link(path)?;
        if let Some(leaving) = leaves(relative, &points_to) {
            listing.leaving.push(leaving);
            return Ok(());
        }
        if let Some(target) = target {
            symlink(&points_to, target)?;
        }
        format!("link {}", points_to.display())
    } else if metadata.is_file() {
        let Some(hash) = hash_unless_key(path, metadata.len())? else { return Ok(()) };
        let mode = if metadata.mode() & 0o111 == 0 { 0o644 } else { 0o755 };
        if let Some(target) = target {
            copy_file(path, &target)?;
            std::fs::set_permissions(&target, std::fs::Permissions::from_mode(mode))?;
        }
        listing.bytes += metadata.len();
        format!("{mode:o} {hash}")
    } else {
        return Ok(()); // Sockets, pipes and devices are no part of a release.
    };
    if listing.entries.insert(name.to_owned(), entry).is_none() {
        listing.files += 1;
    }
    Ok(())
}

/// What is wrong with a link, where it leads out of the project.
fn leaves(link: &Path, target: &Path) -> Option<Leaving> {
    let mut depth = link.components().count() as i64 - 1;
    let leaves = target.is_absolute()
        || target.components().any(|part| {
            depth += match part {
                std::path::Component::ParentDir => -1,
                std::path::Component::Normal(_) => 1,
                _ => 0,
            };
            depth < 0
        });
    leaves.then(|| Leaving { link: link.display().to_string(), target: target.display().to_string() })
}

/// The hash of a file; `None` where it holds a private key of `windlass secrets keygen`: whoever can
/// read a release must not be able to open the encrypted file with it.
fn hash_unless_key(path: &Path, size: u64) -> io::Result<Option<String>> {
    let mut hasher = blake3::Hasher::new();
    if size <= LARGEST_KEY {
        let bytes = zeroize::Zeroizing::new(std::fs::read(path)?);
        if bytes.split(|byte| *byte == b'\n').any(|line| line.starts_with(Identity::PREFIX.as_bytes())) {
            return Ok(None);
        }
        hasher.update(&bytes);
    } else {
        io::copy(&mut std::fs::File::open(path)?, &mut hasher)?;
    }
    Ok(Some(hasher.finalize().to_hex()[..32].to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_that_leave_are_found_without_reading_and_refused_by_whoever_reads() {
        let project = tempfile::tempdir().unwrap();
        let root = project.path();
        std::fs::create_dir_all(root.join("a/b")).unwrap();
        std::fs::create_dir_all(root.join("ignored")).unwrap();
        std::fs::write(root.join(".gitignore"), "ignored\n").unwrap();
        std::fs::write(root.join("a/file"), "x").unwrap();
        for (link, target) in [
            ("a/b/inside", "../file"),
            ("a/b/and-back", "../../../project/a"),
            ("a/b/root", "../.."),
            ("a/absolute", "/usr/bin/env"),
            ("ignored/link", "/"),
            ("dangling", "nowhere"),
        ] {
            symlink(target, root.join(link)).unwrap();
        }
        let mut selection =
            Selection { root: root.to_owned(), exclude: vec![], include: vec![], without: vec![] };
        let names = |links: &[Leaving]| links.iter().map(|leaving| leaving.link.clone()).collect::<Vec<_>>();
        let found = leaving(&selection).unwrap();
        assert_eq!(names(&found), ["a/absolute", "a/b/and-back"]);
        assert_eq!(found[0].target, "/usr/bin/env");
        assert!(matches!(list(&selection), Err(Trouble::Leaving(links)) if links == found));
        selection.include = vec!["ignored/link".to_owned()];
        assert_eq!(names(&leaving(&selection).unwrap()), ["a/absolute", "a/b/and-back", "ignored/link"]);
        selection.include = vec![];
        selection.exclude = vec!["absolute".to_owned(), "and-back".to_owned()];
        assert_eq!(leaving(&selection).unwrap(), []);
        assert_eq!(list(&selection).unwrap().files, 5);
    }
}
