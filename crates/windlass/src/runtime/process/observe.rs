//! Looking, without touching and without asking anyone.

use std::fs::File;
use std::path::Path;

use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;
use windlass_core::launch::{End, Launch, ProcessState, Status};

use super::ask::Ended;
use crate::keeper::files::{self, BOOT, LAUNCH, LOCK, STATUS};
use crate::keeper::tree;
use crate::processes;

/// What is in a keeper's directory.
#[derive(Debug, Clone, PartialEq)]
pub struct Observation {
    /// What was to run.
    pub launch: Launch,
    /// What has become of it, as its keeper wrote last; `None` before the first word.
    pub status: Option<Status>,
    /// Whether a keeper lives there.
    pub keeper_alive: bool,
    /// Whether the process lives that the status names.
    pub process_alive: bool,
}

impl Observation {
    /// Whether it runs, be it without its keeper, or is about to be started again.
    #[must_use]
    pub fn is_under_way(&self) -> bool {
        (self.keeper_alive || self.process_alive) && !self.has_ended()
    }

    /// Whether its keeper was killed, and it runs on.
    #[must_use]
    pub fn has_lost_its_keeper(&self) -> bool {
        self.process_alive && !self.keeper_alive
    }

    /// Whether it ended for good.
    #[must_use]
    pub fn has_ended(&self) -> bool {
        self.ended().is_some()
    }

    /// How it ended for good.
    #[must_use]
    pub fn ended(&self) -> Option<Ended> {
        self.status.as_ref().and_then(super::ask::ended)
    }

    /// Whether it ended for good by itself, and said that it had done what it was for.
    #[must_use]
    pub fn ended_well(&self) -> bool {
        self.status.as_ref().is_some_and(Status::ended_well)
    }

    /// Whether its keeper gave it up: it will not run again unless somebody starts it.
    #[must_use]
    pub fn gave_up(&self) -> bool {
        self.ended().is_some_and(|ended| ended.end != End::Stopped)
    }

    /// How many times it was started again.
    #[must_use]
    pub fn restarts(&self) -> u32 {
        self.status.as_ref().map_or(0, |status| status.restarts)
    }
}

impl Observation {
    /// The process, while it runs.
    #[must_use]
    pub fn pid(&self) -> Option<i32> {
        match self.status.as_ref()?.state {
            ProcessState::Running { pid, .. } if self.process_alive => Some(pid),
            _ => None,
        }
    }

    /// Whether its keeper was killed before it could end what the process, which is gone, has left behind.
    #[must_use]
    pub fn has_left_some(&self, dir: &Path) -> bool {
        let is_cleared = |status: &Status| {
            matches!(status.state, ProcessState::Ended(_)) || status.is_of_another_boot(processes::boot())
        };
        !self.keeper_alive
            && self.status.as_ref().is_some_and(|status| !is_cleared(status))
            && dir.canonicalize().is_ok_and(|dir| {
                !tree::started_in(&dir, None).is_empty()
                    || !tree::printing_to(Path::new(&self.launch.log.path)).is_empty()
            })
    }

    /// Whether the process was stopped by a signal and has not gone on since: it does
    /// nothing, and says nothing of it.
    #[must_use]
    pub fn is_frozen(&self) -> bool {
        self.pid().is_some_and(processes::is_stopped)
    }
}

/// Looks at a keeper's directory. `None` when it holds no launch.
#[must_use]
pub fn observe(dir: &Path) -> Option<Observation> {
    let launch: Launch = files::read(&dir.join(LAUNCH))?;
    let keeper_alive = is_kept(dir);
    let status = files::read::<Status>(&dir.join(STATUS)).map(without_what_is_over);
    let process_alive = status.as_ref().is_some_and(|status| is_alive(dir, status));
    Some(Observation { launch, status, keeper_alive, process_alive })
}

/// The last word of a keeper, which has ended, about what hung in the kernel then stands for ever: nobody is there to
/// take it back.
fn without_what_is_over(mut status: Status) -> Status {
    let is_last = matches!(status.state, ProcessState::Ended(_)) && !status.hangs.is_empty();
    if is_last && (status.is_of_another_boot(processes::boot()) || !processes::any_lives(&status.hangs)) {
        status.degraded = None;
        status.hangs.clear();
    }
    status
}

/// Whether what runs once was to begin before the machine was started last; what came of it then may be known or not.
#[must_use]
pub fn is_of_another_boot(dir: &Path) -> bool {
    let (noted, present) = (std::fs::read(dir.join(BOOT)), processes::boot());
    // There is none from an earlier Windlass.
    noted.is_ok_and(|noted| !present.is_empty() && noted != present.as_bytes())
}

/// A keeper, told from any that comes after it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Keeper {
    pub(super) pid: i32,
    start_ticks: u64,
}

impl Keeper {
    /// Whether it lives.
    #[must_use]
    pub fn lives(&self) -> bool {
        processes::lives(self.pid, self.start_ticks)
    }
}

/// The keeper that lives in a directory.
#[must_use]
pub fn keeper(dir: &Path) -> Option<Keeper> {
    let pid = files::read::<Status>(&dir.join(STATUS)).filter(|_| is_kept(dir))?.keeper;
    Some(Keeper { pid, start_ticks: processes::stat(pid)?.start_ticks })
}

/// Whether what a keeper's directory tells of is under way.
#[must_use]
pub fn is_under_way(dir: &Path) -> bool {
    observe(dir).is_some_and(|seen| seen.is_under_way())
}

/// Whether a keeper holds the lock. The question itself takes a shared lock for an instant, which a
/// keeper that starts just then waits for.
#[must_use]
pub fn is_kept(dir: &Path) -> bool {
    is_locked(&dir.join(LOCK))
}

/// Whether somebody holds a file locked, asked in the same way.
#[must_use]
pub fn is_locked(path: &Path) -> bool {
    let Ok(lock) = File::open(path) else { return false };
    matches!(flock(&lock, FlockOperation::NonBlockingLockShared), Err(Errno::WOULDBLOCK))
}

fn is_alive(dir: &Path, status: &Status) -> bool {
    match &status.state {
        // A number and a time since boot say nothing of another boot.
        _ if status.is_of_another_boot(processes::boot()) => false,
        ProcessState::Running { pid, start_ticks } => processes::lives(*pid, *start_ticks),
        ProcessState::Stopping { pid, start_ticks: 0 } => tree::is_of(*pid, dir),
        ProcessState::Stopping { pid, start_ticks } => processes::lives(*pid, *start_ticks),
        ProcessState::Backoff { .. } | ProcessState::Ended(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_hung_when_its_keeper_ended_is_told_until_it_is_gone() {
        let me = std::process::id().cast_signed();
        let start = processes::stat(me).unwrap().start_ticks;
        let told = |hangs: Vec<(i32, u64)>, boot: &str| {
            let status = Status {
                keeper: 1,
                state: ProcessState::Ended(End::Stopped),
                restarts: 0,
                last_exit: None,
                since: 0,
                note: None,
                degraded: Some("its process hangs in the kernel".to_owned()),
                hangs,
                boot: boot.to_owned(),
            };
            without_what_is_over(status).degraded.is_some()
        };
        let present = processes::boot();
        assert!(told(vec![(i32::MAX, 1), (me, start)], present));
        assert!(!told(vec![(i32::MAX, 1), (me, start + 1)], present), "its number is another's");
        assert!(!told(vec![(me, start)], "another boot"));
        assert!(told(vec![], present), "an earlier Windlass's keeper does not say who it is");
    }
}
