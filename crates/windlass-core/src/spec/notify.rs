//! Who is told when something happens.

use serde::{Deserialize, Serialize};

use super::Template;

/// An address that is told when something happens.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Notify {
    /// Where to; often a secret, because whoever knows it can write there.
    pub url: Template,
    /// What it is told of.
    pub on: Vec<Occasion>,
    /// In which form.
    pub format: MessageFormat,
}

/// Something that somebody may want to be told of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Occasion {
    /// A deploy, a rollback, a restart or a change of scale is in force.
    Deployed,
    /// Such a run failed before it changed anything.
    Failed,
    /// It failed, and everything is as it was.
    RolledBack,
    /// It left something that needs a person.
    NeedsPerson,
    /// A service ended too often and was given up.
    CrashLoop,
    /// A copy of a service was restarted because its liveness check failed, or has not been ready for long.
    Unhealthy,
    /// A cron job failed.
    CronFailed,
    /// A certificate expires soon, or cannot be used.
    Certificate,
}

/// The form of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MessageFormat {
    /// A document with a field for each fact.
    Json,
    /// One text, as Slack and what is compatible with it take.
    Slack,
}

impl Occasion {
    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::Deployed,
        Self::Failed,
        Self::RolledBack,
        Self::NeedsPerson,
        Self::CrashLoop,
        Self::Unhealthy,
        Self::CronFailed,
        Self::Certificate,
    ];

    /// The word for it in the manifest and in messages.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Deployed => "deployed",
            Self::Failed => "failed",
            Self::RolledBack => "rolled-back",
            Self::NeedsPerson => "needs-person",
            Self::CrashLoop => "crash-loop",
            Self::Unhealthy => "unhealthy",
            Self::CronFailed => "cron-failed",
            Self::Certificate => "certificate",
        }
    }
}
