//! What changes, and why: for people, and to leave alone what does not.

use std::fmt;

use indexmap::IndexMap;
use serde::{Deserialize, Serialize};

use super::{Observed, ObservedInstance, Request, Rotated, Source, service_digest};
use crate::name::{InstanceId, Name, ReleaseId};
use crate::spec::{Service, Spec};

/// What becomes of one service.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Change {
    /// The service.
    pub service: Name,
    /// Why it changes, or that it does not.
    pub reason: Reason,
    /// How many copies run now.
    pub from: u32,
    /// How many will.
    pub to: u32,
}

/// Why a service changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// It does not.
    Unchanged,
    /// It is new.
    New,
    /// Its files changed.
    Files,
    /// Its definition, or a setting or resource that it sees, changed.
    Definition,
    /// It should run and does not.
    NotRunning,
    /// What it signs in with is exchanged.
    Credential,
    /// A fresh start was asked for.
    Asked,
    /// Only the number of copies changes.
    Scaled,
    /// It is no longer in the manifest.
    Removed,
    /// It does not, but copies that an interrupted run left behind are stopped.
    Leftovers,
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Unchanged => "unchanged",
            Self::New => "new",
            Self::Files => "its files changed",
            Self::Definition => "its definition or a setting it sees changed",
            Self::NotRunning => "it is not running",
            Self::Credential => "what it signs in with is exchanged",
            Self::Asked => "it was asked for",
            Self::Scaled => "the number of copies changes",
            Self::Removed => "it is no longer in the manifest",
            Self::Leftovers => "copies that an interrupted run left are stopped",
        })
    }
}

/// What becomes of one service: the copies that stay, those to start, those to stop.
#[derive(Debug, Clone)]
pub(super) struct Fate {
    pub(super) change: Change,
    pub(super) digest: String,
    pub(super) stay: Vec<InstanceId>,
    pub(super) start: Vec<InstanceId>,
    pub(super) stop: Vec<InstanceId>,
    /// Copies that run although the active release does not count them among its own: an unfinished
    /// run left them. None of them was ever found fit for requests, so none stays.
    pub(super) leftovers: Vec<InstanceId>,
    /// Copies of the active release's own that exist and do not run. Whoever looks after the release may have
    /// them back before the run is at them, so they are stopped as well.
    pub(super) dead: Vec<InstanceId>,
    /// Whether old and new copies must never run at the same time.
    pub(super) alone: bool,
}

impl Fate {
    /// The service's instances once the run is over.
    pub(super) fn instances(&self) -> Vec<InstanceId> {
        self.stay.iter().chain(&self.start).cloned().collect()
    }
}

