//! Where a copy stands that is not, or not any more, one of the active release's.

use serde::{Deserialize, Serialize};

use super::{Standing, StepState};
use crate::name::{InstanceId, Name};
use crate::plan::{Action, Plan, Step};

/// Where such a copy stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stage {
    /// It was started, and is not ready yet.
    Starting,
    /// It is ready, and waits for the rest of its release.
    Started,
    /// It gets the requests, and is watched.
    Baking,
    /// It is drained and stopped: another has taken its place, or its release goes back.
    Leaving,
}

impl Stage {
    /// Where `instance` stands in a run; `None`: nothing was begun with it, or the run leaves it alone.
    #[must_use]
    pub fn of(plan: &Plan, standing: &Standing, instance: &InstanceId) -> Option<Self> {
        let state = |is: &dyn Fn(&Action) -> bool| {
            let steps = plan.steps.iter().filter(|step| is(&step.action));
            steps.filter_map(|step| standing.steps.get(step.id as usize)).collect::<Vec<_>>()
        };
        let starts =
            state(&|action| matches!(action, Action::StartInstance { instance: id, .. } if id == instance));
        if !starts.iter().any(|state| **state != StepState::Untouched) {
            return None;
        }
        if standing.turned.is_some() && !standing.is_committed(plan) {
            return Some(Self::Leaving);
        }
        if state(&|action| matches!(action, Action::Bake)).iter().any(|state| **state != StepState::Untouched)
        {
            return Some(Self::Baking);
        }
        let is_ready = state(&|action| match action {
            Action::AwaitReady { instance: id } | Action::StartInstance { instance: id, ready: true } => {
                id == instance
            }
            _ => false,
        });
        let ready = is_ready.iter().any(|state| **state == StepState::Done);
        Some(if ready { Self::Started } else { Self::Starting })
    }

    /// Where a resource stands that a run starts; `None`: the run leaves it alone, or has not come to it.
    #[must_use]
    pub fn of_resource(plan: &Plan, standing: &Standing, resource: &Name) -> Option<Self> {
        let starts = |step: &&Step| matches!(&step.action, Action::StartResource { resource: started, .. } if started == resource);
        match standing.steps.get(plan.steps.iter().find(starts)?.id as usize)? {
            StepState::Untouched => None,
            _ if standing.turned.is_some() && !standing.is_committed(plan) => Some(Self::Leaving),
            StepState::Done => Some(Self::Started),
            _ => Some(Self::Starting),
        }
    }

    /// The word for it.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Starting => "starting",
            Self::Started => "started",
            Self::Baking => "baking",
            Self::Leaving => "leaving",
        }
    }
}
