//! Which files of a project belong to a release, and copying them.

mod carry;
mod checkout;
mod index;
mod patterns;
#[cfg(test)]
mod tests;
mod unfit;
mod walk;
mod within;

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{File, FileType};
use std::io::{self, Read as _};
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use indexmap::IndexMap;
use windlass_core::name::Name;
use windlass_core::settings::sealed::Identity;
use windlass_core::spec::Spec;

use carry::copy_file;
pub use carry::{Carried, carry};
use patterns::Patterns;
pub use unfit::{MOST, Trouble, Unfit};
use unfit::{closed, leaves, text};
use walk::walk;

/// A file that is larger, in bytes, is none that `windlass secrets keygen` has written.
const LARGEST_KEY: u64 = 4096;

/// How much of a file says whether it is a plan, in bytes.
const PLAN_FRONT: u64 = 64;

/// Which files of a project belong to a release: all that no ignore file (`.gitignore`, `.ignore`,
/// `.windlassignore`, and those of git above it in its checkout, but for what git tracks) leaves out, less `exclude`, and `include` in
/// any case. Version control's own directory and settings files (`.env`, `.env.*`, `secrets.*.enc`) never
/// do, also where `include` names them; nor does the manifest, unless
/// `include` names it: what it says reaches those whom it concerns, and nobody else need start again.
/// Private keys of Windlass are left out wherever they lie, plans of `windlass plan --out` in the project's
/// own directory.
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

/// What was selected: each file's mode and hash, by path.
#[derive(Debug, Default)]
pub struct Listing {
    entries: BTreeMap<String, String>,
    /// What was met and not taken.
    unfit: Vec<Unfit>,
    /// How many files there are.
    pub files: u64,
    /// How large they are together, in bytes.
    pub bytes: u64,
}

impl Listing {
    /// Whether a path, or of a directory `DIR/` anything in it, is taken.
    #[must_use]
    pub fn has(&self, path: &str) -> bool {
        let first = self.entries.range(path.to_owned()..).next();
        first.is_some_and(|(name, _)| name == path || (path.ends_with('/') && name.starts_with(path)))
    }

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
                let seen = Patterns::new(service.files.iter().map(String::as_str)).ok()?;
                let sees = |path: &str| seen.name(Path::new(path), false);
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

/// Lists the selected files, with their hashes.
///
/// # Errors
/// [`Trouble`], with all that is unfit.
pub fn list(selection: &Selection) -> Result<Listing, Trouble> {
    take_all(selection, None)
}

/// Copies the selected files to a directory that does not exist yet.
///
/// # Errors
/// [`Trouble`], with all that is unfit.
pub fn copy(selection: &Selection, to: &Path) -> Result<Listing, Trouble> {
    std::fs::create_dir_all(to)?;
    take_all(selection, Some(to))
}

/// A file or a directory that an ignore file above the project leaves out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeftOut {
    /// Relative to the project.
    pub path: PathBuf,
    /// The ignore file.
    pub by: PathBuf,
}

/// What is selected, as far as names tell.
#[derive(Debug, Default)]
pub struct Survey {
    files: Vec<String>,
    /// What the checkout leaves out that the project lies in.
    pub left_out: Vec<LeftOut>,
    /// Files that their owner alone may read.
    closed: Vec<String>,
    /// Sockets, pipes and devices, which are no part of a release.
    pub passed_over: Vec<String>,
    /// What neither [`list`] nor [`copy`] takes.
    pub unfit: Vec<Unfit>,
}

impl Survey {
    /// Whether a release would have no file at all.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.files.is_empty()
    }

    /// Whether this file is taken.
    #[must_use]
    pub fn has(&self, path: &str) -> bool {
        self.files.iter().any(|file| file == path)
    }

    /// The files that only their owner may read, where they are the exception: a umask closes all.
    #[must_use]
    pub fn closed(&self) -> &[String] {
        if self.closed.len() * 2 > self.files.len() { &[] } else { &self.closed }
    }

    /// Those of the patterns that name none of the files.
    #[must_use]
    pub fn idle<'p>(&self, patterns: &'p [String]) -> Vec<&'p str> {
        let patterns = patterns.iter().map(String::as_str);
        let names_nothing = |pattern: &&str| {
            // One that takes out again may find nothing.
            !pattern.starts_with('!')
                && Patterns::new([*pattern])
                    .is_ok_and(|one| !self.files.iter().any(|file| one.name(Path::new(file), false)))
        };
        patterns.filter(names_nothing).collect()
    }
}

/// Looks at what is selected: files are opened, and not read.
///
/// # Errors
/// When a pattern is wrong.
pub fn survey(selection: &Selection) -> io::Result<Survey> {
    let mut survey = Survey::default();
    let met = walk(selection, &mut |path, kind| {
        look_over(&mut survey, &selection.root, path, kind);
        Ok(())
    })?;
    survey.left_out = met.left_out;
    if !selection.include.is_empty() {
        let files: BTreeSet<&Path> = survey.files.iter().map(Path::new).collect();
        let taken = |path: &Path| files.range(path..).next().is_some_and(|next| next.starts_with(path));
        survey.left_out.retain(|left_out| !taken(&left_out.path));
    }
    survey.unfit.extend(met.closed);
    survey.unfit.sort();
    survey.unfit.dedup();
    Ok(survey)
}

