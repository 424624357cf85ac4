//! Addresses of resources as URLs: `postgres://user:password@host:5432/database`.

use windlass_core::spec::{self, Encoding, Engine};

pub(crate) use windlass_core::spec::decoded;

use super::Facts;
use super::fault::Fault;

/// The facts that the URL of an external resource states, with the engine's defaults for what it
/// leaves out. The URL itself is the fact `url`.
///
/// # Errors
/// A [`Fault`] that does not show the URL, which usually holds a password.
pub fn facts_of_url(engine: Engine, url: &str) -> Result<Facts, Fault> {
    spec::facts_of_url(engine, url)
        .map(Facts)
        .map_err(|wrong| Fault::new(format!("the resource's URL {}", wrong.what), wrong.help))
}

/// `text` as it stands in a part of a URL.
pub(super) fn encoded(text: &str) -> String {
    Encoding::Url.encode(text)
}
