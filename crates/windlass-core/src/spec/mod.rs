//! The specification: what is to run, complete. Past this point no `Option` means "default":
//! a `None` here means "there is none".
//!
//! [`Spec`] is the whole application in one environment. Secrets never stand in it: a
//! [`Template`] names them, and the host puts their values in when it starts a process.

mod by_name;
mod check;
mod encoding;
mod job;
mod notify;
mod overlap;
mod passed;
mod resource;
mod rotation;
mod route;
mod search_path;
mod service;
mod statuses;
mod template;
mod url;

pub use by_name::{ByName, Env};
pub use check::{Check, Checks, Probe};
pub use encoding::Encoding;
pub use job::{Cron, Job, Missed, Overlap, Undo, When};
pub use notify::{MessageFormat, Notify, Occasion};
pub(crate) use overlap::takes_all;
pub use overlap::{covers, overlaps};
pub use passed::{PASSED, PLACES};
pub use resource::{Credential, Engine, Resource, Source};
pub use rotation::{Rotation, Server};
pub use route::{Access, ClientPatience, Destination, Header, Listen, RateLimit, Route, Tls};
pub(crate) use search_path::search_path;
pub use service::{
    Command, Limits, Port, Quiet, Restart, RestartWhen, Service, Stop, Strategy, is_unseen, turns_writing,
};
pub use statuses::Statuses;
#[cfg(test)]
pub(crate) use template::LOOKS;
pub use template::{Part, Reference, Template};
pub(crate) use url::schemes;
pub use url::{WrongUrl, decoded, examine_url, facts_of_url};

use indexmap::IndexMap;
use serde::{Deserialize, Serialize};

use crate::name::Name;
pub use crate::settings::sealed::Version as SealedVersion;
use crate::units::Span;

/// The whole application in one environment.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Spec {
    /// The application.
    pub app: Name,
    /// The environment, such as `local` or `production`.
    pub environment: Name,
    /// How a release is made from the source.
    pub build: Build,
    /// What runs all the time, in an order in which it can be started: whatever a service needs
    /// stands before it.
    pub services: IndexMap<Name, Service>,
    /// What runs once.
    pub jobs: IndexMap<Name, Job>,
    /// What runs by the clock.
    pub crons: IndexMap<Name, Cron>,
    /// Databases, caches and brokers, in an order in which they can be started.
    pub resources: IndexMap<Name, Resource>,
    /// Where the proxy listens.
    pub listen: Listen,
    /// Which requests go where, the most specific first.
    pub routes: Vec<Route>,
    /// How a deploy goes.
    pub deploy: Deploy,
    /// Who is told when something happens.
    #[serde(default)]
    pub notify: IndexMap<Name, Notify>,
    /// Settings that some template refers to, by name: where their values come from is not
    /// recorded, only whether they are secret and a keyed fingerprint of the value, so that a
    /// change is seen.
    pub settings: IndexMap<String, Setting>,
    /// How settings are rotated, by name.
    #[serde(default, skip_serializing_if = "IndexMap::is_empty")]
    pub rotations: IndexMap<String, Rotation>,
    /// Fingerprints of the values that rotations have replaced, by setting: none of them comes back.
    /// Never typed: the planner carries it from the active release into the next.
    #[serde(default, skip_serializing_if = "IndexMap::is_empty")]
    pub revoked: IndexMap<String, Vec<String>>,
    /// The encrypted file that settings came from; `None` when there was none. The ledger remembers
    /// it with the release, so that an older file does not come back unnoticed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sealed: Option<SealedVersion>,
}

impl Spec {
    /// The rotation that exchanges the value of a setting: its own, or that of the password of the account that it names.
    #[must_use]
    pub fn rotation_of(&self, key: &str) -> Option<&Rotation> {
        let of_account = || self.rotations.values().find(|rotation| rotation.account() == Some(key));
        self.rotations.get(key).or_else(of_account)
    }

    /// The settings whose values the rotation of `name` exchanges.
    pub fn exchanged<'s>(&'s self, name: &'s str) -> impl Iterator<Item = &'s str> {
        let account = self.rotations.get(name).and_then(Rotation::account);
        std::iter::once(name).chain(account)
    }
}

/// What the specification knows of a setting: never its value.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Setting {
    /// Whether the value is masked wherever it would be shown.
    pub secret: bool,
    /// A keyed hash of the value, 16 hexadecimal digits; the key never leaves the host. Of what is
    /// put together, a hash of the template.
    pub fingerprint: String,
    /// What it is put together from where a process starts, where no layer had a value.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub composed: Option<Template>,
    /// Whether processes find it in a file.
    #[serde(default, skip_serializing_if = "is_false")]
    pub file: bool,
    /// What stands between the items of a list that is a secret: each of them is masked too.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub separator: Option<String>,
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde hands a reference over")]
fn is_false(value: &bool) -> bool {
    !*value
}

/// How a release is made from the source.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Build {
    /// Ignore patterns (as in `.gitignore`) beside the ignore files of the source itself.
    pub exclude: Vec<String>,
    /// Patterns that are part of the release although an ignore file leaves them out.
    pub include: Vec<String>,
    /// Commands that run in the new release, one after another.
    pub steps: Vec<BuildStep>,
    /// Directories that all releases share, relative to the release, such as `media`.
    pub shared: Vec<String>,
    /// Directories that are carried from the last release into the next build so that it is
    /// incremental, such as `node_modules`; relative to the release.
    pub cache: Vec<String>,
    /// Environment of the build steps.
    pub env: Env,
}

/// One command of the build.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BuildStep {
    /// What to run.
    pub command: Command,
    /// How long it may take.
    pub timeout: Span,
}

/// How a deploy goes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Deploy {
    /// How many releases stay on the host, the active one among them.
    pub keep: u32,
    /// How long the new release is watched while the old one is still warm. Zero: not at all.
    pub bake: Span,
    /// The share of failed answers (5xx or none), 0 to 1, above which a baking release goes back.
    pub max_error_rate: f64,
    /// How many times the old release's p95 the new one's may be, before a baking release goes back.
    pub max_p95_ratio: f64,
    /// How many requests must have been answered before either threshold judges.
    pub min_requests: u64,
    /// How long requests in flight and open connections get after the switch.
    pub drain: Span,
    /// Requests that must be answered as said by the new release, before it gets any other.
    pub smoke: Vec<SmokeTest>,
    /// Free disk that must be left before a deploy begins, in bytes.
    pub min_free_disk: u64,
}

/// A request that must be answered as said before the switch.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SmokeTest {
    /// The service that is asked, directly.
    pub service: Name,
    /// The path, beginning with `/`.
    pub path: String,
    /// The status codes that are right.
    pub status: Statuses,
    /// Text that the body must contain.
    pub contains: Option<String>,
    /// How long the answer may take.
    pub timeout: Span,
}
