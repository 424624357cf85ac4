//! Jobs of a deploy.

use std::path::Path;

use windlass_core::journal::Fault;
use windlass_core::launch::Launch;
use windlass_core::name::Name;
use windlass_core::plan::{Plan, job_digest};
use windlass_core::spec::{Command, Job, Undo};

use super::Acting;
use super::schema::Undoing;
use crate::host::Host;
use crate::host::logs;
use crate::host::once::errand::Errand;
use crate::host::once::outcome::{self, Ended};
use crate::runtime::process;
use crate::variables::Variables;

/// The name of a job's keeper and log: one for each release, so that what one run did is never taken
/// for what another did.
pub(super) fn label(plan: &Plan, job: &Name, undo: bool) -> String {
    let undo = if undo { ".undo" } else { "" };
    format!("{}.{job}{undo}", plan.release)
}

impl Acting {
    /// Runs a job, or its undo command where there is something to undo, to its end, and notes that it was
    /// done.
    pub(super) async fn run_job(
        &self,
        plan: &Plan,
        name: &Name,
        undo: bool,
        line: &dyn Fn(String),
    ) -> Result<String, Fault> {
        let host = &self.host;
        let job = plan.spec.jobs.get(name);
        let job = job.ok_or_else(|| Fault::new(format!("there is no job {name}"), "").before_it_began())?;
        let command = match (&job.undo, undo) {
            (_, false) => &job.command,
            (Undo::Command(command), true) => command,
            (_, true) => return Ok("it has nothing to undo".to_owned()),
        };
        let label = label(plan, name, undo);
        if host.runs_by_hand(name) {
            return Err(by_hand(name).before_it_began());
        }
        let (said, more) = match undo {
            false => (self.note_schema(plan, name, job).await.map_err(Fault::before_it_began)?, Vec::new()),
            true => match self.undoing(plan, name, job).await? {
                Undoing::Command(more) => (String::new(), more),
                Undoing::Nothing(schema) => {
                    self.note_unchanged(plan, name, job)?;
                    return Ok(format!("nothing to undo: the schema is {schema}, as before"));
                }
            },
        };
        let ended = host.run_job_command(plan, job, (command, &more), &label, line).await;
        // Also where it failed: what runs on has to be able to write there.
        let handed_over = host.hand_over_after(job, &plan.spec).await;
        let ended = ended?;
        let tail = logs::tail(&host.layout.log(&label), 40, &host.redactor(plan.release));
        let what = if undo { format!("undoing the job {name}") } else { format!("the job {name}") };
        let whole = outcome::whole_log(name.as_str(), plan.release);
        outcome::must_succeed(&what, &ended, job.timeout, (tail, &whole))?;
        handed_over?;
        self.note_job(plan, name, undo)?;
        Ok(said)
    }

    /// Whether a job, or its undo command, has ended well. If whoever ran it could not note that any more,
    /// it is noted now: what is to run once must not run again.
    pub(super) async fn was_run(&self, plan: &Plan, name: &Name, undo: bool) -> Result<bool, Fault> {
        let well = self.host.succeeded(&label(plan, name, undo));
        if well {
            if let Some(job) = plan.spec.jobs.get(name) {
                self.host.hand_over_after(job, &plan.spec).await?;
            }
            self.note_job(plan, name, undo)?;
        }
        Ok(well)
    }

    fn note_job(&self, plan: &Plan, name: &Name, undo: bool) -> Result<(), Fault> {
        if undo {
            return self.note_as_before(plan, name);
        }
        self.host.is_whole(name);
        let digest = job_digest(&plan.spec, name, &plan.tree);
        let noted = self.host.journal.borrow_mut().job_done(name, &digest, plan.release);
        noted.map_err(|error| Fault::new(error.to_string(), ""))
    }
}

/// Why a job cannot run now.
pub(in crate::host) fn by_hand(name: &Name) -> Fault {
    Fault::new(format!("the job {name} runs now, by windlass run"), "deploy again when it has ended")
}

impl Host {
    /// Runs a command with a job's environment, and `more` beside it, in the plan's release.
    pub(in crate::host) async fn run_job_command(
        &self,
        plan: &Plan,
        job: &Job,
        (command, more): (&Command, &[(String, String)]),
        label: &str,
        line: &dyn Fn(String),
    ) -> Result<Ended, Fault> {
        let described = self.job_launch(plan, job, command, label).await;
        let (launch, mut env) = described.map_err(Fault::before_it_began)?;
        more.iter().for_each(|(name, value)| env.set(name, value));
        self.run_to_end(&self.layout.job(label), &launch, env, line).await
    }

    /// Describes a command with a job's environment in the plan's release.
    pub(in crate::host) async fn job_launch(
        &self,
        plan: &Plan,
        job: &Job,
        command: &Command,
        label: &str,
    ) -> Result<(Launch, Variables), Fault> {
        let errand = Errand {
            label,
            log: label,
            command,
            directory: self.layout.tree(plan.tree.id).join(&job.directory),
            env: &job.env,
            user: job.user.as_ref(),
            release: plan.release,
            resources: &plan.spec.resources,
            limits: job.limits.clone(),
            timeout: job.timeout,
        };
        self.errand(&errand).await
    }

    /// Whether a job of a run was begun, as the record says that is made right before.
    pub(in crate::host) fn has_begun(&self, plan: &Plan, job: &Name) -> bool {
        process::observe(&self.layout.job(&label(plan, job, false))).is_some()
    }

    /// Whether a command that runs once ended well.
    pub(super) fn succeeded(&self, label: &str) -> bool {
        process::observe(Path::new(&self.layout.job(label))).is_some_and(|seen| seen.ended_well())
    }
}
