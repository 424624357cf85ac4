//! How runs end.

use serde::{Deserialize, Serialize};

use super::Fault;

/// How a run ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// Everything was done.
    Done,
    /// The run was refused before it changed anything: the lock is held, or the world has moved.
    Refused(Fault),
    /// It failed before it changed anything that runs.
    Failed(Fault),
    /// It failed and everything is as it was.
    RolledBack(Fault),
    /// It is committed, but something after the commit needs a person.
    DoneWithProblems(Vec<Fault>),
    /// It failed, and going back did not wholly succeed: what is left needs a person.
    Stuck {
        /// Why it went back.
        cause: Fault,
        /// What could not be undone.
        left: Vec<Fault>,
    },
}

impl Verdict {
    /// The exit code of the verb that asked for the run (documented API).
    #[must_use]
    pub const fn exit_code(&self) -> u8 {
        match self {
            Self::Done => 0,
            Self::Failed(_) => 1,
            Self::RolledBack(_) => 3,
            Self::DoneWithProblems(_) | Self::Stuck { .. } => 5,
            Self::Refused(_) => 6,
        }
    }

    /// How the run ended, in a few words.
    #[must_use]
    pub const fn in_words(&self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::DoneWithProblems(_) => "done, with problems",
            Self::Failed(_) => "failed, nothing changed",
            Self::RolledBack(_) => "rolled back",
            Self::Refused(_) => "refused",
            Self::Stuck { .. } => "needs a person",
        }
    }

    /// Why it did not end well, where it did not; the first reason, where there are more.
    #[must_use]
    pub fn fault(&self) -> Option<&Fault> {
        match self {
            Self::Done => None,
            Self::DoneWithProblems(faults) => faults.first(),
            Self::Failed(fault) | Self::RolledBack(fault) | Self::Refused(fault) => Some(fault),
            Self::Stuck { cause, .. } => Some(cause),
        }
    }

    /// Whether the new release is the active one.
    #[must_use]
    pub const fn is_committed(&self) -> bool {
        matches!(self, Self::Done | Self::DoneWithProblems(_))
    }
}
