//! What a process leaves behind, and its end.

use std::path::Path;
use std::time::{Duration, Instant};

use rustix::process::{Signal, WaitOptions};
use windlass_core::launch::End;

use super::amiss::Stuck;
use super::{Keeper, Phase, Process, UNKILLABLE};
use crate::keeper::policy::Next;
use crate::keeper::tree;
use crate::processes;

/// What a process leaves behind when it ends by itself has this long to end too: workers that notice
/// that their master is gone may put their work away.
const GRACE: Duration = Duration::from_millis(100);

impl Keeper {
    pub(super) fn clear(&mut self, asked: Option<(Instant, Signal)>, then: Next) {
        let left = self.leftovers();
        if let (Some((_, signal)), false) = (asked, left.is_empty()) {
            tree::signal(&left, signal);
        }
        let kill_at = match (&self.phase, asked) {
            (_, Some((kill_at, _))) => kill_at,
            // Its grace is over.
            (Phase::Stopping { .. }, None) => Instant::now(),
            _ => Instant::now() + GRACE,
        };
        self.phase = Phase::Clearing { kill_at, then };
        self.look_at_leftovers(Instant::now());
    }

    pub(super) fn look_at_leftovers(&mut self, now: Instant) {
        let left = self.leftovers();
        let childless = !left.is_empty() || self.is_childless();
        let Phase::Clearing { kill_at, then } = &mut self.phase else { return };
        let stuck = now >= *kill_at + UNKILLABLE;
        let clear = left.is_empty() && childless;
        if clear || stuck {
            let then = std::mem::replace(then, Next::End(End::Stopped));
            if stuck && !left.is_empty() {
                let pids: Vec<String> = left.iter().map(ToString::to_string).collect();
                let told = format!(
                    "what it left behind hangs in the kernel and cannot be killed: process {}",
                    pids.join(", ")
                );
                self.amiss.stuck = Some(Stuck::new(&left, told));
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

    /// Whether really nothing is left. Walking `/proc` can miss a process that just then changes its
    /// parent; but it ends up as ours, and the kernel knows whether we have children.
    fn is_childless(&mut self) -> bool {
        loop {
            match rustix::process::wait(WaitOptions::NOHANG) {
                Ok(Some((pid, status))) => drop(self.rotation.is_over(pid, status.exit_status() == Some(0))),
                Ok(None) if self.launch.keeps_others => return true,
                // The helper is a child too, and no reason to wait.
                Ok(None) => {
                    let helper = self.rotation.helper().map(|pid| pid.as_raw_nonzero().get());
                    let own = rustix::process::getpid().as_raw_nonzero().get();
                    return helper.is_some()
                        && tree::children_by_scan(own).into_iter().all(|pid| Some(pid) == helper);
                }
                Err(_) => return true,
            }
        }
    }

    /// All that lives and is not the keeper's own helper: with the process gone, what it left behind.
    pub(super) fn leftovers(&self) -> Vec<i32> {
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
            found.extend(tree::printing_to(Path::new(&self.launch.log.path)));
            if let Some(process) = &self.process {
                found.extend(tree::session(process.pid.as_raw_nonzero().get()));
            }
        }
        found.sort_unstable();
        found.dedup();
        found.retain(|pid| *pid != own && processes::stat(*pid).is_some_and(|stat| !stat.zombie));
        found
    }

    /// Whether another keeper was here before, whose process may have left something behind.
    pub(super) fn is_second(&self) -> bool {
        self.process.as_ref().is_none_or(|process| process.adopted.is_some())
    }

    /// Kills a process and what it left behind, while another of this keeper's lives.
    pub(super) fn kill_all_of(&self, process: &Process) {
        let pid = process.pid.as_raw_nonzero().get();
        // Where it was taken notice of, its number may be another's by now.
        let is_anothers = || processes::stat(pid).is_some_and(|stat| stat.start_ticks != process.start_ticks);
        tree::kill(|| {
            let mut found = tree::started_in(&self.directory, Some(process.number));
            if !is_anothers() {
                found.push(pid);
                found.extend(tree::descendants(pid));
                found.extend(tree::session(pid));
            }
            found.retain(|pid| processes::stat(*pid).is_some_and(|stat| !stat.zombie));
            found.sort_unstable();
            found.dedup();
            found
        });
    }
}
