//! The vocabulary of steps. It is closed: whoever carries out plans knows every one of these.

use indexmap::IndexMap;
use serde::{Deserialize, Serialize};

use crate::name::{InstanceId, Name, ReleaseId};
use crate::spec::Credential;
use crate::units::Span;

/// What a step does. Every action is idempotent: doing it twice is doing it once.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    /// Look whether the host can carry the release: disk, memory, programs, accounts, ports,
    /// certificates. Changes nothing.
    Preflight,
    /// Copy the selected source files into the tree's unfinished directory, with what the build
    /// carries over from the last one.
    /// Done when: the unfinished directory says so, or the tree is sealed.
    FetchSource {
        /// The tree.
        tree: ReleaseId,
    },
    /// Run one command of the build there.
    /// Done when: its keeper recorded success, or the tree is sealed.
    Build {
        /// The tree.
        tree: ReleaseId,
        /// Which of the specification's build steps.
        index: usize,
    },
    /// Give the finished tree its name, durably, with a digest of its contents.
    /// Done when: the name exists.
    SealTree {
        /// The tree.
        tree: ReleaseId,
    },
    /// Remove a tree, finished or not.
    /// Done when: neither name exists.
    RemoveTree {
        /// The tree.
        tree: ReleaseId,
    },
    /// Take the environment's lock and look whether the world is still what the plan was made for.
    /// Done when: the lock names this run and the world is still what the plan was made for. (A run
    /// that died between the two has to look again before it changes anything.)
    TakeLock,
    /// Initialise (the first time) and start a resource, and wait until it answers.
    /// Done when: its keeper runs this very launch and it answers.
    StartResource {
        /// The resource.
        resource: Name,
        /// The release whose specification says what it is.
        of: ReleaseId,
    },
    /// Stop a resource; its data stays.
    /// Done when: no keeper of it lives.
    StopResource {
        /// The resource.
        resource: Name,
    },
    /// Let a private resource that runs know one more account or password, beside those it knows.
    /// Done when: never by looking; it is done again.
    AddCredential {
        /// The resource.
        resource: Name,
        /// Which.
        credential: Credential,
    },
    /// Make a private resource forget an account or password, once nothing that runs was given it.
    /// The one that the active release signs in with is refused.
    /// Done when: the resource's identity does not know it.
    RevokeCredential {
        /// The resource.
        resource: Name,
        /// Which.
        credential: Credential,
    },
    /// Run a setting's own command that adds its new value at its source, beside the old one.
    /// Done when: its keeper recorded success for this release.
    AddValue {
        /// The setting.
        setting: String,
    },
    /// Run a setting's own command that says whether its new value is good.
    /// Done when: its keeper recorded success for this release.
    VerifyValue {
        /// The setting.
        setting: String,
    },
    /// Run a setting's own command that takes a value away at its source, once nothing that runs was
    /// given it. The one that the active release runs with is refused.
    /// Done when: its keeper recorded success for this release.
    RevokeValue {
        /// The setting.
        setting: String,
        /// The release that brought another value.
        of: ReleaseId,
        /// Whether that other value goes, because its release goes back, and not the one before it.
        undo: bool,
    },
    /// Run a job to its end.
    /// Done when: its keeper recorded success for this release.
    RunJob {
        /// The job.
        job: Name,
        /// Whether its undo command runs instead.
        undo: bool,
    },
    /// Start an instance.
    /// Done when: its keeper lives (and it is ready, where that is waited for).
    StartInstance {
        /// The instance.
        instance: InstanceId,
        /// Whether to wait until it is ready: when an old one is brought back.
        ready: bool,
    },
    /// Wait until an instance is ready, or has settled where it has no readiness check.
    /// Done when: it is ready.
    AwaitReady {
        /// The instance.
        instance: InstanceId,
    },
    /// Drain an instance, ask it to take no more work, and stop it with all that is left of it.
    /// Done when: no keeper of it lives.
    StopInstance {
        /// The instance.
        instance: InstanceId,
        /// How long requests in flight and open connections get first.
        drain: Span,
    },
    /// Ask the new release one of the smoke tests' questions.
    SmokeTest {
        /// Which of the specification's smoke tests.
        index: usize,
    },
    /// Give the proxy this table.
    /// Done when: the proxy has a table of this run with this traffic.
    SwitchTraffic {
        /// Who gets the requests.
        traffic: Traffic,
    },
    /// Watch the new release while the old one is warm.
    Bake,
    /// Make the release the active one, durably: the ledger, then the `current` link.
    /// Done when: the ledger says so; the link alone never decides, and is mended from the ledger.
    Commit,
}

/// Who gets requests.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Traffic {
    /// Whose specification says what the routes are: the new release or the one before.
    pub release: Option<ReleaseId>,
    /// The instances of each service that requests are sent to. Where there are none yet, requests
    /// wait; those to a service that is not among these are refused.
    pub pools: IndexMap<Name, Vec<InstanceId>>,
    /// Instances that are asked once more when those fail, while the release bakes.
    pub fallback: IndexMap<Name, Vec<InstanceId>>,
}

/// How a step is undone: by an action of the same vocabulary, or not, for a reason.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Compensation {
    /// By this action, also when the step was begun and failed.
    Always(Action),
    /// By this action, only when the step was done.
    WhenDone(Action),
    /// Not at all, because it changes nothing that lasts.
    Unneeded,
    /// Not at all, although it may have left something: what people must know.
    Impossible(String),
}

impl Action {
    /// Whether it changes what runs, what is stored, or where requests go: everything but looking,
    /// building and locking.
    #[must_use]
    pub const fn changes_the_world(&self) -> bool {
        !matches!(
            self,
            Self::Preflight
                | Self::FetchSource { .. }
                | Self::Build { .. }
                | Self::SealTree { .. }
                | Self::TakeLock
                | Self::VerifyValue { .. }
                | Self::AwaitReady { .. }
                | Self::SmokeTest { .. }
                | Self::Bake
        )
    }
}
