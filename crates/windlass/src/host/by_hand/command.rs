//! `windlass run`: a job, a cron job or any command, now, in the active release with its environment.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::path::PathBuf;
use std::rc::Rc;

use windlass_core::journal::Fault;
use windlass_core::launch::{End, Exit};
use windlass_core::manifest::nearest;
use windlass_core::name::{Name, ReleaseId};
use windlass_core::plan::{Action, Plan};
use windlass_core::protocol::{Answer, Refusal, RunWhat};
use windlass_core::spec::{Cron, Job, Limits, Overlap, Spec, Undo, When};
use windlass_core::units::Span;

use crate::engine::Active;
use crate::host::Host;
use crate::host::by_hand::undo::in_release;
use crate::host::once::outcome::{Ended, in_words};
use crate::host::run::no::No;
use crate::layout::Layout;
use crate::runtime::process;

/// A command that is about to run.
pub(in crate::host) struct Command {
    /// The name of its keeper and log.
    pub(in crate::host) name: String,
    plan: Plan,
    what: What,
    /// From the question whether it may run to its end.
    reserved: Option<Reserved>,
}

enum What {
    Job {
        job: Job,
        /// Which job it undoes.
        undoes: Option<UndoneJob>,
    },
    Cron {
        active: Box<Active>,
        name: Name,
        cron: Cron,
    },
}

/// A job that is undone by hand, in a release.
pub(in crate::host) struct UndoneJob {
    pub(in crate::host) job: Name,
    pub(in crate::host) release: ReleaseId,
}

impl Command {
    /// What people should know before it runs.
    pub(in crate::host) fn announced(&self) -> Option<String> {
        let What::Job { job: Job { command, .. }, undoes: Some(UndoneJob { job, release }) } = &self.what
        else {
            return None;
        };
        Some(format!("undoing {job} of {release}: {command}"))
    }
}

/// The right to run a job of deploys by hand, until this is dropped.
pub(in crate::host) struct Reserved {
    names: Rc<RefCell<BTreeSet<Name>>>,
    name: Name,
}

impl Drop for Reserved {
    fn drop(&mut self) {
        self.names.borrow_mut().remove(&self.name);
    }
}

impl Host {
    /// Looks what is to run, before anything does.
    pub(in crate::host) fn prepare_run(&self, what: RunWhat, _by: &str) -> Result<Command, No> {
        let active = self.journal.borrow().active().ok().flatten();
        if let Some(active) = active.as_ref().filter(|active| active.stopped) {
            self.must_have_resources(active)?;
        }
        if let RunWhat::Undo { job: name, release } = what {
            let (plan, job, undoing) = self.undoing(&name, release)?;
            let reserved = Some(self.reserve(&name)?);
            let what = What::Job { job, undoes: Some(undoing) };
            return Ok(Command { name: label(name.as_str()), plan, what, reserved });
        }
        let active = active.ok_or_else(|| {
            No::new(Refusal::NotFound, "nothing is deployed here yet", "run windlass deploy first")
        })?;
        if let Some((name, cron)) = cron_meant(&active, &what) {
            return self.prepare_cron(&active, name, cron);
        }
        let plan = in_release(active.release);
        let spec = &plan.spec;
        let (title, job, reserved) = match what {
            RunWhat::Undo { .. } => return Err(No::new(Refusal::Failed, "it was dealt with above", "")),
            RunWhat::Job(name) => {
                let job = spec.jobs.get(&name).cloned().ok_or_else(|| unknown_job(spec, &name))?;
                // What is only ever started by hand may run beside itself: a console, say.
                let is_alone = job.when != When::Manual || self.by_hand.borrow().contains(&name);
                let reserved = is_alone.then(|| self.reserve(&name)).transpose()?;
                (name.to_string(), job, reserved)
            }
            RunWhat::Command { command, service } => {
                // It sees what the application sees: the environment of a service.
                let service = match &service {
                    Some(name) => Some(spec.services.get(name).ok_or_else(|| unknown_service(spec, name))?),
                    None => spec.services.values().next(),
                };
                let job = Job {
                    command,
                    directory: service.map(|service| service.directory.clone()).unwrap_or_default(),
                    env: service.map(|service| service.env.clone()).unwrap_or_default(),
                    user: service.and_then(|service| service.user.clone()),
                    when: When::Manual,
                    undo: Undo::Compatible,
                    timeout: Span::ZERO,
                    limits: Limits::default(),
                    schema: None,
                };
                // No job has such a name.
                ("_command".to_owned(), job, None)
            }
        };
        Ok(Command { name: label(&title), plan, what: What::Job { job, undoes: None }, reserved })
    }

