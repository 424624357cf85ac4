//! The beginning: taking over what a former keeper left, or starting afresh.

use std::path::Path;
use std::time::{Duration, Instant};

use rustix::process::{Pid, PidfdFlags, pidfd_open};
use windlass_core::launch::{End, Exit, ProcessState, Status};

use super::{Keeper, Process};
use crate::keeper::files::{self, STATUS};
use crate::keeper::policy::Next;
use crate::keeper::tree;

impl Keeper {
    /// Takes over what a former keeper left, or starts afresh.
    pub(super) fn begin(&mut self) {
        let former: Option<Status> = files::read(Path::new(STATUS));
        let Some(former) = former.filter(|former| !matches!(former.state, ProcessState::Ended(_))) else {
            return self.start();
        };
        self.status.restarts = former.restarts;
        self.starts = former.restarts + 1;
        let of_another_boot = former.is_of_another_boot(tree::boot());
        self.status.last_exit = former.last_exit;
        let (pid, ticks, stopping) = match former.state {
            ProcessState::Running { pid, start_ticks } => (pid, Some(start_ticks), false),
            ProcessState::Stopping { pid, start_ticks } => {
                (pid, Some(start_ticks).filter(|ticks| *ticks > 0), true)
            }
            ProcessState::Backoff { .. } | ProcessState::Ended(_) => (0, None, false),
        };
        self.prepare_limits();
        let alive = match ticks {
            _ if of_another_boot => false,
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
                // Only its keeper is new.
                self.running_since(former.since);
                if stopping {
                    self.stop_as_launched(End::Stopped);
                }
            }
            None if stopping => self.ended(Exit::Unknown, Duration::ZERO, Some(End::Stopped)),
            None if pid == 0 => self.clear(None, Next::Restart(Instant::now())),
            None => self.ended(Exit::Unknown, Duration::ZERO, None),
        }
    }
}
