//! Writing a manifest for a project that has none: proposed, or made of a compose file.

use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use windlass_core::manifest::compose::{Imported, Note, Project, Recipe};
use windlass_core::manifest::import_compose;
use windlass_core::settings::dotenv;

use crate::account;
use crate::layout;
use crate::programs;
use crate::project::init::{self, COMPOSE, Proposal, docker, propose};
use crate::project::load::FILE;

/// What was written.
#[derive(Debug)]
pub struct Written {
    /// The manifest.
    pub path: PathBuf,
    /// What it was made from.
    pub proposal: Proposal,
}

/// Proposes a manifest for `directory` and writes it there.
///
/// # Errors
/// [`io::ErrorKind::AlreadyExists`] when there is one and `force` is not set, or any other error of
/// looking at the project or writing the file.
pub fn init(directory: &Path, force: bool) -> io::Result<Written> {
    let path = directory.join(FILE);
    let proposal = propose(directory, programs::is_on_path, account::is_root())?;
    write(&path, &proposal.text, force)?;
    Ok(Written { path, proposal })
}

/// Writes a manifest; without `force` only where there is none, decided by the file system itself.
///
/// # Errors
/// See [`init`].
fn write(path: &Path, text: &str, force: bool) -> io::Result<()> {
    if force && path.symlink_metadata().is_ok() {
        return match std::fs::metadata(path) {
            Ok(facts) if layout::may_rewrite(&facts) => layout::rewrite_file(path, text.as_bytes()),
            Ok(facts) => layout::replace_file(path, text.as_bytes(), facts.permissions().mode() & 0o777),
            Err(_) => layout::replace_file(path, text.as_bytes(), 0o644),
        };
    }
    let taken = |error: io::Error| match error.kind() {
        io::ErrorKind::AlreadyExists => io::Error::new(
            io::ErrorKind::AlreadyExists,
            format!("{} exists; --force writes over it", path.display()),
        ),
        _ => error,
    };
    // Its place is taken first. What it is to hold comes as a whole, or its place is free again.
    std::fs::OpenOptions::new().write(true).create_new(true).open(path).map_err(taken)?;
    layout::rewrite_file(path, text.as_bytes()).inspect_err(|_| {
        let _ = std::fs::remove_file(path);
    })
}

/// What was imported.
#[derive(Debug)]
pub struct Imports {
    /// The manifest.
    pub path: PathBuf,
    /// What it was made from, with what could not be carried over, line by line.
    pub imported: Imported,
}

/// Why nothing was written.
#[derive(Debug)]
pub enum NotImported {
    /// The compose file could not be read.
    Unread(io::Error),
    /// The manifest could not be written, or there is one already.
    Unwritten(io::Error),
    /// The compose file has a fault.
    Fault(Note),
}

impl std::fmt::Display for NotImported {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Unread(error) | Self::Unwritten(error) => error.fmt(f),
            Self::Fault(note) => note.fmt(f),
        }
    }
}

impl std::error::Error for NotImported {}

/// Makes a manifest of the compose file `from`, beside it.
///
/// # Errors
/// [`NotImported`]; without `force` also when there is a manifest.
pub fn import(from: &Path, force: bool) -> Result<Imports, NotImported> {
    let (path, imported) = convert(from)?;
    write(&path, &imported.annotated(), force).map_err(NotImported::Unwritten)?;
    Ok(Imports { path, imported })
}

/// Makes a manifest of the compose file `from`. Answers also where it would be written.
///
/// # Errors
/// [`NotImported`].
pub fn convert(from: &Path) -> Result<(PathBuf, Imported), NotImported> {
    let text = std::fs::read_to_string(from).map_err(NotImported::Unread)?;
    let directory =
        from.canonicalize().map_err(NotImported::Unread)?.parent().map(Path::to_owned).unwrap_or_default();
    let app = directory.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let files = |path: &str| beside(&directory, path);
    // A project that cannot be looked through is one of which nothing is known.
    let build = init::build(&directory, programs::is_on_path).ok().flatten();
    let image = |recipe: &Recipe| docker::image(&directory, recipe, programs::is_on_path);
    let project = Project { files: &files, build, images: &image };
    let mut imported =
        import_compose(&text, &app, &values(&directory), project).map_err(NotImported::Fault)?;
    let is_default = from.file_name().is_some_and(|name| COMPOSE.iter().any(|known| name == *known));
    let another = OVERRIDES.iter().find(|name| directory.join(name).is_file());
    if let Some(name) = another.filter(|_| is_default) {
        let message = format!(
            "docker compose reads {name} too, and it is not read here: import what `docker compose config` prints"
        );
        imported.notes.insert(0, Note { line: 1, place: "the file".to_owned(), message });
    }
    Ok((directory.join(FILE), imported))
}

/// The text of a file of the project, where it is no larger than one that was written by hand.
fn beside(directory: &Path, path: &str) -> Option<String> {
    const LARGEST: u64 = 512 << 10;
    let is_inside = !path.starts_with('/') && !path.split('/').any(|part| part == "..");
    let path = directory.join(is_inside.then_some(path)?);
    let facts = std::fs::metadata(&path).ok()?;
    (facts.is_file() && facts.len() <= LARGEST).then(|| std::fs::read_to_string(path).ok())?
}

/// What compose reads on top of a compose file that it finds by itself.
const OVERRIDES: [&str; 4] = [
    "compose.override.yaml",
    "compose.override.yml",
    "docker-compose.override.yml",
    "docker-compose.override.yaml",
];

/// What compose finds for a variable: in the environment, else in the `.env` beside the file.
fn values(directory: &Path) -> impl Fn(&str) -> Option<String> + use<> {
    let text = std::fs::read_to_string(directory.join(".env")).unwrap_or_default();
    let environment = |name: &str| std::env::var(name).ok();
    let entries = dotenv::parse(".env", &text, &environment, &|_| None).entries;
    move |name| {
        let of_file =
            || entries.iter().find(|entry| entry.name == name).map(|entry| entry.value.expose().to_owned());
        environment(name).or_else(of_file)
    }
}
