//! The loop of a keeper, and what it decides on.

use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, PidfdFlags, Signal, WaitOptions, WaitStatus, pidfd_open};
use windlass_core::launch::{End, Exit, KeeperAsk, Launch, ProcessState, Status};

use super::child::{self, Started};
use super::detach::{Starter, Verdict};
use super::files::{self, Durability, NOTIFY, SOCKET, STATUS};
use super::limits::{self, Applied};
use super::log::Rotation;
use super::policy::{History, Next};
use super::store::{Handover, Store};
use super::watchers::Watchers;
use super::{exit, signal, tree};
use crate::sys::Signals;

/// What a process leaves behind when it ends by itself has this long to end too: workers that notice
/// that their master is gone may put their work away.
const LEFTOVER_GRACE: Duration = Duration::from_millis(100);
/// How often it looks whether what was left behind is gone. Children's ends are signalled, but not
/// those of processes that are no children (adopted ones).
const LEFTOVER_LOOK: Duration = Duration::from_millis(10);
/// What is not gone this long after it was killed hangs in the kernel: it is reported and left.
const UNKILLABLE: Duration = Duration::from_secs(10);

/// The process that is kept.
struct Process {
    pid: Pid,
    start_ticks: u64,
    started: Instant,
    /// Which start it was, for its mark.
    number: u32,
    /// Set for one that a former keeper started: it is not our child, so its end is seen here.
    adopted: Option<OwnedFd>,
    /// The group's count of processes killed for memory at its start.
    oom_kills: u64,
}

/// Where the keeper stands; finer than what it tells ([`ProcessState`]).
enum Phase {
    Running,
    /// Asked to end; killed at the time, if it still lives then.
    Stopping {
        kill_at: Instant,
        killed: bool,
        end: End,
    },
    /// The process is gone, what it left behind may not be; killed at the time.
    Clearing {
        kill_at: Instant,
        then: Next,
    },
    Backoff {
        until: Instant,
    },
    Done,
}

/// A second process that is to take over.
struct Successor {
    process: Process,
    deadline: Instant,
}

/// A keeper.
pub(super) struct Keeper {
    launch: Launch,
    directory: PathBuf,
    lock: Option<File>,
    signals: Signals,
    watchers: Watchers,
    store: Option<Store>,
    rotation: Rotation,
    applied: Option<Applied>,
    history: History,
    phase: Phase,
    process: Option<Process>,
    successor: Option<Successor>,
    /// Predecessors that a successor has replaced and that still end: (process, killed at).
    retiring: Option<(Process, Instant)>,
    starts: u32,
    /// Whether a process ran in this keeper's time.
    begun: bool,
    status: Status,
}

impl Keeper {
    pub(super) fn new(
        launch: Launch,
        directory: PathBuf,
        lock: File,
        slots: Vec<OwnedFd>,
    ) -> io::Result<Self> {
        let signals =
            Signals::listen(&[Signal::CHILD, Signal::TERM, Signal::INT, Signal::HUP, Signal::QUIT])?;
        Ok(Self {
            signals,
            watchers: Watchers::open()?,
            store: launch.sockets.then(|| Store::open(slots)).transpose()?,
            rotation: Rotation::new(&launch.log),
            launch,
            directory,
            lock: Some(lock),
            applied: None,
            history: History::default(),
            phase: Phase::Running,
            process: None,
            successor: None,
            retiring: None,
            starts: 0,
            begun: false,
            status: Status {
                keeper: rustix::process::getpid().as_raw_nonzero().get(),
                state: ProcessState::Ended(End::NotStarted),
                restarts: 0,
                last_exit: None,
                since: now_millis(),
                note: None,
            },
        })
    }

    /// Keeps the process until it is to run no more.
    pub(super) fn run(mut self, mut starter: Starter) {
        self.begin();
        self.answer(&mut starter);
        while !matches!(self.phase, Phase::Done) {
            self.wait();
            self.take_signals();
            self.reap();
            self.obey();
            self.serve_store();
            if self.launch.tied && stdin_closed() {
                self.stop_as_launched(End::Stopped);
            }
            self.on_time(Instant::now());
            self.answer(&mut starter);
            self.rotation.look(&mut self.lock);
        }
        if let Some(applied) = &self.applied {
            applied.group.remove();
        }
        let _gone = std::fs::remove_file(SOCKET);
        let _gone = std::fs::remove_file(NOTIFY);
        // The next keeper may come; only a rotation is still to be waited for.
        self.lock = None;
        self.rotation.finish();
    }

