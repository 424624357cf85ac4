//! Runs: begun, followed, interrupted, claimed, settled.

use std::cell::{Cell, RefCell};
use std::collections::BTreeSet;
use std::path::PathBuf;
use std::rc::Rc;
use std::time::Duration;

use tokio::sync::watch;
use uuid::Uuid;
use windlass_core::event::{Event, RequestCost, RunRecord, WayBack, What};
use windlass_core::journal::{Direction, Standing, Turn, Verdict};
use windlass_core::name::{InstanceId, ReleaseId};
use windlass_core::plan::{Action, PLAN_VERSION, Phase, Plan, Request, same_but_for_scale_and_rotation};
use windlass_core::protocol::{Claim, FingerprintKey, OpenRun, Refusal, Values};

use crate::clock;
use crate::engine::{Engine, Needed, RunRow};
use crate::host::Host;
use crate::host::by_hand::command::is_label;
use crate::host::instance::identity::Identity;
use crate::host::run::reserve;
use crate::host::run::story::Story;
use crate::host::settings::files;
use crate::host::settings::values;
use crate::host::supervise::loops::note;
use crate::host::world::Acting;
use crate::keeper::tree;
use crate::layout;
use crate::sys;

/// How long an interrupted run waits for somebody to claim it, before the host side settles it
/// alone.
const LEASE: Duration = Duration::from_secs(30);

/// How long after a run it is at rest: whoever asked for it may ask for more.
const REST: Duration = Duration::from_secs(1);

/// A run in memory: its events so far, for whoever comes late, and the way to stop it.
pub(in crate::host) struct RunHandle {
    pub(in crate::host) row: RunRow,
    events: RefCell<Story>,
    news: watch::Sender<usize>,
    cancel: watch::Sender<Option<Turn>>,
    under_way: Cell<bool>,
    /// Whether it has taken the lock.
    locked: Cell<bool>,
    /// How many times it was left to be settled: only the last counts.
    leases: Cell<u32>,
    /// When it is settled if nobody claims it, milliseconds since 1970; for people.
    settles_at: Cell<Option<i64>>,
    /// How many follow it.
    followers: Cell<u32>,
    /// What the proxy had counted when the run began.
    before: Cell<Option<RequestCost>>,
    /// Whether a host side before this one began it: what had been counted by then is not known.
    taken_up: bool,
    /// The process of that proxy.
    counted_by: Cell<Option<i32>>,
    /// How far it was when somebody looked last, and of how many records that was made.
    standing: RefCell<Option<(i64, Rc<Standing>)>>,
}

/// Why something cannot be begun.
pub(in crate::host) struct No {
    pub(in crate::host) kind: Refusal,
    pub(in crate::host) message: String,
    pub(in crate::host) hint: String,
}

impl No {
    pub(in crate::host) fn new(kind: Refusal, message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self { kind, message: message.into(), hint: hint.into() }
    }
}

