//! Runs: begun, carried out, interrupted, claimed, settled.

use std::rc::Rc;
use std::time::Duration;

use uuid::Uuid;
use windlass_core::event::{Event, What};
use windlass_core::journal::{Turn, Verdict};
use windlass_core::plan::{PLAN_VERSION, Phase, Plan, Request};
use windlass_core::protocol::{Claim, FingerprintKey, Refusal, Values};

use crate::clock;
use crate::engine::{Engine, RunRow};
use crate::failpoint;
use crate::host::Host;
use crate::host::run::handle::RunHandle;
use crate::host::run::no::No;
use crate::host::run::reserve;
use crate::host::settings::{passed, values};
use crate::host::world::Acting;
use crate::layout;
use crate::processes;

/// How long an interrupted run waits for somebody to claim it, before the host side settles it
/// alone.
const LEASE: Duration = Duration::from_secs(30);

impl Host {
    /// Begins a run, which goes on whether or not anybody follows it.
    pub(in crate::host) fn begin(
        self: &Rc<Self>,
        plan: Plan,
        (given, mut passed): (Values, Values),
        key: &FingerprintKey,
        by: &str,
    ) -> Result<Rc<RunHandle>, No> {
        if self.ending.get() {
            return Err(No::new(Refusal::Busy, "the environment goes down", "call again when it is down"));
        }
        if plan.version != PLAN_VERSION || !plan.is_in_order() {
            let what = "the plan is none that this Windlass made";
            return Err(No::new(Refusal::Invalid, what, "plan again, and apply that"));
        }
        if let Some(open) = self.holder() {
            return Err(No::new(
                Refusal::Busy,
                format!("the lock is held: {}", self.describe(&open)),
                "wait until it is over (`windlass status`), follow it with `windlass resume`, or turn it back with \
                 `windlass abort`",
            ));
        }
        // Only one of two could take the lock when its build is over. Nobody else is kept waiting by a build.
        if builds(&plan)
            && let Some(other) = self.builder()
        {
            return Err(No::new(
                Refusal::Busy,
                format!("another release is being built: {}", self.describe(&other)),
                "wait until it is over (`windlass status`), follow it with `windlass resume`, or end it with \
                 `windlass abort`",
            ));
        }
        let failed = |error: &dyn std::fmt::Display| {
            No::new(Refusal::Failed, format!("the run cannot be begun: {error}"), "free some disk space")
        };
        let last = self.journal.borrow().last_release_number().map_err(|error| failed(&error))?;
        let makes_release = !matches!(plan.request, Request::Stop { .. });
        if makes_release && plan.release.0 <= last {
            let runs = self.runs.borrow();
            let by =
                runs.values().last().map_or_else(|| "somebody else".to_owned(), |run| self.describe(run));
            return Err(No::new(
                Refusal::Stale,
                format!("{} was begun meanwhile: {by}", plan.release),
                "plan again",
            ));
        }
        if matches!(plan.request, Request::Rollback { .. }) {
            reserve::give_up_if_full(&self.layout);
        }
        let key = match values::key(&self.layout) {
            Ok(Some(key)) => key,
            Ok(None) => {
                values::write_key(&self.layout, key).map_err(|error| failed(&error))?;
                key.clone()
            }
            Err(error) => return Err(No::new(Refusal::Failed, error.to_string(), "")),
        };
        let kept = values::of_plan(&self.layout, &plan, given, &key)
            .map_err(|why| No::new(Refusal::Invalid, why, "deploy again"))?;
        if let Some(mut kept) = kept {
            if plan.request == Request::Deploy {
                passed::keep_places(&mut kept, &mut passed);
            }
            passed::keep(&mut kept, &mut passed, builds(&plan));
            values::write(&self.layout, plan.release, &kept).map_err(|error| failed(&error))?;
        }
        let id = Uuid::now_v7().to_string();
        self.journal.borrow_mut().begin(&id, &plan, by).map_err(|error| failed(&error))?;
        let row = RunRow { id, plan, by: by.to_owned(), began: clock::wall_millis() };
        let handle = RunHandle::new(row, false);
        self.runs.borrow_mut().insert(handle.row.id.clone(), handle.clone());
        self.carry_out(&handle);
        Ok(handle)
    }

    /// The run under way that builds a release, or is about to.
    fn builder(&self) -> Option<Rc<RunHandle>> {
        let runs = self.runs.borrow();
        runs.values().find(|run| run.under_way.get() && !run.is_turned() && builds(&run.row.plan)).cloned()
    }

