//! `windlass run JOB --undo`: what undoes a job, in the release that it belongs to.

use indexmap::IndexMap;
use windlass_core::name::{Name, ReleaseId};
use windlass_core::plan::{PLAN_VERSION, Plan, Request, Tree};
use windlass_core::protocol::Refusal;
use windlass_core::spec::{Job, Undo, When};

use crate::engine::{JournalError, ReleaseRow};
use crate::host::Host;
use crate::host::by_hand::command::{UndoneJob, unknown_job};
use crate::host::run::no::No;

impl Host {
    /// The release in which a job is undone, as a plan without steps, and the job with its undo command in
    /// the place of its own.
    pub(in crate::host) fn undoing(
        &self,
        name: &Name,
        asked: Option<ReleaseId>,
    ) -> Result<(Plan, Job, UndoneJob), No> {
        let failed = |error: JournalError| No::new(Refusal::Failed, error.to_string(), "");
        let release = match asked {
            Some(release) => release,
            None => self.release_to_undo(name)?,
        };
        let row = self.journal.borrow().release(release).map_err(failed)?;
        let plan = match row {
            Some(row) => in_release(row),
            None => self.journal.borrow().plan_of_release(release).map_err(failed)?.ok_or_else(|| {
                let hint = "windlass releases lists those that there are";
                No::new(Refusal::NotFound, format!("there is no release {release} here"), hint)
            })?,
        };
        let job = plan.spec.jobs.get(name).ok_or_else(|| {
            let mut no = unknown_job(&plan.spec, name);
            no.message = format!("there is no job {name} in {release}");
            no
        })?;
        let word = match &job.undo {
            Undo::Command(command) => {
                let job = Job { command: command.clone(), ..job.clone() };
                let undoing = UndoneJob { job: name.clone(), release };
                self.has_its_files(&plan, name)?;
                return Ok((Plan { steps: Vec::new(), ..plan }, job, undoing));
            }
            Undo::Compatible => "compatible",
            Undo::Irreversible => "irreversible",
        };
        Err(No::new(
            Refusal::Invalid,
            format!("the job {name} declares no command that undoes it: in {release} its undo is \"{word}\""),
            "write undo = { command = [...] } in the manifest for the next deploy; for now `windlass run -- COMMAND` \
             runs any command in the active release",
        ))
    }

    /// The release in which a job is half-done, else the one in which it was done last. What is only run by
    /// hand is not kept account of, and belongs to the active one.
    fn release_to_undo(&self, name: &Name) -> Result<ReleaseId, No> {
        let failed = |error: JournalError| No::new(Refusal::Failed, error.to_string(), "");
        if let Some(release) = self.half_done_in(name)? {
            return Ok(release);
        }
        let active = self.journal.borrow().active().map_err(failed)?;
        if let Some(active) = active
            .as_ref()
            .filter(|active| active.release.spec.jobs.get(name).is_some_and(|job| job.when == When::Manual))
        {
            return Ok(active.release.id);
        }
        if let Some(release) = self.journal.borrow().job_done_in(name).map_err(failed)? {
            return Ok(release);
        }
        let Some(active) = active else {
            let hint = "run windlass deploy first";
            return Err(No::new(Refusal::NotFound, "nothing is deployed here yet", hint));
        };
        if !active.release.spec.jobs.contains_key(name) {
            return Err(unknown_job(&active.release.spec, name));
        }
        Err(No::new(
            Refusal::Invalid,
            format!("nothing of the job {name} is left to undo: it was undone already, or never ran here"),
            format!(
                "`windlass run {name} --undo --release {}` runs its undo all the same",
                active.release.id
            ),
        ))
    }

    fn has_its_files(&self, plan: &Plan, name: &Name) -> Result<(), No> {
        if self.layout.is_sealed(plan.tree.id) {
            return Ok(());
        }
        Err(No::new(
            Refusal::NotFound,
            format!(
                "{name} cannot be undone in {}: its files, releases/{}, are gone",
                plan.release, plan.tree.id
            ),
            format!(
                "`windlass run {name} --undo --release RELEASE` does it with the files and settings of another \
                 (windlass releases), such as one of the same source that you deploy again"
            ),
        ))
    }

    /// A job was undone by hand: the next deploy runs it again.
    pub(in crate::host) fn was_undone(&self, undoing: &UndoneJob) -> Result<(), JournalError> {
        let UndoneJob { job, release } = undoing;
        // One that cannot be read stays as it is.
        if self.half_done_in(job).is_ok_and(|of| of == Some(*release)) {
            self.is_whole(job);
            self.forget_what_is_gone();
        }
        let mut journal = self.journal.borrow_mut();
        match journal.job_done_in(job)? {
            Some(done) if done == *release => journal.job_undone(job),
            _ => Ok(()),
        }
    }
}

/// A release that is in the ledger, as a plan without steps.
pub(in crate::host) fn in_release(release: ReleaseRow) -> Plan {
    Plan {
        version: PLAN_VERSION,
        request: Request::Deploy,
        release: release.id,
        previous: Some(release.id),
        tree: Tree { id: release.tree, source: release.source },
        spec: release.spec,
        instances: release.instances,
        digests: IndexMap::new(),
        anyway: false,
        base: String::new(),
        changes: Vec::new(),
        parts: Vec::new(),
        steps: Vec::new(),
    }
}
