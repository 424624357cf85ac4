//! Bringing back private resources, each beside all else: a database may take minutes, in which the proxy and
//! the copies must not be left to themselves.

use std::collections::{BTreeSet, HashMap};
use std::rc::Rc;
use std::time::{Duration, Instant};

use tokio::sync::Notify;
use windlass_core::launch::{Exit, ProcessState};
use windlass_core::name::Name;
use windlass_core::spec::Resource;

use crate::engine::Active;
use crate::host::Host;
use crate::host::resource::lifecycle::ENDS;
use crate::host::supervise::loops::note;
use crate::runtime::process::{self, Observation};

/// How often a resource is tried again that was given up, or that its keeper cannot start.
const SELDOM: Duration = Duration::from_secs(30);

/// The private resources that are being brought back.
#[derive(Debug, Default)]
pub(in crate::host) struct Comebacks {
    under_way: BTreeSet<Name>,
    /// Those that did not come back when they were tried last.
    failed: BTreeSet<Name>,
    /// When those that are tried seldom were.
    tried: HashMap<Name, Instant>,
    /// Told when one has come back, which others wait for.
    news: Rc<Notify>,
}

impl Comebacks {
    /// Whether copies that are gone too have to wait: not for what did not come back before.
    pub(super) fn are_awaited(&self) -> bool {
        self.under_way.iter().any(|name| !self.failed.contains(name))
    }

    /// What tells that one has come back.
    pub(super) fn news(&self) -> Rc<Notify> {
        Rc::clone(&self.news)
    }

    fn is_due(&mut self, name: &Name) -> bool {
        let is_due = self.tried.get(name).is_none_or(|at| at.elapsed() >= SELDOM);
        if is_due {
            self.tried.insert(name.clone(), Instant::now());
        }
        is_due
    }

    fn over(&mut self, name: &Name, well: bool) {
        self.under_way.remove(name);
        if well {
            self.failed.remove(name);
            self.news.notify_one();
        } else {
            self.failed.insert(name.clone());
        }
    }
}

/// What a resource lacks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Lack {
    Keeper,
    /// It runs no more, and nobody is about to start it.
    Everything,
    /// Nothing is going to come of it by itself: it was given up, by an older Windlass or before it ran at
    /// all; or its keeper starts what cannot be started any more, as where a package was upgraded under it,
    /// and has to be told anew what to start.
    Sense,
}

fn lack_of(seen: Option<&Observation>) -> Option<Lack> {
    let Some(seen) = seen else { return Some(Lack::Everything) };
    match (seen.keeper_alive, seen.process_alive) {
        (false, true) => Some(Lack::Keeper),
        (false, false) if seen.gave_up() => Some(Lack::Sense),
        (false, false) => Some(Lack::Everything),
        (true, _) => {
            let status = seen.status.as_ref()?;
            let waits = matches!(status.state, ProcessState::Backoff { .. });
            let is_vain = matches!(status.last_exit, Some(Exit::NotStarted(_))) || status.restarts >= ENDS;
            (waits && is_vain).then_some(Lack::Sense)
        }
    }
}

impl Host {
    /// Brings back those of a release that are away.
    pub(super) fn keep_resources(self: &Rc<Self>, active: &Active) {
        for (name, resource) in active.release.spec.resources.iter().filter(|(_, r)| r.is_private()) {
            if self.has_in_hand(name) || self.comebacks.borrow().under_way.contains(name) {
                continue;
            }
            let seen = process::observe(&self.layout.resource(name).join("keeper"));
            if let Some(seen) = &seen {
                self.tell_of_failing_resource(active, name, seen);
            }
            let Some(lack) = lack_of(seen.as_ref()) else { continue };
            if lack == Lack::Sense && !self.comebacks.borrow_mut().is_due(name) {
                continue;
            }
            self.comebacks.borrow_mut().under_way.insert(name.clone());
            let (host, name, resource) = (self.clone(), name.clone(), resource.clone());
            tokio::task::spawn_local(async move {
                let done = host.supply(&name, &resource, lack).await;
                host.comebacks.borrow_mut().over(&name, matches!(done, Ok(true)));
                if let Err(why) = done {
                    note(&why);
                }
            });
        }
    }