    /// Tells the starter as soon as there is something to tell.
    fn answer(&self, starter: &mut Starter) {
        match (&self.phase, &self.status.last_exit) {
            (Phase::Done, Some(Exit::NotStarted(reason))) => starter.tell(Verdict::NotStarted, reason),
            (Phase::Clearing { .. } | Phase::Backoff { .. }, _) if !self.begun => {}
            _ => starter.tell(Verdict::Running, ""),
        }
    }

    /// Takes over what a former keeper left, or starts afresh.
    fn begin(&mut self) {
        let former: Option<Status> = files::read(Path::new(STATUS));
        let Some(former) = former.filter(|former| !matches!(former.state, ProcessState::Ended(_))) else {
            return self.start();
        };
        self.status.restarts = former.restarts;
        self.starts = former.restarts + 1;
        self.status.last_exit = former.last_exit;
        let (pid, ticks, stopping) = match former.state {
            ProcessState::Running { pid, start_ticks } => (pid, Some(start_ticks), false),
            ProcessState::Stopping { pid } => (pid, None, true),
            ProcessState::Backoff { .. } | ProcessState::Ended(_) => (0, None, false),
        };
        self.prepare_limits();
        let alive = match ticks {
            Some(ticks) => tree::lives(pid, ticks),
            None => tree::is_of(pid, &self.directory),
        };
        let watched = Pid::from_raw(pid).filter(|_| alive).and_then(|pid| {
            Some((pid, pidfd_open(pid, PidfdFlags::empty()).ok()?, tree::stat(pid.as_raw_nonzero().get())?))
        });
        match watched {
            Some((pid, pidfd, stat)) => {
                let process = Process {
                    pid,
                    start_ticks: stat.start_ticks,
                    started: Instant::now(),
                    number: self.starts,
                    adopted: Some(pidfd),
                    oom_kills: self.oom_kills(),
                };
                self.process = Some(process);
                self.running();
                if stopping {
                    self.stop_as_launched(End::Stopped);
                }
            }
            None if stopping => self.ended(Exit::Unknown, Duration::ZERO, Some(End::Stopped)),
            None if pid == 0 => self.clear(None, Next::Restart(Instant::now())),
            None => self.ended(Exit::Unknown, Duration::ZERO, None),
        }
    }

    fn prepare_limits(&mut self) -> bool {
        if self.applied.is_some() {
            return true;
        }
        match limits::prepare(&group_name(&self.launch.label, &self.directory), &self.launch.limits) {
            Ok(applied) => self.applied = Some(applied),
            Err(reason) => self.status.note = Some(reason),
        }
        self.applied.is_some()
    }

    fn oom_kills(&self) -> u64 {
        self.applied.as_ref().map_or(0, |applied| applied.group.oom_kills())
    }

    fn spawn(&mut self) -> Result<Process, String> {
        if !self.prepare_limits() {
            return Err(self.status.note.take().unwrap_or_default());
        }
        self.starts += 1;
        let mark = format!("{}#{}", self.directory.display(), self.starts);
        let handover = match &mut self.store {
            Some(store) => {
                store.hand_over(&self.directory).map_err(|e| format!("cannot hand over the sockets: {e}"))?
            }
            None => Handover::default(),
        };
        let oom_kills = self.oom_kills();
        let none = Applied::default();
        let started = child::start(&self.launch, self.applied.as_ref().unwrap_or(&none), &handover, &mark);
        drop(handover);
        if let Some(store) = &mut self.store {
            store.take_back();
        }
        let Started { pid, start_ticks } = started?;
        Ok(Process {
            pid,
            start_ticks,
            started: Instant::now(),
            number: self.starts,
            adopted: None,
            oom_kills,
        })
    }

