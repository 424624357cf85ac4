//! Where values come from.

use std::fmt;

use indexmap::IndexMap;

use super::dotenv::Lookup;
use super::{Entry, Fault, Secret};

/// Where a value came from; the first stands above the others.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Provenance {
    /// The process's environment.
    Environment,
    /// A settings file.
    File {
        /// Its name, relative to the project.
        name: String,
        /// The line, from 1.
        line: u32,
    },
    /// The encrypted file.
    Sealed {
        /// Its name, relative to the project.
        file: String,
        /// The line, from 1.
        line: u32,
    },
    /// An external store.
    Store {
        /// Which, and where in it, such as `vault secret/shop#password`.
        place: String,
    },
    /// The manifest, which says what it is put together from.
    Composed,
    /// The manifest's default.
    Default,
}

/// What all layers have. Each is there already, read and opened by whoever can.
#[derive(Default)]
pub struct Layers<'a> {
    /// What the process's environment has for a name; only declared names are asked for.
    pub environment: Option<Lookup<'a>>,
    /// The settings files, those that others overlay last: `.env.ENVIRONMENT`, `.env`.
    pub files: Vec<File>,
    /// The encrypted file.
    pub sealed: Option<Sealed>,
    /// What was asked of external stores, by setting.
    pub stores: IndexMap<String, (Secret, String)>,
    /// The settings of which it is not known whether their store has a value: no lower layer holds for
    /// them.
    pub unanswered: Vec<String>,
}

/// A settings file.
#[derive(Debug, Default)]
pub struct File {
    /// Its name, relative to the project.
    pub name: String,
    /// What it says.
    pub entries: Vec<Entry>,
}

/// The encrypted file, opened.
#[derive(Debug, Default)]
pub struct Sealed {
    /// Its name, relative to the project.
    pub file: String,
    /// The values by name, each with its line, from 1.
    pub entries: IndexMap<String, (Secret, u32)>,
    /// What is allowed and yet seldom meant.
    pub warnings: Vec<Fault>,
}

impl Provenance {
    /// Which layer it is, in one word.
    #[must_use]
    pub const fn layer(&self) -> &'static str {
        match self {
            Self::Environment => "environment",
            Self::File { .. } => "file",
            Self::Sealed { .. } => "sealed",
            Self::Store { .. } => "store",
            Self::Composed => "composed",
            Self::Default => "default",
        }
    }

    /// File and line for a fault; the line is 0 where there is none.
    #[must_use]
    pub fn place(&self) -> (String, u32) {
        match self {
            Self::File { name, line } | Self::Sealed { file: name, line } => (name.clone(), *line),
            other => (other.to_string(), 0),
        }
    }
}

impl fmt::Display for Provenance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            // Of what is yet to be written no line is known.
            Self::File { name, line: 0 } | Self::Sealed { file: name, line: 0 } => f.write_str(name),
            Self::File { name, line } | Self::Sealed { file: name, line } => write!(f, "{name}:{line}"),
            Self::Store { place } => f.write_str(place),
            other => f.write_str(other.layer()),
        }
    }
}
