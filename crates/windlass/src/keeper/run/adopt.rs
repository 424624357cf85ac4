//! The beginning: taking over what a former keeper left, or starting afresh.

use std::path::Path;
use std::time::{Duration, Instant};

use rustix::process::{Pid, PidfdFlags, pidfd_open, pidfd_send_signal};
use windlass_core::launch::{End, Exit, ProcessState, Status};

use super::{Keeper, Process, Purpose};
use crate::clock;
use crate::keeper::files::{self, STATUS};
use crate::keeper::log;
use crate::keeper::policy::Next;
use crate::keeper::tree;
use crate::processes;

impl Keeper {
    /// Takes over what a former keeper left, or starts afresh.
    pub(super) fn begin(&mut self) {
        let former: Option<Status> = files::read(Path::new(STATUS));
        let Some(former) = former.filter(|former| !matches!(former.state, ProcessState::Ended(_))) else {
            return self.start();
        };
        self.status.restarts = former.restarts;
        // A replacement is a start too, and no restart: only the marks tell how many there were.
        let marks = tree::marked_in(&self.directory);
        let last = marks.iter().map(|(_, number)| *number).max().unwrap_or_default();
        self.starts = last.max(former.restarts + 1);
        let of_another_boot = former.is_of_another_boot(processes::boot());
        self.status.last_exit = former.last_exit;
        // Until there is something to say, it has not ended: whoever watches would take that for its last word.
        self.status.state = match former.state {
            ProcessState::Stopping { .. } => former.state.clone(),
            _ => ProcessState::Backoff { until: former.since },
        };
        let (pid, ticks, stopping) = match former.state {
            ProcessState::Running { pid, start_ticks } => (pid, Some(start_ticks), false),
            ProcessState::Stopping { pid, start_ticks } => {
                (pid, Some(start_ticks).filter(|ticks| *ticks > 0), true)
            }
            ProcessState::Backoff { .. } | ProcessState::Ended(_) => (0, None, false),
        };
        // Where they cannot be prepared, the next start says so.
        let _for_the_next_start = self.prepare_limits();
        let alive = match ticks {
            _ if of_another_boot => false,
            Some(ticks) => processes::lives(pid, ticks),
            None => tree::is_of(pid, &self.directory),
        };
        let number = marks.iter().find(|(marked, _)| *marked == pid).map(|(_, number)| *number);
        match self.watched(if alive { pid } else { 0 }, number.unwrap_or(former.restarts + 1)) {
            Some(mut process) => {
                // Of all that was amiss only this is still so for certain.
                process.no_log = former
                    .degraded
                    .filter(|_| !log::is_open_in(process.pid))
                    .and_then(|told| log::lost_in(&told, Path::new(&self.launch.log.path)));
                self.process = Some(process);
                // Only its keeper is new.
                self.running_since(former.since);
                if stopping {
                    self.go_on_stopping();
                }
                if let (true, Some(own)) = (self.launch.sockets, number) {
                    self.retire_others(&marks, own);
                }
            }
            None if stopping => self.ended(Exit::Unknown, Duration::ZERO, Some(End::Stopped)),
            None if pid == 0 => self.clear(None, Next::Restart(Instant::now())),
            None => self.ended(Exit::Unknown, Duration::ZERO, None),
        }
    }

    /// A process that somebody else started, its end in view; `None` where it has ended already.
    fn watched(&self, pid: i32, number: u32) -> Option<Process> {
        let pid = Pid::from_raw(pid)?;
        let pidfd = pidfd_open(pid, PidfdFlags::empty()).ok()?;
        let start_ticks = processes::stat(pid.as_raw_nonzero().get())?.start_ticks;
        let now = Instant::now();
        Some(Process {
            pid,
            start_ticks,
            no_log: None,
            // Its time limit goes on, and does not begin anew with each keeper.
            started: now.checked_sub(processes::age(start_ticks, clock::since_boot())).unwrap_or(now),
            number,
            adopted: Some(pidfd),
            oom_kills: self.oom_kills(),
        })
    }

    /// Goes on with what the former keeper was killed at. The process has got its signal: to many a second
    /// one means "at once".
    fn go_on_stopping(&mut self) {
        let Some(process) = &self.process else { return };
        let (pid, start_ticks) = (process.pid.as_raw_nonzero().get(), process.start_ticks);
        let kill_at = Instant::now() + self.launch.stop.grace.as_duration();
        self.await_its_end(self.launched_signal(), kill_at, Purpose::End(End::Stopped));
        self.enter(ProcessState::Stopping { pid, start_ticks });
    }

    /// Has those end that a replacement, which its keeper did not live to finish, left beside the one that
    /// is kept: a successor that is ready already would serve beside it for ever, from a table that nobody
    /// renews. What the one that is kept has started itself has its mark.
    fn retire_others(&mut self, marks: &[(i32, u32)], own: u32) {
        let others: Vec<Process> = marks
            .iter()
            .filter(|(_, number)| *number != own)
            .filter_map(|(pid, number)| self.watched(*pid, *number))
            // Its number may have become another's between the look at it and the hold of it.
            .filter(|other| {
                let pid = other.pid.as_raw_nonzero().get();
                tree::start_number(pid, &self.directory) == Some(other.number)
            })
            .collect();
        let kill_at = Instant::now() + self.launch.stop.grace.as_duration();
        for process in others {
            if let Some(pidfd) = &process.adopted {
                let _gone_already = pidfd_send_signal(pidfd, self.launched_signal());
            }
            self.retiring.push((process, kill_at));
        }
    }
}
