//! The engine's world on this machine: each action of the vocabulary, performed and looked at.

mod bake;
mod commit;
mod jobs;
mod rotation;
mod schema;
mod smoke;
mod traffic;

pub(super) use jobs::by_hand;
pub(super) use traffic::Sent;

use std::rc::Rc;

use windlass_core::event::{Event, What};
use windlass_core::journal::Fault;
use windlass_core::name::{Name, ReleaseId};
use windlass_core::plan::{Action, Plan};
use windlass_core::spec::Resource;

use crate::clock;
use crate::engine::World;
use crate::host::Host;
use crate::host::instance::hurry::Hurry;
use crate::host::instance::quieted;
use crate::host::instance::restarts::Restarts;
use crate::host::tree::releases::build_label;
use crate::runtime::process;

/// The world as one run sees it.
pub(super) struct Acting {
    pub(super) host: Rc<Host>,
    pub(super) emit: Rc<dyn Fn(Event)>,
}

impl World for Acting {
    async fn perform(&self, run: &str, plan: &Plan, step: u32, action: &Action) -> Result<String, Fault> {
        let host = &self.host;
        let line = |line: String| self.output(plan, step, &line);
        match action {
            Action::Preflight => host.preflight(plan).await,
            Action::FetchSource { tree } => host.fetch_source(plan, *tree, &line).await,
            Action::Build { tree, index } => host.build(plan, *tree, *index, &line).await,
            Action::SealTree { tree } => host.seal_tree(plan, *tree).await,
            Action::RemoveTree { tree } => host.remove_tree(plan, *tree).await,
            Action::TakeLock => self.take_lock(run, plan),
            Action::StartResource { resource, of } => {
                let spec = self.resource(plan, resource, *of)?;
                host.start_resource(resource, &spec).await
            }
            Action::StopResource { resource } => host.stop_resource(resource).await,
            Action::AddCredential { resource, credential } => {
                host.add_credential(resource, *credential).await
            }
            Action::RevokeCredential { resource, credential } => {
                host.revoke_credential(resource, *credential).await
            }
            Action::AddValue { setting } => self.add_value(plan, setting, &line).await,
            Action::VerifyValue { setting } => self.verify_value(plan, setting, &line).await,
            Action::RevokeValue { setting, of, undo } => {
                self.revoke_value(plan, setting, (*of, *undo), &line).await
            }
            Action::RunJob { job, undo } => {
                host.hand_over_shared(run, plan).await.map_err(Fault::before_it_began)?;
                self.run_job(plan, job, *undo, &line).await
            }
            Action::StartInstance { instance, ready } => {
                let identity = host.identify(plan, instance)?;
                host.hand_over_shared(run, plan).await?;
                if !host.lives(instance) {
                    Restarts::forget(&host.layout.instance(instance));
                }
                host.start_instance(&identity).await?;
                if *ready { host.await_ready(instance, &line).await } else { Ok(String::new()) }
            }
            Action::AwaitReady { instance } => host.await_ready(instance, &line).await,
            Action::StopInstance { instance, drain } => {
                let mut hurry = host.run(run).map_or_else(Hurry::never, |handle| handle.hurried());
                let tell = |told: String| line(told);
                let said = host.stop_instance(instance, *drain, &mut hurry, &tell).await?;
                host.hand_over_after_copy(plan, instance).await?;
                Ok(said)
            }
            Action::SmokeTest { index } => self.smoke_test(plan, *index).await,
            Action::SwitchTraffic { traffic } => self.switch_traffic(run, plan, traffic).await,
            Action::Bake => self.bake(plan).await,
            Action::Commit => {
                host.hand_over_of_crons(plan).await?;
                self.commit(run, plan).await
            }
        }
    }

