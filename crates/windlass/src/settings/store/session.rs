//! A store that was logged in to.

use std::path::PathBuf;
use std::time::Duration;

use futures_util::future::{LocalBoxFuture, ready};
use windlass_core::store::{Address, Edition, Kind, Store};

use super::aws::Aws;
use super::azure::Azure;
use super::command::Program;
use super::gcp::Gcp;
use super::payload::Payload;
use super::surroundings::Surroundings;
use super::vault::Vault;
use crate::http_client::{Client, Patience, Proxies};
use crate::trouble::{Trouble, Whose};

/// With the services in which a cloud's machine finds its own credentials: they are near, or not there.
pub(super) const METADATA: Patience =
    Patience { attempts: 2, connect: Duration::from_secs(1), answer: Duration::from_secs(3) };

/// What is being read.
pub(super) type Reading<'s> = LocalBoxFuture<'s, Result<Payload, Trouble>>;

/// A store that answers: all that is to be known of one, once it was logged in to.
pub(super) trait Session {
    /// What is at a path.
    fn read<'s>(&'s self, path: &'s str, edition: Option<&'s Edition>) -> Reading<'s>;

    /// Ends it, where it was begun for these questions alone.
    fn close(&self) -> LocalBoxFuture<'_, ()> {
        Box::pin(ready(()))
    }
}

/// Finds the credentials, and logs in where the store wants that.
pub(super) async fn open(store: &Store, around: &Surroundings) -> Result<Box<dyn Session>, Trouble> {
    let client = client(store, around);
    Ok(match &store.kind {
        Kind::Vault { .. } => Box::new(Vault::open(store, client, around).await?),
        Kind::Aws { .. } => Box::new(Aws::open(store, client, around).await?),
        Kind::Gcp { .. } => Box::new(Gcp::open(store, client, around).await?),
        Kind::Azure => Box::new(Azure::open(store, client, around).await?),
        Kind::Command { words } => Box::new(Program::new(words, store.timeout.as_duration(), around)),
    })
}

fn client(store: &Store, around: &Surroundings) -> Client {
    let named = store.authorities.as_deref().map(|file| around.project().join(file));
    let authorities = match store.kind {
        Kind::Vault { .. } => named.or_else(|| around.get("VAULT_CACERT").map(PathBuf::from)),
        _ => named,
    };
    let timeout: Duration = store.timeout.as_duration();
    let proxies = Proxies::of_env(|name| around.get(name).map(str::to_owned));
    Client::new(authorities, store.insecure, proxies, timeout)
}

/// The address that the manifest or a variable names.
pub(super) fn address(
    store: &Store,
    around: &Surroundings,
    variables: &[&'static str],
) -> Result<Option<Address>, Trouble> {
    let found = variables.iter().find_map(|name| Some((*name, around.get(name)?)));
    let (from, text) = match (&store.address, found) {
        (Some(address), _) => ("`address`", address.as_str()),
        (None, Some((name, text))) => (name, text),
        (None, None) => return Ok(None),
    };
    Address::parse(text).map(Some).map_err(|why| {
        let what = format!("cannot be asked: its address, from {from}, {why}");
        Trouble::new(Whose::Deployer, what, "write it like https://host:port")
    })
}
