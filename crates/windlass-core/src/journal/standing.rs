//! Where each step of a run stands, folded from its records.

use super::{Direction, Fault, Record, Turn, Verdict};
use crate::plan::{Action, Plan};

/// Where one step stands.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum StepState {
    /// Nothing was written of it.
    #[default]
    Untouched,
    /// An intent without a result: it may have happened.
    Begun(Direction),
    /// It was begun, and a look after a crash found it not done: in part it may be.
    Unfinished,
    /// It was done.
    Done,
    /// It was begun and failed.
    Failed(Fault),
    /// It was undone, or a look found that nothing of it had happened on the way back.
    Undone,
    /// Undoing it failed.
    NotUndone(Fault),
}

/// Where a run stands.
#[derive(Debug, Clone)]
pub struct Standing {
    /// Step by step.
    pub steps: Vec<StepState>,
    /// Why steps failed, in the order in which they did.
    pub faults: Vec<(u32, Fault)>,
    /// Why it goes back, if it does.
    pub turned: Option<Turn>,
    /// How it ended, if it has.
    pub ended: Option<Verdict>,
}

impl Standing {
    /// Folds `records`. Records of steps that the plan does not have are passed over: they can only
    /// come from a damaged journal, whose reader has reported them.
    #[must_use]
    pub fn of(plan: &Plan, records: &[Record]) -> Self {
        let steps = vec![StepState::Untouched; plan.steps.len()];
        let mut standing = Self { steps, faults: Vec::new(), turned: None, ended: None };
        for record in records {
            standing.apply(record);
        }
        standing
    }

    /// Takes one more record in.
    pub fn apply(&mut self, record: &Record) {
        match record {
            Record::Intent { step, direction } => self.set(*step, StepState::Begun(*direction)),
            Record::Done { step, direction: Direction::Forward, .. } => self.set(*step, StepState::Done),
            Record::Done { step, direction: Direction::Back, .. } => self.set(*step, StepState::Undone),
            Record::Failed { step, direction: Direction::Forward, fault } => {
                self.faults.push((*step, fault.clone()));
                self.set(*step, StepState::Failed(fault.clone()));
            }
            Record::Failed { step, direction: Direction::Back, fault } => {
                self.set(*step, StepState::NotUndone(fault.clone()));
            }
            Record::NotDone { step, direction: Direction::Forward } => self.set(*step, StepState::Unfinished),
            Record::NotDone { step, direction: Direction::Back } => self.set(*step, StepState::Done),
            // Why it turned first is why it goes back: a later cancel does not change that.
            Record::Turned(turn) => {
                self.turned.get_or_insert_with(|| turn.clone());
            }
            Record::Ended(verdict) => self.ended = Some(verdict.clone()),
        }
    }

    fn set(&mut self, step: u32, state: StepState) {
        if let Some(place) = self.steps.get_mut(step as usize) {
            *place = state;
        }
    }

    /// Whether the commit step is done: from then on the run only goes forward.
    #[must_use]
    pub fn is_committed(&self, plan: &Plan) -> bool {
        self.any_done(plan, |action| matches!(action, Action::Commit))
    }

    /// Whether anything that runs, is stored, or routes requests may have been changed.
    #[must_use]
    pub fn has_changed_the_world(&self, plan: &Plan) -> bool {
        let touched = |(step, state): (&crate::plan::Step, &StepState)| {
            step.action.changes_the_world() && *state != StepState::Untouched
        };
        plan.steps.iter().zip(&self.steps).any(touched)
    }

    fn any_done(&self, plan: &Plan, is: impl Fn(&Action) -> bool) -> bool {
        plan.steps.iter().zip(&self.steps).any(|(step, state)| is(&step.action) && *state == StepState::Done)
    }
}
