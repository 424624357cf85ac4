//! What runs by the clock.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::rc::Rc;

use jiff::Timestamp;
use windlass_core::journal::Fault;
use windlass_core::launch::Launch;
use windlass_core::name::Name;
use windlass_core::policy::cron::{Action, History, Running, due};
use windlass_core::spec::{Cron, Overlap};
use windlass_core::units::Span;

use crate::clock;
use crate::engine::{Active, JournalError};
use crate::host::Host;
use crate::host::cron::outcomes::note_asked;
use crate::host::cron::queue::Queue;
use crate::host::cron::schedules::Schedules;
use crate::host::once::errand::Errand;
use crate::host::once::outcome::Ended;
use crate::host::supervise::loops::note;
use crate::runtime::process::{self, RuntimeError};
use crate::schedule;
use crate::variables::Variables;

impl Host {
    /// Starts cron jobs when they are due, as long as the host side lives. Ticks are recorded before
    /// their run starts, so that none runs twice whatever dies.
    pub(in crate::host) async fn keep_time(self: &Rc<Self>) {
        let mut queue = Queue::read(&self.layout);
        // Whoever noted that they wait may have died before it ended what they wait for.
        for name in queue.names().filter(|name| self.is_replaced(name)) {
            self.end_runs(name);
        }
        let mut schedules = Schedules::read(&self.layout);
        let mut watched = BTreeMap::new();
        self.take_up_cron_runs();
        loop {
            let active = self.journal.borrow().active();
            let is_known = active.is_ok();
            let active = active.ok().flatten().filter(|active| !active.stopped);
            if is_known {
                let crons = active.as_ref().map(|active| &active.release.spec.crons);
                queue.keep(|name| crons.is_some_and(|crons| crons.contains_key(name)));
                // What was due while it was stopped is missed.
                if let Some(crons) = crons {
                    schedules.keep(|name| crons.contains_key(name));
                }
                watched.retain(|name, _| crons.is_some_and(|crons| crons.contains_key(name)));
            }
            let mut next: Option<Timestamp> = None;
            for (name, cron) in active.iter().flat_map(|active| &active.release.spec.crons) {
                let Some(active) = &active else { continue };
                let Ok(activated) = Timestamp::from_millisecond(active.release.activated) else { continue };
                let since = schedules.since(name, cron, activated);
                let tick = self.tick(active, (name, cron), since, &mut queue, &mut watched);
                next = [next, tick].into_iter().flatten().min();
            }
            // Also a change of release and the end of a run are looked at soon enough.
            let soon = Timestamp::now().checked_add(jiff::SignedDuration::from_secs(1)).ok();
            schedule::sleep_until([next, soon].into_iter().flatten().min()).await;
        }
    }

    /// Does what is due of a job, which has its schedule `since` then; `watched` says when each was looked
    /// at before.
    fn tick(
        self: &Rc<Self>,
        active: &Active,
        (name, cron): (&Name, &Cron),
        since: Timestamp,
        queue: &mut Queue,
        watched: &mut BTreeMap<Name, Timestamp>,
    ) -> Option<Timestamp> {
        let schedule = schedule::schedule(cron).ok()?;
        let recorded = self.journal.borrow().cron(name).ok().flatten();
        let last = recorded.and_then(|(last, _)| Timestamp::from_millisecond(last).ok());
        // One that is about to be run by hand has no keeper yet.
        let runs = self.cron_runs(name) || self.by_hand.borrow().contains(name);
        let running = match (runs, queue.has(name)) {
            (false, _) => Running::Nothing,
            (true, false) => Running::One,
            (true, true) => Running::OneAndOneWaits,
        };
        if !runs && queue.has(name) {
            // Taken out first: one that is left out is better than one that runs twice.
            if queue.take_out(name) {
                self.start_cron(active, name, cron);
            }
            return schedule.next(Timestamp::now());
        }
        let now = Timestamp::now();
        let up = jiff::SignedDuration::try_from(clock::since_boot()).unwrap_or(jiff::SignedDuration::MAX);
        let history = History { since, last, watched: watched.get(name).copied(), up, running };
        let decision = due(&schedule, &history, now, cron.missed, cron.overlap);
        if let Some(last) = decision.last {
            let said = match decision.action {
                Action::SkipMissed => Some("left out: it was due while nobody watched"),
                Action::SkipRunning => Some("left out: the run before had not ended"),
                _ => None,
            };
            if let Err(error) = self.journal.borrow_mut().set_cron(name, last.as_millisecond(), said) {
                // A tick that is not recorded must not run: it might run twice.
                note(&format!("the cron job {name} is not started: {error}"));
                return decision.next;
            }
        }
        watched.insert(name.clone(), now);
        match decision.action {
            Action::Start => self.start_cron(active, name, cron),
            Action::Replace => {
                // The other jobs' time does not stand still meanwhile: its successor waits for its end.
                queue.put_in(name);
                self.end_runs(name);
            }
            Action::Queue => queue.put_in(name),
            Action::Wait | Action::SkipMissed | Action::SkipRunning => {}
        }
        decision.next
    }