    /// Takes up the runs that a former host side left.
    pub(in crate::host) fn take_up(self: &Rc<Self>) {
        // Of runs that cannot be read nothing can be said to be left over.
        let Ok(open) = self.journal.borrow().open_runs() else { return };
        let only = open.len() == 1;
        let rebooted = self.is_of_a_new_boot();
        for row in open {
            let handle = RunHandle::new(row, true);
            self.runs.borrow_mut().insert(handle.row.id.clone(), handle.clone());
            let locked = self.holder().is_some_and(|holder| holder.row.id == handle.row.id);
            if !locked && !only {
                // It had not taken the lock, so nothing of it can be seen; and whoever claims a run
                // now would not know which. It is dropped.
                handle.cancel(Turn::Unclaimed);
                self.carry_out(&handle);
                continue;
            }
            handle.locked.set(locked);
            if rebooted {
                // Nothing of the release before runs, and nobody has anything to resume: who waited for the
                // lease would only keep the application down.
                handle.cancel(Turn::Cancelled { by: "the start of the machine".to_owned() });
                self.carry_out(&handle);
            } else {
                self.lease(&handle);
            }
        }
        // Whoever died at the end of a run may not have come to it.
        self.sweep();
    }

    /// Whether the machine was started since a host side served here last.
    pub(in crate::host) fn is_of_a_new_boot(&self) -> bool {
        let path = self.layout.state().join("boot");
        let (before, now) = (std::fs::read_to_string(&path).unwrap_or_default(), processes::boot());
        if before != now {
            let _looked_at_again_next_time = layout::replace_file(&path, now.as_bytes(), 0o600);
        }
        !before.is_empty() && !now.is_empty() && before != now
    }

    /// Takes over the open run, or the one that is named: an interrupted one goes on as `how` says; one that
    /// is under way is followed, or turned back, unless only an interrupted one was meant.
    pub(in crate::host) fn claim(
        self: &Rc<Self>,
        how: Claim,
        by: &str,
        run: Option<&str>,
        interrupted: bool,
    ) -> Result<Rc<RunHandle>, No> {
        let handle = match run {
            Some(run) => self.run(run),
            None => self.holder().or_else(|| self.runs.borrow().values().last().cloned()),
        };
        let overtaken = |what: String| No::new(Refusal::Stale, what, "see windlass status");
        let handle = match handle {
            Some(handle) if interrupted && handle.under_way.get() => {
                return Err(overtaken(format!("somebody has taken it up: {}", self.describe(&handle))));
            }
            Some(handle) => handle,
            None if interrupted => return Err(overtaken("it was settled meanwhile".to_owned())),
            None => return Err(self.nothing_open(how)),
        };
        // One that was interrupted is carried on, which takes nobody long; whoever asked is told at its end.
        if how == Claim::Abort
            && run.is_none()
            && handle.under_way.get()
            && let Some(no) = self.is_too_late(&handle)
        {
            return Err(no);
        }
        if how == Claim::Abort {
            handle.cancel(Turn::Cancelled { by: by.to_owned() });
        }
        self.carry_out(&handle);
        Ok(handle)
    }

    /// That there is no run to claim, and how things stand.
    fn nothing_open(&self, how: Claim) -> No {
        let last = self.journal.borrow().run_records(1).unwrap_or_default().into_iter().next();
        let verdict = last.as_ref().and_then(|last| last.verdict.as_ref());
        let stands = match (&last, verdict) {
            (Some(last), Some(verdict)) => {
                format!("the last one has ended ({}: {}); ", last.headline, verdict.in_words())
            }
            _ => String::new(),
        };
        let previous = last
            .as_ref()
            .and_then(|last| last.previous.filter(|_| last.previous != last.release && last.back.is_plain()));
        let then = match (how, previous) {
            (Claim::Abort, Some(_)) if verdict.is_some_and(Verdict::is_committed) => {
                "windlass rollback goes back to the release before"
            }
            _ => "windlass status shows how everything is",
        };
        let what = match how {
            Claim::Resume => "there is nothing to resume: no run is under way or interrupted",
            Claim::Abort => "there is nothing to abort: no run is under way or interrupted",
        };
        No::new(Refusal::NotFound, what, format!("{stands}{then}"))
    }

    /// Goes on with a run, unless it is under way.
    fn carry_out(self: &Rc<Self>, handle: &Rc<RunHandle>) {
        if handle.under_way.replace(true) {
            return;
        }
        handle.settles_at.set(None);
        // It begins anew for whoever follows it; that it was interrupted before is history.
        handle.events.take();
        handle.news.send_replace(0);
        let (host, handle) = (self.clone(), handle.clone());
        tokio::task::spawn_local(async move {
            host.engine(&handle).await;
        });
    }

