//! Writing down steps, stage by stage.

use super::{Action, Compensation, Phase, Step};

/// A list of steps in the making.
#[derive(Default)]
pub(super) struct Script {
    steps: Vec<Step>,
    stage: u32,
}

impl Script {
    /// What follows is done after all that stands here so far.
    pub(super) fn then(&mut self) {
        if self.steps.last().is_some_and(|last| last.stage == self.stage) {
            self.stage += 1;
        }
    }

    /// Adds a step to the present stage.
    pub(super) fn step(&mut self, phase: Phase, action: Action, compensation: Compensation) {
        let id = self.steps.len() as u32;
        self.steps.push(Step { id, phase, stage: self.stage, action, compensation });
    }

    /// Adds a stage of one step.
    pub(super) fn then_step(&mut self, phase: Phase, action: Action, compensation: Compensation) {
        self.then();
        self.step(phase, action, compensation);
        self.then();
    }

    /// What stands here so far.
    pub(super) fn steps(&self) -> &[Step] {
        &self.steps
    }

    /// The steps.
    pub(super) fn finish(self) -> Vec<Step> {
        self.steps
    }
}
