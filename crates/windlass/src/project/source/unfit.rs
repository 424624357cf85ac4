//! What no release can hold.

use std::fmt;
use std::io;
use std::path::{Component, Path, PathBuf};

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
    /// An ignore file that is a pipe or a device.
    Endless {
        /// The path, relative to the project.
        path: String,
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

impl From<Trouble> for io::Error {
    fn from(trouble: Trouble) -> Self {
        match trouble {
            Trouble::Io(error) => error,
            unfit @ Trouble::Unfit(_) => Self::other(unfit),
        }
    }
}

impl fmt::Display for Unfit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Leaving { link, target } => write!(f, "the link {link} leaves the project (to {target})"),
            Self::Unreadable { path } => write!(f, "the name of {path} is not UTF-8"),
            Self::Closed { path, why } => write!(f, "{path} cannot be read: {why}"),
            Self::Endless { path } => write!(f, "the ignore file {path} is no file"),
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

/// What is wrong with a link of the project in `root`, where it leads out of that.
pub(super) fn leaves(root: &Path, link: &Path, target: &Path) -> Option<Unfit> {
    let leaves = matches!(way(root, link, target, &mut 0), Way::Out);
    leaves.then(|| Unfit::Leaving { link: link.display().to_string(), target: target.display().to_string() })
}

/// Where a link leads.
enum Way {
    /// There, in the project.
    Within(PathBuf),
    Out,
    /// Another link that it leads through leads out, which is then that one's fault; or they lead in a circle.
    Unknown,
}

/// More links, one leading to the next, are followed by no system.
const MOST_LINKS: u32 = 40;

/// Goes the way of a link, whose path is relative to `root`, part by part: one that looks as if it stayed may lead
/// out through others, each of which stays, as `a/a/../..` does where `a` leads to `.`.
fn way(root: &Path, link: &Path, target: &Path, links: &mut u32) -> Way {
    let mut at = link.parent().unwrap_or(Path::new("")).to_owned();
    for part in target.components() {
        match part {
            Component::Normal(name) => at.push(name),
            Component::ParentDir if at.pop() => continue,
            Component::CurDir => continue,
            _ => return Way::Out,
        }
        let Ok(next) = std::fs::read_link(root.join(&at)) else { continue };
        *links += 1;
        if *links > MOST_LINKS {
            return Way::Unknown;
        }
        match way(root, &at, &next, links) {
            Way::Within(there) => at = there,
            Way::Out | Way::Unknown => return Way::Unknown,
        }
    }
    Way::Within(at)
}

/// That this path of the project in `root` cannot be read.
pub(super) fn closed(root: &Path, path: &Path, error: &io::Error) -> Unfit {
    let path = path.strip_prefix(root).unwrap_or(path);
    let path = if path.as_os_str().is_empty() { Path::new(".") } else { path };
    Unfit::Closed { path: path.display().to_string(), why: error.to_string() }
}
