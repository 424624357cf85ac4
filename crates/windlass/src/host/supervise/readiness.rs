//! Asking what runs whether it is ready, where the proxy does not: it runs no commands, and knows nothing
//! of services that get no requests.

use std::rc::Rc;

use windlass_core::name::InstanceId;
use windlass_core::policy::health::{Health, Monitor};
use windlass_core::spec::{Check, Probe, Service};

use crate::health;
use crate::host::Host;
use crate::host::instance::identity::Identity;
use crate::host::supervise::liveness::Running;
use crate::host::supervise::loops::note;

/// The readiness check that the host side has to ask itself.
fn own_check(service: &Service, has_routes: bool) -> Option<&Check> {
    let check = service.checks.readiness.as_ref()?;
    let is_asked_by_the_proxy =
        has_routes && service.port.is_some() && !matches!(check.probe, Probe::Command(_));
    (!is_asked_by_the_proxy).then_some(check)
}

impl Host {
    /// Asks instances that are not asked yet. Those that a run has in hand are the run's to ask.
    pub(in crate::host) fn watch_readiness(self: &Rc<Self>) {
        for id in self.kept() {
            let is_ours = Identity::read(&self.layout.instance(&id))
                .is_ok_and(|identity| own_check(&identity.service, self.has_routes()).is_some());
            if is_ours && self.asked.borrow_mut().insert(id.clone()) {
                let host = self.clone();
                tokio::task::spawn_local(async move {
                    host.check_readiness(&id).await;
                    host.unready.borrow_mut().shift_remove(&id);
                    host.asked.borrow_mut().remove(&id);
                });
            }
        }
    }

    fn has_routes(&self) -> bool {
        self.in_force().is_some_and(|active| !active.release.spec.routes.is_empty())
    }

    async fn check_readiness(&self, id: &InstanceId) {
        let directory = self.layout.instance(id);
        let Ok(identity) = Identity::read(&directory) else { return };
        let mut target = None;
        let mut said = String::new();
        let mut judged: Option<(Running, Monitor)> = None;
        loop {
            let Some(check) = own_check(&identity.service, self.has_routes()) else { return };
            tokio::time::sleep(check.interval.as_duration()).await;
            if !self.active_copies().contains(id) {
                return;
            }
            // Another process begins anew, with a start period of its own.
            let running = Running::of(&directory);
            if judged.as_ref().map(|(process, _)| *process) != running {
                self.unready.borrow_mut().shift_remove(id);
                judged = running.map(|process| (process, Monitor::new(check.clone(), process.age())));
            }
            let Some((process, monitor)) = &mut judged else { continue };
            // What was found of it stands, for as long as a run has it in hand.
            if !self.keeps(id) {
                continue;
            }
            let target = match &mut target {
                Some(target) => target,
                none => match self.target(&identity).await {
                    Ok(target) => none.insert(target),
                    Err(fault) => {
                        let why = format!("{id} cannot be asked whether it is ready: {fault}");
                        if said != why {
                            note(&why);
                            said = why;
                        }
                        continue;
                    }
                },
            };
            let answer = health::probe(&check.probe, target, check.timeout.as_duration()).await;
            monitor.observe(answer.is_ok(), process.age());
            let mut unready = self.unready.borrow_mut();
            match (monitor.health(), answer) {
                (Health::Healthy, _) => drop(unready.shift_remove(id)),
                (Health::Unhealthy, Err(why)) => {
                    let reason = self.redactor(id.release).redact(&why.reason).into_owned();
                    unready.insert(id.clone(), reason);
                }
                // It answers again, but not often enough yet.
                (Health::Unhealthy, Ok(_)) => {}
            }
        }
    }
}
