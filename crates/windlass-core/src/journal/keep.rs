//! Which copies of the active release are looked after while a run is under way.

use super::{Standing, StepState};
use crate::name::InstanceId;
use crate::plan::{Action, Plan};

/// Whether a copy of the active release that is gone is brought back while this run holds the lock: not one
/// that the run starts just now or has begun to stop, and not one that it knows nothing of. That one did not
/// run when the plan was made; who brought it back would have it run beside what takes its place, for good.
#[must_use]
pub fn is_kept(plan: &Plan, standing: &Standing, instance: &InstanceId) -> bool {
    let mut known = plan.instances.values().flatten().any(|id| id == instance);
    for step in &plan.steps {
        let state = standing.steps.get(step.id as usize).unwrap_or(&StepState::Untouched);
        match &step.action {
            Action::StopInstance { instance: id, .. } if id == instance => {
                known = true;
                if *state != StepState::Untouched {
                    return false;
                }
            }
            Action::StartInstance { instance: id, .. }
                if id == instance && !matches!(state, StepState::Untouched | StepState::Done) =>
            {
                return false;
            }
            _ => {}
        }
    }
    known
}