    fn start(&mut self) {
        match self.spawn() {
            Ok(process) => {
                self.process = Some(process);
                self.running();
            }
            // What cannot be started at all is not going to be by trying again; what ran once may.
            Err(reason) if !self.begun => {
                self.status.last_exit = Some(Exit::NotStarted(reason));
                self.finish(End::NotStarted);
            }
            Err(reason) => self.ended(Exit::NotStarted(reason), Duration::ZERO, None),
        }
    }

    fn running(&mut self) {
        self.phase = Phase::Running;
        self.begun = true;
        if let Some(process) = &self.process {
            let state = ProcessState::Running {
                pid: process.pid.as_raw_nonzero().get(),
                start_ticks: process.start_ticks,
            };
            self.enter(state);
        }
    }

    /// Writes and tells a new state. Only the last one must outlive a power cut: it is the record of a
    /// job's outcome. The others describe what runs, and after a power cut nothing does.
    fn enter(&mut self, state: ProcessState) {
        let durability = match state {
            ProcessState::Ended(_) => Durability::Forever,
            _ => Durability::UntilReboot,
        };
        self.status.state = state;
        self.status.since = now_millis();
        if let Err(e) = files::replace(Path::new(STATUS), &self.status, durability) {
            self.status.note = Some(format!("cannot write {STATUS}: {e}"));
            let _told_by_the_note = files::overwrite(Path::new(STATUS), &self.status);
        }
        self.watchers.tell(&self.status);
    }

    fn finish(&mut self, end: End) {
        self.phase = Phase::Done;
        self.enter(ProcessState::Ended(end));
    }

    /// The process is gone.
    fn ended(&mut self, exit: Exit, ran: Duration, end: Option<End>) {
        let now = Instant::now();
        let next = match end {
            Some(end) => Next::End(end),
            None => self.history.next(&self.launch.restart, &exit, ran, now),
        };
        self.status.last_exit = Some(exit);
        self.begun = true;
        // Asked to stop: what it left behind gets the rest of the grace. Otherwise it ended by itself.
        let asked = match &self.phase {
            Phase::Stopping { kill_at, killed: false, .. } => {
                Some((*kill_at, signal::by_name(&self.launch.stop.signal).unwrap_or(Signal::TERM)))
            }
            _ => None,
        };
        if let Next::Restart(at) = &next {
            self.status.restarts += 1;
            let wait = i64::try_from(at.saturating_duration_since(now).as_millis()).unwrap_or(i64::MAX);
            self.enter(ProcessState::Backoff { until: now_millis().saturating_add(wait) });
        }
        self.clear(asked, next);
    }

    fn clear(&mut self, asked: Option<(Instant, Signal)>, then: Next) {
        let left = self.leftovers();
        if let (Some((_, signal)), false) = (asked, left.is_empty()) {
            tree::signal(&left, signal);
        }
        let kill_at = match (&self.phase, asked) {
            (_, Some((kill_at, _))) => kill_at,
            // Its grace is over.
            (Phase::Stopping { .. }, None) => Instant::now(),
            _ => Instant::now() + LEFTOVER_GRACE,
        };
        self.phase = Phase::Clearing { kill_at, then };
        self.look_at_leftovers(Instant::now());
    }

    fn look_at_leftovers(&mut self, now: Instant) {
        let left = self.leftovers();
        let Phase::Clearing { kill_at, then } = &mut self.phase else { return };
        let stuck = now >= *kill_at + UNKILLABLE;
        if left.is_empty() || stuck {
            let then = std::mem::replace(then, Next::End(End::Stopped));
            if stuck {
                self.status.note =
                    Some(format!("{} processes hang in the kernel and cannot be killed", left.len()));
            }
            self.process = None;
            match then {
                Next::Restart(until) => self.phase = Phase::Backoff { until },
                Next::End(end) => self.finish(end),
            }
        } else if now >= *kill_at {
            tree::kill(|| self.leftovers());
        }
    }

