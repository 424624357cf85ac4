//! Databases, caches and brokers.

use indexmap::IndexMap;
use serde::{Deserialize, Serialize};

use super::Template;
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
    },
    /// Somebody else's, at this URL.
    External {
        /// The URL; usually `{settings.DATABASE_URL}`.
        url: Template,
    },
}

impl Resource {
    /// Whether it is Windlass's own to start and stop.
    #[must_use]
    pub const fn is_private(&self) -> bool {
        matches!(self.source, Source::Private { .. })
    }
}

impl Engine {
    /// The facts that a template can ask of such a resource, as `{resources.NAME.FACT}`.
    #[must_use]
    pub const fn facts(self) -> &'static [&'static str] {
        match self {
            Self::Postgres => &["url", "host", "port", "user", "password", "database", "socket"],
            Self::Redis => &["url", "host", "port", "password", "database"],
            Self::Rabbitmq => &["url", "host", "port", "user", "password", "vhost"],
        }
    }

    /// Whether a fact must be kept out of argument lists, logs and plans.
    #[must_use]
    pub fn is_secret(fact: &str) -> bool {
        matches!(fact, "url" | "password")
    }
}