/// Decides what becomes of `service`.
pub(super) fn fate(
    request: &Request,
    spec: &Spec,
    source: &Source,
    observed: &Observed,
    name: &Name,
    service: &Service,
) -> Fate {
    let digest = service_digest(spec, name, source);
    let running: Vec<_> = observed.running(name).collect();
    let known = observed.active.as_ref().and_then(|a| a.spec.services.get(name));
    let own = observed.active.as_ref().and_then(|a| a.instances.get(name)).map_or(&[][..], Vec::as_slice);
    let asked =
        matches!(request, Request::Restart { services } if services.is_empty() || services.contains(name));
    let named = match request {
        Request::Restart { .. } => asked,
        Request::Scale { replicas } => replicas.contains_key(name),
        Request::Rotate { .. } => false,
        Request::Deploy | Request::Rollback { .. } | Request::Stop { .. } => true,
    };
    // What was stopped by hand stays so while other services are scaled or restarted.
    let stopped_by_hand = !named && own.is_empty() && known.is_some_and(|k| k.replicas > 0);
    let (counted, leftovers): (Vec<&ObservedInstance>, Vec<_>) =
        running.iter().copied().partition(|i| own.contains(&i.id));
    let (keep, others): (Vec<&ObservedInstance>, Vec<_>) =
        counted.iter().copied().partition(|i| i.digest == digest && !asked);
    let wanted = if stopped_by_hand { 0 } else { service.replicas as usize };
    let mut stay: Vec<InstanceId> = keep.iter().map(|i| i.id.clone()).collect();
    // Of too many those with the lowest numbers stay; of two with one number, as an earlier Windlass gave, the older.
    stay.sort_by_key(|id| (id.replica, id.release));
    let surplus = stay.split_off(stay.len().min(wanted));
    stay.sort();
    let start = fresh(name, observed, &stay, wanted - stay.len());
    let stop: Vec<InstanceId> = others.iter().map(|i| i.id.clone()).chain(surplus).collect();
    let leftovers: Vec<InstanceId> = leftovers.iter().map(|i| i.id.clone()).collect();
    let dead = observed.instances.iter().filter(|i| !i.running && own.contains(&i.id));
    let dead: Vec<InstanceId> = dead.map(|i| i.id.clone()).collect();

    let reason = match (start.is_empty() && stop.is_empty(), known, asked) {
        (true, _, _) if leftovers.is_empty() => Reason::Unchanged,
        (true, _, _) => Reason::Leftovers,
        (_, None, _) => Reason::New,
        (_, _, true) => Reason::Asked,
        (_, Some(_), _) if counted.is_empty() => Reason::NotRunning,
        (_, Some(_), _) if others.is_empty() => {
            if wanted == known.map_or(0, |k| k.replicas) as usize {
                Reason::NotRunning
            } else {
                Reason::Scaled
            }
        }
        (_, Some(_), _) => {
            let old_source = observed.active.as_ref().map(|a| &a.tree.source);
            let was = observed.active.as_ref().map(|a| &a.spec);
            let only_files = match (was, old_source) {
                (Some(was), Some(_)) => service_digest(was, name, source) == digest,
                _ => false,
            };
            match (only_files, request) {
                (true, _) => Reason::Files,
                (false, Request::Rotate { what: Rotated::Resource(_) }) => Reason::Credential,
                (false, _) => Reason::Definition,
            }
        }
    };
    let change = Change { service: name.clone(), reason, from: running.len() as u32, to: wanted as u32 };
    let alone = service.is_alone()
        || known.is_some_and(|k| k.singleton)
        || running.iter().any(|i| i.alone)
        || observed.instances.iter().any(|i| i.alone && dead.contains(&i.id));
    Fate { change, digest, stay, start, stop, leftovers, dead, alone }
}

/// So many new copies beside those that stay, each with the lowest number that none of the others has: a number says
/// which copy one is, whenever it was started.
fn fresh(name: &Name, observed: &Observed, stay: &[InstanceId], count: usize) -> Vec<InstanceId> {
    let release = ReleaseId(observed.next_release.max(1));
    let is_free = |number: &u32| stay.iter().all(|id| id.replica != *number);
    let copy = |replica| InstanceId { service: name.clone(), release, replica };
    (1..).filter(is_free).take(count).map(copy).collect()
}

/// The fate of services that run, or may again, although the specification does not name them.
pub(super) fn removed(spec: &Spec, observed: &Observed) -> Vec<Fate> {
    let own = |id: &InstanceId| {
        let active = observed.active.as_ref();
        active.and_then(|a| a.instances.get(&id.service)).is_some_and(|ids| ids.contains(id))
    };
    let mut fates: IndexMap<&Name, Fate> = IndexMap::new();
    for instance in observed.instances.iter().filter(|i| i.running || own(&i.id)) {
        let service = &instance.id.service;
        if spec.services.contains_key(service) {
            continue;
        }
        let fate = fates.entry(service).or_insert_with(|| Fate {
            change: Change { service: service.clone(), reason: Reason::Removed, from: 0, to: 0 },
            digest: String::new(),
            stay: Vec::new(),
            start: Vec::new(),
            stop: Vec::new(),
            leftovers: Vec::new(),
            dead: Vec::new(),
            alone: false,
        });
        if instance.running {
            fate.stop.push(instance.id.clone());
            fate.change.from += 1;
        } else {
            fate.dead.push(instance.id.clone());
        }
    }
    fates.into_values().collect()
}
