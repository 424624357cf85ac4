//! The encrypted file of an environment: found, opened by whatever key is there, changed by one
//! writer at a time. Its format and all cryptography are
//! [`windlass_core::settings::sealed`]'s.
//!
//! ```text
//! Keyring (WINDLASS_KEY, ...) --+
//!                               +-- Place::read   -> Opened          for people, who see what is damaged
//! secrets.ENVIRONMENT.enc ------+-- layer         -> Sealed          for a deploy, which refuses what is
//!                               +-- Place::change -> a new file      locked, written beside, renamed
//! ```

mod keys;
mod place;
mod prompt;

pub use keys::{Keyring, default_key_file, read_key_file};
pub use place::{Changed, Place, Trouble, fresh_random, open_path, today};
pub use prompt::{is_possible as can_prompt, secret as prompt_secret};

use std::path::Path;

use windlass_core::protocol::FingerprintKey;
use windlass_core::settings::sealed::{Opened, Parsed, Version};
use windlass_core::settings::{Fault, Lost, Sealed};

/// The encrypted file as a layer of the settings.
#[derive(Default)]
pub struct Layer {
    /// The values that could be opened; `None` where there is no file, or nothing of it can be read.
    pub sealed: Option<Sealed>,
    /// Which version of the file, where all of it is as it was written.
    pub version: Option<Version>,
    /// The key of fingerprints that everybody has who can open it; `None` where nothing was opened.
    pub fingerprint_key: Option<FingerprintKey>,
    /// Why a deploy refuses it: with what is left of it an application would come into production
    /// without what it needs, or with what somebody else put in.
    pub faults: Vec<Fault>,
    /// The values that could not be read.
    pub lost: Lost,
}

/// The encrypted file of `environment` for the project in `project`.
pub fn layer<'a>(
    project: &Path,
    environment: &str,
    keyring: impl FnOnce() -> Result<&'a Keyring, Fault>,
) -> Layer {
    let place = Place::new(project, environment);
    // Whoever has no such file needs no key, and is not told about a faulty one.
    let parsed = match place.parsed() {
        Ok(None) => return Layer::default(),
        Ok(Some(parsed)) => parsed,
        Err(faults) => return Layer { faults, lost: Lost::any(), ..Layer::default() },
    };
    let mut lost = parsed.lost.clone();
    let unreadable = parsed.faults.clone();
    let names = names(&parsed);
    match keyring().map_err(|fault| vec![fault]).and_then(|keyring| place.open(parsed, keyring)) {
        Ok(opened) => {
            let is_seal_alone =
                unreadable.is_empty() && opened.damaged.iter().all(|damaged| damaged.name.is_none());
            // Lines may be gone. Where one is damaged, that is what breaks the seal.
            if is_seal_alone {
                lost.add(Lost::any());
            }
            opened_layer(&place, opened, lost)
        }
        Err(faults) => {
            names.iter().for_each(|name| lost.name(name));
            Layer { faults: [unreadable, faults].concat(), lost, ..Layer::default() }
        }
    }
}

/// The names of the values, which can be read without a key.
fn names(parsed: &Parsed) -> Vec<String> {
    let entries = parsed.document.iter().flat_map(|document| &document.entries);
    entries.map(|entry| entry.label.name.clone()).collect()
}

fn opened_layer(place: &Place, opened: Opened, mut lost: Lost) -> Layer {
    let entries =
        opened.in_force().map(|(name, value)| (name.to_owned(), (value.secret.clone(), value.line)));
    let sealed = Sealed { file: place.file(), entries: entries.collect(), warnings: vec![] };
    let fingerprint_key = Some(FingerprintKey(*opened.fingerprint_key()));
    if opened.is_sound() {
        let version = Some(opened.version());
        return Layer { sealed: Some(sealed), version, fingerprint_key, ..Layer::default() };
    }
    for entry in &opened.document().entries {
        if !opened.values.contains_key(&entry.label) {
            lost.name(&entry.label.name);
        }
    }
    let faults = opened.damaged.into_iter().map(|damaged| damaged.fault).collect();
    Layer { sealed: Some(sealed), version: None, fingerprint_key, faults, lost }
}
