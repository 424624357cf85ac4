//! Private databases, caches and brokers: initialised and described as processes to keep.
//!
//! [`check`] says whether the programs are installed and the options make sense. [`prepare`] makes the directory of a resource ready
//! and answers with a [`Prepared`]: the process to keep, and the facts that templates ask for. It
//! can be called at any time, also while the server runs: what is there is kept, and what a crash
//! left half done is done again. When the server runs, [`ready`] asks it in its own protocol whether
//! it serves, and [`after_start`] makes the application's account and database in it.
//!
//! ```text
//! resources/db/            0700, or 0711 where the server runs as an account of its own
//!   identity.json          what is chosen and kept: ports, passwords (0600)
//!   lock                   held while the directory is being made ready
//!   config/                the server's configuration, written at every start (files 0600)
//!   data/                  the data; only `remove` deletes it
//!   run/                   sockets
//! ```
//!
//! All functions here block, for as long as their deadlines say at most: an asynchronous caller
//! puts them on a thread of their own.

mod config;
mod credential;
#[cfg(test)]
pub(crate) mod damaged;
mod elsewhere;
mod fault;
mod files;
mod identity;
mod locate;
mod place;
mod postgres;
mod protocol;
mod rabbitmq;
mod redis;
mod run;
mod url;

use std::ops::{Deref, DerefMut};
use std::path::Path;
use std::time::Duration;

use indexmap::IndexMap;
use windlass_core::launch::Launch;
use windlass_core::spec::{Credential, Engine, Resource, Source};
use zeroize::Zeroize;

pub use credential::{add_credential, credentials, in_force, revoke_credential, secret_of, secrets};
pub use elsewhere::{Deed, Exchange};
pub use fault::Fault;
pub use locate::{Programs, locate};
pub use place::Place;
pub use protocol::NotReady;
pub(crate) use url::decoded;
pub use url::facts_of_url;

/// What templates can ask of a resource, wiped at the end: `url` and `password` are among it.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Facts(IndexMap<String, String>);

/// Without what is secret: they are named.
impl std::fmt::Debug for Facts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.keys()).finish()
    }
}

impl FromIterator<(String, String)> for Facts {
    fn from_iter<I: IntoIterator<Item = (String, String)>>(facts: I) -> Self {
        Self(facts.into_iter().collect())
    }
}

impl Deref for Facts {
    type Target = IndexMap<String, String>;

    fn deref(&self) -> &Self::Target {
        &self.0
    }
}

impl DerefMut for Facts {
    fn deref_mut(&mut self) -> &mut Self::Target {
        &mut self.0
    }
}

impl Drop for Facts {
    fn drop(&mut self) {
        self.0.values_mut().for_each(Zeroize::zeroize);
    }
}

/// A private resource that can be started.
#[derive(Clone)]
pub struct Prepared {
    /// Its engine.
    pub engine: Engine,
    /// The process to keep.
    pub launch: Launch,
    /// The process's whole environment; holds no secret.
    pub env: Vec<(String, String)>,
    /// What templates ask for, by [`Engine::facts`]. `url` and `password` are secret.
    pub facts: Facts,
    /// Changes when the server has to be started again to do what the manifest says now: 16
    /// hexadecimal digits of its process and its configuration.
    pub fingerprint: String,
    /// How long a start may take.
    pub patience: Duration,
    /// What is to be made in it when it runs.
    setup: Option<postgres::Setup>,
}

impl std::fmt::Debug for Prepared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Prepared")
            .field("engine", &self.engine)
            .field("launch", &self.launch)
            .field("facts", &self.facts)
            .field("fingerprint", &self.fingerprint)
            .finish_non_exhaustive()
    }
}

impl Prepared {
    /// What fills in the fingerprint, last: it is about `configuration` and the process.
    fn fingerprinted(mut self, configuration: &[&str]) -> Self {
        let mut hash = blake3::Hasher::new();
        let env = self.env.iter().flat_map(|(name, value)| [name, value]);
        let texts =
            self.launch.argv.iter().chain(env).map(String::as_str).chain(configuration.iter().copied());
        for text in texts {
            hash.update(&(text.len() as u64).to_le_bytes());
            hash.update(text.as_bytes());
        }
        self.fingerprint = hash.finalize().to_hex()[..16].to_owned();
        self
    }
}

/// The private resource's part of its specification.
struct Private<'r> {
    version: Option<u32>,
    database: &'r str,
    port: u16,
    options: &'r IndexMap<String, String>,
    memory: Option<windlass_core::units::Bytes>,
    credential: Credential,
}

