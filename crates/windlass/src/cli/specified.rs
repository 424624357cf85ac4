//! A specification that was made before it was known which environment it is for: the key of the
//! fingerprints is the host side's, and what is wrong is told before that is reached.

use windlass_core::protocol::{FingerprintKey, Values};
use windlass_core::spec::Spec;

use crate::settings::Found;

/// A specification, and the values of its settings. Nothing is wrong with either.
pub(super) struct Specified {
    /// Without the fingerprints of values.
    spec: Spec,
    found: Found,
}

impl Specified {
    /// `spec` as it was resolved with what was `found`.
    pub(super) fn new(spec: Spec, found: Found) -> Self {
        Self { spec: Spec { sealed: found.sealed.clone(), ..spec }, found }
    }

    /// For those who compare it with nothing.
    pub(super) fn spec(&self) -> &Spec {
        &self.spec
    }

    /// The settings that it was resolved with.
    pub(super) fn found(&self) -> &Found {
        &self.found
    }

    /// The settings that only a store has, where none may be asked.
    pub(super) fn left_out(&self) -> &[String] {
        &self.found.unstored.left_out
    }

    /// As an environment with this key for its fingerprints knows it.
    pub(super) fn under(&self, key: &FingerprintKey) -> Spec {
        let mut spec = self.spec.clone();
        for (name, setting) in &mut spec.settings {
            if let Some(value) = self.found.assembled.get(name) {
                setting.fingerprint = value.fingerprint(&key.0);
            }
        }
        spec
    }

    /// The values of its settings, for a run that begins: each copy of them has to be wiped.
    pub(super) fn values(&self) -> Values {
        let values = self.found.values().map(|(name, value)| (name.to_owned(), value.expose().to_owned()));
        Values(values.collect())
    }
}