    /// All that lives and is not the keeper's own helper: with the process gone, what it left behind.
    fn leftovers(&self) -> Vec<i32> {
        let helper = self.rotation.helper().map(|pid| pid.as_raw_nonzero().get());
        let mut found = Vec::new();
        if self.launch.keeps_others {
            if let Some(process) = &self.process {
                found = tree::session(process.pid.as_raw_nonzero().get());
            }
            return found;
        }
        let own = rustix::process::getpid().as_raw_nonzero().get();
        found.extend(tree::descendants(own).into_iter().filter(|pid| Some(*pid) != helper));
        if let Some(applied) = &self.applied {
            found.extend(applied.group.members());
        }
        // A former keeper's process was not our child, nor is what it left behind.
        if self.is_second() {
            found.extend(tree::started_in(&self.directory, None));
            if let Some(process) = &self.process {
                found.extend(tree::session(process.pid.as_raw_nonzero().get()));
            }
        }
        found.sort_unstable();
        found.dedup();
        found.retain(|pid| *pid != own && tree::stat(*pid).is_some_and(|stat| !stat.zombie));
        found
    }

    /// Whether another keeper was here before, whose process may have left something behind.
    fn is_second(&self) -> bool {
        self.process.as_ref().is_none_or(|process| process.adopted.is_some())
    }

    fn stop_as_launched(&mut self, end: End) {
        let signal = signal::by_name(&self.launch.stop.signal).unwrap_or(Signal::TERM);
        self.stop(signal, self.launch.stop.grace.as_duration(), end);
    }

    fn stop(&mut self, signal: Signal, grace: Duration, end: End) {
        let deadline = Instant::now() + grace;
        if let Some(successor) = self.successor.take() {
            self.kill_all_of(&successor.process);
        }
        match &mut self.phase {
            Phase::Running => {
                let Some(process) = &self.process else { return self.finish(end) };
                let pid = process.pid.as_raw_nonzero().get();
                self.phase = Phase::Stopping { kill_at: deadline, killed: false, end };
                tree::signal(&[pid], signal);
                self.enter(ProcessState::Stopping { pid });
            }
            Phase::Stopping { kill_at, .. } => {
                *kill_at = deadline.min(*kill_at);
                if let Some(process) = &self.process {
                    tree::signal(&[process.pid.as_raw_nonzero().get()], signal);
                }
            }
            Phase::Clearing { kill_at, then, .. } => {
                *kill_at = deadline.min(*kill_at);
                if matches!(then, Next::Restart(_)) {
                    *then = Next::End(end);
                }
            }
            Phase::Backoff { .. } => self.finish(end),
            Phase::Done => {}
        }
    }

    /// Sleeps until something happens or is due.
    fn wait(&self) {
        let now = Instant::now();
        let mut due = vec![self.rotation.due()];
        match &self.phase {
            Phase::Running => {
                if let (Some(process), false) = (&self.process, self.launch.timeout.is_zero()) {
                    due.push(process.started + self.launch.timeout.as_duration());
                }
            }
            Phase::Stopping { kill_at, killed, .. } => {
                due.push(if *killed { now + LEFTOVER_LOOK } else { *kill_at });
            }
            Phase::Clearing { .. } => due.push(now + LEFTOVER_LOOK),
            Phase::Backoff { until } => due.push(*until),
            Phase::Done => return,
        }
        due.extend(self.successor.iter().map(|successor| successor.deadline));
        due.extend(self.retiring.iter().map(|(_, kill_at)| *kill_at));
        let sleep = due.into_iter().min().map_or(Duration::ZERO, |at| at.saturating_duration_since(now));
        let Ok(timeout) = Timespec::try_from(sleep) else { return };

        let stdin = rustix::stdio::stdin();
        let (listener, clients) = self.watchers.descriptors();
        let mut fds = vec![PollFd::new(&self.signals, PollFlags::IN), PollFd::new(listener, PollFlags::IN)];
        fds.extend(clients.map(|client| PollFd::new(client, PollFlags::IN)));
        if let Some(store) = &self.store {
            fds.extend(store.descriptors().map(|fd| PollFd::new(fd, PollFlags::IN)));
        }
        fds.extend(self.process.iter().filter_map(|p| Some(PollFd::new(p.adopted.as_ref()?, PollFlags::IN))));
        if self.launch.tied && !matches!(self.phase, Phase::Stopping { .. } | Phase::Clearing { .. }) {
            fds.push(PollFd::new(&stdin, PollFlags::IN));
        }
        // Whatever it says, everything is looked at; an error here means an interrupted sleep.
        let _woken = poll(&mut fds, Some(&timeout));
    }