impl<'r> Private<'r> {
    /// `None` when the resource is external.
    fn of(resource: &'r Resource) -> Option<Self> {
        match &resource.source {
            Source::Private { version, database, port, options, memory, credential } => Some(Self {
                version: *version,
                database,
                port: *port,
                options,
                memory: *memory,
                credential: *credential,
            }),
            Source::External { .. } => None,
        }
    }

    /// The name of the account of this credential, where the engine has accounts. It is at most 63
    /// bytes, which PostgreSQL would cut it to.
    fn user(&self, credential: Credential) -> String {
        let suffix = credential.suffix();
        let mut end = self.database.len().min(63 - suffix.len());
        while !self.database.is_char_boundary(end) {
            end -= 1;
        }
        format!("{}{suffix}", &self.database[..end])
    }

    /// That there can be such a resource. Nothing is looked at.
    fn check(&self, engine: Engine) -> Result<(), Fault> {
        let database = self.database;
        if database.is_empty() || database.len() > 63 || database.chars().any(char::is_control) {
            return Err(Fault::new(
                format!("{database:?} cannot be the database of a resource"),
                "use 1 to 63 bytes without control characters",
            ));
        }
        match engine {
            Engine::Postgres => postgres::check(self),
            Engine::Redis => redis::check(self),
            Engine::Rabbitmq => rabbitmq::check(self),
        }
    }
}

/// Whether a resource can be prepared on this machine, as far as that can be told without changing
/// anything: its options, and its programs. There is nothing to check about an external one.
///
/// # Errors
/// A [`Fault`] that says what to change or to install.
pub fn check(resource: &Resource) -> Result<(), Fault> {
    let Some(private) = Private::of(resource) else { return Ok(()) };
    private.check(resource.engine)?;
    locate(resource.engine, private.version).map(|_| ())
}

/// Whether the server of a private resource takes its options, as far as it can say so without being
/// started: PostgreSQL can; and whether a Redis goes on with its data. `directory` is the resource's, if it has one yet; `scratch` is made and removed.
///
/// # Errors
/// A [`Fault`]: its programs are not installed, or what the server said.
pub fn try_options(resource: &Resource, directory: &Path, scratch: &Path) -> Result<(), Fault> {
    match (Private::of(resource), resource.engine) {
        (Some(private), Engine::Postgres) => postgres::try_options(&private, directory, scratch),
        (Some(private), Engine::Redis) => redis::try_options(&private, directory),
        _ => Ok(()),
    }
}

/// Makes the directory of a private resource ready, and describes its process.
///
/// # Errors
/// A [`Fault`]: its programs are not installed, its options are wrong, its directory cannot be
/// written; or the resource is not private.
pub fn prepare(resource: &Resource, place: &Place) -> Result<Prepared, Fault> {
    let Some(private) = Private::of(resource) else {
        return Err(Fault::new(
            format!("the resource {} is external: there is nothing to prepare", place.name),
            "use the facts of its URL",
        ));
    };
    private.check(resource.engine)?;
    match resource.engine {
        Engine::Postgres => postgres::prepare(&private, place),
        Engine::Redis => redis::prepare(&private, place),
        Engine::Rabbitmq => rabbitmq::prepare(&private, place),
    }
}

/// Asks the server at `facts` (a private or an external resource's) in its own protocol whether it
/// serves.
///
/// # Errors
/// [`NotReady`] with the reason, also when there is no answer within `timeout`.
pub fn ready(engine: Engine, facts: &IndexMap<String, String>, timeout: Duration) -> Result<(), NotReady> {
    protocol::ready(engine, facts, timeout)
}

/// Makes what the application needs in a server that is ready: its accounts, its database, its
/// extensions. What is there is left as it is.
///
/// # Errors
/// A [`Fault`] with what the server said.
pub fn after_start(prepared: &Prepared) -> Result<(), Fault> {
    prepared.setup.as_ref().map_or(Ok(()), postgres::Setup::perform)
}

/// Clears away what a server that was killed has left in the machine's memory. Its next start does so too: this is for
/// data that is to be deleted. As far as it can be: the machine's next start ends what is left.
pub fn forget_memory(directory: &Path) {
    postgres::forget_memory(directory);
}

/// Deletes a private resource with all its data, for good. Its server must have ended.
///
/// # Errors
/// A [`Fault`] when something could not be deleted; asking again goes on.
pub fn remove(directory: &Path) -> Result<(), Fault> {
    forget_memory(directory);
    place::remove(directory)
}
