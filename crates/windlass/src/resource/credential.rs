//! Credentials that come and go while a server runs.
//!
//! The order is what makes a crash harmless: a new password is kept before the server hears of it,
//! and an old one is marked, then taken away in the server, and only then forgotten. Whatever was
//! begun is done again, to the same end.

use std::path::Path;

use windlass_core::settings::Secret;
use windlass_core::spec::{Credential, Engine, Resource};

use super::fault::Fault;
use super::{Place, Private, identity, postgres, prepare, rabbitmq, redis};

/// The credentials that the resource in `directory` knows, the oldest first; also those that are
/// being revoked.
#[must_use]
pub fn credentials(directory: &Path) -> Vec<Credential> {
    identity::credentials(directory)
}

/// The credentials that the resource in `directory` lets sign in, the oldest first.
#[must_use]
pub fn in_force(directory: &Path) -> Vec<Credential> {
    identity::in_force(directory)
}

/// The password of a credential that the resource in `directory` knows.
#[must_use]
pub fn secret_of(directory: &Path, credential: Credential) -> Option<Secret> {
    identity::password_of(directory, credential)
}

/// Every secret of the resource in `directory`, also those that were revoked lately: what is masked.
///
/// # Errors
/// When they cannot be read. Where nothing was made yet there are none.
pub fn secrets(directory: &Path) -> std::io::Result<Vec<Secret>> {
    identity::secrets(directory)
}

/// Lets a server that runs know one more credential, with a new password.
///
/// # Errors
/// A [`Fault`] when it cannot be kept, or the server refuses.
pub fn add_credential(resource: &Resource, place: &Place, credential: Credential) -> Result<(), Fault> {
    {
        let _lock = place.hold()?;
        identity::add(&place.directory, credential)?;
    }
    settle(&resource.clone().with_credential(credential), place)
}

/// Makes a server that runs forget a credential. `resource` signs in with another.
///
/// # Errors
/// A [`Fault`] when the server refuses.
pub fn revoke_credential(resource: &Resource, place: &Place, credential: Credential) -> Result<(), Fault> {
    if !identity::credentials(&place.directory).contains(&credential) {
        return Ok(());
    }
    {
        let _lock = place.hold()?;
        identity::revoke(&place.directory, credential)?;
    }
    settle(resource, place)?;
    let _lock = place.hold()?;
    identity::forget(&place.directory, credential)
}

/// Brings the server's accounts in line with the identity: in its configuration, for its next start,
/// and in itself.
fn settle(resource: &Resource, place: &Place) -> Result<(), Fault> {
    let prepared = prepare(resource, place)?;
    let Some(private) = Private::of(resource) else { return Ok(()) };
    match resource.engine {
        Engine::Postgres => prepared.setup.as_ref().map_or(Ok(()), postgres::Setup::perform),
        Engine::Redis => redis::settle(&private, place),
        Engine::Rabbitmq => rabbitmq::settle(&private, place),
    }
}