    fn take_signals(&mut self) {
        while let Some(number) = self.signals.next() {
            // A hangup is none of ours: a keeper outlives its terminal.
            if number != Signal::CHILD.as_raw() && number != Signal::HUP.as_raw() {
                self.stop_as_launched(End::Stopped);
            }
        }
    }

    fn reap(&mut self) {
        while let Ok(Some((pid, status))) = rustix::process::wait(WaitOptions::NOHANG) {
            if self.rotation.is_over(pid) {
                continue;
            }
            if self.process.as_ref().is_some_and(|process| process.pid == pid && process.adopted.is_none()) {
                self.process_ended(Some(status));
            } else if self.successor.as_ref().is_some_and(|successor| successor.process.pid == pid) {
                let exit = exit::classify(status, false, || false);
                self.successor_failed(&format!("the new process ended before it was ready ({exit})"));
            } else if self.retiring.as_ref().is_some_and(|(process, _)| process.pid == pid)
                && let Some((process, _)) = self.retiring.take()
            {
                self.kill_all_of(&process);
            }
        }
        if self.process.as_ref().and_then(|process| process.adopted.as_ref()).is_some_and(is_readable)
            && matches!(self.phase, Phase::Running | Phase::Stopping { .. })
        {
            self.process_ended(None);
        }
    }

    /// `status` is missing for an adopted process: only a parent is told.
    fn process_ended(&mut self, status: Option<WaitStatus>) {
        // Its number may be another's by the time that what it left behind is cleared away.
        if !matches!(self.phase, Phase::Running | Phase::Stopping { .. }) {
            return;
        }
        let Some(process) = &self.process else { return };
        let pid = process.pid.as_raw_nonzero().get();
        let ours = matches!(self.phase, Phase::Stopping { killed: true, .. });
        let exit = status.map_or(Exit::Unknown, |status| {
            let ran_out = !ours && self.oom_kills() > process.oom_kills;
            exit::classify(status, ran_out, || !ours && exit::killed_for_memory(pid, process.start_ticks))
        });
        let ran = process.started.elapsed();
        let end = match &self.phase {
            Phase::Stopping { end, .. } => Some(*end),
            _ => None,
        };
        if end.is_none() && self.successor.is_some() {
            // It died while another was getting ready: that one is kept from now on.
            self.status.last_exit = Some(exit);
            return self.succeed();
        }
        self.ended(exit, ran, end);
    }

    fn obey(&mut self) {
        for (client, ask) in self.watchers.serve() {
            let refusal = match ask {
                Ok(ask) => self.perform(ask).err(),
                Err(reason) => Some(reason),
            };
            let mut answer = self.status.clone();
            if refusal.is_some() {
                answer.note = refusal;
            }
            self.watchers.answer(client, &answer);
        }
    }

    fn perform(&mut self, ask: KeeperAsk) -> Result<(), String> {
        let known = |name: &str| signal::by_name(name).ok_or_else(|| format!("there is no signal {name:?}"));
        match ask {
            KeeperAsk::Watch => Ok(()),
            KeeperAsk::Signal { signal } => {
                let signal = known(&signal)?;
                match (&self.phase, &self.process) {
                    (Phase::Running | Phase::Stopping { .. }, Some(process)) => {
                        tree::signal(&[process.pid.as_raw_nonzero().get()], signal);
                        Ok(())
                    }
                    _ => Err("nothing runs that a signal could be sent to".to_owned()),
                }
            }
            KeeperAsk::Stop { signal, grace } => {
                let signal = known(&signal)?;
                self.stop(signal, grace.as_duration(), End::Stopped);
                Ok(())
            }
            KeeperAsk::Replace => self.replace(),
        }
    }

    fn replace(&mut self) -> Result<(), String> {
        if self.store.is_none() {
            return Err("it cannot be replaced: its launch has no sockets to hand over".to_owned());
        }
        if !matches!(self.phase, Phase::Running) || self.successor.is_some() || self.retiring.is_some() {
            return Err("it cannot be replaced now: it does not run, or is being replaced already".to_owned());
        }
        let process = self.spawn().map_err(|reason| format!("the new process was not started: {reason}"))?;
        self.status.note = None;
        let deadline = Instant::now() + self.launch.stop.grace.as_duration();
        self.successor = Some(Successor { process, deadline });
        Ok(())
    }