impl RunHandle {
    fn new(row: RunRow, taken_up: bool) -> Rc<Self> {
        Rc::new(Self {
            row,
            events: RefCell::default(),
            news: watch::Sender::new(0),
            cancel: watch::Sender::new(None),
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

    fn say(&self, event: Event) {
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

impl Host {
    /// Begins a run, which goes on whether or not anybody follows it.
    pub(in crate::host) fn begin(
        self: &Rc<Self>,
        plan: Plan,
        given: Values,
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
                "wait until it is over (`windlass status`), or follow it with `windlass resume`",
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
        if values::key(&self.layout).is_none() {
            values::write_key(&self.layout, key).map_err(|error| failed(&error))?;
        }
        let key = values::key(&self.layout).unwrap_or_else(|| key.clone());
        let kept = values::of_plan(&self.layout, &plan, given, &key)
            .map_err(|why| No::new(Refusal::Invalid, why, "deploy again"))?;
        if let Some(kept) = kept {
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

    /// Takes up the runs that a former host side left.
    pub(in crate::host) fn take_up(self: &Rc<Self>) {
        let open = self.journal.borrow().open_runs().unwrap_or_default();
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
        self.forget_old_releases();
    }

    /// Whether the machine was started since a host side served here last.
    fn is_of_a_new_boot(&self) -> bool {
        let path = self.layout.state().join("boot");
        let (before, now) = (std::fs::read_to_string(&path).unwrap_or_default(), tree::boot());
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
        let lease = i64::try_from(LEASE.as_millis()).unwrap_or(i64::MAX);
        handle.settles_at.set(Some(clock::wall_millis() + lease));
        let number = handle.leases.get() + 1;
        handle.leases.set(number);
        let (host, handle) = (self.clone(), handle.clone());
        tokio::task::spawn_local(async move {
            // The timer goes by the monotonic clock, whatever happens to the time of day.
            tokio::time::sleep(LEASE).await;
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
            && !self.kept_to_undo().contains(&release)
            && !self.living_releases().contains(&release)
        {
            self.forget_values(release, &handle.row.plan.spec.settings);
        }
        self.sweep();
        self.prune();
        self.release_code_soon();
        handle.say(Event {
            at: clock::wall_millis(),
            what: What::RunEnded { verdict, record: Box::new(record) },
        });
    }

    /// Lets go, in a while, of what is not needed between runs.
    pub(in crate::host) fn release_code_soon(self: &Rc<Self>) {
        let host = self.clone();
        tokio::task::spawn_local(async move {
            tokio::time::sleep(REST).await;
            if host.holder().is_none() {
                sys::release_code();
            }
        });
    }

    async fn record(&self, handle: &RunHandle, verdict: Verdict) -> RunRecord {
        let (row, plan) = (&handle.row, &handle.row.plan);
        let report = self.proxy().report().await.unwrap_or_default();
        let before = handle.before.get().unwrap_or_default();
        let now = self.requests().await;
        let active = self.journal.borrow().active().ok().flatten();
        let spec = active.as_ref().map_or(&plan.spec, |active| &active.release.spec);
        RunRecord {
            run: row.id.clone(),
            headline: plan.headline(),
            by: row.by.clone(),
            plan: plan.hash(),
            release: Some(plan.release),
            previous: plan.previous,
            back: self.way_back(plan),
            commit: plan.tree.source.commit.clone(),
            dirty: plan.tree.source.dirty,
            began: row.began,
            ended: clock::wall_millis(),
            phases: phases(handle.events.borrow().told()),
            verdict: Some(verdict),
            requests: RequestCost {
                served: now.served.saturating_sub(before.served),
                failed: now.failed.saturating_sub(before.failed),
                server_errors: now.server_errors.saturating_sub(before.server_errors),
                drained: now.drained.saturating_sub(before.drained),
                longest_gap_micros: now.longest_gap_micros,
                uncounted: handle.taken_up
                    || handle.counted_by.get().is_some_and(|pid| self.proxy().pid() != Some(pid)),
            },
            addresses: crate::host::proxy::table::addresses(spec, &report.listening),
        }
    }

    /// How the release is gone back to that was active before.
    fn way_back(&self, plan: &Plan) -> WayBack {
        let before = plan.previous.and_then(|before| self.journal.borrow().release(before).ok().flatten());
        let Some(before) = before else { return WayBack::Plain };
        if !self.layout.is_sealed(before.tree) {
            return WayBack::Nowhere;
        }
        if before.tree != plan.tree.id || !same_but_for_scale_and_rotation(&before.spec, &plan.spec) {
            return WayBack::Plain;
        }
        match &plan.request {
            // What is rotated does not come back.
            Request::Rotate { .. } => WayBack::Nowhere,
            _ if before.spec == plan.spec => WayBack::Nowhere,
            _ => WayBack::Named,
        }
    }

    async fn requests(&self) -> RequestCost {
        let report = self.proxy().report().await.unwrap_or_default();
        let sum =
            |count: fn(&windlass_core::edge::Counters) -> u64| report.releases.values().map(count).sum();
        RequestCost {
            // What clients got, which is not all that a release did: another may have answered for it.
            served: sum(|c| c.served + c.failed_rescued),
            failed: sum(|c| c.failed.saturating_sub(c.failed_rescued)),
            server_errors: sum(|c| c.server_errors.saturating_sub(c.server_errors_rescued)),
            drained: sum(|c| c.drained),
            longest_gap_micros: report.longest_gap_micros,
            uncounted: false,
        }
    }

    /// The run that holds the lock.
    pub(in crate::host) fn holder(&self) -> Option<Rc<RunHandle>> {
        let holder = self.journal.borrow().lock_holder().ok().flatten()?;
        self.runs.borrow().get(&holder).cloned()
    }

    /// The open run, for people: the one that holds the lock, or the latest.
    pub(in crate::host) fn open_run(&self) -> Option<OpenRun> {
        let holder = self.holder();
        let handle = holder.clone().or_else(|| self.runs.borrow().values().last().cloned())?;
        Some(OpenRun {
            run: handle.row.id.clone(),
            headline: handle.row.plan.headline(),
            by: handle.row.by.clone(),
            began: handle.row.began,
            under_way: handle.under_way.get(),
            locked: holder.is_some(),
            settles_at: handle.settles_at.get(),
        })
    }

    /// The plan of the open run, and how far it is.
    pub(in crate::host) fn open_plan(&self) -> Option<(Rc<RunHandle>, Rc<Standing>)> {
        let handle = self.holder().or_else(|| self.runs.borrow().values().last().cloned())?;
        let standing = self.standing(&handle);
        Some((handle, standing))
    }

    /// How far a run is. Its records are read again only when there are more of them: who looks after many
    /// copies asks for each.
    pub(in crate::host) fn standing(&self, handle: &RunHandle) -> Rc<Standing> {
        let journal = self.journal.borrow();
        let length = journal.last_record(&handle.row.id).unwrap_or_default();
        let known = handle.standing.borrow().clone();
        match known {
            Some((of, standing)) if of == length => standing,
            _ => {
                let records = journal.records(&handle.row.id).unwrap_or_default();
                let standing = Rc::new(Standing::of(&handle.row.plan, &records));
                handle.standing.replace(Some((length, standing.clone())));
                standing
            }
        }
    }

    /// Who asked for a run.
    pub(in crate::host) fn asked_by(&self, run: &str) -> String {
        self.runs.borrow().get(run).map(|handle| handle.row.by.clone()).unwrap_or_default()
    }

    /// A run in one line, for whoever has to wait for it.
    pub(in crate::host) fn describe_run(&self, run: &str) -> String {
        let handle = self.runs.borrow().get(run).cloned();
        handle.map_or_else(|| format!("run {run}"), |handle| self.describe(&handle))
    }

    fn describe(&self, handle: &RunHandle) -> String {
        let since = (clock::wall_millis() - handle.row.began).max(0) / 1000;
        let until = match (handle.under_way.get(), handle.settles_at.get()) {
            (false, Some(at)) => {
                let left = (at - clock::wall_millis()).max(0) / 1000;
                format!("it was interrupted and is settled in {left} s unless it is resumed")
            }
            _ => "until it ends".to_owned(),
        };
        format!("{} by {}, for {since} s; {until}", handle.row.plan.headline(), handle.row.by)
    }

    /// Removes the directories of instances that have ended and belong to nothing.
    fn sweep(&self) {
        let Ok(active) = self.journal.borrow().active() else { return };
        // Before the first release there may be the tree of one in which a job is half-done.
        let Some(active) = active else { return self.forget_what_is_gone() };
        let mut kept: BTreeSet<InstanceId> = active.release.instances.into_values().flatten().collect();
        // Another run may be about to start its own.
        for run in self.runs.borrow().values() {
            kept.extend(run.row.plan.instances.values().flatten().cloned());
        }
        for identity in Identity::all(&self.layout).unwrap_or_default() {
            let directory = self.layout.instance(&identity.id);
            let seen = crate::runtime::process::observe(&directory);
            let lives = seen.is_some_and(|seen| seen.keeper_alive || seen.process_alive);
            if !lives && !kept.contains(&identity.id) {
                let _ = std::fs::remove_dir_all(directory);
            }
        }
        self.forget_old_half_done();
        self.forget_what_is_gone();
    }

    /// Removes what nobody needs of releases that nobody can go back to.
    pub(in crate::host) fn forget_what_is_gone(&self) {
        self.remove_trees_of_nobody();
        self.forget_old_releases();
    }

    /// Forgets what nobody needs of the journal. Where it cannot be said what is needed, everything is.
    fn prune(&self) {
        let Some(needed) = self.needed() else { return };
        if let Err(error) = self.journal.borrow_mut().prune(clock::wall_millis(), &needed) {
            note(&format!("what nobody needs of the journal cannot be forgotten: {error}"));
        }
    }

    fn needed(&self) -> Option<Needed> {
        let names = |directory: PathBuf| -> Option<Vec<String>> {
            let entries = match std::fs::read_dir(directory) {
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Some(Vec::new()),
                entries => entries.ok()?,
            };
            entries.map(|entry| Some(entry.ok()?.file_name().to_string_lossy().into_owned())).collect()
        };
        let trees = names(self.layout.releases())?.iter().filter_map(|name| name.parse().ok()).collect();
        let mut releases = self.kept_to_undo();
        let copies = names(self.layout.instances())?;
        releases.extend(copies.iter().filter_map(|name| name.parse::<InstanceId>().ok()).map(|id| id.release));
        releases.extend(values::releases(&self.layout).ok()?);
        releases.extend(files::releases(&self.layout));
        releases.extend(crate::host::settings::rotation::unrevoked(&self.layout).into_iter().map(|(_, of)| of));
        for run in self.runs.borrow().values() {
            releases.extend(run.row.plan.previous.into_iter().chain([run.row.plan.release]));
        }
        for last in self.journal.borrow().run_records(1).ok()? {
            releases.extend(last.previous.into_iter().chain(last.release));
        }
        Some(Needed { trees, releases })
    }

    /// The releases of which a copy lives.
    fn living_releases(&self) -> BTreeSet<ReleaseId> {
        let copies = Identity::all(&self.layout).unwrap_or_default();
        copies.into_iter().map(|copy| copy.id).filter(|id| self.lives(id)).map(|id| id.release).collect()
    }

    /// Removes what is left of releases that nobody can go back to: the records and logs of their
    /// jobs and builds, and the values of their settings.
    fn forget_old_releases(&self) {
        // Whoever cannot read which there are must not take them for gone.
        let Ok(releases) = self.journal.borrow().trees() else { return };
        let open: Vec<ReleaseId> = self.runs.borrow().values().map(|run| run.row.plan.release).collect();
        let mut kept = self.kept_to_undo();
        // A copy that could not be stopped may be started again with what it has.
        kept.extend(self.living_releases());
        let gone = |release: ReleaseId| {
            let available = releases.iter().any(|(id, tree)| *id == release && self.layout.is_sealed(*tree));
            !available && !open.contains(&release) && !kept.contains(&release)
        };
        for directory in [self.layout.jobs(), self.layout.logs()] {
            for entry in std::fs::read_dir(&directory).into_iter().flatten().flatten() {
                let name = entry.file_name().to_string_lossy().into_owned();
                let release = name.split_once('.').and_then(|(first, _)| first.parse::<ReleaseId>().ok());
                // What `windlass run` ran leaves nothing, unless the host side died meanwhile.
                let command = name.split_once(".log").map_or(name.as_str(), |(label, _)| label);
                let left = is_label(command) && !self.runs_command(command);
                if !left && (!name.starts_with('r') || !release.is_some_and(gone)) {
                    continue;
                }
                let path = entry.path();
                let _ =
                    if path.is_dir() { std::fs::remove_dir_all(path) } else { std::fs::remove_file(path) };
            }
        }
        for release in values::releases(&self.layout).unwrap_or_default() {
            if gone(release) {
                self.forget_values(release, &self.settings(release));
            }
        }
        for release in files::releases(&self.layout).into_iter().filter(|release| gone(*release)) {
            files::forget(&self.layout, release);
        }
    }
}

/// How long each phase took: from its first step's beginning to its last one's end.
fn phases<'a>(events: impl Iterator<Item = &'a Event>) -> Vec<(Phase, u64)> {
    let mut spans: Vec<(Phase, i64, i64)> = Vec::new();
    let mut phase_of: Vec<(u32, Phase)> = Vec::new();
    for event in events {
        match &event.what {
            What::StepBegan { step, phase, direction: Direction::Forward, .. } => {
                phase_of.push((*step, *phase));
                if !spans.iter().any(|(known, ..)| known == phase) {
                    spans.push((*phase, event.at, event.at));
                }
            }
            What::StepDone { step, direction: Direction::Forward, .. }
            | What::StepFailed { step, direction: Direction::Forward, .. } => {
                let phase = phase_of.iter().find(|(known, _)| known == step).map(|(_, phase)| *phase);
                if let Some(span) = spans.iter_mut().find(|(known, ..)| Some(*known) == phase) {
                    span.2 = event.at;
                }
            }
            _ => {}
        }
    }
    spans.into_iter().map(|(phase, from, to)| (phase, u64::try_from(to - from).unwrap_or(0))).collect()
}
