//! What is amiss with what goes on all the same. It is told with the status, and put right as soon as that can be.

use std::path::Path;
use std::time::{Duration, Instant};

use windlass_core::launch::{ProcessState, Status};

use super::{Keeper, Phase};
use crate::keeper::files::{self, Durability, LAUNCH, STATUS};
use crate::keeper::log;

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
    pub(super) stuck: Option<String>,
    /// When it is tried again to put it right.
    again: Option<Instant>,
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
        if let Err(error) = files::replace(Path::new(STATUS), &self.status, durability) {
            self.amiss.status = Some(format!("its keeper cannot write {STATUS}: {error}"));
            self.status.degraded = self.degraded();
            let _told_all_the_same = files::overwrite(Path::new(STATUS), &self.status);
        }
    }

    fn degraded(&self) -> Option<String> {
        let no_log = self.process.as_ref().and_then(|process| process.no_log.as_deref());
        let Amiss { status, launch, stuck, .. } = &self.amiss;
        let all = [no_log, launch.as_deref(), status.as_deref(), stuck.as_deref()];
        let all: Vec<&str> = all.into_iter().flatten().collect();
        (!all.is_empty()).then(|| all.join("; "))
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
        if !lacks_its_log && self.amiss.status.is_none() && self.amiss.launch.is_none() {
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
        let unwritten = self.amiss.status.take();
        let fresh = Status { degraded: self.degraded(), ..self.status.clone() };
        match files::replace(Path::new(STATUS), &fresh, Durability::UntilReboot) {
            Ok(()) => self.status = fresh,
            Err(_) => {
                self.amiss.status = unwritten;
                self.status.degraded = self.degraded();
            }
        }
        if self.status.degraded != before {
            self.watchers.tell(&self.status);
        }
    }
}