    fn serve_store(&mut self) {
        let Some(store) = &mut self.store else { return };
        let ready = store.serve();
        if self.successor.as_ref().is_some_and(|s| ready.contains(&s.process.pid.as_raw_nonzero().get())) {
            let old = self.process.take();
            self.succeed();
            if let Some(old) = old {
                let signal = signal::by_name(&self.launch.stop.signal).unwrap_or(Signal::TERM);
                tree::signal(&[old.pid.as_raw_nonzero().get()], signal);
                self.retiring = Some((old, Instant::now() + self.launch.stop.grace.as_duration()));
            }
        }
    }

    fn succeed(&mut self) {
        if let Some(successor) = self.successor.take() {
            self.process = Some(successor.process);
            self.running();
        }
    }

    fn successor_failed(&mut self, reason: &str) {
        if let Some(successor) = self.successor.take() {
            self.kill_all_of(&successor.process);
        }
        self.status.note = Some(format!("not replaced, the old process goes on: {reason}"));
        self.watchers.tell(&self.status);
    }

    /// Kills a process and what it left behind, while another of this keeper's lives.
    fn kill_all_of(&self, process: &Process) {
        let pid = process.pid.as_raw_nonzero().get();
        tree::kill(|| {
            let mut found = vec![pid];
            found.extend(tree::descendants(pid));
            found.extend(tree::session(pid));
            found.extend(tree::started_in(&self.directory, Some(process.number)));
            found.retain(|pid| tree::stat(*pid).is_some_and(|stat| !stat.zombie));
            found.dedup();
            found
        });
    }

    fn on_time(&mut self, now: Instant) {
        if self.successor.as_ref().is_some_and(|successor| now >= successor.deadline) {
            self.successor_failed("the new process was not ready in time");
        }
        if self.retiring.as_ref().is_some_and(|(_, kill_at)| now >= *kill_at)
            && let Some((process, _)) = self.retiring.take()
        {
            self.kill_all_of(&process);
        }
        match &mut self.phase {
            Phase::Running => {
                let timeout = self.launch.timeout;
                let over = self
                    .process
                    .as_ref()
                    .is_some_and(|process| process.started.elapsed() >= timeout.as_duration());
                if over && !timeout.is_zero() {
                    self.stop_as_launched(End::TimedOut);
                }
            }
            Phase::Stopping { kill_at, killed, .. } if now >= *kill_at => {
                *killed = true;
                if let Some(process) = &self.process {
                    let pid = process.pid.as_raw_nonzero().get();
                    tree::signal(&[pid], Signal::KILL);
                }
                if !self.launch.keeps_others {
                    tree::kill(|| self.leftovers());
                }
            }
            Phase::Clearing { .. } => self.look_at_leftovers(now),
            Phase::Backoff { until } if now >= *until => self.start(),
            Phase::Stopping { .. } | Phase::Backoff { .. } | Phase::Done => {}
        }
    }
}

fn is_readable(fd: &OwnedFd) -> bool {
    let mut fds = [PollFd::new(fd, PollFlags::IN)];
    poll(&mut fds, Some(&Timespec::default())).is_ok_and(|ready| ready > 0)
}

/// Whether whoever held the other end of the standard input is gone. What it writes is ignored.
fn stdin_closed() -> bool {
    let stdin = rustix::stdio::stdin();
    let mut fds = [PollFd::new(&stdin, PollFlags::IN)];
    if !poll(&mut fds, Some(&Timespec::default())).is_ok_and(|ready| ready > 0) {
        return false;
    }
    let mut ignored = [0_u8; 256];
    matches!(rustix::io::read(stdin, &mut ignored), Ok(0) | Err(rustix::io::Errno::IO))
}

fn now_millis() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

/// One group for each directory, found again by the next keeper in it.
fn group_name(label: &str, directory: &Path) -> String {
    let label: String = label.chars().filter(|c| c.is_ascii_alphanumeric() || "-._".contains(*c)).collect();
    let digest = blake3::hash(directory.as_os_str().as_encoded_bytes());
    format!("windlass-{label}-{}", &digest.to_hex()[..12])
}
