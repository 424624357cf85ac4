//! What a job with an undo command found when it began, so that a run that goes back undoes only what it
//! changed: a migration ends well also where it had nothing to do, and its undo would then take back what
//! an earlier release did.

use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use indexmap::IndexMap;
use serde::{Deserialize, Serialize};
use windlass_core::journal::Fault;
use windlass_core::name::{Name, ReleaseId};
use windlass_core::plan::Plan;
use windlass_core::protocol::{Refusal, Schema};
use windlass_core::spec::{Command, Job, Undo, When};

use super::Acting;
use crate::host::Host;
use crate::host::by_hand::command;
use crate::host::by_hand::undo::in_release;
use crate::host::logs;
use crate::host::once::outcome;
use crate::host::run::no::No;
use crate::settings::Redactor;
use crate::{checksummed, failpoint, layout};

/// The variable by which an undo command learns what to go back to.
const BEFORE: &str = "WINDLASS_SCHEMA_BEFORE";

/// The note, in the keeper's directory of the command that reads the schema.
const NOTE: &str = "schema.json";

/// What a job found when it began.
#[derive(Debug, Serialize, Deserialize)]
struct Found {
    schema: Schema,
    /// When the job was done before: its digest then, and in which release.
    done: Option<(String, ReleaseId)>,
}

/// What is to be done of the undoing of a job.
pub(super) enum Undoing {
    /// Its command, with this beside its own environment.
    Command(Vec<(String, String)>),
    /// Nothing: the schema is this one, as before.
    Nothing(String),
}

/// The names of the keepers and logs of the command that reads the schema, before a job and before it is
/// undone.
pub(super) fn label(plan: &Plan, job: &Name, undo: bool) -> String {
    label_in(plan.release, job, if undo { "after" } else { "before" })
}

fn label_in(release: ReleaseId, job: &Name, when: &str) -> String {
    format!("{release}.{job}.schema-{when}")
}

impl Acting {
    /// Notes, durably, what the schema is before a job that a command undoes. Answers what people should
    /// know of that.
    pub(super) async fn note_schema(&self, plan: &Plan, name: &Name, job: &Job) -> Result<String, Fault> {
        let (Undo::Command(_), Some(command)) = (&job.undo, &job.schema) else { return Ok(String::new()) };
        let host = &self.host;
        let label = label(plan, name, false);
        let directory = host.layout.job(&label);
        // Also where the job began already, and whoever ran it died: that one is from before.
        let found = match read(&directory) {
            Some(found) => found,
            None => {
                let found = self.found(plan, name, job, command, &label).await?;
                write(&directory, &found).map_err(|error| {
                    let what = format!("what the schema is before the job {name} cannot be noted: {error}");
                    Fault::new(what, "free some disk space")
                })?;
                found
            }
        };
        Ok(match found.schema {
            Schema::Is(_) => String::new(),
            Schema::Unknown(why) => format!(
                "{why}: should this deploy go back, {name} is not undone; where there is no schema yet, let \
                 `schema` print a word for that"
            ),
        })
    }

    async fn found(
        &self,
        plan: &Plan,
        name: &Name,
        job: &Job,
        command: &Command,
        label: &str,
    ) -> Result<Found, Fault> {
        let host = &self.host;
        let known = host.journal.borrow().active().ok().flatten();
        let known = known.and_then(|active| active.release.schema.get(name).cloned());
        let schema = host.said_of_schema(plan, job, (command, label), known).await;
        let unreadable = |error: crate::engine::JournalError| Fault::new(error.to_string(), "");
        let journal = host.journal.borrow();
        let digest = journal.jobs_done().map_err(unreadable)?.get(name).cloned();
        let done = digest.zip(journal.job_done_in(name).map_err(unreadable)?);
        Ok(Found { schema, done })
    }

    /// Says what undoing a job takes.
    pub(super) async fn undoing(&self, plan: &Plan, name: &Name, job: &Job) -> Result<Undoing, Fault> {
        let Some(command) = &job.schema else { return Ok(Undoing::Command(Vec::new())) };
        let host = &self.host;
        let unknown = |why: String, before: Option<&str>| {
            let before =
                before.map_or_else(String::new, |before| format!(" (before the job it was {before})"));
            Fault::new(
                format!(
                    "the job {name} is not undone, because it cannot be told whether it changed the schema: {why}"
                ),
                format!("look what the schema is{before}, and undo the job only if it did"),
            )
        };
        let found = read(&host.layout.job(&label(plan, name, false)));
        let before = match found.map(|found| found.schema) {
            Some(Schema::Is(before)) => before,
            Some(Schema::Unknown(why)) => return Err(unknown(format!("before it, {why}"), None)),
            None => return Err(unknown("what it was before was not noted".to_owned(), None)),
        };
        match host.read_schema(plan, job, command, &label(plan, name, true)).await {
            Ok(now) if now == before => Ok(Undoing::Nothing(before)),
            Ok(now) if now.is_empty() => {
                Err(unknown("the command that reads the schema printed nothing".to_owned(), Some(&before)))
            }
            Ok(_) => Ok(Undoing::Command(vec![(BEFORE.to_owned(), before)])),
            Err(fault) => Err(Fault { tail: fault.tail, ..unknown(fault.message, Some(&before)) }),
        }
    }

