//! What a look finds, after whoever acted has died.

use windlass_core::journal::{Direction, Fault};
use windlass_core::plan::{Action, Activation, Request, resource_digest};

use super::World;

/// What became of a step.
#[derive(Debug, Clone, PartialEq)]
pub enum Look {
    /// It was done.
    Done,
    /// It was not, or only in part.
    NotDone,
    /// It failed.
    Failed(Fault),
    /// It still goes on by itself: look again later.
    Wait,
}

impl World {
    /// What became of a step of a run.
    #[must_use]
    pub fn look(&self, run: usize, step: u32, direction: Direction) -> Look {
        let Some(action) = self.action(run, step, direction) else { return Look::NotDone };
        self.look_for(run, &action)
    }

    /// What became of an action of a run.
    #[must_use]
    pub fn look_for(&self, run: usize, action: &Action) -> Look {
        if let Action::RunJob { job, undo } = action {
            let state = self.jobs.get(&(self.runs[run].plan.release, job.clone(), *undo));
            return match state {
                Some(job) if job.running => Look::Wait,
                Some(job) if job.successes > 0 => Look::Done,
                Some(job) if job.failed => Look::Failed(Fault::new("the job failed", "")),
                _ => Look::NotDone,
            };
        }
        if self.is_done(run, action) { Look::Done } else { Look::NotDone }
    }

    fn is_done(&self, run: usize, action: &Action) -> bool {
        let plan = &self.runs[run].plan;
        match action {
            Action::FetchSource { tree } => self.trees.get(tree).is_some_and(|t| t.fetched),
            Action::Build { tree, index } => self.trees.get(tree).is_some_and(|t| t.built > *index),
            Action::SealTree { tree } => self.trees.get(tree).is_some_and(|t| t.sealed),
            Action::RemoveTree { tree } => !self.trees.contains_key(tree),
            Action::TakeLock => self.holds_lock(run) && self.fits(run),
            Action::StartResource { resource, of } => {
                let wanted = self.blueprints.get(of).map(|b| resource_digest(&b.spec, resource));
                let seen = self.resources.get(resource).filter(|seen| seen.running);
                seen.is_some_and(|seen| Some(&seen.digest) == wanted.as_ref())
            }
            Action::StopResource { resource } => {
                !self.resources.get(resource).is_some_and(|seen| seen.running)
            }
            Action::StartInstance { instance, ready } => {
                self.instances.get(instance).is_some_and(|i| i.running && (i.ready || !ready))
            }
            Action::AwaitReady { instance } => self.instances.get(instance).is_some_and(|i| i.ready),
            Action::StopInstance { instance, .. } => !self.instances.get(instance).is_some_and(|i| i.running),
            Action::SwitchTraffic { traffic } => self.traffic == *traffic,
            // The ledger alone decides; the link follows it.
            Action::Commit => {
                let all = matches!(&plan.request, Request::Stop { services } if services.is_empty());
                let named = |a: &Activation| a.release == plan.release && a.instances == plan.instances;
                self.active.as_ref().is_some_and(|a| named(a) && (a.stopped || !all))
            }
            Action::RevokeCredential { resource, credential } => {
                !self.resources.get(resource).is_some_and(|seen| seen.credentials.contains(credential))
            }
            // Their keepers may have recorded that they were done; nothing is lost where they have not.
            Action::AddCredential { .. }
            | Action::AddValue { .. }
            | Action::VerifyValue { .. }
            | Action::RevokeValue { .. } => false,
            Action::Preflight | Action::SmokeTest { .. } | Action::Bake | Action::RunJob { .. } => false,
        }
    }

    /// What a start of the host side puts right: `current` follows the ledger.
    pub fn mend_link(&mut self) {
        self.current = self.active.as_ref().map(|a| a.tree.id);
    }
}
