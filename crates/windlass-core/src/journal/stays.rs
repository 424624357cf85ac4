//! What a run that has gone back leaves behind, and what people must know of it.

use super::StepState;
use crate::plan::{Action, Compensation, Plan, Step};
use crate::spec::{Command, Undo};

/// What stays of a step in this state, although the run went back.
pub(super) fn stays(plan: &Plan, step: &Step, state: &StepState) -> Option<String> {
    let began_only = matches!(state, StepState::Failed(_) | StepState::Unfinished);
    match (&step.compensation, &step.action) {
        (Compensation::Impossible(why), _) if *state == StepState::Done => Some(why.clone()),
        (Compensation::Impossible(_), Action::RunJob { job, .. }) if began_only => Some(format!(
            "the job {job} is declared irreversible and did not end well, so a part of what it does may be \
             done: look before you deploy again"
        )),
        (Compensation::WhenDone(_), Action::RunJob { job, .. }) if began_only => {
            let Some(Undo::Command(undo)) = plan.spec.jobs.get(job).map(|job| &job.undo) else { return None };
            Some(format!(
                "the job {job} ended half-way and was not undone, because its undo runs only after a job that \
                 completed; look whether it left something behind before you run that by hand, {}: {}",
                place(plan),
                shown(undo)
            ))
        }
        _ => None,
    }
}

/// Where the files are that a job of the plan's release ran with.
fn place(plan: &Plan) -> String {
    let fetched = plan.steps.iter().any(|step| matches!(step.action, Action::FetchSource { .. }));
    match fetched {
        true => format!("from the source of {}, whose files are gone here", plan.release),
        false => format!("in releases/{}", plan.tree.id),
    }
}

/// A job's command, for a person who has to run it.
fn shown(command: &Command) -> String {
    match command {
        Command::Argv(_) => command.to_string(),
        Command::Shell(line) => format!("sh -c '{}'", line.replace('\'', r"'\''")),
    }
}
