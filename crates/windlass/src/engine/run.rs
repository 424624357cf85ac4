//! The loop.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Instant;

use futures_util::stream::{FuturesUnordered, StreamExt};
use tokio::sync::watch;
use windlass_core::event::{Event, What};
use windlass_core::journal::{Decision, Direction, Fault, Record, Standing, Turn, Verdict, decide};
use windlass_core::plan::{Action, Compensation, Plan};

use super::{Journal, JournalError, World};
use crate::observe::debug;
use crate::{clock, failpoint};

/// Whether a run that is under way is to turn back, and who says so.
pub type Cancel = watch::Receiver<Option<Turn>>;

/// Why the loop stopped before the run was over.
#[derive(Debug)]
pub enum Interrupt {
    /// The journal cannot be written. Nothing more is done: what was not written must not happen.
    Journal(JournalError),
    /// What became of a step cannot be told.
    Unknown(Fault),
}

/// Carries out one run.
pub struct Engine<'a, W> {
    /// The run's id.
    pub run: &'a str,
    /// What it does.
    pub plan: &'a Plan,
    /// The journal; between two writes others may use it.
    pub journal: Rc<RefCell<Journal>>,
    /// Who acts.
    pub world: &'a W,
    /// Who watches.
    pub emit: &'a dyn Fn(Event),
    /// Whether to turn back.
    pub cancel: Cancel,
}

