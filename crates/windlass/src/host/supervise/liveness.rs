//! Restarting what runs and is not alive any more, as its own check says.

use std::rc::Rc;
use std::time::Instant;

use windlass_core::name::InstanceId;
use windlass_core::policy::health::{Health as Verdict, Monitor};
use windlass_core::spec::Check;
use windlass_core::units::Span;

use crate::health;
use crate::host::Host;
use crate::host::instance::identity::Identity;
use crate::host::instance::quiet::running;
use crate::host::supervise::loops::note;
use crate::runtime::process;

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
    pid: i32,
    began: Instant,
    monitor: Monitor,
}

impl Judged {
    fn new(pid: i32, check: &Check) -> Self {
        Self { pid, began: Instant::now(), monitor: Monitor::new(check.clone(), Span::ZERO) }
    }

    /// Whether this answer is the one too many.
    fn has_died(&mut self, healthy: bool) -> bool {
        let age = u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.monitor.observe(healthy, Span::from_millis(age)) == Some(Verdict::Unhealthy)
    }
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
        let Some(check) = identity.service.checks.liveness.clone() else { return };
        let mut target = None;
        let mut judged: Option<Judged> = None;
        loop {
            tokio::time::sleep(check.interval.as_duration()).await;
            if !self.judged().contains(id) {
                self.health.borrow_mut().shift_remove(id);
                return;
            }
            // What is ending or waits to be started again is its keeper's business; what is gone with its
            // keeper is brought back.
            let Some(pid) = running(&directory) else {
                self.health.borrow_mut().shift_remove(id);
                continue;
            };
            let judged = match &mut judged {
                Some(judged) if judged.pid == pid => judged,
                other => {
                    // What was said of the one before says nothing of this one.
                    self.health.borrow_mut().shift_remove(id);
                    other.insert(Judged::new(pid, &check))
                }
            };
            let target = match &mut target {
                Some(target) => target,
                none => match self.target(&identity).await {
                    Ok(target) => none.insert(target),
                    Err(fault) => {
                        note(&format!("{id} cannot be asked whether it is alive: {fault}"));
                        continue;
                    }
                },
            };
            let answer = health::probe(&check.probe, target, check.timeout.as_duration()).await;
            let healthy = answer.is_ok();
            let reason = answer
                .err()
                .map(|unhealthy| self.redactor(id.release).redact(&unhealthy.reason).into_owned());
            let dead = {
                let mut all = self.health.borrow_mut();
                let health = all.entry(id.clone()).or_default();
                health.reason.clone_from(&reason);
                if judged.has_died(healthy) {
                    health.dead = reason;
                }
                health.dead.clone()
            };
            // One of a release that is not committed yet is for the bake to judge.
            if let Some(reason) = dead
                && running(&directory) == Some(pid)
                && self.keeps(id)
            {
                self.health.borrow_mut().shift_remove(id);
                self.restart_dead(id, reason).await;
            }
        }
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
