//! The testkit's world, as the engine asks for one.

use std::cell::RefCell;
use std::rc::Rc;

use windlass::engine::{self, Journal};
use windlass_core::journal::Fault;
use windlass_core::plan::{Action, Phase, Plan};
use windlass_testkit::world::{Effect, Look, Refusal, World};

use crate::gate::{Fate, Gate};

/// How the world may deceive the engine, to show that the checks notice it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Lie {
    /// Not at all.
    None,
    /// It says that it has undone something, and has not.
    UndoesNothing,
    /// It says of copies of the old release that they have stopped.
    StopsNothing,
    /// It never finds that something was done.
    FindsNothing,
}

/// The world as one driver of one run has it.
pub(crate) struct Acting {
    pub(crate) world: Rc<RefCell<World>>,
    pub(crate) journal: Rc<RefCell<Journal>>,
    pub(crate) gate: Gate,
    pub(crate) run: usize,
    /// The driver's number.
    pub(crate) session: u64,
    pub(crate) lie: Lie,
}

impl engine::World for Acting {
    async fn perform(&self, id: &str, plan: &Plan, step: u32, action: &Action) -> Result<String, Fault> {
        for effect in self.effects(plan, step, action) {
            let fate = self.gate.pass((self.run, Some(step))).await;
            self.happen(id, &effect, fate)?;
        }
        // It may die with all done and nothing said.
        self.gate.pass((self.run, Some(step))).await;
        Ok(String::new())
    }

    async fn look(&self, _id: &str, _plan: &Plan, action: &Action) -> Result<bool, Fault> {
        loop {
            if self.gate.pass((self.run, None)).await != Fate::Happens {
                return Err(Fault::new("it cannot be told", ""));
            }
            let mut world = self.world.borrow_mut();
            let found = match self.lie {
                Lie::FindsNothing => Look::NotDone,
                _ => world.look_for(self.run, action),
            };
            // As whoever starts the host side again puts right.
            if matches!(action, Action::Commit) {
                world.mend_link();
            }
            match found {
                Look::Done => return Ok(true),
                Look::NotDone | Look::Failed(_) => return Ok(false),
                Look::Wait => {}
            }
        }
    }

    async fn interrupt(&self, _id: &str, plan: &Plan, action: &Action) -> bool {
        self.gate.pass((self.run, None)).await;
        let Action::RunJob { job, undo } = action else { return true };
        let mut world = self.world.borrow_mut();
        world.finish_job(self.run, job, *undo, false);
        *undo || world.jobs.contains_key(&(plan.release, job.clone(), *undo))
    }
}

impl Acting {
    fn effects(&self, plan: &Plan, step: u32, action: &Action) -> Vec<Effect> {
        let known = plan.step(step);
        let is_undo = known.is_some_and(|step| step.action != *action);
        let before_commit = known.is_some_and(|step| step.phase < Phase::Commit);
        let stops = matches!(action, Action::StopInstance { .. });
        match self.lie {
            Lie::UndoesNothing if is_undo => Vec::new(),
            Lie::StopsNothing if stops && !is_undo && before_commit => Vec::new(),
            _ => Effect::of(action),
        }
    }

    fn happen(&self, id: &str, effect: &Effect, fate: Fate) -> Result<(), Fault> {
        // Where it cannot be written down what is to be revoked, it is revoked all the same.
        let fails = fate != Fate::Happens && !matches!(effect, Effect::Owe(..));
        let happens = !fails || fate == Fate::HappensAndFails;
        if *effect == Effect::Lock && happens {
            let holder = self.journal.borrow_mut().take_lock(id);
            let holder = holder.map_err(|error| Fault::new(error.to_string(), ""))?;
            if let Some(holder) = holder {
                return Err(Fault {
                    refused: true,
                    ..Fault::new(format!("run {holder} holds the lock"), "")
                });
            }
        }
        let mut world = self.world.borrow_mut();
        let happened = if happens { world.happen(self.run, self.session, effect) } else { Ok(()) };
        let fault = match happened {
            Ok(()) if fails => Fault::new(format!("{effect:?} failed"), ""),
            Ok(()) => return Ok(()),
            Err(Refusal::Failed(fault)) => fault,
            Err(Refusal::Fenced) => {
                let run = self.run;
                world.outrages.push(format!("lock: run {run} does {effect:?} and does not hold the lock"));
                Fault::new("without the lock", "")
            }
        };
        // What is said to have failed is not left running.
        if let Effect::SpawnJob(job, undo) | Effect::FinishJob(job, undo) = effect {
            world.finish_job(self.run, job, *undo, false);
        }
        Err(fault)
    }
}