    async fn look(&self, run: &str, plan: &Plan, action: &Action) -> Result<bool, Fault> {
        let host = &self.host;
        Ok(match action {
            // Looking costs nothing and leaves nothing; it is done again.
            Action::Preflight | Action::AwaitReady { .. } | Action::SmokeTest { .. } | Action::Bake => false,
            // A command that has ended is not run again: whoever asks for it gets its outcome, and puts what it made on the
            // disk. That may fail, and then the run goes back.
            Action::FetchSource { tree } | Action::Build { tree, .. } | Action::SealTree { tree } => {
                host.layout.is_sealed(*tree)
            }
            Action::RemoveTree { tree } => !host.layout.tree(*tree).exists(),
            Action::TakeLock => host.lock_holder()?.as_deref() == Some(run) && self.is_as_planned(plan)?,
            Action::StartResource { .. } | Action::AddCredential { .. } => false,
            Action::RevokeCredential { resource, credential } => {
                !crate::resource::credentials(&host.layout.resource(resource)).contains(credential)
            }
            Action::AddValue { .. } | Action::VerifyValue { .. } | Action::RevokeValue { .. } => {
                self.was_told(plan, action)?
            }
            Action::StopResource { resource } => {
                !process::is_under_way(&host.layout.resource(resource).join("keeper"))
            }
            Action::RunJob { job, undo } => self.was_run(plan, job, *undo).await?,
            Action::StartInstance { instance, ready } => {
                let directory = host.layout.instance(instance);
                !ready && process::is_under_way(&directory) && !quieted::is_noted(&directory)
            }
            Action::StopInstance { instance, .. } => !host.lives(instance),
            Action::SwitchTraffic { traffic } => host.has_traffic(run, traffic).await,
            Action::Commit => host.is_committed(plan)?,
        })
    }

    async fn interrupt(&self, _run: &str, plan: &Plan, action: &Action) -> bool {
        self.host.starts_are_over().await;
        self.host.work_is_over().await;
        let labels = match action {
            Action::Build { index, .. } => vec![build_label(plan, *index)],
            Action::RunJob { job, undo } => {
                vec![schema::label(plan, job, *undo), jobs::label(plan, job, *undo)]
            }
            Action::AddValue { .. } | Action::VerifyValue { .. } => {
                rotation::label(plan, action).into_iter().collect()
            }
            _ => return true,
        };
        for directory in labels.iter().map(|label| self.host.layout.job(label)) {
            // Also what has lost its keeper: it runs on without.
            if let Some(seen) = process::observe(&directory) {
                let _ = process::stop(&directory, "TERM", seen.launch.stop.grace).await;
            }
        }
        let Action::RunJob { job, undo } = action else { return true };
        if let Some(job) = plan.spec.jobs.get(job) {
            // Where it cannot be, the way back says so.
            let _ = self.host.hand_over_after(job, &plan.spec).await;
        }
        *undo || self.host.has_begun(plan, job)
    }
}

impl Acting {
    fn output(&self, plan: &Plan, step: u32, line: &str) {
        let line = crate::host::logs::shown(line, &self.host.redactor(plan.release));
        (self.emit)(Event { at: clock::wall_millis(), what: What::StepOutput { step, line } });
    }

    fn resource(&self, plan: &Plan, name: &Name, of: ReleaseId) -> Result<Resource, Fault> {
        let known = if of == plan.release {
            plan.spec.resources.get(name).cloned()
        } else {
            let row = self.host.journal.borrow().release(of).ok().flatten();
            row.and_then(|row| row.spec.resources.get(name).cloned())
        };
        known.ok_or_else(|| Fault::new(format!("{of} has no resource {name}"), ""))
    }

    /// Whether the world is still the one that the plan was made for, and its tree is there.
    fn is_as_planned(&self, plan: &Plan) -> Result<bool, Fault> {
        let seen = crate::host::observe(&self.host.layout, &self.host.journal.borrow());
        let seen = seen.map_err(|error| Fault::new(error.to_string(), ""))?;
        Ok(seen.fingerprint() == plan.base && self.host.layout.is_sealed(plan.tree.id))
    }

    /// Takes the lock, and looks whether the world is still the one that the plan was made for.
    fn take_lock(&self, run: &str, plan: &Plan) -> Result<String, Fault> {
        let refused = |message: String, hint: &str| Fault { refused: true, ..Fault::new(message, hint) };
        let unreadable = |error: crate::engine::JournalError| Fault::new(error.to_string(), "");
        let holder = self.host.journal.borrow_mut().take_lock(run).map_err(unreadable)?;
        if let Some(holder) = holder {
            let held = self.host.describe_run(&holder);
            return Err(refused(
                format!("the lock is held: {held}"),
                "wait until it is over (`windlass status`), or follow it with `windlass resume`",
            ));
        }
        if !self.is_as_planned(plan)? {
            let what = "the environment has changed since the plan was made".to_owned();
            return Err(Fault { moved: true, ..refused(what, "plan again, look at it, and apply that") });
        }
        Ok(String::new())
    }
}
