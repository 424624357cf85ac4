//! The loop of a keeper: what it waits for, and what follows.

mod adopt;
mod amiss;
mod command;
mod leftovers;
mod replace;

use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, Signal, WaitOptions};
use windlass_core::launch::{End, Exit, Launch, ProcessState, Status};
use windlass_core::spec::RestartWhen;

use self::amiss::{Amiss, Stuck};
use crate::keeper::child::{self, Started};
use crate::keeper::detach::{Starter, Verdict};
use crate::keeper::files::{NOTIFY, SOCKET};
use crate::keeper::limits::{self, Applied};
use crate::keeper::log::Rotation;
use crate::keeper::policy::{History, Next};
use crate::keeper::store::{Handover, Store};
use crate::keeper::watchers::{ClientId, Watchers};
use crate::keeper::{exit, tree};
use crate::processes;
use crate::sys::Signals;

pub(crate) use replace::BEING_REPLACED;

/// How often it looks whether what was left behind is gone. Children's ends are signalled, but not
/// those of processes that are no children (adopted ones).
const LEFTOVER_LOOK: Duration = Duration::from_millis(10);
/// What is not gone this long after it was killed hangs in the kernel: it is reported and left.
const UNKILLABLE: Duration = Duration::from_secs(10);

/// The process that is kept.
struct Process {
    pid: Pid,
    start_ticks: u64,
    /// Why it has no log, where it has none.
    no_log: Option<String>,
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
        purpose: Purpose,
        /// The signal that it got.
        signal: Signal,
        /// When it gets it again, in case it missed it.
        again: Option<Instant>,
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

/// What a process is stopped for.
enum Purpose {
    /// To end for good.
    End(End),
    /// To be started again, by its policy: it is not alive, for this reason.
    Restart(String),
}

/// A second process that is to take over.
struct Successor {
    process: Process,
    /// What it was started as.
    argv: Vec<String>,
    deadline: Instant,
    /// Who asked for it.
    client: ClientId,
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
    retiring: Vec<(Process, Instant)>,
    starts: u32,
    /// Whether a process ran in this keeper's time.
    begun: bool,
    amiss: Amiss,
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
            retiring: Vec::new(),
            starts: 0,
            begun: false,
            amiss: Amiss::default(),
            status: Status {
                keeper: rustix::process::getpid().as_raw_nonzero().get(),
                state: ProcessState::Ended(End::NotStarted),
                restarts: 0,
                last_exit: None,
                since: now_millis(),
                note: None,
                degraded: None,
                hangs: Vec::new(),
                boot: processes::boot().to_owned(),
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
            self.mend(Instant::now());
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

    fn prepare_limits(&mut self) -> Result<(), String> {
        if self.applied.is_none() {
            let group = group_name(&self.launch.label, &self.directory);
            self.applied = Some(limits::prepare(&group, &self.launch.limits)?);
        }
        Ok(())
    }

    fn oom_kills(&self) -> u64 {
        self.applied.as_ref().map_or(0, |applied| applied.group.oom_kills())
    }

    fn spawn(&mut self) -> Result<Process, String> {
        self.prepare_limits()?;
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
        let Started { pid, start_ticks, no_log } = started?;
        Ok(Process {
            pid,
            start_ticks,
            no_log,
            started: Instant::now(),
            number: self.starts,
            adopted: None,
            oom_kills,
        })
    }

    fn start(&mut self) {
        if !self.begun {
            // Should this keeper be killed before it can say which process it started, the next one
            // must know that there may be one.
            self.enter(ProcessState::Backoff { until: now_millis() });
        }
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
        self.running_since(now_millis());
    }

    fn running_since(&mut self, since: i64) {
        self.phase = Phase::Running;
        self.begun = true;
        if let Some(process) = &self.process {
            let state = ProcessState::Running {
                pid: process.pid.as_raw_nonzero().get(),
                start_ticks: process.start_ticks,
            };
            self.enter_at(state, since);
        }
    }

    fn enter(&mut self, state: ProcessState) {
        self.enter_at(state, now_millis());
    }

    /// Writes and tells a new state.
    fn enter_at(&mut self, state: ProcessState, since: i64) {
        self.status.state = state;
        self.status.since = since;
        self.write_status();
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
            Phase::Stopping { kill_at, killed: false, .. } => Some((*kill_at, self.launched_signal())),
            _ => None,
        };
        if let Next::Restart(at) = &next {
            self.status.restarts += 1;
            let wait = i64::try_from(at.saturating_duration_since(now).as_millis()).unwrap_or(i64::MAX);
            self.enter(ProcessState::Backoff { until: now_millis().saturating_add(wait) });
        }
        self.clear(asked, next);
    }