    /// Refuses what would find nobody to sign in to, because everything was stopped.
    fn must_have_resources(&self, active: &Active) -> Result<(), No> {
        let seen = crate::host::observe(&self.layout, &self.journal.borrow())
            .map_err(|error| No::new(Refusal::Failed, error.to_string(), ""))?;
        let runs = |name: &Name| seen.resources.get(name).is_some_and(|resource| resource.running);
        // Who has one elsewhere keeps it running: it was not stopped.
        let private = active.release.spec.resources.iter().filter(|(_, resource)| resource.is_private());
        let down: Vec<&str> =
            private.map(|(name, _)| name).filter(|name| !runs(name)).map(Name::as_str).collect();
        let are = match down.as_slice() {
            [] => return Ok(()),
            [_] => "is",
            _ => "are",
        };
        let what = format!("{} {are} down, because everything was stopped: nothing was run", down.join(", "));
        Err(No::new(Refusal::Invalid, what, "start everything with `windlass restart`, and call again then"))
    }

    /// A run of a cron job goes by the same name as those that the clock starts, which heed it.
    fn prepare_cron(&self, active: &Active, name: &Name, cron: &Cron) -> Result<Command, No> {
        let is_alone = matches!(cron.overlap, Overlap::Skip | Overlap::Queue);
        if is_alone && self.cron_runs(name) {
            let hint = "call again when it has ended; `overlap` in the manifest says whether runs may meet";
            return Err(No::new(Refusal::Busy, format!("{name} runs already"), hint));
        }
        let reserved = is_alone.then(|| self.reserve(name)).transpose()?;
        let what = What::Cron { active: Box::new(active.clone()), name: name.clone(), cron: cron.clone() };
        let plan = in_release(active.release.clone());
        Ok(Command { name: self.new_label(name, cron, true), plan, what, reserved })
    }

    /// A job that deploys run (a migration) must not run beside itself or what undoes it, whoever started
    /// it.
    fn reserve(&self, name: &Name) -> Result<Reserved, No> {
        let runs_it = |holder: &Rc<crate::host::run::handle::RunHandle>| {
            holder
                .row
                .plan
                .steps
                .iter()
                .any(|step| matches!(&step.action, Action::RunJob { job, .. } if job == name))
        };
        if let Some(holder) = self.holder().filter(runs_it) {
            let what = format!("{} is under way, and may run {name} itself", holder.row.plan.headline());
            return Err(No::new(Refusal::Busy, what, "call again when it is over: windlass status"));
        }
        match self.runs_by_hand(name) {
            true => {
                let what = format!("{name} runs already, by windlass run");
                Err(No::new(Refusal::Busy, what, "call again when it has ended"))
            }
            false => {
                self.by_hand.borrow_mut().insert(name.clone());
                Ok(Reserved { names: Rc::clone(&self.by_hand), name: name.clone() })
            }
        }
    }

    /// Whether what goes by this name in the directory of jobs is a command that is under way, or may be
    /// about to.
    pub(in crate::host) fn runs_command(&self, name: &str) -> bool {
        process::is_under_way(&self.layout.job(name)) || self.starting.try_write().is_err()
    }

