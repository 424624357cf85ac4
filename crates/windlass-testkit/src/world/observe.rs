//! Seeing the world as a planner does.

use windlass_core::plan::{Activation, Observed, ObservedInstance, Traffic, Tree};
use windlass_core::spec::Service;

use super::World;

impl World {
    /// What a planner sees.
    #[must_use]
    pub fn observe(&self) -> Observed {
        let trees = self.trees.iter().filter(|(_, tree)| tree.sealed);
        let instances = self.instances.iter().filter(|(_, instance)| instance.running);
        let kept = |tree: &windlass_core::name::ReleaseId| self.trees.get(tree).is_some_and(|t| t.sealed);
        Observed {
            active: self.active.clone(),
            next_release: self.next_release().0,
            trees: trees.map(|(id, tree)| Tree { id: *id, source: tree.source.clone() }).collect(),
            instances: instances
                .map(|(id, i)| ObservedInstance {
                    id: id.clone(),
                    digest: i.digest.clone(),
                    running: true,
                    alone: self.service_of(id).is_some_and(Service::is_alone),
                })
                .collect(),
            resources: self.resources.clone(),
            unrevoked: self.unrevoked.clone(),
            once_done: self.once_done.iter().cloned().collect(),
            jobs_done: self.jobs_done.clone(),
            left_by: None,
            releases: self.releases.iter().filter(|(_, tree)| kept(tree)).copied().collect(),
        }
    }
}

/// The table that belongs to a release at rest.
#[must_use]
pub fn table_of(active: Option<&Activation>) -> Traffic {
    let Some(active) = active.filter(|a| !a.stopped) else { return Traffic::default() };
    let listens = |name| active.spec.services.get(name).is_some_and(|service| service.port.is_some());
    let pools = active.instances.iter().filter(|(name, ids)| listens(*name) && !ids.is_empty());
    Traffic {
        release: Some(active.release),
        pools: pools.map(|(name, ids)| (name.clone(), ids.clone())).collect(),
        fallback: indexmap::IndexMap::new(),
    }
}
