//! What a release gets of our environment.

use windlass_core::protocol::Values;
use windlass_core::spec::{PASSED, PLACES};

/// What of it is set here.
pub(in crate::cli) fn own() -> Values {
    let set = PASSED
        .into_iter()
        .chain(PLACES)
        .filter_map(|name| Some((name.to_owned(), std::env::var(name).ok()?)));
    Values(set.filter(|(_, value)| !value.is_empty()).collect())
}
