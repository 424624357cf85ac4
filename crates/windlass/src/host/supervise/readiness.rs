//! Asking what runs whether it is ready, where the proxy does not: it runs no commands, and knows nothing
//! of services that get no requests.

use std::cell::OnceCell;
use std::io;
use std::path::Path;
use std::rc::Rc;
use std::time::Duration;

use rustix::io::Errno;
use tokio::sync::mpsc::Receiver;
use windlass_core::launch::Status;
use windlass_core::name::InstanceId;
use windlass_core::plan::Plan;
use windlass_core::policy::health::{Health, Monitor};
use windlass_core::spec::{Check, Probe, Service};
use windlass_core::units::Span;

use crate::health;
use crate::host::Host;
use crate::host::instance::identity::Identity;
use crate::host::supervise::liveness::{Running, is_starting};
use crate::host::supervise::loops::note;
use crate::runtime::process;

/// The readiness check that the host side has to ask itself.
fn own_check(service: &Service, has_routes: bool) -> Option<&Check> {
    let check = service.checks.readiness.as_ref()?;
    let is_asked_by_the_proxy =
        has_routes && service.port.is_some() && !matches!(check.probe, Probe::Command(_));
    (!is_asked_by_the_proxy).then_some(check)
}

/// How soon a process that came in another's place is asked again at first.
const EAGER: Duration = Duration::from_millis(100);

/// Whether applications get requests, looked up once in a round: what a release is made of is much to read.
#[derive(Default)]
struct Routes {
    in_force: OnceCell<bool>,
}

impl Routes {
    /// The one of which this is a copy.
    fn of(&self, host: &Host, id: &InstanceId) -> bool {
        let holder = host.holder().filter(|run| run.row.plan.release == id.release);
        let in_force = || host.in_force().is_some_and(|active| !active.release.spec.routes.is_empty());
        match holder {
            Some(run) => !run.row.plan.spec.routes.is_empty(),
            None => *self.in_force.get_or_init(in_force),
        }
    }
}

/// Whether an error says that there is no description of a copy that could be read another time.
fn says_so(error: &io::Error) -> bool {
    let passing = [Errno::MFILE, Errno::NFILE, Errno::NOMEM, Errno::INTR, Errno::IO].map(Errno::raw_os_error);
    error.raw_os_error().is_none_or(|number| !passing.contains(&number))
}

impl Host {
    /// Asks instances that are not asked yet. Those that a run starts or stops are the run's to ask.
    pub(in crate::host) fn watch_readiness(self: &Rc<Self>) {
        let routes = Routes::default();
        let is_asked = |id: &InstanceId| self.asked.borrow().contains(id);
        // What nobody asks about any more would stand for ever. Whom somebody asks, lets it go himself; and what cannot
        // be said just now changes nothing.
        self.verdicts.retain(|id| {
            self.is_in_use(id) && (is_asked(id) || self.is_ours_to_ask(id, &routes) != Some(false))
        });
        for id in self.judged() {
            if !is_asked(&id) && self.is_ours_to_ask(&id, &routes) == Some(true) {
                self.asked.borrow_mut().insert(id.clone());
                let host = self.clone();
                tokio::task::spawn_local(async move {
                    host.check_readiness(&id).await;
                    host.verdicts.let_go(&id);
                    host.asked.borrow_mut().remove(&id);
                });
            }
        }
    }

    /// `None` where it cannot be said now, as when too many files are open.
    fn is_ours_to_ask(&self, id: &InstanceId, routes: &Routes) -> Option<bool> {
        match Identity::read(&self.layout.instance(id)) {
            Ok(identity) => Some(own_check(&identity.service, routes.of(self, id)).is_some()),
            Err(error) => says_so(&error).then_some(false),
        }
    }

    /// Whether the application of which this is a copy gets requests.
    fn has_routes(&self, id: &InstanceId) -> bool {
        Routes::default().of(self, id)
    }

    /// Whether it is a copy of the active release, or of one that a run brings up.
    fn is_in_use(&self, id: &InstanceId) -> bool {
        let is_its = |plan: &Plan| plan.instances.values().flatten().any(|new| new == id);
        self.active_copies().contains(id) || self.holder().is_some_and(|run| is_its(&run.row.plan))
    }

