//! Runs, their journals, the lock, and the numbers that keep a woken old owner from harm.

use windlass_core::journal::{Direction, Record, Standing, StepState, Verdict, decide};
use windlass_core::name::ReleaseId;
use windlass_core::plan::{Action, Plan, Request};

use super::{Blueprint, LEASE, World};

/// A run and its journal.
#[derive(Debug, Clone)]
pub struct Run {
    /// What it does.
    pub plan: Plan,
    /// What it has done.
    pub records: Vec<Record>,
    /// The number of whoever drives it now.
    pub session: u64,
    /// A record whose writer died in the middle of it: it is there in part, and no reader believes it.
    pub torn: bool,
    /// When its owner last gave a sign of life.
    pub seen: u64,
    /// The world as it was when the lock was taken.
    pub before: Option<Box<World>>,
}

/// The environment's lock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lock {
    /// The run that holds it.
    pub owner: usize,
    /// The number of whoever drives that run.
    pub number: u64,
}

/// Why a write was refused: its writer is no longer the one who may.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fenced;

impl Run {
    /// How it ended, if it has.
    #[must_use]
    pub fn verdict(&self) -> Option<&Verdict> {
        self.records.iter().rev().find_map(|record| match record {
            Record::Ended(verdict) => Some(verdict),
            _ => None,
        })
    }

    /// Whether it has ended.
    #[must_use]
    pub fn is_over(&self) -> bool {
        matches!(self.records.last(), Some(Record::Ended(_)))
            || decide(&self.plan, &self.records) == windlass_core::journal::Decision::Over
    }

    /// Where its steps stand.
    #[must_use]
    pub fn standing(&self) -> Standing {
        Standing::of(&self.plan, &self.records)
    }

    /// Whether undoing a step with an action like this was tried and failed.
    #[must_use]
    pub fn failed_to_undo(&self, is: impl Fn(&Action) -> bool) -> bool {
        let standing = self.standing();
        let failed = |state: &StepState| matches!(state, StepState::NotUndone(_));
        self.plan.steps.iter().zip(&standing.steps).any(|(step, state)| failed(state) && is(&step.action))
    }
}

impl World {
    /// Begins a run. Its release's number is taken for good at this instant; a plan whose number was
    /// taken by another run is stale.
    ///
    /// # Errors
    /// [`Fenced`] when the plan is stale.
    pub fn begin(&mut self, plan: Plan) -> Result<usize, Fenced> {
        if !matches!(plan.request, Request::Stop { .. }) {
            if plan.release.0 <= self.last_release {
                return Err(Fenced);
            }
            self.last_release = plan.release.0;
            let blueprint =
                Blueprint { spec: plan.spec.clone(), tree: plan.tree.clone(), digests: plan.digests.clone() };
            self.blueprints.insert(plan.release, blueprint);
        }
        self.numbers += 1;
        let (session, seen) = (self.numbers, self.now);
        self.runs.push(Run { plan, records: Vec::new(), session, torn: false, seen, before: None });
        Ok(self.runs.len() - 1)
    }

    /// The next release's number.
    #[must_use]
    pub const fn next_release(&self) -> ReleaseId {
        ReleaseId(self.last_release + 1)
    }

    /// Takes a run over: from now on every other driver of it is refused.
    pub fn claim(&mut self, run: usize) -> u64 {
        self.numbers += 1;
        self.runs[run].session = self.numbers;
        self.runs[run].torn = false;
        self.runs[run].seen = self.now;
        if let Some(lock) = self.lock.as_mut().filter(|lock| lock.owner == run) {
            lock.number = self.numbers;
        }
        self.numbers
    }

    /// Whether a run's owner has given no sign of life for longer than a lease.
    #[must_use]
    pub fn is_expired(&self, run: usize) -> bool {
        self.now > self.runs[run].seen + LEASE
    }

    /// Appends a record.
    ///
    /// # Errors
    /// [`Fenced`] when somebody else drives the run now.
    pub fn append(&mut self, run: usize, session: u64, record: Record) -> Result<(), Fenced> {
        self.admit(run, session)?;
        self.runs[run].records.push(record);
        Ok(())
    }

    /// Frees the lock, when it is this run's.
    ///
    /// # Errors
    /// [`Fenced`] when somebody else drives the run now.
    pub fn release_lock(&mut self, run: usize, session: u64) -> Result<(), Fenced> {
        self.admit(run, session)?;
        self.lock = self.lock.filter(|lock| lock.owner != run);
        Ok(())
    }

    /// Checks a driver's number and takes note that it lives.
    pub(super) fn admit(&mut self, run: usize, session: u64) -> Result<(), Fenced> {
        if self.runs[run].session != session && !self.unfenced {
            return Err(Fenced);
        }
        self.runs[run].seen = self.now;
        Ok(())
    }

    /// Whether this run holds the lock.
    #[must_use]
    pub fn holds_lock(&self, run: usize) -> bool {
        self.lock.is_some_and(|lock| lock.owner == run)
    }

    /// The action of a step in a direction.
    #[must_use]
    pub fn action(&self, run: usize, step: u32, direction: Direction) -> Option<Action> {
        use windlass_core::plan::Compensation;
        let step = self.runs[run].plan.step(step)?;
        match (direction, &step.compensation) {
            (Direction::Forward, _) => Some(step.action.clone()),
            (Direction::Back, Compensation::Always(undo) | Compensation::WhenDone(undo)) => {
                Some(undo.clone())
            }
            (Direction::Back, _) => None,
        }
    }
}