    /// Whether a run of the job gives way to the next one.
    fn is_replaced(&self, name: &Name) -> bool {
        let active = self.journal.borrow().active().ok().flatten();
        let crons = active.map(|active| active.release.spec.crons).unwrap_or_default();
        crons.get(name).is_some_and(|cron| cron.overlap == Overlap::Replace)
    }

    fn end_runs(&self, name: &Name) {
        for directory in self.directories(name) {
            tokio::task::spawn_local(make_way(name.clone(), directory));
        }
    }

    /// Whether a cron job runs now.
    pub(in crate::host) fn cron_runs(&self, name: &Name) -> bool {
        self.directories(name).iter().any(|directory| process::is_under_way(directory))
    }

    /// The keepers' directories of a cron job: its own, and those of runs beside others.
    pub(super) fn directories(&self, name: &Name) -> Vec<PathBuf> {
        let own = label(name);
        let beside = format!("{own}.");
        let jobs = std::fs::read_dir(self.layout.jobs()).into_iter().flatten().flatten();
        let of_it = jobs.filter(|job| {
            let job = job.file_name();
            let job = job.to_string_lossy();
            job == own.as_str() || job.starts_with(&beside)
        });
        of_it.map(|job| job.path()).collect()
    }

    /// The name of the keeper of a run that begins now, or, `by_hand`, soon: by then another may have begun, and each
    /// that may run beside others has a name of its own. Whoever ran beside others and has ended leaves no trace but
    /// its lines in the log.
    pub(in crate::host) fn new_label(&self, name: &Name, cron: &Cron, by_hand: bool) -> String {
        let own = label(name);
        for directory in self.directories(name) {
            // One that has only begun has no record of its end either way, and stays.
            let is_over =
                process::observe(&directory).is_some_and(|seen| seen.has_ended() && !seen.keeper_alive);
            if directory != self.layout.job(&own) && is_over {
                let _ = std::fs::remove_dir_all(directory);
            }
        }
        let may_meet = match cron.overlap {
            Overlap::Allow => by_hand || process::is_under_way(&self.layout.job(&own)),
            // The one before makes way, also one by hand that has only been prepared.
            Overlap::Replace => by_hand,
            Overlap::Skip | Overlap::Queue => false,
        };
        match may_meet {
            true => format!("{own}.{}", uuid::Uuid::now_v7().simple()),
            false => own,
        }
    }

    fn start_cron(self: &Rc<Self>, active: &Active, name: &Name, cron: &Cron) {
        let (host, active, name, cron) = (self.clone(), active.clone(), name.clone(), cron.clone());
        let label = host.new_label(&name, &cron, false);
        let run = host.count_cron_run(&name, host.layout.job(&label));
        tokio::task::spawn_local(async move {
            let ran = host.run_cron(&active, (&name, &cron), &label).await;
            host.cron_ended(&active, &run, ran);
        });
    }

    /// Runs a cron job now, as its schedule would: noted and logged like any run of it.
    pub(in crate::host) async fn run_cron_now(
        self: &Rc<Self>,
        active: &Active,
        (name, cron): (&Name, &Cron),
        label: &str,
        line: &dyn Fn(String),
    ) -> Result<Ended, Fault> {
        let (launch, env) = self.cron_launch(active, (name, cron), label).await?;
        if cron.overlap == Overlap::Replace {
            for directory in self.directories(name) {
                make_way(name.clone(), directory).await;
            }
        }
        self.note_by_hand(active, (name, cron))?;
        let run = self.count_cron_run(name, self.layout.job(label));
        let ran = self.run_told(&self.layout.job(label), &launch, env, line).await;
        self.cron_ended(active, &run, ran.clone());
        ran
    }

    /// Notes that a job is run by hand now. Where a tick has come that is not dealt with yet, its time stands: what
    /// is due is counted from what was noted last.
    fn note_by_hand(&self, active: &Active, (name, cron): (&Name, &Cron)) -> Result<(), Fault> {
        let failed = |error: JournalError| Fault::new(error.to_string(), "");
        let recorded = self.journal.borrow().cron(name).map_err(failed)?;
        let last = recorded.map_or(active.release.activated, |(last, _)| last);
        let now = Timestamp::now();
        let tick = schedule::schedule(cron).ok().and_then(|schedule| schedule.last(now));
        if tick.is_some_and(|tick| tick.as_millisecond() > last) {
            return Ok(());
        }
        self.journal.borrow_mut().set_cron(name, now.as_millisecond(), None).map_err(failed)
    }

