//! Restarting what runs and is not alive any more, as its own check says.

use std::path::Path;
use std::rc::Rc;

use windlass_core::launch::ProcessState;
use windlass_core::name::InstanceId;
use windlass_core::policy::health::{Gate, GateVerdict, Health as Verdict, Monitor};
use windlass_core::spec::{Check, Checks};
use windlass_core::units::Span;

use crate::clock;
use crate::health;
use crate::host::Host;
use crate::host::instance::identity::Identity;
use crate::host::supervise::loops::note;
use crate::processes;
use crate::runtime::process::{self, Observation};

/// What the liveness check of an instance says.
#[derive(Debug, Clone, Default)]
pub(in crate::host) struct Health {
    /// Why it did not answer well the last time; `None` where it did.
    pub(in crate::host) reason: Option<String>,
    /// Why it has to be ended: it did not so often that it counts as dead.
    pub(in crate::host) dead: Option<String>,
}

/// The one process that is being judged: another one begins anew, with a start period of its own.
struct Judged {
    process: Running,
    /// The startup check and its gate, until it has succeeded or has had its time.
    startup: Option<(Check, Gate)>,
    liveness: Check,
    monitor: Monitor,
}

impl Judged {
    /// `startup` is the check that this process has not passed yet.
    fn new(process: Running, startup: Option<&Check>, liveness: &Check) -> Self {
        Self {
            process,
            startup: startup.map(|check| (check.clone(), Gate::new(check.clone()))),
            liveness: liveness.clone(),
            monitor: Monitor::new(liveness.clone()),
        }
    }

    /// The check that is to be asked now.
    fn check(&self) -> &Check {
        self.startup.as_ref().map_or(&self.liveness, |(check, _)| check)
    }

    /// Whether this answer is the one too many. What starts is not judged: where it has had its time and has
    /// not succeeded, its liveness says what becomes of it.
    fn has_died(&mut self, healthy: bool, age: Span) -> bool {
        let Some((_, gate)) = &mut self.startup else {
            return self.monitor.observe(healthy, age) == Some(Verdict::Unhealthy);
        };
        if gate.observe(healthy, age) != GateVerdict::Waiting {
            self.startup = None;
        }
        false
    }
}

/// A process that runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::host) struct Running {
    pid: i32,
    /// In clock ticks since the machine was booted.
    start: u64,
}

impl Running {
    pub(super) fn of(directory: &Path) -> Option<Self> {
        Self::seen(&process::observe(directory)?)
    }

    pub(super) fn seen(seen: &Observation) -> Option<Self> {
        match seen.status.as_ref().filter(|_| seen.process_alive)?.state {
            ProcessState::Running { pid, start_ticks } => Some(Self { pid, start: start_ticks }),
            _ => None,
        }
    }

    pub(super) fn age(self) -> Span {
        let age = processes::age(self.start, clock::since_boot());
        Span::from_millis(u64::try_from(age.as_millis()).unwrap_or(u64::MAX))
    }
}

/// Whether a process has to pass its startup check, or the readiness check that the host side asks, before it is judged: one that came in another's place; and one
/// that nobody has looked at yet, where it is young enough and no run has awaited it.
pub(super) fn is_starting(replaces: bool, is_awaited: bool, age: Span, startup: &Check) -> bool {
    replaces || (!is_awaited && age < startup.start_period)
}

impl Host {
    /// Checks the liveness of instances that are not watched yet.
    pub(in crate::host) fn watch_liveness(self: &Rc<Self>) {
        for id in self.judged() {
            let has_check = Identity::read(&self.layout.instance(&id))
                .is_ok_and(|identity| identity.service.checks.liveness.is_some());
            if has_check && self.watched.borrow_mut().insert(id.clone()) {
                let host = self.clone();
                tokio::task::spawn_local(async move {
                    host.check_liveness(&id).await;
                    host.watched.borrow_mut().remove(&id);
                });
            }
        }
    }

