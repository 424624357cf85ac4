//! What keeps a store from giving a value.

use std::fmt;

use windlass_core::store::Place;

use crate::trouble::{Trouble, Whose};

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
    /// Whether the store is well, and says that there is no such value.
    pub absent: bool,
}

impl StoreFault {
    /// A store's trouble, and the places whose values are missing because of it.
    pub(super) fn new(store: &str, trouble: Trouble, places: Vec<Place>, whole: bool) -> Self {
        Self {
            store: store.to_owned(),
            places,
            whole,
            message: format!("the store {store} {}", trouble.what),
            hint: trouble.hint,
            whose: trouble.whose,
            retry: trouble.retry,
            absent: trouble.absent,
        }
    }
}

impl fmt::Display for StoreFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}; {}", self.message, self.hint)
    }
}

impl std::error::Error for StoreFault {}
