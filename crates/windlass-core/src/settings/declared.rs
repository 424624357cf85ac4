//! A setting as the manifest declares it.

use super::{Kind, Pattern};
use crate::spec::{Engine, Template};
use crate::store::Place;

/// A setting as declared.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Declared {
    /// What its value must be.
    pub kind: Kind,
    /// What else is asked of its value.
    pub bounds: Bounds,
    /// Whether its value is masked: it says so, or it is put together from a secret.
    pub secret: bool,
    /// Whether it says that its value is no secret.
    pub harmless: bool,
    /// Whether something is wrong when no layer has a value.
    pub required: bool,
    /// The value where no layer has one.
    pub default: Option<String>,
    /// What it is put together from where no layer has a value.
    pub composed: Option<Template>,
    /// Where in which store its value is, where one is asked.
    pub from: Option<Place>,
    /// The services, jobs and crons that get it (`build` for the build steps); `None`: all.
    pub services: Option<Vec<String>>,
    /// Whether processes find it in a file, whose path they get, and not in their environment.
    pub file: bool,
    /// What a value is like that is made up, where `secrets rotate` exchanges it.
    pub rotate: Option<MadeUp>,
    /// The setting with the name of the account whose password it is, which is exchanged together with it.
    pub account: Option<String>,
    /// What it is for.
    pub help: Option<String>,
    /// The heading under which it is listed.
    pub category: Option<String>,
    /// The line of the manifest that gives its default or composition, or else declares it, from 1.
    pub line: u32,
}

/// What a value is like that is made up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MadeUp {
    /// How many letters and digits it has.
    pub length: u16,
    /// The server whose account it is for, where Windlass itself tells it.
    pub at: Option<Engine>,
}

/// What is asked of a value beside its type, as typed in the manifest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bounds {
    /// The least, of numbers, ports, lengths of time and sizes.
    pub min: Option<String>,
    /// The greatest.
    pub max: Option<String>,
    /// The fewest characters; of a list the fewest items.
    pub min_length: Option<u64>,
    /// The most.
    pub max_length: Option<u64>,
    /// The regular expression that all of it, or of a list each item, must match.
    pub pattern: Option<Pattern>,
    /// The words that it, or of a list each item, may be; empty where it may be any.
    pub values: Vec<String>,
    /// The schemes that a URL may have; empty where it may have any.
    pub schemes: Vec<String>,
    /// What stands between the items of a list.
    pub separator: String,
}

impl Declared {
    /// What stands between its items, where it is a list.
    #[must_use]
    pub fn separator(&self) -> Option<&str> {
        (self.kind == Kind::List).then_some(self.bounds.separator.as_str())
    }

    /// What the manifest says it is, where that is put together from nothing that is known later.
    pub(crate) fn constant(&self) -> Option<String> {
        let template = self.composed.as_ref().filter(|template| template.references().next().is_none())?;
        template.fill(|_| Err(())).ok()
    }
}

impl Default for Bounds {
    fn default() -> Self {
        Self {
            min: None,
            max: None,
            min_length: None,
            max_length: None,
            pattern: None,
            values: vec![],
            schemes: vec![],
            separator: ",".to_owned(),
        }
    }
}

/// What holds of a setting that is declared and no more: text that must be there.
impl Default for Declared {
    fn default() -> Self {
        Self {
            kind: Kind::String,
            bounds: Bounds::default(),
            secret: false,
            harmless: false,
            required: true,
            default: None,
            composed: None,
            from: None,
            services: None,
            file: false,
            rotate: None,
            account: None,
            help: None,
            category: None,
            line: 0,
        }
    }
}