    /// Whether `windlass run` runs a job now, kept by us or at a terminal of its own.
    pub(in crate::host) fn runs_by_hand(&self, name: &Name) -> bool {
        self.by_hand.borrow().contains(name) || is_under_way(&self.layout, name)
    }

    /// How the controller runs it itself.
    pub(in crate::host) async fn attach(&self, what: RunWhat, by: &str) -> Result<Answer, No> {
        let only = match &what {
            RunWhat::Job(name) => Some(name.clone()),
            RunWhat::Command { .. } => None,
            RunWhat::Undo { .. } => {
                let hint = "leave out --raw: it runs as in a deploy that goes back, without a terminal";
                return Err(No::new(Refusal::Invalid, "a job is undone by Windlass itself", hint));
            }
        };
        let Command { name, plan, what, reserved: _until_it_is_told } = self.prepare_run(what, by)?;
        let What::Job { job, undoes: None } = what else {
            let hint = "leave out --raw: it runs as by its schedule, with nothing on its standard input";
            return Err(No::new(Refusal::Invalid, "a cron job is run by Windlass itself", hint));
        };
        let only = only.filter(|_| job.when != When::Manual);
        let failed = |fault: Fault| No::new(Refusal::Failed, fault.message, fault.hint);
        let (launch, env) = self.job_launch(&plan, &job, &job.command, &name).await.map_err(failed)?;
        let lock = only.map(|name| hand_lock(&self.layout, &name).display().to_string());
        let active = self.journal.borrow().active().ok().flatten();
        Ok(Answer::Attach {
            lock,
            stay: active.is_some_and(|active| active.stopped),
            argv: launch.argv,
            directory: launch.directory,
            user: launch.user,
            env: env.into_values(),
        })
    }

    /// Runs it; answers its exit code and how it ended in words.
    pub(in crate::host) async fn run_now(
        self: &Rc<Self>,
        command: &Command,
        line: &dyn Fn(String),
    ) -> Result<(i32, String), Fault> {
        let redactor = self.redactor(command.plan.release);
        let masked = |text: String| line(crate::host::logs::shown(&text, &redactor));
        let (job, undoes) = match &command.what {
            What::Job { job, undoes } => (job, undoes.as_ref()),
            What::Cron { active, name, cron } => {
                let ended = self.run_cron_now(active, (name, cron), &command.name, &masked).await?;
                return Ok((exit_code(&ended), in_words(&ended)));
            }
        };
        let more = undoes.map(|undoing| self.schema_before(undoing.release, &undoing.job));
        let what = (&job.command, more.as_deref().unwrap_or_default());
        let ended = self.run_job_command(&command.plan, job, what, &command.name, &masked).await;
        // Nothing needs its record any more: nobody resumes it.
        let _ = std::fs::remove_dir_all(self.layout.job(&command.name));
        let _ = std::fs::remove_file(self.layout.log(&command.name));
        let handed_over = self.hand_over_after(job, &command.plan.spec).await;
        let ended = ended?;
        if let Some(undoing) = undoes.filter(|_| ended.exit == Some(Exit::Code(0))) {
            self.was_undone(undoing).map_err(|error| Fault::new(error.to_string(), ""))?;
        }
        handed_over?;
        Ok((exit_code(&ended), in_words(&ended)))
    }
}

/// Whether `windlass run` runs a job, as seen from any process.
pub(in crate::host) fn is_under_way(layout: &Layout, name: &Name) -> bool {
    let kept = format!("run.{name}.");
    let mut entries = std::fs::read_dir(layout.jobs()).into_iter().flatten().flatten();
    entries.any(|entry| {
        entry.file_name().to_string_lossy().starts_with(&kept) && process::is_under_way(&entry.path())
    }) || process::is_locked(&hand_lock(layout, name))
}

/// What whoever runs a job at a terminal holds locked.
fn hand_lock(layout: &Layout, name: &Name) -> PathBuf {
    layout.state().join(format!("run-{name}.lock"))
}

