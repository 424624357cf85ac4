//! What no release can hold.

use std::fmt;
use std::io;
use std::path::{Component, Path};

/// A selected path that is not taken.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Unfit {
    /// A link that leaves the project. A release must be whole: it would point at whatever lies there later.
    Leaving {
        /// The link, relative to the project.
        link: String,
        /// Where it leads.
        target: String,
    },
    /// A name that is no text: records and digests could not tell it from others.
    Unreadable {
        /// The path, relative to the project, with U+FFFD for what cannot be read.
        path: String,
    },
    /// A file, a link or a directory that this account cannot read.
    Closed {
        /// The path, relative to the project.
        path: String,
        /// What the system says.
        why: String,
    },
}

/// More of them are only counted.
pub const MOST: usize = 10;

/// Why files cannot be selected.
#[derive(Debug)]
pub enum Trouble {
    /// One cannot be read or written, or a pattern is wrong.
    Io(io::Error),
    /// These are among them.
    Unfit(Vec<Unfit>),
}

impl From<io::Error> for Trouble {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

impl fmt::Display for Unfit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Leaving { link, target } => write!(f, "the link {link} leaves the project (to {target})"),
            Self::Unreadable { path } => write!(f, "the name of {path} is not UTF-8"),
            Self::Closed { path, why } => write!(f, "{path} cannot be read: {why}"),
        }
    }
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io(error) => error.fmt(f),
            Self::Unfit(unfit) => {
                let each: Vec<String> = unfit.iter().take(MOST).map(ToString::to_string).collect();
                f.write_str(&each.join(", "))?;
                match unfit.len().saturating_sub(MOST) {
                    0 => Ok(()),
                    more => write!(f, ", and {more} more"),
                }
            }
        }
    }
}

impl std::error::Error for Trouble {}

/// A path as text. One that is none is told once, and not with all that lies in it.
pub(super) fn text(path: &Path) -> Result<&str, Option<Unfit>> {
    path.to_str().ok_or_else(|| {
        let is_its_own = path.file_name().is_some_and(|name| name.to_str().is_none());
        is_its_own.then(|| Unfit::Unreadable { path: path.display().to_string() })
    })
}

/// What is wrong with a link, where it leads out of the project.
pub(super) fn leaves(link: &Path, target: &Path) -> Option<Unfit> {
    let mut depth = link.components().count() as i64 - 1;
    let leaves = target.is_absolute()
        || target.components().any(|part| {
            depth += match part {
                Component::ParentDir => -1,
                Component::Normal(_) => 1,
                _ => 0,
            };
            depth < 0
        });
    leaves.then(|| Unfit::Leaving { link: link.display().to_string(), target: target.display().to_string() })
}

/// That this path of the project in `root` cannot be read.
pub(super) fn closed(root: &Path, path: &Path, error: &io::Error) -> Unfit {
    let path = path.strip_prefix(root).unwrap_or(path);
    let path = if path.as_os_str().is_empty() { Path::new(".") } else { path };
    Unfit::Closed { path: path.display().to_string(), why: error.to_string() }
}
