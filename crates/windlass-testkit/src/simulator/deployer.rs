//! Whoever carries out a run: the engine's loop, one event at a time.

use std::collections::VecDeque;

use windlass_core::journal::{Decision, Direction, Fault, Record, Verdict, decide};
use windlass_core::plan::Action;

use super::Random;
use crate::world::{Effect, Fenced, Look, World};

/// A flaw that a deployer is given on purpose, to show that the checks notice it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flaw {
    /// None.
    None,
    /// It does not undo, and says that it has.
    SkipsCompensation,
    /// It says of instances of the old release that they have stopped, and stops none of them.
    StartsBeforeStop,
    /// After a crash it does again whatever has no result, without looking.
    NeverLooks,
    /// It acts before the intent is in the journal.
    ActsBeforeIntent,
    /// The world does not check its number.
    Unfenced,
}

/// One driver of one run.
#[derive(Debug)]
pub struct Deployer {
    /// The run.
    pub run: usize,
    /// Its number.
    pub session: u64,
    /// It does nothing before this time.
    pub asleep_until: u64,
    flaw: Flaw,
    queue: VecDeque<Event>,
    tasks: Vec<Task>,
}

#[derive(Debug)]
enum Event {
    Append(Record),
    Look(u32, Direction),
}

#[derive(Debug)]
struct Task {
    step: u32,
    direction: Direction,
    effects: VecDeque<Effect>,
}

/// What became of a deployer in one event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Progress {
    /// It goes on.
    Working,
    /// Its run is over.
    Finished,
    /// It was refused because somebody else drives its run, and gave up.
    FencedOff,
}

impl Deployer {
    /// Drives `run` with this number.
    #[must_use]
    pub const fn new(run: usize, session: u64, flaw: Flaw) -> Self {
        Self { run, session, asleep_until: 0, flaw, queue: VecDeque::new(), tasks: Vec::new() }
    }

    /// Carries the run out without a fault.
    pub fn finish(&mut self, world: &mut World, random: &mut Random) {
        while self.advance(world, random, 0) == Progress::Working {}
    }

    /// The next thing it writes is this.
    pub(super) fn write_first(&mut self, record: Record) {
        self.queue.push_front(Event::Append(record));
    }

    /// One event. `failing` is how many of a thousand effects fail.
    pub(super) fn advance(&mut self, world: &mut World, random: &mut Random, failing: usize) -> Progress {
        match self.step(world, random, failing) {
            Ok(true) => Progress::Working,
            Ok(false) => Progress::Finished,
            Err(Fenced) => Progress::FencedOff,
        }
    }

    fn step(&mut self, world: &mut World, random: &mut Random, failing: usize) -> Result<bool, Fenced> {
        let act_first = self.flaw == Flaw::ActsBeforeIntent && !self.tasks.is_empty() && random.chance(500);
        if !act_first && let Some(event) = self.queue.pop_front() {
            return self.handle(world, event).map(|()| true);
        }
        if !self.tasks.is_empty() {
            let at = random.below(self.tasks.len());
            return self.work(world, at, random, failing).map(|()| true);
        }
        self.choose(world)
    }

    fn handle(&mut self, world: &mut World, event: Event) -> Result<(), Fenced> {
        match event {
            Event::Append(record) => world.append(self.run, self.session, record),
            Event::Look(step, direction) => {
                let found = if self.flaw == Flaw::NeverLooks {
                    Look::NotDone
                } else {
                    world.look(self.run, step, direction)
                };
                let record = match found {
                    Look::Done => Record::Done { step, direction, note: String::new() },
                    Look::NotDone => Record::NotDone { step, direction },
                    Look::Failed(fault) => Record::Failed { step, direction, fault },
                    Look::Wait => {
                        self.queue.push_back(Event::Look(step, direction));
                        return Ok(());
                    }
                };
                world.append(self.run, self.session, record)?;
                if matches!(world.action(self.run, step, direction), Some(Action::Commit)) {
                    world.mend_link();
                }
                Ok(())
            }
        }
    }

    /// Lets one effect of one of the steps in progress happen, or writes its result.
    fn work(
        &mut self,
        world: &mut World,
        at: usize,
        random: &mut Random,
        failing: usize,
    ) -> Result<(), Fenced> {
        let Task { step, direction, .. } = self.tasks[at];
        let Some(effect) = self.tasks[at].effects.pop_front() else {
            self.tasks.remove(at);
            return world.append(
                self.run,
                self.session,
                Record::Done { step, direction, note: String::new() },
            );
        };
        // An effect that fails may have happened all the same.
        let fails = random.chance(if direction == Direction::Back { failing / 8 } else { failing });
        // Where it cannot be written down what is to be revoked, it is revoked all the same.
        let fails = fails && !matches!(effect, Effect::Owe(..));
        let happened =
            if fails && random.chance(500) { Ok(()) } else { world.happen(self.run, self.session, &effect) };
        let fault = match happened {
            Err(crate::world::Refusal::Fenced) => return Err(Fenced),
            Err(crate::world::Refusal::Failed(fault)) => fault,
            Ok(()) if fails => Fault::new(format!("{effect:?} failed"), ""),
            Ok(()) => return Ok(()),
        };
        if let Effect::FinishJob(job, undo) = &effect {
            world.finish_job(self.run, job, *undo, false);
        }
        self.tasks.remove(at);
        world.append(self.run, self.session, Record::Failed { step, direction, fault })
    }

    /// Asks what is next.
    fn choose(&mut self, world: &mut World) -> Result<bool, Fenced> {
        let run = &world.runs[self.run];
        match decide(&run.plan, &run.records) {
            Decision::Perform(steps) => self.begin(world, &steps, Direction::Forward),
            Decision::Compensate(_) if self.flaw == Flaw::SkipsCompensation => {
                let verdict = Verdict::RolledBack(Fault::new("skipped", ""));
                self.queue.push_back(Event::Append(Record::Ended(verdict)));
            }
            Decision::Compensate(steps) => self.begin(world, &steps, Direction::Back),
            Decision::Look(open) => self.queue.extend(open.into_iter().map(|(step, d)| Event::Look(step, d))),
            Decision::Turn(turn) => self.queue.push_back(Event::Append(Record::Turned(turn))),
            Decision::End(verdict) => self.queue.push_back(Event::Append(Record::Ended(verdict))),
            Decision::Over => {
                world.release_lock(self.run, self.session)?;
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn begin(&mut self, world: &World, steps: &[u32], direction: Direction) {
        for &step in steps {
            let action = world.action(self.run, step, direction);
            let before_commit = world.runs[self.run]
                .plan
                .step(step)
                .is_some_and(|s| s.phase < windlass_core::plan::Phase::Commit);
            let lies =
                self.flaw == Flaw::StartsBeforeStop && direction == Direction::Forward && before_commit;
            let effects = match &action {
                Some(Action::StopInstance { .. }) if lies => Vec::new(),
                Some(action) => Effect::of(action),
                None => Vec::new(),
            };
            self.queue.push_back(Event::Append(Record::Intent { step, direction }));
            self.tasks.push(Task { step, direction, effects: effects.into() });
        }
    }
}
