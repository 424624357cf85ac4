//! Databases, caches and brokers.

use std::fmt;

use indexmap::IndexMap;
use serde::{Deserialize, Serialize};

use super::Template;
use crate::name::ReleaseId;
use crate::units::Bytes;

/// A database, a cache or a broker.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Resource {
    /// What it is.
    pub engine: Engine,
    /// Whose it is.
    pub source: Source,
}

/// What a resource is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Engine {
    /// PostgreSQL.
    Postgres,
    /// Redis.
    Redis,
    /// RabbitMQ.
    Rabbitmq,
}

impl Engine {
    /// Its name, as people write it.
    #[must_use]
    pub const fn title(self) -> &'static str {
        match self {
            Self::Postgres => "PostgreSQL",
            Self::Redis => "Redis",
            Self::Rabbitmq => "RabbitMQ",
        }
    }
}

/// Whose a resource is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Source {
    /// Windlass's own for this environment, initialised and supervised from the programs that are
    /// installed.
    Private {
        /// The major version that must be installed, where one is named.
        version: Option<u32>,
        /// The database, user or virtual host that is made for the application.
        database: String,
        /// The port on the loopback address; 0 for one that is chosen once and kept.
        port: u16,
        /// Options of the server's own configuration.
        options: IndexMap<String, String>,
        /// Memory it is tuned for and limited to.
        memory: Option<Bytes>,
        /// What the application signs in with. No manifest says it: the planner carries it from one
        /// release to the next, and only a rotation changes it.
        #[serde(default, skip_serializing_if = "Credential::is_first")]
        credential: Credential,
    },
    /// Somebody else's, at this URL.
    External {
        /// The URL; usually `{settings.DATABASE_URL}`.
        url: Template,
    },
}

/// What an application signs in to a private resource with: the account and password that the
/// resource was made with, or those that a later release brought in. It is named after that release,
/// whose number no other release ever gets; so one that was revoked is never meant again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Credential(u64);

impl Credential {
    /// The one that the resource was made with.
    pub const FIRST: Self = Self(0);

    /// The one that this release brought in.
    #[must_use]
    pub const fn of(release: ReleaseId) -> Self {
        Self(release.0)
    }

    /// Whether it is the one that the resource was made with.
    #[must_use]
    pub const fn is_first(&self) -> bool {
        self.0 == Self::FIRST.0
    }

    /// What the account's name ends in, to tell it from the others; empty for the first.
    #[must_use]
    pub fn suffix(self) -> String {
        if self.is_first() { String::new() } else { format!("_r{}", self.0) }
    }
}

impl fmt::Display for Credential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_first() {
            f.write_str("the first credential")
        } else {
            write!(f, "the credential of {}", ReleaseId(self.0))
        }
    }
}

impl Resource {
    /// What the application signs in to it with; `None` for an external one.
    #[must_use]
    pub const fn credential(&self) -> Option<Credential> {
        match &self.source {
            Source::Private { credential, .. } => Some(*credential),
            Source::External { .. } => None,
        }
    }

    /// The same resource, to be signed in to with this; an external one as it is.
    #[must_use]
    pub fn with_credential(mut self, new: Credential) -> Self {
        if let Source::Private { credential, .. } = &mut self.source {
            *credential = new;
        }
        self
    }

    /// Whether it is Windlass's own to start and stop.
    #[must_use]
    pub const fn is_private(&self) -> bool {
        matches!(self.source, Source::Private { .. })
    }
}

impl Engine {
    /// The one that the manifest calls so.
    #[must_use]
    pub fn of(word: &str) -> Option<Self> {
        Some(match word {
            "postgres" => Self::Postgres,
            "redis" => Self::Redis,
            "rabbitmq" => Self::Rabbitmq,
            _ => return None,
        })
    }

    /// What the manifest calls it.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Postgres => "postgres",
            Self::Redis => "redis",
            Self::Rabbitmq => "rabbitmq",
        }
    }

    /// What people call it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Postgres => "PostgreSQL",
            Self::Redis => "Redis",
            Self::Rabbitmq => "RabbitMQ",
        }
    }

    /// The facts that a template can ask of such a resource, as `{resources.NAME.FACT}`.
    #[must_use]
    pub const fn facts(self) -> &'static [&'static str] {
        match self {
            Self::Postgres => &["url", "host", "port", "user", "password", "database", "socket"],
            Self::Redis => &["url", "host", "port", "password", "database"],
            Self::Rabbitmq => &["url", "host", "port", "user", "password", "vhost"],
        }
    }

    /// Whether a fact tells who signs in, so that it changes with the [`Credential`].
    #[must_use]
    pub fn is_of_credential(fact: &str) -> bool {
        matches!(fact, "url" | "user" | "password")
    }

    /// Whether a fact must be kept out of argument lists, logs and plans.
    #[must_use]
    pub fn is_secret(fact: &str) -> bool {
        matches!(fact, "url" | "password")
    }
}
