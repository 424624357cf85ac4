//! How the value of a setting is exchanged.

use serde::{Deserialize, Serialize};

use super::{Command, Engine, Env};
use crate::units::Span;

/// The commands by which a rotation tells a setting's source of its values. Each finds both, as
/// `OLD_VALUE` and `NEW_VALUE`, in its environment; doing it twice is doing it once.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rotation {
    /// Adds the new value at the source; `None` where that need not be told.
    pub create: Option<Command>,
    /// Says whether the new value is good; `None` where the new copies say it.
    pub verify: Option<Command>,
    /// Takes the old value away at the source; `None` where it stays good.
    pub revoke: Option<Command>,
    /// The environment of the commands.
    pub env: Env,
    /// How long each may take.
    pub timeout: Span,
    /// The server that is told instead, by Windlass itself; `None` where the commands say all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<Server>,
}

/// A server that is not Windlass's own, and knows the accounts of its application.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Server {
    /// What it is.
    pub engine: Engine,
    /// The setting with the URL of its administrator; `None` where the account may change itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub admin: Option<String>,
    /// The account, where the value is its password alone: its name, or, where an account has one password, the setting
    /// with its name.
    pub user: String,
    /// The setting that is the URL put together from both, where the value is a password alone and an account has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
}

impl Rotation {
    /// Whether the source is told of the new value.
    #[must_use]
    pub const fn creates(&self) -> bool {
        self.create.is_some() || self.at.is_some()
    }

    /// Whether something says that the new value is good, beside the new copies.
    #[must_use]
    pub const fn verifies(&self) -> bool {
        self.verify.is_some() || self.at.is_some()
    }

    /// Whether the old value is taken away.
    #[must_use]
    pub const fn revokes(&self) -> bool {
        self.revoke.is_some() || self.at.is_some()
    }

    /// The setting with the account's name, which is exchanged together with the value.
    #[must_use]
    pub fn account(&self) -> Option<&str> {
        self.at.as_ref().filter(|server| server.url.is_some()).map(|server| server.user.as_str())
    }

    /// All its commands.
    pub fn commands(&self) -> impl Iterator<Item = &Command> {
        [&self.create, &self.verify, &self.revoke].into_iter().flatten()
    }
}
