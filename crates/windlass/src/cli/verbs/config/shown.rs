//! How settings are shown: values as they are, of secrets a fingerprint.

use serde::Serialize;
use windlass_core::protocol::FingerprintKey;
use windlass_core::settings::{Declared, Provenance, Text, Value, is_secret, may_hold_literal};

use crate::cli::project::Project;
use crate::host;
use crate::layout::Layout;
use crate::settings::Found;

/// How many characters of a value a line of text shows.
const LONGEST: usize = 60;

/// What a layer has for a setting, for people and programs.
#[derive(Debug, Serialize, PartialEq, Eq)]
pub(super) struct Shown {
    /// The value; of a secret none.
    pub(super) value: Option<String>,
    /// What it is put together from, where that is so.
    pub(super) composed: Option<String>,
    /// By what a secret can be told from another one, where there is a key for that.
    pub(super) fingerprint: Option<String>,
    /// The layer.
    pub(super) layer: &'static str,
    /// File and line, or the layer's name.
    pub(super) source: String,
}

/// What there is to see of a setting.
#[derive(Debug, Serialize, PartialEq, Eq)]
#[serde(untagged)]
pub(super) enum Seen {
    /// What holds.
    Shown(Shown),
    /// Nobody can say what holds.
    Unknown {
        /// Why.
        unknown: String,
    },
}

/// Shows the settings of a project.
pub(super) struct Viewer {
    /// The key of fingerprints: that of whoever can open the encrypted file, or the host's, once something was deployed.
    /// Never one that everybody has, because a weak secret could be guessed by it.
    key: Option<FingerprintKey>,
    manifest: String,
}

impl Viewer {
    /// As the environment in `layout` shows what was found.
    pub(super) fn of(project: &Project, layout: &Layout, found: &Found) -> Self {
        // A damaged one is told of by whoever needs it to act.
        let of_host = || host::fingerprint_key(layout).ok().flatten();
        Self { key: found.fingerprint_key.clone().or_else(of_host), manifest: project.file.clone() }
    }

    /// What there is to see of the setting `name`; `None` where it has no value.
    pub(super) fn see(&self, found: &Found, name: &str) -> Option<Seen> {
        match found.assembled.settings.get(name) {
            Some(resolved) => Some(Seen::Shown(self.show(name, found.declared.get(name), &resolved.value))),
            None => found.unknown(name).map(|unknown| Seen::Unknown { unknown }),
        }
    }

    pub(super) fn show(&self, name: &str, declared: Option<&Declared>, value: &Value) -> Shown {
        let secret = is_secret(name, declared, value);
        let known = value.text.known();
        Shown {
            value: known.filter(|_| !secret).map(|known| known.expose().to_owned()),
            composed: match &value.text {
                // The template of a secret names its parts, but for a password that stands in it.
                Text::Composed(template) => Some(template.to_string()).filter(|text| !may_hold_literal(text)),
                Text::Known(_) => None,
            },
            fingerprint: known
                .filter(|known| secret && !known.is_empty())
                .and_then(|known| Some(known.fingerprint(&self.key.as_ref()?.0)))
                .map(|fingerprint| fingerprint[..8].to_owned()),
            layer: value.provenance.layer(),
            source: match (&value.provenance, declared) {
                (Provenance::Default | Provenance::Composed, Some(declared)) => {
                    format!("{}:{}", self.manifest, declared.line)
                }
                (other, _) => other.to_string(),
            },
        }
    }
}

impl Seen {
    /// The value in a few words.
    pub(super) fn text(&self) -> String {
        match self {
            Self::Shown(shown) => shown.text(),
            Self::Unknown { .. } => "(not known)".to_owned(),
        }
    }

    /// Where it came from, or why it is not known.
    pub(super) fn source(&self) -> &str {
        match self {
            Self::Shown(shown) => &shown.source,
            Self::Unknown { unknown } => unknown,
        }
    }
}

impl Shown {
    /// In a line.
    pub(super) fn text(&self) -> String {
        match (&self.value, &self.composed, &self.fingerprint) {
            (Some(value), ..) => shortened(value),
            (None, Some(composed), _) => composed.clone(),
            (None, None, Some(fingerprint)) => format!("(secret {fingerprint})"),
            (None, None, None) => "(secret)".to_owned(),
        }
    }
}

fn shortened(value: &str) -> String {
    if value.is_empty() {
        return "(empty)".to_owned();
    }
    let escaped: String = value
        .chars()
        .flat_map(|c| if c.is_control() { c.escape_default().collect::<Vec<_>>() } else { vec![c] })
        .collect();
    if escaped.chars().count() <= LONGEST {
        return escaped;
    }
    escaped.chars().take(LONGEST - 1).chain(['…']).collect()
}