impl<W: World> Engine<'_, W> {
    /// Goes on with the run, from wherever its records say, until it is over.
    ///
    /// # Errors
    /// [`Interrupt`] when it cannot go on; it can be resumed later.
    pub async fn run(&mut self) -> Result<Verdict, Interrupt> {
        let mut records = self.journal.borrow().records(self.run)?;
        loop {
            self.turn_if_cancelled(&mut records)?;
            match decide(self.plan, &records) {
                Decision::Perform(steps) => self.perform(&mut records, &steps, Direction::Forward).await?,
                Decision::Compensate(steps) => self.perform(&mut records, &steps, Direction::Back).await?,
                Decision::Look(steps) => {
                    for (step, direction) in steps {
                        let record = self.look(step, direction).await?;
                        self.append(&mut records, vec![record])?;
                    }
                }
                Decision::Turn(turn) => self.turn(&mut records, turn)?,
                Decision::End(verdict) => self.append(&mut records, vec![Record::Ended(verdict)])?,
                Decision::Over => break,
            }
        }
        Ok(Standing::of(self.plan, &records).ended.unwrap_or(Verdict::Done))
    }

    fn turn_if_cancelled(&self, records: &mut Vec<Record>) -> Result<(), Interrupt> {
        let Some(turn) = self.cancel.borrow().clone() else { return Ok(()) };
        let standing = Standing::of(self.plan, records);
        if standing.turned.is_none() && standing.ended.is_none() && !standing.is_committed(self.plan) {
            self.turn(records, turn)?;
        }
        Ok(())
    }

    fn turn(&self, records: &mut Vec<Record>, turn: Turn) -> Result<(), Interrupt> {
        self.append(records, vec![Record::Turned(turn.clone())])?;
        self.say(What::TurnedBack { why: turn });
        Ok(())
    }

    /// Does or undoes the steps of one stage at the same time. Their intents are written and synced
    /// together first; each result as soon as it is there.
    async fn perform(
        &mut self,
        records: &mut Vec<Record>,
        steps: &[u32],
        direction: Direction,
    ) -> Result<(), Interrupt> {
        let intents = steps.iter().map(|step| Record::Intent { step: *step, direction }).collect();
        self.append(records, intents)?;
        for step in steps {
            failpoint::pass("after-intent", *step, direction);
            self.say_begun(*step, direction);
        }

        let began = Instant::now();
        let (run, plan, world) = (self.run, self.plan, self.world);
        let mut acts: FuturesUnordered<_> = steps
            .iter()
            .filter_map(|step| Some((*step, action(plan, *step, direction)?)))
            .map(|(step, action)| async move {
                let act = world.perform(run, plan, step, action);
                (step, failpoint::failing(step, direction, act).await)
            })
            .collect();
        let mut open: Vec<u32> = steps.to_vec();
        let mut cancel = self.cancel.clone();
        // Only the way forward can be cut short: the way back is what a cancelled run is left with.
        let mut may_cancel =
            direction == Direction::Forward && !Standing::of(self.plan, records).is_committed(self.plan);
        loop {
            tokio::select! {
                biased;
                next = acts.next() => {
                    let Some((step, result)) = next else { break };
                    open.retain(|id| *id != step);
                    failpoint::pass("after-act", step, direction);
                    self.note(records, step, direction, result, began)?;
                    failpoint::pass("after-result", step, direction);
                }
                turn = cancelled(&mut cancel), if may_cancel => {
                    may_cancel = false;
                    let Some(_) = turn else { continue };
                    drop(std::mem::take(&mut acts));
                    for step in &open {
                        let begun = match action(plan, *step, direction) {
                            Some(action) => world.interrupt(run, plan, action).await,
                            None => true,
                        };
                        let fault = Fault::new("given up, because the run was cancelled", "");
                        let fault = if begun { fault } else { fault.before_it_began() };
                        self.note(records, *step, direction, Err(fault), began)?;
                    }
                    break;
                }
            }
        }
        Ok(())
    }

    fn note(
        &self,
        records: &mut Vec<Record>,
        step: u32,
        direction: Direction,
        result: Result<String, Fault>,
        began: Instant,
    ) -> Result<(), Interrupt> {
        let millis = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
        match result {
            Ok(note) => {
                self.append(records, vec![Record::Done { step, direction, note: note.clone() }])?;
                self.say(What::StepDone { step, direction, note, millis });
            }
            Err(fault) => {
                self.append(records, vec![Record::Failed { step, direction, fault: fault.clone() }])?;
                self.say(What::StepFailed { step, direction, fault, millis });
            }
        }
        Ok(())
    }

    async fn look(&self, step: u32, direction: Direction) -> Result<Record, Interrupt> {
        let Some(action) = action(self.plan, step, direction) else {
            return Ok(Record::NotDone { step, direction });
        };
        let there = self.world.look(self.run, self.plan, action).await.map_err(Interrupt::Unknown)?;
        Ok(if there {
            Record::Done { step, direction, note: "found done after an interruption".to_owned() }
        } else {
            Record::NotDone { step, direction }
        })
    }

    fn append(&self, records: &mut Vec<Record>, new: Vec<Record>) -> Result<(), Interrupt> {
        self.journal.borrow_mut().append(self.run, &new)?;
        records.extend(new);
        Ok(())
    }

    fn say_begun(&self, step: u32, direction: Direction) {
        let Some(known) = self.plan.step(step) else { return };
        let line = match action(self.plan, step, direction) {
            Some(action) => self.plan.describe(action),
            None => String::new(),
        };
        self.say(What::StepBegan { step, phase: known.phase, direction, line });
    }

    fn say(&self, what: What) {
        let event = Event { at: clock::wall_millis(), what };
        debug::event("host", &event);
        (self.emit)(event);
    }
}

/// Waits until the run is to turn; `None` when nobody can say so any more.
async fn cancelled(cancel: &mut Cancel) -> Option<Turn> {
    match cancel.wait_for(Option::is_some).await {
        Ok(turn) => turn.clone(),
        Err(_) => std::future::pending().await,
    }
}

fn action(plan: &Plan, step: u32, direction: Direction) -> Option<&Action> {
    let step = plan.step(step)?;
    match (direction, &step.compensation) {
        (Direction::Forward, _) => Some(&step.action),
        (Direction::Back, Compensation::Always(undo) | Compensation::WhenDone(undo)) => Some(undo),
        (Direction::Back, Compensation::Unneeded | Compensation::Impossible(_)) => None,
    }
}

impl Interrupt {
    /// Whether there was no room on the disk.
    #[must_use]
    pub fn is_full_disk(&self) -> bool {
        matches!(self, Self::Journal(error) if error.is_full_disk())
    }
}

impl From<JournalError> for Interrupt {
    fn from(error: JournalError) -> Self {
        Self::Journal(error)
    }
}

impl std::fmt::Display for Interrupt {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Journal(error) => write!(f, "the run stopped where it was: {error}"),
            Self::Unknown(fault) => write!(f, "what became of a step cannot be told: {fault}"),
        }
    }
}