/// Looks whether what was listed as of this `kind` can be taken.
fn look_over(survey: &mut Survey, root: &Path, path: &Path, kind: FileType) {
    let Ok(relative) = path.strip_prefix(root) else { return };
    let name = match text(relative) {
        Ok(name) => name,
        Err(unfit) => return survey.unfit.extend(unfit),
    };
    let seen = if kind.is_symlink() {
        std::fs::read_link(path).map(|target| survey.unfit.extend(leaves(root, relative, &target)))
    } else if kind.is_file() {
        File::open(path).and_then(|file| file.metadata()).map(|facts| {
            if facts.mode() & 0o077 == 0 {
                survey.closed.push(name.to_owned());
            }
        })
    } else {
        if !kind.is_dir() {
            survey.passed_over.push(name.to_owned());
        }
        return;
    };
    match seen {
        // Gone since it was listed, as an editor's swap file is.
        Err(error) if error.kind() == io::ErrorKind::NotFound => return,
        Err(error) => survey.unfit.push(closed(root, path, &error)),
        Ok(()) => {}
    }
    survey.files.push(name.to_owned());
}

fn take_all(selection: &Selection, to: Option<&Path>) -> Result<Listing, Trouble> {
    let mut listing = Listing::default();
    let met = walk(selection, &mut |path, _| take(&mut listing, &selection.root, path, to))?;
    let mut unfit = std::mem::take(&mut listing.unfit);
    unfit.extend(met.closed);
    if unfit.is_empty() {
        return Ok(listing);
    }
    unfit.sort();
    unfit.dedup();
    Err(Trouble::Unfit(unfit))
}

/// What is at a path of a project.
enum Found {
    Directory,
    Link(PathBuf),
    File {
        mode: u32,
        hash: String,
        size: u64,
    },
    /// What is no part of a release: sockets, pipes and devices, plans, private keys.
    Nothing,
}

fn take(listing: &mut Listing, root: &Path, path: &Path, to: Option<&Path>) -> io::Result<()> {
    let Ok(relative) = path.strip_prefix(root) else { return Ok(()) };
    if relative.as_os_str().is_empty() {
        return Ok(());
    }
    let name = match text(relative) {
        Ok(name) => name,
        Err(unfit) => {
            listing.unfit.extend(unfit);
            return Ok(());
        }
    };
    if listing.entries.contains_key(name) {
        return Ok(()); // It is tracked, and `include` names it as well.
    }
    let found = match look(path, relative) {
        Ok(found) => found,
        // Gone since it was listed, as an editor's swap file is.
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => {
            listing.unfit.push(closed(root, path, &error));
            return Ok(());
        }
    };
    let target = to.map(|to| to.join(relative));
    let named = |error: io::Error| io::Error::new(error.kind(), format!("{name}: {error}"));
    if let Some(parent) = target.as_ref().and_then(|target| target.parent()) {
        std::fs::create_dir_all(parent).map_err(named)?;
    }
    let entry = match found {
        Found::Nothing => return Ok(()),
        Found::Directory => return target.map_or(Ok(()), std::fs::create_dir_all).map_err(named),
        Found::Link(points_to) => {
            if let Some(leaving) = leaves(root, relative, &points_to) {
                listing.unfit.push(leaving);
                return Ok(());
            }
            if let Some(target) = target {
                symlink(&points_to, target).map_err(named)?;
            }
            format!("link {}", points_to.display())
        }
        Found::File { mode, hash, size } => {
            if let Some(target) = target
                && !is_copied(path, &target, mode).map_err(named)?
            {
                return Ok(());
            }
            listing.bytes += size;
            format!("{mode:o} {hash}")
        }
    };
    listing.entries.insert(name.to_owned(), entry);
    listing.files += 1;
    Ok(())
}

/// Copies a file, unless it is gone since it was looked at.
fn is_copied(path: &Path, target: &Path, mode: u32) -> io::Result<bool> {
    match copy_file(path, target) {
        Err(error) if error.kind() == io::ErrorKind::NotFound && path.symlink_metadata().is_err() => {
            let _half_of_it = std::fs::remove_file(target);
            return Ok(false);
        }
        copied => copied?,
    };
    std::fs::set_permissions(target, std::fs::Permissions::from_mode(mode))?;
    Ok(true)
}

fn look(path: &Path, relative: &Path) -> io::Result<Found> {
    let metadata = std::fs::symlink_metadata(path)?;
    if metadata.is_dir() {
        return Ok(Found::Directory);
    }
    if metadata.is_symlink() {
        return std::fs::read_link(path).map(Found::Link);
    }
    if !metadata.is_file() || (relative.components().count() == 1 && is_plan(path)?) {
        return Ok(Found::Nothing);
    }
    let Some(hash) = hash_unless_key(path, metadata.len())? else { return Ok(Found::Nothing) };
    let mode = if metadata.mode() & 0o111 == 0 { 0o644 } else { 0o755 };
    Ok(Found::File { mode, hash, size: metadata.len() })
}

/// Whether a file is a plan that `windlass plan --out` wrote: it would make the next deploy another one.
fn is_plan(path: &Path) -> io::Result<bool> {
    let mut front = Vec::new();
    File::open(path)?.take(PLAN_FRONT).read_to_end(&mut front)?;
    let front = front.strip_prefix(b"{").unwrap_or_default().trim_ascii_start();
    Ok(front.starts_with(b"\"windlass_plan\":"))
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
        io::copy(&mut File::open(path)?, &mut hasher)?;
    }
    Ok(Some(hasher.finalize().to_hex()[..32].to_owned()))
}
