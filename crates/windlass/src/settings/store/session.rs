//! A store that was logged in to.

use std::path::PathBuf;
use std::time::Duration;

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

/// A store that answers.
pub(super) enum Session {
    Vault(Vault),
    Aws(Aws),
    Gcp(Gcp),
    Azure(Azure),
    Command(Program),
}

impl Session {
    /// Finds the credentials, and logs in where the store wants that.
    pub(super) async fn open(store: &Store, around: &Surroundings) -> Result<Self, Trouble> {
        let client = client(store, around);
        match &store.kind {
            Kind::Vault { .. } => Vault::open(store, client, around).await.map(Self::Vault),
            Kind::Aws { .. } => Aws::open(store, client, around).await.map(Self::Aws),
            Kind::Gcp { .. } => Gcp::open(store, client, around).await.map(Self::Gcp),
            Kind::Azure => Azure::open(store, client, around).await.map(Self::Azure),
            Kind::Command { words } => {
                Ok(Self::Command(Program::new(words, store.timeout.as_duration(), around)))
            }
        }
    }

    /// Ends it where it was begun for these questions alone.
    pub(super) async fn close(&self) {
        if let Self::Vault(vault) = self {
            vault.close().await;
        }
    }

    /// What is at a path.
    pub(super) async fn read(&self, path: &str, edition: Option<&Edition>) -> Result<Payload, Trouble> {
        match self {
            Self::Vault(vault) => vault.read(path, edition).await,
            Self::Aws(aws) => aws.read(path, edition).await,
            Self::Gcp(gcp) => gcp.read(path, edition).await,
            Self::Azure(azure) => azure.read(path, edition).await,
            Self::Command(program) => program.read(path).await,
        }
    }
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
