//! What a run that has gone back leaves behind, and what people must know of it.

use super::StepState;
use crate::plan::{Action, Compensation, Plan, Step};
use crate::spec::{Command, Template, Undo};

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
                 completed; if it left something behind: {}",
                by_hand(plan, undo)
            ))
        }
        _ => None,
    }
}

/// How a person runs a job's command, now that the release that brought it is gone.
fn by_hand(plan: &Plan, command: &Command) -> String {
    let (line, has_references) = match command {
        Command::Argv(words) => {
            let has_references = words.iter().flat_map(Template::references).next().is_some();
            (command.to_string(), has_references)
        }
        Command::Shell(line) => (format!("sh -c '{}'", line.replace('\'', r"'\''")), false),
    };
    let filled = if has_references { ", with what stands in braces filled in" } else { "" };
    match plan.previous {
        Some(previous) => format!("windlass run -- {line} ({previous} runs it{filled})"),
        // Nothing is deployed that could run it.
        None => format!("run its undo by hand{filled}: {line}"),
    }
}