    async fn check_liveness(self: &Rc<Self>, id: &InstanceId) {
        let directory = self.layout.instance(id);
        let Ok(identity) = Identity::read(&directory) else { return };
        let Checks { startup, liveness, .. } = &identity.service.checks;
        let Some(liveness) = liveness else { return };
        let mut target = None;
        let mut judged: Option<Judged> = None;
        loop {
            let interval = judged.as_ref().map_or(liveness, Judged::check).interval;
            tokio::time::sleep(interval.as_duration()).await;
            if !self.judged().contains(id) {
                self.health.borrow_mut().shift_remove(id);
                return;
            }
            // What is ending or waits to be started again is its keeper's business; what is gone with its
            // keeper is brought back.
            let Some(process) = Running::of(&directory) else {
                self.health.borrow_mut().shift_remove(id);
                continue;
            };
            let judged = match &mut judged {
                Some(judged) if judged.process == process => judged,
                other => {
                    // What was said of the one before says nothing of this one, which may have another port.
                    target = None;
                    self.health.borrow_mut().shift_remove(id);
                    let (replaces, is_awaited) = (other.is_some(), self.has_awaited(id, process));
                    let startup = startup
                        .as_ref()
                        .filter(|startup| is_starting(replaces, is_awaited, process.age(), startup));
                    other.insert(Judged::new(process, startup, liveness))
                }
            };
            let target = match &mut target {
                Some(target) => target,
                none => {
                    match self.target(&Identity::read(&directory).unwrap_or_else(|_| identity.clone())).await
                    {
                        Ok(target) => none.insert(target),
                        Err(fault) => {
                            note(&format!("{id} cannot be asked whether it is alive: {fault}"));
                            continue;
                        }
                    }
                }
            };
            let check = judged.check().clone();
            let answer = health::probe(&check.probe, target, check.timeout.as_duration()).await;
            let healthy = answer.is_ok();
            let reason = answer
                .err()
                .map(|unhealthy| self.redactor(id.release).redact(&unhealthy.reason).into_owned());
            let dead = {
                let mut all = self.health.borrow_mut();
                let health = all.entry(id.clone()).or_default();
                health.reason.clone_from(&reason);
                let age = judged.process.age();
                if judged.has_died(healthy, age) {
                    health.dead = reason;
                }
                health.dead.clone()
            };
            // One of a release that is not committed yet is for the bake to judge.
            if let Some(reason) = dead
                && Running::of(&directory) == Some(process)
                && self.keeps(id)
            {
                self.health.borrow_mut().shift_remove(id);
                self.restart_dead(id, reason).await;
            }
        }
    }

    /// Whether a run has waited until this process was ready: what a run has in hand is looked at when it is, and
    /// what is older than its release's time in force was started by the run that brought that.
    pub(super) fn has_awaited(&self, id: &InstanceId, process: Running) -> bool {
        let began = clock::wall_millis().saturating_sub_unsigned(process.age().as_millis());
        !self.keeps(id) || self.in_force().is_some_and(|active| began < active.release.activated)
    }

    /// Its keeper ends it and starts it again by the service's restart policy.
    async fn restart_dead(self: &Rc<Self>, id: &InstanceId, reason: String) {
        note(&format!("{id} is not alive: {reason}; it is restarted"));
        if let Some(active) = self.in_force() {
            self.tell_of_unhealthy(&active, id, reason.clone());
        }
        let directory = self.layout.instance(id);
        if process::restart(&directory, &reason).await.is_ok() {
            return;
        }
        // The keeper is gone, or an older Windlass's that does not know how: what is stopped is brought back.
        if let Ok(identity) = Identity::read(&directory)
            && let Err(error) =
                process::stop(&directory, &identity.service.stop.signal, identity.service.stop.grace).await
        {
            note(&format!("{id} cannot be stopped: {error}"));
        }
    }
}

#[cfg(test)]
mod tests {
    use windlass_core::spec::Probe;

    use super::*;

    fn check(start_period: u64, unhealthy_after: u32) -> Check {
        Check {
            probe: Probe::Tcp,
            interval: Span::from_secs(1),
            timeout: Span::from_secs(1),
            start_period: Span::from_secs(start_period),
            healthy_after: 1,
            unhealthy_after,
        }
    }

    /// The second in which it counts as dead.
    fn died(startup: Option<&Check>, answers: impl Fn(u64) -> bool) -> Option<u64> {
        let liveness = check(0, 2);
        let mut judged = Judged::new(Running { pid: 7, start: 1 }, startup, &liveness);
        (1..100).find(|second| judged.has_died(answers(*second), Span::from_secs(*second)))
    }

    #[test]
    fn liveness_begins_when_the_startup_check_has_succeeded_once() {
        assert_eq!(died(None, |_| false), Some(2));
        assert_eq!(died(Some(&check(60, 1)), |second| second >= 30), None, "it starts slowly");
        assert_eq!(died(Some(&check(60, 1)), |second| second == 30), Some(32));
        assert_eq!(died(Some(&check(60, 1)), |_| false), Some(62), "it does not start at all");
    }

    #[test]
    fn what_was_ready_already_is_judged_at_once() {
        let (startup, young, old) = (check(60, 1), Span::from_secs(5), Span::from_secs(3600));
        assert!(is_starting(true, true, young, &startup), "it crashed, and comes back");
        assert!(is_starting(false, false, young, &startup), "brought back by a host side that is gone");
        assert!(!is_starting(false, true, young, &startup), "a new release");
        assert!(!is_starting(false, false, old, &startup), "the host side was started again");
    }
}