    /// Notes that a job changed nothing.
    pub(super) fn note_unchanged(&self, plan: &Plan, name: &Name, job: &Job) -> Result<(), Fault> {
        // The schema says nothing of data that were planted: they are there.
        if job.when == When::Once {
            return Ok(());
        }
        self.note_as_before(plan, name)
    }

    /// Notes that what a job did is not there any more: it was last done when it was done before.
    pub(super) fn note_as_before(&self, plan: &Plan, name: &Name) -> Result<(), Fault> {
        let before = read(&self.host.layout.job(&label(plan, name, false))).and_then(|found| found.done);
        let mut journal = self.host.journal.borrow_mut();
        let noted = match before {
            Some((digest, release)) => journal.job_done(name, &digest, release),
            None => journal.job_undone(name),
        };
        noted.map_err(|error| Fault::new(error.to_string(), ""))
    }
}

impl Host {
    /// What the command says that reads a job's schema: the last line it prints.
    pub(super) async fn read_schema(
        &self,
        plan: &Plan,
        job: &Job,
        command: &Command,
        label: &str,
    ) -> Result<String, Fault> {
        let ended = self.run_job_command(plan, job, (command, &[]), label, &|_| ()).await?;
        // As it was said: it is compared, and handed to the command that undoes.
        let said = logs::tail(&self.layout.log(label), 1, &Redactor::new([])).pop().unwrap_or_default();
        let tail = logs::tail(&self.layout.log(label), 40, &self.redactor(plan.release));
        outcome::must_succeed("the command that reads the schema", &ended, job.timeout, (tail, ""))?;
        Ok(said)
    }

    /// The same, where it cannot be told with why; `known` is what it was when it was last on record.
    async fn said_of_schema(
        &self,
        plan: &Plan,
        job: &Job,
        (command, label): (&Command, &str),
        known: Option<String>,
    ) -> Schema {
        match (self.read_schema(plan, job, command, label).await, known) {
            // A line of commands succeeds also when its first one fails.
            (Ok(said), Some(known)) if said.is_empty() => Schema::Unknown(format!(
                "the command that reads the schema printed nothing, where it was {known}"
            )),
            (Ok(said), _) => Schema::Is(said),
            (Err(fault), _) => Schema::Unknown(fault.message),
        }
    }

    /// What the commands that read the schema say now, of the active release's jobs; with secrets masked, as
    /// it stands in the ledger.
    pub(in crate::host) async fn schema_now(&self) -> Result<IndexMap<Name, Schema>, No> {
        let active = self.journal.borrow().active();
        let active = active.map_err(|error| No::new(Refusal::Failed, error.to_string(), ""))?;
        let Some(active) = active else { return Ok(IndexMap::new()) };
        let recorded = active.release.schema.clone();
        let plan = in_release(active.release);
        let mask = self.redactor(plan.release);
        let mut schema = IndexMap::new();
        for (name, job) in &plan.spec.jobs {
            let Some(reads) = &job.schema else { continue };
            // No job has such a name.
            let label = command::label("_schema");
            let known = recorded.get(name).cloned();
            let said = match self.said_of_schema(&plan, job, (reads, &label), known).await {
                Schema::Is(said) => Schema::Is(mask.redact(&said).into_owned()),
                Schema::Unknown(why) => Schema::Unknown(mask.redact(&why).into_owned()),
            };
            let _nobody_needs_it = std::fs::remove_dir_all(self.layout.job(&label));
            let _nobody_needs_it = std::fs::remove_file(self.layout.log(&label));
            schema.insert(name.clone(), said);
        }
        Ok(schema)
    }

    /// What an undo command of a release is given beside the job's environment, as far as it is known.
    pub(in crate::host) fn schema_before(&self, release: ReleaseId, job: &Name) -> Vec<(String, String)> {
        match read(&self.layout.job(&label_in(release, job, "before"))).map(|found| found.schema) {
            Some(Schema::Is(before)) => vec![(BEFORE.to_owned(), before)],
            _ => Vec::new(),
        }
    }
}

fn read(directory: &Path) -> Option<Found> {
    checksummed::read(&note(directory)).ok().flatten()
}

fn write(directory: &Path, found: &Found) -> io::Result<()> {
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(directory)?;
    checksummed::write(&note(directory), found)?;
    directory.parent().map_or(Ok(()), |above| failpoint::around(|| layout::sync_dir(above)))
}

fn note(directory: &Path) -> PathBuf {
    directory.join(NOTE)
}
