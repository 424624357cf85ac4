//! What was seen of an environment.

use indexmap::IndexMap;
use serde::{Deserialize, Serialize};

use super::digest;
use crate::name::{InstanceId, Name, ReleaseId};
use crate::spec::{Credential, Spec};

/// What was seen of an environment, before a plan is made. An environment that was never deployed
/// to is the default.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Observed {
    /// The active release.
    pub active: Option<Activation>,
    /// The number the next release gets.
    pub next_release: u64,
    /// The trees that exist, oldest first.
    pub trees: Vec<Tree>,
    /// The instances that exist, running or not.
    pub instances: Vec<ObservedInstance>,
    /// The resources that exist.
    pub resources: IndexMap<Name, ObservedResource>,
    /// Jobs that run only once and have run.
    pub once_done: Vec<Name>,
    /// Settings, each with the release that brought another value of it, whose old value is still to be
    /// revoked at its source.
    #[serde(default)]
    pub unrevoked: Vec<(String, ReleaseId)>,
    /// Digests of the jobs' last successful runs, by job.
    pub jobs_done: IndexMap<Name, String>,
    /// The releases that can be gone back to, with their trees, newest first.
    pub releases: Vec<(ReleaseId, ReleaseId)>,
    /// Where the last deploy came from, where it is not over, or left data of resources, and none ever succeeded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub left_by: Option<String>,
}

/// The active release.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Activation {
    /// Which.
    pub release: ReleaseId,
    /// The tree it runs from.
    pub tree: Tree,
    /// What runs.
    pub spec: Spec,
    /// Who gets the requests.
    pub instances: IndexMap<Name, Vec<InstanceId>>,
    /// Services that were stopped by hand and stay so until the next deploy.
    pub stopped: bool,
}

/// A finished tree.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tree {
    /// Its name: the release that it was built for.
    pub id: ReleaseId,
    /// What it was made from.
    pub source: super::Source,
}

/// An instance that exists.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ObservedInstance {
    /// Which.
    pub id: InstanceId,
    /// The digest of what it runs.
    pub digest: String,
    /// Whether it runs (or is about to be started again by its keeper).
    pub running: bool,
    /// Whether no other copy of its service may run beside it. Of a release that was never active only
    /// the copy itself can tell.
    #[serde(default)]
    pub alone: bool,
}

/// A resource that exists.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ObservedResource {
    /// The digest of what it runs.
    pub digest: String,
    /// Whether it runs.
    pub running: bool,
    /// What it lets sign in, the oldest first; also what is about to be revoked.
    #[serde(default)]
    pub credentials: Vec<Credential>,
}

impl Observed {
    /// A digest of everything that a plan depends on. A plan is carried out only while it is the
    /// same.
    #[must_use]
    pub fn fingerprint(&self) -> String {
        let active = self.active.as_ref().map(|a| (a.release, a.stopped, &a.instances));
        let done = (&self.once_done, &self.jobs_done);
        digest::of(&(active, &self.instances, &self.resources, done, &self.unrevoked))
    }

    /// Whether a copy runs. One of the active release may not: a run that got stuck may have left some
    /// that could not be started again.
    #[must_use]
    pub fn runs(&self, id: &InstanceId) -> bool {
        self.instances.iter().any(|instance| instance.running && instance.id == *id)
    }

    /// The running instances of a service.
    pub fn running<'a>(&'a self, service: &'a Name) -> impl Iterator<Item = &'a ObservedInstance> {
        self.instances.iter().filter(move |i| i.running && i.id.service == *service)
    }
}