/// The cron job that is to run; a job of its name comes first.
fn cron_meant<'a>(active: &'a Active, what: &'a RunWhat) -> Option<(&'a Name, &'a Cron)> {
    let RunWhat::Job(name) = what else { return None };
    let spec = &active.release.spec;
    let cron = spec.crons.get(name).filter(|_| !spec.jobs.contains_key(name))?;
    Some((name, cron))
}

fn exit_code(ended: &Ended) -> i32 {
    match (&ended.end, &ended.exit) {
        (_, Some(Exit::Code(code))) => *code,
        (End::TimedOut, _) => 124,
        (_, Some(Exit::NotStarted(_))) => 127,
        (_, Some(Exit::OutOfMemory)) => 137,
        (_, Some(Exit::Signal(signal))) => 128 + signal_number(signal),
        _ => 1,
    }
}

fn unknown_service(spec: &Spec, name: &Name) -> No {
    let names: Vec<&str> = spec.services.keys().map(Name::as_str).collect();
    let hint = match (nearest(name.as_str(), names.iter().copied()), names.as_slice()) {
        (Some(meant), _) => format!("did you mean {meant}?"),
        (None, []) => "the manifest has no services".to_owned(),
        (None, names) => format!("there are {}", names.join(", ")),
    };
    No::new(Refusal::NotFound, format!("there is no service {name} in the active release"), hint)
}

/// Whether a command by hand has this name, and not a log of a service that is called `run`.
pub(in crate::host) fn is_label(name: &str) -> bool {
    let id = name.strip_prefix("run.").and_then(|rest| rest.rsplit_once('.'));
    id.is_some_and(|(_, id)| id.len() == 32 && id.bytes().all(|byte| byte.is_ascii_hexdigit()))
}

/// The name of the keeper and log of a command.
pub(in crate::host) fn label(title: &str) -> String {
    format!("run.{title}.{}", uuid::Uuid::now_v7().simple())
}

pub(in crate::host) fn unknown_job(spec: &Spec, name: &Name) -> No {
    let names: Vec<&str> = spec.jobs.keys().chain(spec.crons.keys()).map(Name::as_str).collect();
    let hint = match (nearest(name.as_str(), names.iter().copied()), names.as_slice()) {
        (Some(meant), _) => format!("did you mean {meant}?"),
        (None, []) => "the manifest has no jobs; `windlass run -- COMMAND` runs any command".to_owned(),
        (None, names) => {
            format!("there are {}; `windlass run -- COMMAND` runs any command", names.join(", "))
        }
    };
    No::new(Refusal::NotFound, format!("there is no job {name}"), hint)
}

fn signal_number(name: &str) -> i32 {
    match name.trim_start_matches("SIG") {
        "HUP" => 1,
        "INT" => 2,
        "QUIT" => 3,
        "ILL" => 4,
        "ABRT" => 6,
        "BUS" => 7,
        "FPE" => 8,
        "KILL" => 9,
        "USR1" => 10,
        "SEGV" => 11,
        "USR2" => 12,
        "PIPE" => 13,
        "ALRM" => 14,
        "TERM" => 15,
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use windlass_core::spec::{Engine, Resource, Source, Template};
    use windlass_testkit::sample;

    use super::*;
    use crate::host::testing;

    #[test]
    fn a_database_that_is_elsewhere_is_not_down_because_everything_was_stopped() {
        let (_place, host) = testing::host();
        let mut release = testing::row(1);
        let store = |source| Resource { engine: Engine::Redis, source };
        let url = Template::literal("redis://db.example:6379/0");
        release.spec.resources.insert(sample::name("far"), store(Source::External { url }));
        let mut active = Active { release, stopped: true };
        assert!(host.must_have_resources(&active).is_ok());
        let private = sample::resource(Engine::Redis);
        active.release.spec.resources.insert(sample::name("near"), private);
        let no = host.must_have_resources(&active).err().unwrap();
        assert!(no.message.starts_with("near is down, "), "{}", no.message);
    }
}