    async fn run_cron(&self, active: &Active, cron: (&Name, &Cron), label: &str) -> Result<Ended, Fault> {
        let (launch, env) = self.cron_launch(active, cron, label).await?;
        let failed = |error: RuntimeError| Fault::new(error.to_string(), error.hint().unwrap_or_default());
        self.run_once(&self.layout.job(label), &launch, env).await.map_err(failed)
    }

    async fn cron_launch(
        &self,
        active: &Active,
        (name, cron): (&Name, &Cron),
        label: &str,
    ) -> Result<(Launch, Variables), Fault> {
        let release = &active.release;
        let errand = Errand {
            label,
            log: name.as_str(),
            command: &cron.command,
            directory: self.layout.tree(release.tree).join(&cron.directory),
            env: &cron.env,
            user: cron.user.as_ref(),
            release: release.id,
            resources: &release.spec.resources,
            limits: cron.limits.clone(),
            timeout: cron.timeout,
        };
        self.errand(&errand).await
    }
}

/// Ends a run that is replaced.
async fn make_way(name: Name, directory: PathBuf) {
    if !process::is_under_way(&directory) {
        return;
    }
    note_asked(&directory);
    match process::stop(&directory, "TERM", Span::from_secs(10)).await {
        // Gone already.
        Ok(_) | Err(RuntimeError::NoKeeper { .. }) => {}
        Err(error) => {
            note(&format!("the run of the cron job {name} that is replaced cannot be stopped: {error}"));
        }
    }
}

/// The name of a cron job's keeper.
pub(in crate::host) fn label(name: &Name) -> String {
    format!("cron.{name}")
}

#[cfg(test)]
mod tests {
    use windlass_core::protocol::RunWhat;
    use windlass_core::spec::{Limits, Missed};
    use windlass_testkit::sample::{command, name};

    use super::*;
    use crate::host::testing;

    /// A host side with a cron job.
    fn billing(schedule: &str, overlap: Overlap) -> (tempfile::TempDir, Rc<Host>, Active) {
        let cron = Cron {
            command: command("bill"),
            directory: String::new(),
            env: Default::default(),
            user: None,
            schedule: schedule.to_owned(),
            time_zone: "UTC".to_owned(),
            overlap,
            missed: Missed::Skip,
            timeout: Span::ZERO,
            limits: Limits::default(),
        };
        let (place, host) = testing::host();
        let mut row = testing::row(7);
        row.spec.crons.insert(name("bill"), cron);
        host.journal.borrow_mut().activate(&row, false).unwrap();
        let active = host.in_force().unwrap();
        (place, host, active)
    }

    /// Of two by one name, one would take the other's run for its own.
    #[test]
    fn runs_by_hand_that_may_meet_have_each_a_name_of_their_own() {
        for overlap in [Overlap::Allow, Overlap::Replace] {
            let (_place, host, _) = billing("@daily", overlap);
            let prepared = || host.prepare_run(RunWhat::Job(name("bill")), "ann").unwrap();
            assert_ne!(prepared().name, prepared().name, "{overlap:?}");
        }
    }

    #[test]
    fn a_run_by_hand_takes_no_tick_that_has_come_already() {
        let bill = name("bill");
        for (schedule, is_noted) in [("0 0 30 2 *", true), ("* * * * * *", false)] {
            let (_place, host, active) = billing(schedule, Overlap::Skip);
            host.note_by_hand(&active, (&bill, &active.release.spec.crons[&bill])).unwrap();
            assert_eq!(host.journal.borrow().cron(&bill).unwrap().is_some(), is_noted, "{schedule}");
        }
    }

    #[tokio::test]
    async fn the_clock_starts_none_beside_one_that_is_about_to_be_run_by_hand() {
        let (_place, host, active) = billing("* * * * * *", Overlap::Skip);
        let bill = name("bill");
        let prepared = host.prepare_run(RunWhat::Job(bill.clone()), "ann").unwrap();
        let before = Timestamp::now().checked_sub(jiff::SignedDuration::from_secs(3)).unwrap();
        let mut watched = BTreeMap::from([(bill.clone(), before)]);
        let cron = &active.release.spec.crons[&bill];
        let mut queue = Queue::read(&host.layout);
        tokio::task::LocalSet::new()
            .run_until(async { host.tick(&active, (&bill, cron), before, &mut queue, &mut watched) })
            .await;
        let (_, outcome) = host.journal.borrow().cron(&bill).unwrap().unwrap();
        assert_eq!(outcome.as_deref(), Some("left out: the run before had not ended"));
        drop(prepared);
    }
}