    /// Answers whether it is back.
    async fn supply(&self, name: &Name, resource: &Resource, lack: Lack) -> Result<bool, String> {
        let is_wanted = || {
            let in_force = self.in_force();
            in_force.is_some_and(|active| active.release.spec.resources.get(name) == Some(resource))
                && !self.has_in_hand(name)
        };
        match lack {
            Lack::Keeper => return self.keep_resource(name, resource, is_wanted).await.map(|()| true),
            // Its keeper starts it after its pause, as it has to be. Whoever waited for that with leave to
            // start something would keep all else from being started, and from ending.
            Lack::Sense => match self.is_kept_as_prepared(name, resource).await {
                Ok(true) => return Ok(false),
                Ok(false) => {}
                Err(fault) => return Err(fault.message),
            },
            Lack::Everything => {}
        }
        let started = self.start_resource_if(name, resource, is_wanted).await;
        started.map(|_| true).map_err(|fault| fault.message)
    }
}

#[cfg(test)]
mod tests {
    use windlass_core::launch::{End, Launch, Status};

    use super::*;

    fn seen(
        keeper_alive: bool,
        process_alive: bool,
        status: Option<(ProcessState, Exit, u32)>,
    ) -> Observation {
        let status = status.map(|(state, exit, restarts)| Status {
            keeper: 1,
            state,
            restarts,
            last_exit: Some(exit),
            since: 0,
            note: None,
            degraded: None,
            hangs: Vec::new(),
            boot: String::new(),
        });
        Observation { launch: Launch::default(), status, keeper_alive, process_alive }
    }

    #[test]
    fn what_a_resource_lacks_follows_from_what_is_seen_of_it() {
        let waits = ProcessState::Backoff { until: 0 };
        let runs = ProcessState::Running { pid: 7, start_ticks: 7 };
        let not_started = || Exit::NotStarted("there is no program".to_owned());
        for (seen, lack) in [
            (None, Some(Lack::Everything)),
            (Some(seen(false, true, Some((runs.clone(), Exit::Code(1), 0)))), Some(Lack::Keeper)),
            (Some(seen(false, false, Some((runs.clone(), Exit::Code(1), 0)))), Some(Lack::Everything)),
            (
                Some(seen(false, false, Some((ProcessState::Ended(End::NotStarted), not_started(), 0)))),
                Some(Lack::Sense),
            ),
            (
                Some(seen(false, false, Some((ProcessState::Ended(End::Stopped), Exit::Code(0), 0)))),
                Some(Lack::Everything),
            ),
            (Some(seen(true, false, Some((waits.clone(), Exit::Code(1), 1)))), None),
            (Some(seen(true, false, Some((waits.clone(), not_started(), 1)))), Some(Lack::Sense)),
            (Some(seen(true, false, Some((waits, Exit::Code(1), ENDS)))), Some(Lack::Sense)),
            (Some(seen(true, true, Some((runs, not_started(), 9)))), None),
            (Some(seen(true, false, None)), None),
        ] {
            assert_eq!(lack_of(seen.as_ref()), lack, "{seen:?}");
        }
    }

    #[test]
    fn copies_wait_for_a_database_once() {
        let name = Name::new("db").unwrap();
        let mut comebacks = Comebacks::default();
        assert!(!comebacks.are_awaited());
        comebacks.under_way.insert(name.clone());
        assert!(comebacks.are_awaited());
        comebacks.over(&name, false);
        comebacks.under_way.insert(name.clone());
        assert!(!comebacks.are_awaited(), "one that does not come back takes nothing else with it");
        comebacks.over(&name, true);
        comebacks.under_way.insert(name);
        assert!(comebacks.are_awaited());
    }
}