    async fn engine(self: &Rc<Self>, handle: &Rc<RunHandle>) {
        let row = &handle.row;
        let began = What::RunBegan {
            run: row.id.clone(),
            headline: row.plan.headline(),
            steps: u32::try_from(row.plan.steps.len()).unwrap_or(u32::MAX),
        };
        handle.say(Event { at: clock::wall_millis(), what: began });
        if handle.before.get().is_none() {
            handle.before.set(Some(self.requests().await));
            handle.counted_by.set(self.proxy().pid());
        }
        let emitter = handle.clone();
        let emit: Rc<dyn Fn(Event)> = Rc::new(move |event| emitter.say(event));
        let world = Acting { host: self.clone(), emit: emit.clone() };
        let mut engine = Engine {
            run: &row.id,
            plan: &row.plan,
            journal: self.journal.clone(),
            world: &world,
            emit: &*emit,
            cancel: handle.cancel.subscribe(),
        };
        let verdict = loop {
            match engine.run().await {
                Ok(verdict) => break verdict,
                // A full disk is what the reserve was kept back for: with it there is room to go back.
                Err(interrupt) if interrupt.is_full_disk() && reserve::give_up(&self.layout) => {
                    handle
                        .cancel(Turn::Cancelled { by: "the host side, because its disk is full".to_owned() });
                }
                Err(interrupt) => return self.interrupted(handle, &interrupt.to_string()),
            }
        };
        self.finish(handle, verdict).await;
        let _ = reserve::keep(&self.layout);
    }

    /// Nothing was lost: the journal knows how far the run came, and it can be resumed; unless
    /// somebody does, it is settled when the lease is over.
    fn interrupted(self: &Rc<Self>, handle: &Rc<RunHandle>, why: &str) {
        handle.under_way.set(false);
        handle.say(Event { at: clock::wall_millis(), what: What::Interrupted { why: why.to_owned() } });
        self.lease(handle);
    }

    /// Settles the run when nobody claims it in time.
    fn lease(self: &Rc<Self>, handle: &Rc<RunHandle>) {
        let lease = failpoint::lease(LEASE);
        let millis = i64::try_from(lease.as_millis()).unwrap_or(i64::MAX);
        handle.settles_at.set(Some(clock::wall_millis() + millis));
        let number = handle.leases.get() + 1;
        handle.leases.set(number);
        let (host, handle) = (self.clone(), handle.clone());
        tokio::task::spawn_local(async move {
            // The timer goes by the monotonic clock, whatever happens to the time of day.
            tokio::time::sleep(lease).await;
            if !handle.under_way.get() && handle.leases.get() == number {
                handle.cancel(Turn::Unclaimed);
                host.carry_out(&handle);
            }
        });
    }

    async fn finish(self: &Rc<Self>, handle: &Rc<RunHandle>, verdict: Verdict) {
        let record = self.record(handle, verdict.clone()).await;
        self.note_half_done(handle);
        let written = self.journal.borrow_mut().end(&handle.row.id, &record);
        if let Err(error) = written {
            return self.interrupted(handle, &format!("the run's end cannot be written: {error}"));
        }
        self.runs.borrow_mut().shift_remove(&handle.row.id);
        // The values of a release that failed are forgotten below; a message may need one.
        self.tell_of_run(&handle.row.plan, &record, &verdict);
        let release = handle.row.plan.release;
        if !verdict.is_committed()
            && handle.row.plan.previous != Some(release)
            && self.kept_to_undo().is_ok_and(|kept| !kept.contains(&release))
            && !self.living_releases().contains(&release)
        {
            self.forget_values(release, &handle.row.plan.spec.settings);
        }
        self.sweep();
        self.prune();
        self.run_over.notify_one();
        handle.say(Event {
            at: clock::wall_millis(),
            what: What::RunEnded { verdict: verdict.clone(), record: Box::new(record) },
        });
        if !verdict.is_committed() {
            // Of a first deploy nothing is left to look after; who asked for it may be gone.
            let _stays_where_there_is_more = self.rest_when_left();
        }
    }
}

fn builds(plan: &Plan) -> bool {
    plan.steps.iter().any(|step| step.phase == Phase::Build)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::testing;

    #[test]
    fn a_claim_is_for_the_run_that_is_meant_and_for_an_interrupted_one_where_it_says_so() {
        let (_place, host) = testing::host();
        let run = RunHandle::new(testing::run("a", testing::first(|_| ())), false);
        host.runs.borrow_mut().insert("a".to_owned(), run.clone());
        run.under_way.set(true);
        let refused = |id: &str, interrupted| {
            host.claim(Claim::Abort, "bob", Some(id), interrupted).err().map(|no| no.kind)
        };
        assert_eq!(refused("a", true), Some(Refusal::Stale), "somebody has taken it up");
        assert_eq!(refused("b", true), Some(Refusal::Stale), "it is over");
        assert_eq!(refused("b", false), Some(Refusal::NotFound), "another one is open");
        assert_eq!(*run.cancel.borrow(), None);
        assert_eq!(refused("a", false), None);
        assert!(run.cancel.borrow().is_some());
    }

    #[test]
    fn a_plan_whose_steps_are_not_in_order_is_refused() {
        let (_place, host) = testing::host();
        let mut plan = testing::first(|_| ());
        plan.steps[0].id = 99;
        let no = host.begin(plan, Default::default(), &FingerprintKey::default(), "ada").err().unwrap();
        assert_eq!(no.kind, Refusal::Invalid);
    }
}
