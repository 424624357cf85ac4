//! How the value of a setting is exchanged.

use indexmap::IndexMap;
use serde::{Deserialize, Serialize};

use super::{Command, Template};
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
    pub env: IndexMap<String, Template>,
    /// How long each may take.
    pub timeout: Span,
}

impl Rotation {
    /// All its commands.
    pub fn commands(&self) -> impl Iterator<Item = &Command> {
        [&self.create, &self.verify, &self.revoke].into_iter().flatten()
    }
}
