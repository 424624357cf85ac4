//! What a run still does once it is committed: nothing of that goes back, and all of it ends by itself.

use std::collections::BTreeMap;

use windlass_core::journal::StepState;
use windlass_core::plan::{Action, Plan, Step};
use windlass_core::protocol::{Refusal, Remaining};
use windlass_core::units::Span;

use crate::host::Host;
use crate::host::instance::lifecycle::CUT;
use crate::host::run::handle::RunHandle;
use crate::host::run::no::No;

impl Host {
    /// What is left to do of a run that is committed; `None` where it is not.
    pub(in crate::host) fn remaining(&self, handle: &RunHandle) -> Option<Remaining> {
        let plan = &handle.row.plan;
        let standing = self.standing(handle);
        if !standing.is_committed(plan) {
            return None;
        }
        let is_left = |step: &&Step| {
            let state = standing.steps.get(step.id as usize);
            matches!(state, Some(StepState::Untouched | StepState::Unfinished | StepState::Begun(_)))
        };
        let left: Vec<&Step> = plan.steps.iter().filter(is_left).collect();
        let steps = left.iter().map(|step| plan.describe(&step.action)).collect();
        Some(Remaining { steps, at_most: self.at_most(&left) })
    }

    /// How long steps take at the most: one stage after another, and of each the longest.
    fn at_most(&self, left: &[&Step]) -> Option<Span> {
        let mut stages: BTreeMap<u32, u64> = BTreeMap::new();
        for step in left {
            let longest = stages.entry(step.stage).or_default();
            *longest = (*longest).max(self.patience(&step.action)?.as_millis());
        }
        Some(Span::from_millis(stages.values().fold(0, |sum, longest| sum.saturating_add(*longest))))
    }

    /// How long a step waits for others at the most; `None` where that is not for this one to say.
    fn patience(&self, action: &Action) -> Option<Span> {
        match action {
            Action::StopInstance { instance, drain } => {
                let stop = self.stop_of(instance);
                let quiet = stop.quiet.map_or(0, |quiet| quiet.wait.as_millis());
                let cut =
                    if drain.is_zero() { 0 } else { u64::try_from(CUT.as_millis()).unwrap_or(u64::MAX) };
                let parts = [drain.as_millis(), cut, quiet, stop.grace.as_millis()];
                Some(Span::from_millis(parts.into_iter().fold(0, u64::saturating_add)))
            }
            Action::SwitchTraffic { .. } | Action::RemoveTree { .. } => Some(Span::ZERO),
            _ => None,
        }
    }

    /// That a run does not turn back any more, and what to do instead.
    pub(super) fn is_too_late(&self, handle: &RunHandle) -> Option<No> {
        let remaining = self.remaining(handle)?;
        let plan = &handle.row.plan;
        let what = format!(
            "nothing goes back any more: {} is committed, and only does what is left: {}",
            plan.headline(),
            remaining.in_words()
        );
        Some(No::new(Refusal::Busy, what, instead(plan)))
    }

    /// Has a committed run wait no longer than it must. One that is over needs nobody to say so.
    pub(in crate::host) fn hurry(&self, run: &str) -> Result<(), No> {
        let Some(handle) = self.run(run) else { return Ok(()) };
        if self.remaining(&handle).is_none() {
            let what = format!("it can still go back: {}", handle.row.plan.headline());
            return Err(No::new(Refusal::Invalid, what, "`windlass abort` turns it back"));
        }
        handle.hurry.send_replace(true);
        Ok(())
    }
}

/// What undoes a run that is committed.
fn instead(plan: &Plan) -> String {
    let follow = "`windlass resume` follows the rest";
    match plan.previous {
        Some(previous) if previous != plan.release => {
            format!("`windlass rollback` goes back to {previous}; {follow}")
        }
        _ => follow.to_owned(),
    }
}
