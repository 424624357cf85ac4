//! Jobs of a deploy.

use std::path::Path;

use windlass_core::journal::Fault;
use windlass_core::launch::{End, Exit, Launch};
use windlass_core::name::Name;
use windlass_core::plan::{Plan, job_digest};
use windlass_core::spec::{Command, Job, Limits, Stop, Undo};
use windlass_core::units::Span;

use super::Acting;
use crate::host::fill::Fill;
use crate::host::instances::log;
use crate::host::oneshot::{self, Ended};
use crate::host::releases::once;
use crate::host::{Host, logs, resources, values};
use crate::runtime::process;

/// The name of a job's keeper and log: one for each release, so that what one run did is never taken
/// for what another did.
pub(super) fn label(plan: &Plan, job: &Name, undo: bool) -> String {
    let undo = if undo { ".undo" } else { "" };
    format!("{}.{job}{undo}", plan.release)
}

impl Acting {
    /// Runs a job, or its undo command, to its end, and notes that it was done.
    pub(super) async fn run_job(
        &self,
        plan: &Plan,
        name: &Name,
        undo: bool,
        line: &dyn Fn(String),
    ) -> Result<String, Fault> {
        let host = &self.host;
        let job =
            plan.spec.jobs.get(name).ok_or_else(|| Fault::new(format!("there is no job {name}"), ""))?;
        let command = match (&job.undo, undo) {
            (_, false) => &job.command,
            (Undo::Command(command), true) => command,
            (_, true) => return Ok("it has nothing to undo".to_owned()),
        };
        let label = label(plan, name, undo);
        let ended = host.run_job_command(plan, job, command, &label, line).await?;
        let tail = logs::tail(&host.layout.log(&label), 40);
        let what = if undo { format!("undoing the job {name}") } else { format!("the job {name}") };
        oneshot::success(&what, &ended, job.timeout, host.redacted(plan.release, &tail))?;
        let mut journal = host.journal.borrow_mut();
        let noted = if undo {
            journal.job_undone(name)
        } else {
            journal.job_done(name, &job_digest(&plan.spec, name, &plan.tree.source), plan.release)
        };
        noted.map_err(|error| Fault::new(error.to_string(), ""))?;
        Ok(String::new())
    }
}

impl Host {
    /// Runs a command with a job's environment in the plan's release.
    pub(in crate::host) async fn run_job_command(
        &self,
        plan: &Plan,
        job: &Job,
        command: &Command,
        label: &str,
        line: &dyn Fn(String),
    ) -> Result<Ended, Fault> {
        let (launch, env) = self.job_launch(plan, job, command, label).await?;
        self.run_to_end(&self.layout.job(label), &launch, env, line).await
    }

    /// Describes a command with a job's environment in the plan's release.
    pub(in crate::host) async fn job_launch(
        &self,
        plan: &Plan,
        job: &Job,
        command: &Command,
        label: &str,
    ) -> Result<(Launch, Vec<(String, String)>), Fault> {
        let values = values::read(&self.layout, plan.release)
            .map_err(|error| Fault::new(format!("the settings cannot be read: {error}"), ""))?;
        let facts = resources::facts(self, &plan.spec.resources, &values).await?;
        let fill = Fill {
            app: &plan.spec.app,
            environment: &plan.spec.environment,
            release: plan.release,
            shared: &self.layout.shared(),
            values: &values,
            facts: &facts,
            port: None,
            replica: 1,
            label,
        };
        let launch = Launch {
            label: label.to_owned(),
            argv: fill.argv(command)?,
            directory: self.layout.tree(plan.tree.id).join(&job.directory).display().to_string(),
            user: job.user.clone(),
            restart: once(),
            stop: Stop { signal: "TERM".to_owned(), grace: Span::from_secs(10), quiet: None },
            limits: Limits::clone(&job.limits),
            log: log(&self.layout.log(label)),
            timeout: job.timeout,
            oom_score_adj: 300,
            ..Launch::default()
        };
        let env = fill.environment(&job.env, job.user.as_deref())?;
        Ok((launch, env))
    }

    /// Whether a command that runs once ended well.
    pub(super) fn succeeded(&self, label: &str) -> bool {
        let ended = process::observe(Path::new(&self.layout.job(label))).and_then(|seen| seen.ended());
        ended.is_some_and(|ended| ended.end == End::Finished && ended.exit == Some(Exit::Code(0)))
    }
}
