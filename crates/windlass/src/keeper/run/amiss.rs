//! What is amiss with what goes on all the same. It is told with the status, and put right as soon as that can be.

use std::io;
use std::path::Path;
use std::time::{Duration, Instant};

use windlass_core::launch::{ProcessState, Status};

use super::{Keeper, Phase};
use crate::keeper::files::{self, Durability, LAUNCH, STATUS};
use crate::keeper::log;
use crate::processes;

/// How often it is tried to put it right: a disk that was full may have room again.
const PACE: Duration = Duration::from_secs(1);

/// What is amiss, in words, beside what the process lacks.
#[derive(Default)]
pub(super) struct Amiss {
    /// The status is not written down as it is.
    status: Option<String>,
    /// It is not written down what runs.
    pub(super) launch: Option<String>,
    /// Something hangs in the kernel.
    pub(super) stuck: Option<Stuck>,
    /// When it is tried again to put it right.
    again: Option<Instant>,
}

/// What hangs in the kernel. It may be told of long after its keeper has gone on without it.
pub(super) struct Stuck {
    /// Each by its number and when it began.
    processes: Vec<(i32, u64)>,
    told: String,
}

impl Stuck {
    pub(super) fn new(pids: &[i32], told: String) -> Self {
        let living = |pid: &i32| Some((*pid, processes::stat(*pid)?.start_ticks));
        Self { processes: pids.iter().filter_map(living).collect(), told }
    }

    fn is_over(&self) -> bool {
        !processes::any_lives(&self.processes)
    }
}

fn unwritten(error: &io::Error) -> String {
    format!("its keeper cannot write {STATUS}: {error}")
}

impl Keeper {
    /// Writes the status down.
    pub(super) fn write_status(&mut self) {
        // Only the last one must outlive a power cut: it is the record of a job's outcome. The others
        // describe what runs, and after a power cut nothing does.
        let durability = match self.status.state {
            ProcessState::Ended(_) => Durability::Forever,
            _ => Durability::UntilReboot,
        };
        self.amiss.status = None;
        self.status.degraded = self.degraded();
        self.status.hangs = self.hangs();
        if let Err(error) = files::replace(Path::new(STATUS), &self.status, durability) {
            self.amiss.status = Some(unwritten(&error));
            self.status.degraded = self.degraded();
            let _told_all_the_same = files::overwrite(Path::new(STATUS), &self.status);
        }
    }

    fn degraded(&self) -> Option<String> {
        let no_log = self.process.as_ref().and_then(|process| process.no_log.as_deref());
        let Amiss { status, launch, stuck, .. } = &self.amiss;
        let stuck = stuck.as_ref().map(|stuck| stuck.told.as_str());
        let all = [no_log, launch.as_deref(), status.as_deref(), stuck];
        let all: Vec<&str> = all.into_iter().flatten().collect();
        (!all.is_empty()).then(|| all.join("; "))
    }

    fn hangs(&self) -> Vec<(i32, u64)> {
        self.amiss.stuck.as_ref().map(|stuck| stuck.processes.clone()).unwrap_or_default()
    }

    /// When there is something to put right: when that is tried next.
    pub(super) fn mends_at(&self) -> Option<Instant> {
        self.amiss.again
    }

    /// Puts right what can be put right by now.
    pub(super) fn mend(&mut self, now: Instant) {
        if matches!(self.phase, Phase::Done) {
            return; // Its last word is said.
        }
        let lacks_its_log = self.process.as_ref().is_some_and(|process| process.no_log.is_some());
        let Amiss { status, launch, stuck, .. } = &self.amiss;
        if !lacks_its_log && status.is_none() && launch.is_none() && stuck.is_none() {
            self.amiss.again = None;
            return;
        }
        if now < *self.amiss.again.get_or_insert(now + PACE) {
            return;
        }
        self.amiss.again = Some(now + PACE);
        let before = self.status.degraded.clone();
        if self.amiss.launch.is_some()
            && files::replace(Path::new(LAUNCH), &self.launch, Durability::UntilReboot).is_ok()
        {
            self.amiss.launch = None;
        }
        // A part of Windlass opens its log itself, as soon as it can.
        if let Some(process) = &mut self.process
            && log::is_open_in(process.pid)
        {
            process.no_log = None;
        }
        self.amiss.stuck.take_if(|stuck| stuck.is_over());
        let was_unwritten = self.amiss.status.take().is_some();
        let fresh = Status { degraded: self.degraded(), hangs: self.hangs(), ..self.status.clone() };
        // A copy may run without its log for days.
        if !was_unwritten && fresh.degraded == before {
            return;
        }
        match files::replace(Path::new(STATUS), &fresh, Durability::UntilReboot) {
            Ok(()) => self.status = fresh,
            Err(error) => {
                self.amiss.status = Some(unwritten(&error));
                self.status.degraded = self.degraded();
            }
        }
        if self.status.degraded != before {
            self.watchers.tell(&self.status);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_hangs_is_told_until_the_last_of_it_is_gone() {
        let own = i32::try_from(std::process::id()).unwrap();
        // No process has this number.
        let mut stuck = Stuck::new(&[i32::MAX, own], String::new());
        assert_eq!(stuck.processes.len(), 1);
        assert!(!stuck.is_over());
        stuck.processes[0].1 += 1;
        assert!(stuck.is_over(), "its number is another's");
        assert!(Stuck::new(&[i32::MAX], String::new()).is_over());
    }
}
