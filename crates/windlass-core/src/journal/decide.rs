//! What is next: the heart of the engine, as a pure function.

use super::stays::{half_done, stays};
use super::{Direction, Fault, Record, Standing, StepState, Turn, Verdict};
use crate::name::Name;
use crate::plan::{Action, Compensation, Phase, Plan, Step};

/// What is next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decision {
    /// Do these steps, at the same time. Each gets its intent first.
    Perform(Vec<u32>),
    /// Undo these steps, at the same time.
    Compensate(Vec<u32>),
    /// These have an intent without a result, because whoever wrote it died: look what became of
    /// them, and write that down.
    Look(Vec<(u32, Direction)>),
    /// Write that the run goes back.
    Turn(Turn),
    /// Write that the run is over.
    End(Verdict),
    /// It is over.
    Over,
}

/// Says what a run with this plan and these records does next.
///
/// Steps go forward stage by stage. When one fails before the commit the run turns and everything
/// that may have had an effect is undone, stage by stage in reverse; a step that cannot be undone
/// does not keep the others from it. After the commit nothing turns: a failure is noted and the
/// rest goes on.
#[must_use]
pub fn decide(plan: &Plan, records: &[Record]) -> Decision {
    let standing = Standing::of(plan, records);
    if standing.ended.is_some() {
        return Decision::Over;
    }
    let open = looks(&standing);
    if !open.is_empty() {
        return Decision::Look(open);
    }
    if let Some(commit) = doubtful_commit(plan, &standing) {
        return Decision::Look(vec![(commit, Direction::Forward)]);
    }
    let committed = standing.is_committed(plan);
    if standing.turned.is_some() && !committed {
        return go_back(plan, &standing);
    }
    if !committed && let Some(step) = first_failed(&standing) {
        return Decision::Turn(Turn::StepFailed { step });
    }
    go_on(plan, &standing)
}

fn looks(standing: &Standing) -> Vec<(u32, Direction)> {
    let begun = standing.steps.iter().enumerate().filter_map(|(id, state)| match state {
        StepState::Begun(direction) => Some((id as u32, *direction)),
        _ => None,
    });
    begun.collect()
}

/// The commit, when it is said to have failed: a write that reported an error may be on the disk
/// all the same, and to go back from a commit that happened would be the worst of all ends.
fn doubtful_commit(plan: &Plan, standing: &Standing) -> Option<u32> {
    let failed = |step: &&Step| matches!(standing.steps[step.id as usize], StepState::Failed(_));
    plan.steps.iter().filter(|step| matches!(step.action, Action::Commit)).find(failed).map(|step| step.id)
}

fn first_failed(standing: &Standing) -> Option<u32> {
    let failed = |(id, state): &(usize, &StepState)| match state {
        StepState::Failed(_) => true,
        // A commit that failed and, when it was looked at, had not happened.
        StepState::Unfinished => standing.faults.iter().any(|(step, _)| *step as usize == *id),
        _ => false,
    };
    standing.steps.iter().enumerate().find(failed).map(|(id, _)| id as u32)
}

fn go_on(plan: &Plan, standing: &Standing) -> Decision {
    let waiting =
        |id: u32| matches!(standing.steps[id as usize], StepState::Untouched | StepState::Unfinished);
    let Some(stage) = plan.steps.iter().find(|step| waiting(step.id)).map(|step| step.stage) else {
        return Decision::End(forward_verdict(plan, standing));
    };
    let batch = plan.steps.iter().filter(|step| step.stage == stage && waiting(step.id));
    Decision::Perform(batch.map(|step| step.id).collect())
}

fn forward_verdict(plan: &Plan, standing: &Standing) -> Verdict {
    let faults: Vec<Fault> = standing
        .steps
        .iter()
        .zip(&plan.steps)
        .filter_map(|(state, step)| match state {
            StepState::Failed(fault) => Some(with_what_stays(plan, step, state, fault)),
            _ => None,
        })
        .collect();
    if faults.is_empty() { Verdict::Done } else { Verdict::DoneWithProblems(faults) }
}

fn with_what_stays(plan: &Plan, step: &Step, state: &StepState, fault: &Fault) -> Fault {
    let mut fault = fault.clone();
    if let Some(stays) = stays(plan, step, state) {
        fault.say_what_stays(stays);
    }
    fault
}

fn go_back(plan: &Plan, standing: &Standing) -> Decision {
    let needs_tree = !half_done(plan, standing).is_empty();
    let due = |id: u32| match undo_of(plan, id, &standing.steps[id as usize]) {
        // What undoes a job that is half-done runs from there.
        Some(Action::RemoveTree { .. }) if needs_tree => false,
        Some(_) => held(plan, standing, id).is_none(),
        None => false,
    };
    let Some(stage) = plan.steps.iter().rev().find(|step| due(step.id)).map(|step| step.stage) else {
        return Decision::End(backward_verdict(plan, standing));
    };
    let batch = plan.steps.iter().filter(|step| step.stage == stage && due(step.id));
    Decision::Compensate(batch.map(|step| step.id).collect())
}

