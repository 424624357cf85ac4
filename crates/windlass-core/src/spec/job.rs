//! What runs once, and what runs by the clock.

use serde::{Deserialize, Serialize};

use super::{Command, Env, Limits};
use crate::units::Span;

/// Migrations, collecting static files, seed data.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Job {
    /// What to run.
    pub command: Command,
    /// Where, relative to the release.
    pub directory: String,
    /// Its environment.
    pub env: Env,
    /// The account it runs as, where Windlass itself runs as root.
    pub user: Option<String>,
    /// When it runs.
    pub when: When,
    /// How it is undone when the deploy goes back.
    pub undo: Undo,
    /// How long it may take.
    pub timeout: Span,
    /// What it may use.
    pub limits: Limits,
    /// A command that prints one line that identifies the schema it leaves; recorded with the release.
    pub schema: Option<Command>,
}

/// When a job runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum When {
    /// In every deploy that changes the release, before any new instance starts: migrations.
    BeforeStart,
    /// In every deploy that changes the release, after the switch and the bake.
    AfterSwitch,
    /// Once, in the first deploy of the environment, before any instance starts: seed data.
    Once,
    /// Only when asked by `windlass run`.
    Manual,
}

/// How a job is undone.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Undo {
    /// It need not be: the old release works with what it leaves (the expand-contract way).
    Compatible,
    /// By this command.
    Command(Command),
    /// It cannot be: a deploy that gets past it and fails still goes back in code, and says so.
    Irreversible,
}

/// What runs by the clock.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Cron {
    /// What to run.
    pub command: Command,
    /// Where, relative to the release.
    pub directory: String,
    /// Its environment.
    pub env: Env,
    /// The account it runs as, where Windlass itself runs as root.
    pub user: Option<String>,
    /// Five or six fields, or `@daily` and the like.
    pub schedule: String,
    /// An IANA time zone, such as `Europe/Berlin`.
    pub time_zone: String,
    /// What happens when it is due while it still runs.
    pub overlap: Overlap,
    /// What happens to runs that were due while nobody watched.
    pub missed: Missed,
    /// How long it may take.
    pub timeout: Span,
    /// What it may use.
    pub limits: Limits,
}

/// What happens when a cron job is due while it still runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Overlap {
    /// The new run is left out.
    Skip,
    /// The new run begins when the other has ended; at most one waits.
    Queue,
    /// The other is stopped.
    Replace,
    /// Both run.
    Allow,
}

/// What happens to runs that were due while nobody watched: the machine was off, or the host side away.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Missed {
    /// They are left out.
    Skip,
    /// One run makes up for all of them.
    Once,
}
