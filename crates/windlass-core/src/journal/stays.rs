//! What a run leaves behind although it ended: jobs that are half-done, and what people must know of them.

use super::{Standing, StepState};
use crate::name::Name;
use crate::plan::{Action, Compensation, Plan, Step};
use crate::spec::{Command, Undo};

/// The jobs that may have left a part of what they do, and that a command of their own undoes: they
/// failed or were stopped half-way, or their undoing failed. The files and settings of such a run's
/// release are kept, because that command runs with them (`windlass run JOB --undo`).
#[must_use]
pub fn half_done<'p>(plan: &'p Plan, standing: &Standing) -> Vec<&'p Name> {
    let jobs = plan.steps.iter().zip(&standing.steps).filter_map(|(step, state)| match &step.action {
        Action::RunJob { job, undo: false } if began_only(state) || is_not_undone(state) => Some(job),
        _ => None,
    });
    jobs.filter(|job| undo(plan, job).is_some()).collect()
}

/// The jobs that may have left a part of what they do, and that nothing of their own undoes.
#[must_use]
pub fn half_done_for_good<'p>(plan: &'p Plan, standing: &Standing) -> Vec<&'p Name> {
    let jobs = plan.steps.iter().zip(&standing.steps).filter_map(|(step, state)| match &step.action {
        Action::RunJob { job, undo: false } if began_only(state) => Some(job),
        _ => None,
    });
    jobs.filter(|job| undo(plan, job).is_none()).collect()
}

/// What stays of a step in this state.
pub(super) fn stays(plan: &Plan, step: &Step, state: &StepState) -> Option<String> {
    match (&step.compensation, &step.action) {
        (Compensation::Impossible(why), _) if *state == StepState::Done => Some(why.clone()),
        (_, Action::RunJob { job, undo: false }) if began_only(state) => Some(of_half(plan, job)),
        (_, Action::RunJob { job, undo: false }) if is_not_undone(state) => {
            Some(format!("try to undo it again when you know why that failed: `windlass run {job} --undo`"))
        }
        _ => None,
    }
}

fn of_half(plan: &Plan, job: &Name) -> String {
    match plan.spec.jobs.get(job).map(|job| &job.undo) {
        Some(Undo::Command(undo)) => format!(
            "the job {job} ended half-way and was not undone, because its undo may count on all that the job \
             does; look whether it left something behind: `windlass run {job} --undo` runs its undo in {}: {}",
            plan.release,
            shown(undo)
        ),
        Some(Undo::Irreversible) => format!(
            "the job {job} is declared irreversible and did not end well, so a part of what it does may be \
             done: look before you deploy again"
        ),
        _ => format!(
            "the job {job} ended half-way, so a part of what it does may be done, and stays: it is declared \
             compatible with the release before, so nothing undoes it; look whether it can run again before you \
             deploy again"
        ),
    }
}

/// Whether something was begun and not completed. What is known not to have begun has left nothing.
fn began_only(state: &StepState) -> bool {
    match state {
        StepState::Failed(fault) => !fault.unbegun,
        StepState::Unfinished => true,
        _ => false,
    }
}

fn is_not_undone(state: &StepState) -> bool {
    matches!(state, StepState::NotUndone(_))
}

fn undo<'p>(plan: &'p Plan, job: &Name) -> Option<&'p Command> {
    match &plan.spec.jobs.get(job)?.undo {
        Undo::Command(command) => Some(command),
        Undo::Compatible | Undo::Irreversible => None,
    }
}

/// A job's command, for a person who reads what would run.
fn shown(command: &Command) -> String {
    match command {
        Command::Argv(_) => command.to_string(),
        Command::Shell(line) => format!("sh -c '{}'", line.replace('\'', r"'\''")),
    }
}
