//! A host that exists in memory only.
//!
//! It performs every [`Action`](windlass_core::plan::Action) as a series of [`Effect`]s, the
//! smallest things that can have happened or not when whoever does them dies. It checks the fencing
//! number before each, answers what a look finds, and can be observed as a real host can. Nothing in
//! it is random and nothing reads a clock: whoever drives it decides what happens and when.

mod effect;
mod fence;
mod look;
mod observe;

pub use effect::{Effect, Refusal};
pub use fence::{Fenced, Lock, Run};
pub use look::Look;
pub use observe::table_of;

use std::collections::{BTreeMap, BTreeSet};

use indexmap::IndexMap;
use windlass_core::name::{InstanceId, Name, ReleaseId};
use windlass_core::plan::{Activation, ObservedResource, Source, Traffic, Tree};
use windlass_core::spec::{Service, Spec};

/// How long a lock holds without a sign of life from its owner, in ticks of [`World::now`].
pub const LEASE: u64 = 40;

/// The host.
#[derive(Debug, Clone, Default)]
pub struct World {
    /// The time, in ticks.
    pub now: u64,
    /// Every run there ever was, with its journal.
    pub runs: Vec<Run>,
    /// Who may change things.
    pub lock: Option<Lock>,
    /// Whether fencing numbers are checked; only to show that the checks would notice.
    pub unfenced: bool,
    numbers: u64,
    last_release: u64,
    /// The ledger's active release.
    pub active: Option<Activation>,
    /// The tree that `current` names.
    pub current: Option<ReleaseId>,
    /// Committed releases and their trees, newest first.
    pub releases: Vec<(ReleaseId, ReleaseId)>,
    /// What each release was planned to be.
    pub blueprints: BTreeMap<ReleaseId, Blueprint>,
    /// Trees, finished or not.
    pub trees: BTreeMap<ReleaseId, TreeState>,
    /// Instances that were ever started.
    pub instances: BTreeMap<InstanceId, Instance>,
    /// Resources that were ever started.
    pub resources: IndexMap<Name, ObservedResource>,
    /// Fingerprints of the values that are good at the sources of settings, where a rotation told them any.
    pub sources: IndexMap<String, Vec<String>>,
    /// Values that are still to be revoked: settings, each with the release that brought another one.
    pub unrevoked: Vec<(String, ReleaseId)>,
    /// Jobs that were ever started, by release.
    pub jobs: BTreeMap<(ReleaseId, Name, bool), JobState>,
    /// Digests of jobs' last successes.
    pub jobs_done: IndexMap<Name, String>,
    /// Jobs that run once and have.
    pub once_done: BTreeSet<Name>,
    /// The proxy's table.
    pub traffic: Traffic,
    /// What should never have been asked for; the checks report it.
    pub outrages: Vec<String>,
}

/// What a release was planned to be.
#[derive(Debug, Clone)]
pub struct Blueprint {
    /// What runs.
    pub spec: Spec,
    /// What it runs from.
    pub tree: Tree,
    /// By which its parts are recognised.
    pub digests: IndexMap<Name, String>,
}

/// A tree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TreeState {
    /// What it is made from.
    pub source: Source,
    /// Whether all files are there.
    pub fetched: bool,
    /// How many build steps are done.
    pub built: usize,
    /// Whether it has its final name.
    pub sealed: bool,
}

/// An instance.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Instance {
    /// What it runs.
    pub digest: String,
    /// Whether it runs.
    pub running: bool,
    /// Whether it has been ready since it was started.
    pub ready: bool,
    /// Whether it ended by itself, for good.
    pub died: bool,
}

/// A job's run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct JobState {
    /// Whether it runs: it goes on when its engine dies.
    pub running: bool,
    /// How many times it succeeded.
    pub successes: u32,
    /// Whether the last run failed.
    pub failed: bool,
}

impl World {
    /// A host that was never deployed to.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// What an instance is a copy of.
    pub(crate) fn service_of(&self, id: &InstanceId) -> Option<&Service> {
        self.blueprints.get(&id.release)?.spec.services.get(&id.service)
    }

    /// An instance ends by itself and its keeper gives up on it.
    pub fn die(&mut self, id: &InstanceId) {
        if let Some(instance) = self.instances.get_mut(id).filter(|i| i.running) {
            instance.running = false;
            instance.ready = false;
            instance.died = true;
        }
    }

    /// The instances that run.
    #[must_use]
    pub fn running(&self) -> BTreeSet<InstanceId> {
        self.instances.iter().filter(|(_, i)| i.running).map(|(id, _)| id.clone()).collect()
    }
}
