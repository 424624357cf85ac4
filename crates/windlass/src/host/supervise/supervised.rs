//! Which copies are looked after, also while a run is under way: a migration of an hour must not leave
//! the release that serves to itself.

use std::rc::Rc;

use windlass_core::journal::{Stage, Standing, is_kept};
use windlass_core::name::{InstanceId, Name};
use windlass_core::plan::Action;

use crate::engine::Active;
use crate::host::Host;
use crate::host::run::handle::RunHandle;

impl Host {
    /// What is active, unless it was stopped or everything ends.
    pub(in crate::host) fn in_force(&self) -> Option<Active> {
        if self.ending.get() {
            return None;
        }
        self.journal.borrow().active().ok().flatten().filter(|active| !active.stopped)
    }

    /// The copies that are brought back when they are gone: those of the active release, without those
    /// that a run has in hand.
    pub(in crate::host) fn kept(&self) -> Vec<InstanceId> {
        let all = self.active_copies();
        match self.under_the_lock() {
            Some((run, standing)) => {
                all.into_iter().filter(|id| is_kept(&run.row.plan, &standing, id)).collect()
            }
            None => all,
        }
    }

    /// Whether this copy is one of those.
    pub(in crate::host) fn keeps(&self, id: &InstanceId) -> bool {
        self.active_copies().contains(id)
            && self.under_the_lock().is_none_or(|(run, standing)| is_kept(&run.row.plan, &standing, id))
    }

    /// The copies of the active release, unless it was stopped or everything ends.
    pub(in crate::host) fn active_copies(&self) -> Vec<InstanceId> {
        if self.ending.get() {
            return Vec::new();
        }
        self.journal.borrow().active_copies().unwrap_or_default()
    }

    /// The copies whose liveness is judged: those, and the ones of a new release that are ready. That one
    /// of these is not alive is for the bake to see.
    pub(in crate::host) fn judged(&self) -> Vec<InstanceId> {
        let mut judged = self.kept();
        if let Some((run, standing)) = self.under_the_lock() {
            let plan = &run.row.plan;
            let new =
                plan.instances.values().flatten().filter(|id| {
                    matches!(Stage::of(plan, &standing, id), Some(Stage::Started | Stage::Baking))
                });
            judged.extend(new.filter(|id| !judged.contains(id)).cloned().collect::<Vec<_>>());
        }
        judged
    }

    /// The copies that a run has started, while it goes forward: whoever waits for one or watches it goes by its keeper.
    pub(in crate::host) fn begun(&self) -> Vec<InstanceId> {
        let Some((run, standing)) = self.under_the_lock() else { return Vec::new() };
        let plan = &run.row.plan;
        let is_begun = |id: &&InstanceId| {
            matches!(Stage::of(plan, &standing, id), Some(Stage::Starting | Stage::Started | Stage::Baking))
        };
        plan.instances.values().flatten().filter(is_begun).cloned().collect()
    }

    /// Whether a run that is under way starts, stops or changes this resource.
    pub(in crate::host) fn has_in_hand(&self, resource: &Name) -> bool {
        let is_its = |action: &Action| match action {
            Action::StartResource { resource: name, .. }
            | Action::StopResource { resource: name }
            | Action::AddCredential { resource: name, .. }
            | Action::RevokeCredential { resource: name, .. } => name == resource,
            _ => false,
        };
        self.holder().is_some_and(|run| run.row.plan.steps.iter().any(|step| is_its(&step.action)))
    }

    /// The run that holds the lock, and how far it is.
    fn under_the_lock(&self) -> Option<(Rc<RunHandle>, Rc<Standing>)> {
        let holder = self.holder()?;
        let standing = self.standing(&holder);
        Some((holder, standing))
    }
}
