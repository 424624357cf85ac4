//! What keeps a store from giving a value.

use std::fmt;

use windlass_core::store::Place;

/// Why settings have no value from a store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoreFault {
    /// The store.
    pub store: String,
    /// The places whose values are missing because of it: one, or all that were asked of the store.
    pub places: Vec<Place>,
    /// Whether it is about the store as a whole.
    pub whole: bool,
    /// What happened, as one sentence. Shows neither a value nor a credential.
    pub message: String,
    /// What to do.
    pub hint: String,
    /// Whose fault it is.
    pub whose: Whose,
    /// Whether the same may go well later, with nothing changed.
    pub retry: bool,
}

/// Whose fault it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Whose {
    /// The manifest names what is not there.
    Manifest,
    /// Whoever deploys has no credentials, wrong ones, or too few rights.
    Deployer,
    /// The store does not do what it should.
    Store,
    /// The store cannot be reached.
    Network,
}

impl fmt::Display for StoreFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}; {}", self.message, self.hint)
    }
}

impl std::error::Error for StoreFault {}

/// A fault before it is known which store and which settings it concerns.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Trouble {
    /// What happened: the rest of a sentence that begins with "the store NAME".
    pub(super) what: String,
    pub(super) hint: String,
    pub(super) whose: Whose,
    pub(super) retry: bool,
}

impl Trouble {
    pub(super) fn new(whose: Whose, what: impl Into<String>, hint: impl Into<String>) -> Self {
        Self { what: what.into(), hint: hint.into(), whose, retry: false }
    }

    /// It may go well later.
    pub(super) fn passing(self) -> Self {
        Self { retry: true, ..self }
    }

    pub(super) fn of(self, store: &str, places: Vec<Place>, whole: bool) -> StoreFault {
        StoreFault {
            store: store.to_owned(),
            places,
            whole,
            message: format!("the store {store} {}", self.what),
            hint: self.hint,
            whose: self.whose,
            retry: self.retry,
        }
    }
}
