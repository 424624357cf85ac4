//! A run in memory, for whoever follows it or stops it.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use tokio::sync::watch;
use windlass_core::event::{Event, RequestCost, What};
use windlass_core::journal::{Direction, Standing, Turn};
use windlass_core::plan::Action;

use crate::engine::RunRow;
use crate::host::instance::hurry::Hurry;
use crate::host::run::story::Story;

/// A run in memory: its events so far, for whoever comes late, and the way to stop it.
pub(in crate::host) struct RunHandle {
    pub(in crate::host) row: RunRow,
    pub(super) events: RefCell<Story>,
    pub(super) news: watch::Sender<usize>,
    pub(super) cancel: watch::Sender<Option<Turn>>,
    /// Whether what it waits for after its commit is to be cut short.
    pub(super) hurry: watch::Sender<bool>,
    pub(super) under_way: Cell<bool>,
    /// Whether it has taken the lock.
    pub(super) locked: Cell<bool>,
    /// How many times it was left to be settled: only the last counts.
    pub(super) leases: Cell<u32>,
    /// When it is settled if nobody claims it, milliseconds since 1970; for people.
    pub(super) settles_at: Cell<Option<i64>>,
    /// How many follow it.
    followers: Cell<u32>,
    /// What the proxy had counted when the run began.
    pub(super) before: Cell<Option<RequestCost>>,
    /// Whether a host side before this one began it: what had been counted by then is not known.
    pub(super) taken_up: bool,
    /// The process of that proxy.
    pub(super) counted_by: Cell<Option<i32>>,
    /// How far it was when somebody looked last, and of how many records that was made.
    pub(super) standing: RefCell<Option<(i64, Rc<Standing>)>>,
}

impl RunHandle {
    pub(super) fn new(row: RunRow, taken_up: bool) -> Rc<Self> {
        Rc::new(Self {
            row,
            events: RefCell::default(),
            news: watch::Sender::new(0),
            cancel: watch::Sender::new(None),
            hurry: watch::Sender::new(false),
            under_way: Cell::new(false),
            locked: Cell::new(false),
            leases: Cell::new(0),
            settles_at: Cell::new(None),
            followers: Cell::new(0),
            before: Cell::new(None),
            taken_up,
            counted_by: Cell::new(None),
            standing: RefCell::default(),
        })
    }

    /// Asks the run to go back. It does, unless it is committed.
    pub(in crate::host) fn cancel(&self, turn: Turn) {
        self.cancel.send_if_modified(|now| {
            let first = now.is_none();
            now.get_or_insert(turn);
            first
        });
    }

    /// Whether somebody wants it to end soon.
    pub(in crate::host) fn hurried(&self) -> Hurry {
        Hurry::of(self.hurry.subscribe())
    }

    /// Whether it was asked to go back.
    pub(super) fn is_turned(&self) -> bool {
        self.cancel.borrow().is_some()
    }

    /// Somebody follows the run from here on.
    pub(in crate::host) fn follow(self: &Rc<Self>) -> Following {
        self.followers.set(self.followers.get() + 1);
        Following { run: self.clone() }
    }

    /// A receiver that is told how many events there are.
    pub(in crate::host) fn news(&self) -> watch::Receiver<usize> {
        self.news.subscribe()
    }

    /// The event with this number, and the number of the one after it.
    pub(in crate::host) fn event(&self, number: usize) -> Option<(Event, usize)> {
        self.events.borrow().event(number)
    }

    pub(super) fn say(&self, event: Event) {
        if let What::StepDone { step, direction: Direction::Forward, .. } = &event.what
            && self.row.plan.step(*step).is_some_and(|step| step.action == Action::TakeLock)
        {
            self.locked.set(true);
        }
        let length = self.events.borrow_mut().push(event);
        self.news.send_replace(length);
    }
}

/// Somebody who follows a run.
pub(in crate::host) struct Following {
    run: Rc<RunHandle>,
}

impl Following {
    /// They have gone without waiting for its end. A run that nobody follows any more, and that has changed
    /// nothing yet, is dropped.
    pub(in crate::host) fn go_away(self) {
        let run = self.run.clone();
        drop(self);
        if run.followers.get() == 0 && !run.locked.get() {
            run.cancel(Turn::Cancelled { by: format!("{} going away", run.row.by) });
        }
    }
}

impl Drop for Following {
    fn drop(&mut self) {
        self.run.followers.set(self.run.followers.get().saturating_sub(1));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::testing;

    #[test]
    fn a_run_is_dropped_when_the_last_who_follows_it_goes_away_before_the_lock() {
        let run = RunHandle::new(testing::run("a", testing::first(|_| ())), false);
        let (asked, looks, waits) = (run.follow(), run.follow(), run.follow());
        looks.go_away();
        drop(waits); // The run was over for them.
        assert_eq!(*run.cancel.borrow(), None);
        asked.go_away();
        assert!(matches!(&*run.cancel.borrow(), Some(Turn::Cancelled { by }) if by == "ada@home going away"));
    }

    #[test]
    fn a_run_that_has_taken_the_lock_goes_on_by_itself() {
        let run = RunHandle::new(testing::run("a", testing::first(|_| ())), false);
        run.locked.set(true);
        run.follow().go_away();
        assert_eq!(*run.cancel.borrow(), None);
    }
}