    async fn check_readiness(&self, id: &InstanceId) {
        let directory = self.layout.instance(id);
        let Ok(identity) = Identity::read(&directory) else { return };
        let mut target = None;
        let mut said = String::new();
        let mut judged: Option<(Running, Monitor)> = None;
        let mut pause = EAGER;
        let mut news = process::watch(&directory).await.ok();
        loop {
            let Some(check) = own_check(&identity.service, self.has_routes(id)) else { return };
            pause = pause.min(check.interval.as_duration());
            tokio::select! {
                () = tokio::time::sleep(pause) => if news.is_none() {
                    news = process::watch(&directory).await.ok();
                },
                is_told = next(&mut news) => if !is_told {
                    news = None;
                },
            }
            if !self.is_in_use(id) {
                return;
            }
            let running = Running::of(&directory);
            if !self.judged().contains(id) {
                // What was found of it stands for as long as a run has it in hand; who awaits another process
                // asks that one.
                if judged.as_ref().is_some_and(|(process, _)| Some(*process) != running) {
                    self.verdicts.let_go(id);
                    judged = None;
                }
                continue;
            }
            let Some(process) = running else {
                // Whatever comes in its place has to answer before it gets requests.
                self.verdicts.hold_back(id, None);
                continue;
            };
            let (_, monitor) = match &mut judged {
                Some(judged) if judged.0 == process => judged,
                other => {
                    pause = EAGER;
                    // It may have another port.
                    target = None;
                    let is_starting = self.verdicts.contains(id)
                        || is_starting(other.is_some(), self.has_awaited(id, process), process.age(), check);
                    // Who has answered well once is no longer starting.
                    let check = Check { start_period: Span::ZERO, ..check.clone() };
                    let monitor = if is_starting { Monitor::of_unproven } else { Monitor::new };
                    if is_starting {
                        self.verdicts.hold_back(id, None);
                    }
                    other.insert((process, monitor(check)))
                }
            };
            let target = match &mut target {
                Some(target) => target,
                none => {
                    match self.target(&Identity::read(&directory).unwrap_or_else(|_| identity.clone())).await
                    {
                        Ok(target) => none.insert(target),
                        Err(fault) => {
                            let why = format!("{id} cannot be asked whether it is ready: {fault}");
                            if said != why {
                                note(&why);
                                said = why;
                            }
                            continue;
                        }
                    }
                }
            };
            let answer = tokio::select! {
                answer = health::probe(&check.probe, target, check.timeout.as_duration()) => answer,
                () = replaced(&directory, process, &mut news) => Ok(()),
            };
            // An answer that another process may have given says nothing of this one.
            if Running::of(&directory) != Some(process) {
                pause = EAGER;
                continue;
            }
            monitor.observe(answer.is_ok(), process.age());
            if monitor.health() == Health::Healthy {
                pause = Duration::MAX;
                self.verdicts.let_go(id);
            } else {
                pause = pause.saturating_mul(2);
                // One that answers again, but not often enough yet, has said why before.
                let redactor = self.redactor(id.release);
                let why = answer.err().map(|why| redactor.redact(&why.reason).into_owned());
                self.verdicts.hold_back(id, why);
            }
        }
    }
}

/// Waits until the keeper tells that this process runs no more.
async fn replaced(directory: &Path, process: Running, news: &mut Option<Receiver<Status>>) {
    while Running::of(directory) == Some(process) {
        if !next(news).await {
            *news = None;
        }
    }
}

/// Whether the keeper tells of a change; otherwise it does not any more.
async fn next(news: &mut Option<Receiver<Status>>) -> bool {
    match news {
        Some(news) => news.recv().await.is_some(),
        None => std::future::pending().await,
    }
}

#[cfg(test)]
mod tests {
    use windlass_testkit::sample::name;

    use super::*;
    use crate::host::testing;

    #[test]
    fn too_many_open_files_say_nothing_of_a_copy() {
        assert!(!says_so(&Errno::MFILE.into()));
        assert!(says_so(&Errno::NOENT.into()));
        assert!(says_so(&io::Error::other("it is damaged")));
    }

    /// As of the host side before, when its description cannot be read any more.
    #[tokio::test]
    async fn a_verdict_that_nobody_asks_about_does_not_stand() {
        let (_place, host) = testing::host();
        let id: InstanceId = "web.r7.1".parse().unwrap();
        let mut row = testing::row(7);
        row.instances.insert(name("web"), vec![id.clone()]);
        host.journal.borrow_mut().activate(&row, false).unwrap();
        assert!(host.is_in_use(&id));
        host.verdicts.hold_back(&id, None);
        host.watch_readiness();
        assert!(!host.verdicts.contains(&id));
    }
}
