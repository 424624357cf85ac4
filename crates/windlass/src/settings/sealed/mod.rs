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

use windlass_core::settings::sealed::Version;
use windlass_core::settings::{Fault, Sealed};

/// The encrypted file of `environment` for the project in `project`, whole, and which version of it;
/// `None` where there is none.
///
/// # Errors
/// When it cannot be opened, and when anything in it is damaged: a deploy with what is left of it
/// would bring an application into production without what it needs, or with what somebody else put
/// in.
pub fn layer<'a>(
    project: &Path,
    environment: &str,
    keyring: impl FnOnce() -> Result<&'a Keyring, Fault>,
) -> Result<Option<(Sealed, Version)>, Vec<Fault>> {
    let place = Place::new(project, environment);
    // Whoever has no such file needs no key, and is not told about a faulty one.
    let Some(parsed) = place.parsed()? else { return Ok(None) };
    let opened = place.open(parsed, keyring().map_err(|fault| vec![fault])?)?;
    if !opened.is_sound() {
        return Err(opened.damaged.into_iter().map(|damaged| damaged.fault).collect());
    }
    let entries =
        opened.in_force().map(|(name, value)| (name.to_owned(), (value.secret.clone(), value.line)));
    let sealed = Sealed { file: place.file(), entries: entries.collect(), warnings: vec![] };
    Ok(Some((sealed, opened.version())))
}