/// The action that still has to be done to undo a step in this state.
pub(crate) fn undo_of<'a>(plan: &'a Plan, step: u32, state: &StepState) -> Option<&'a Action> {
    match (&plan.step(step)?.compensation, state) {
        (Compensation::Always(undo), StepState::Done | StepState::Failed(_) | StepState::Unfinished)
        | (Compensation::WhenDone(undo), StepState::Done) => Some(undo),
        _ => None,
    }
}

/// The step that could not be undone and without whose undoing it would do harm to undo `id`.
///
/// Requests that could not be sent back still go to the new release: whatever it stands on stays.
/// And where copies must not run side by side, the old one is not started while the new one, which
/// could not be stopped, may run. What may run still has the files that it runs from.
fn held(plan: &Plan, standing: &Standing, id: u32) -> Option<u32> {
    let step = plan.step(id)?;
    let stuck = |later: &&Step| {
        later.stage > step.stage && matches!(standing.steps[later.id as usize], StepState::NotUndone(_))
    };
    let blocks = |later: &&Step| match (&step.action, &later.action) {
        (_, Action::SwitchTraffic { .. }) => true,
        (Action::FetchSource { .. }, Action::StartInstance { .. }) => true,
        (Action::StopInstance { instance: old, .. }, Action::StartInstance { instance: new, .. }) => {
            old.service == new.service && hands_over(plan, &old.service)
        }
        _ => false,
    };
    plan.steps.iter().filter(stuck).find(blocks).map(|later| later.id)
}

/// Whether all old copies of a service stop before the first new one starts.
fn hands_over(plan: &Plan, service: &Name) -> bool {
    let of = |step: &&Step| step.phase < Phase::Commit;
    let stops = plan.steps.iter().filter(of).filter_map(|step| match &step.action {
        Action::StopInstance { instance, .. } if instance.service == *service => Some(step.stage),
        _ => None,
    });
    let starts = plan.steps.iter().filter(of).filter_map(|step| match &step.action {
        Action::StartInstance { instance, .. } if instance.service == *service => Some(step.stage),
        _ => None,
    });
    stops.max() < starts.min()
}

fn backward_verdict(plan: &Plan, standing: &Standing) -> Verdict {
    let mut cause = cause(plan, standing);
    for stays in plan.steps.iter().filter_map(|step| stays(plan, step, &standing.steps[step.id as usize])) {
        cause.say_what_stays(stays);
    }
    let left: Vec<Fault> = standing
        .steps
        .iter()
        .zip(&plan.steps)
        .filter_map(|(state, step)| match state {
            StepState::NotUndone(fault) => Some(fault.clone()),
            state => left_alone(plan, standing, step, state),
        })
        .collect();
    match (left.is_empty(), standing.has_changed_the_world(plan)) {
        (false, _) => Verdict::Stuck { cause, left },
        (true, true) => Verdict::RolledBack(cause),
        (true, false) if cause.refused => Verdict::Refused(cause),
        (true, false) => Verdict::Failed(cause),
    }
}

/// What is said of an undoing that was held back.
fn left_alone(plan: &Plan, standing: &Standing, step: &Step, state: &StepState) -> Option<Fault> {
    let undo = undo_of(plan, step.id, state)?;
    let blocker = plan.step(held(plan, standing, step.id)?)?;
    Some(Fault::new(
        format!("{}: not undone", plan.describe(&step.action)),
        format!(
            "when \"{}\" is put right, what is left to do is: {}",
            plan.describe(&blocker.action),
            plan.describe(undo)
        ),
    ))
}

fn cause(plan: &Plan, standing: &Standing) -> Fault {
    match &standing.turned {
        Some(Turn::StepFailed { step }) => {
            let fault = standing.faults.iter().find(|(failed, _)| failed == step).map(|(_, fault)| fault);
            fault.cloned().unwrap_or_else(|| {
                let step = plan.step(*step).map(|step| plan.describe(&step.action)).unwrap_or_default();
                Fault::new(format!("{step}: failed"), "")
            })
        }
        Some(Turn::Cancelled { by }) => Fault::new(format!("cancelled by {by}"), ""),
        Some(Turn::Unclaimed) => Fault::new(
            "the run was interrupted and nobody claimed it in time",
            "deploy again when you are ready",
        ),
        None => Fault::new("the run went back for an unknown reason", ""),
    }
}