    /// Sleeps until something happens or is due.
    fn wait(&self) {
        let now = Instant::now();
        let mut due = vec![self.rotation.due()];
        due.extend(self.mends_at());
        match &self.phase {
            Phase::Running => {
                if let (Some(process), false) = (&self.process, self.launch.timeout.is_zero()) {
                    due.push(process.started + self.launch.timeout.as_duration());
                }
            }
            Phase::Stopping { kill_at, killed, again, .. } => {
                // What hangs in the kernel is looked at less often.
                let pause = if now >= *kill_at + UNKILLABLE { Duration::from_secs(1) } else { LEFTOVER_LOOK };
                due.push(if *killed { now + pause } else { *kill_at });
                due.extend(again.filter(|_| !*killed));
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
        // Once it has ended, its descriptor can be read for ever.
        if matches!(self.phase, Phase::Running | Phase::Stopping { .. }) {
            let adopted = self.process.iter().filter_map(|process| process.adopted.as_ref());
            fds.extend(adopted.map(|pidfd| PollFd::new(pidfd, PollFlags::IN)));
        }
        let retiring = self.retiring.iter().filter_map(|(process, _)| process.adopted.as_ref());
        fds.extend(retiring.map(|pidfd| PollFd::new(pidfd, PollFlags::IN)));
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
            if self.rotation.is_over(pid, status.exit_status() == Some(0)) {
                continue;
            }
            if self.process.as_ref().is_some_and(|process| process.pid == pid && process.adopted.is_none()) {
                self.process_ended(Some(status.as_raw()));
            } else if self.successor.as_ref().is_some_and(|successor| successor.process.pid == pid) {
                let exit = exit::classify(status.as_raw(), false, || false);
                self.successor_failed(&format!("the new process ended before it was ready ({exit})"));
            } else {
                self.end_retiring(|process, _| process.pid == pid && process.adopted.is_none());
            }
        }
        self.end_retiring(|process, _| process.adopted.as_ref().is_some_and(is_readable));
        let adopted = self.process.as_ref().and_then(|process| process.adopted.as_ref());
        if let Some(pidfd) = adopted.filter(|pidfd| is_readable(pidfd))
            && matches!(self.phase, Phase::Running | Phase::Stopping { .. })
        {
            let status = exit::of_adopted(pidfd, self.patience());
            self.process_ended(status);
        }
    }

    /// How long it is worth waiting to know how an adopted process ended. Its parent is the machine's first
    /// process now, which notices at once; in many a container it takes seconds.
    fn patience(&self) -> Duration {
        match self.launch.restart.when {
            // How it ended is what it was for.
            RestartWhen::Never => Duration::from_secs(5),
            RestartWhen::Always | RestartWhen::OnFailure => Duration::from_millis(200),
        }
    }

    /// Forgets those that a successor has replaced and that have ended, or have had their time, with what
    /// they leave behind.
    fn end_retiring(&mut self, is_over: impl Fn(&Process, Instant) -> bool) {
        let over: Vec<_> =
            self.retiring.extract_if(.., |(process, kill_at)| is_over(process, *kill_at)).collect();
        for (process, _) in over {
            self.kill_all_of(&process);
        }
    }

    /// `status` is missing for an adopted process where only a parent is told.
    fn process_ended(&mut self, status: Option<i32>) {
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
        let (exit, end) = match &self.phase {
            Phase::Stopping { purpose: Purpose::End(end), .. } => (exit, Some(*end)),
            Phase::Stopping { purpose: Purpose::Restart(reason), .. } => {
                (Exit::NotAlive(reason.clone()), None)
            }
            _ => (exit, None),
        };
        if end.is_none() && self.successor.is_some() {
            // It died while another was getting ready: that one is kept from now on, written down or not.
            self.status.last_exit = Some(exit);
            if let Err(error) = self.write_successor_down() {
                self.amiss.launch = Some(format!("what runs now cannot be written down: {error}"));
            }
            return self.succeed();
        }
        self.ended(exit, ran, end);
    }

    fn on_time(&mut self, now: Instant) {
        if self.successor.as_ref().is_some_and(|successor| now >= successor.deadline) {
            self.successor_failed("the new process was not ready in time");
        }
        self.end_retiring(|_, kill_at| now >= kill_at);
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
            // It hangs in the kernel. Whoever waits for its end is told, and not made to wait for ever.
            Phase::Stopping { kill_at, purpose: Purpose::End(end), .. } if now >= *kill_at + UNKILLABLE => {
                let end = *end;
                let pid = self.process.as_ref().map(|process| process.pid.as_raw_nonzero().get());
                let told = "its process hangs in the kernel and cannot be killed";
                self.amiss.stuck = Some(Stuck::new(pid.as_slice(), told.to_owned()));
                self.finish(end);
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
            Phase::Stopping { killed: false, signal, again: Some(at), .. } if now >= *at => {
                *at = now + self.launch.stop_again.as_duration();
                if let Some(process) = &self.process {
                    tree::signal(&[process.pid.as_raw_nonzero().get()], *signal);
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
