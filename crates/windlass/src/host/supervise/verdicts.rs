//! Which copies are not ready, as the checks say that the host side asks, and how the proxy hears of it.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::rc::Rc;

use indexmap::IndexMap;
use tokio::sync::Notify;
use windlass_core::edge::{Ask, Report};
use windlass_core::name::InstanceId;

use crate::engine::Active;
use crate::host::Host;
use crate::host::supervise::liveness::Running;
use crate::host::supervise::loops::note;
use crate::layout::Layout;
use crate::proxy::unready;
use crate::runtime::process;

/// Why a copy is not ready that has not answered well yet.
const NOT_YET: &str = "its readiness check has not succeeded yet";

/// The copies that are not ready, and why.
pub(in crate::host) struct Verdicts {
    unready: RefCell<IndexMap<InstanceId, String>>,
    /// Those of which nothing comes by itself: they were given up.
    ended: RefCell<BTreeSet<String>>,
    changed: Notify,
}

impl Verdicts {
    /// What the host side before this one has found.
    pub(in crate::host) fn read(layout: &Layout) -> Self {
        let names = unready::read(&layout.proxy());
        let unready =
            names.iter().filter_map(|name| Some((name.parse().ok()?, NOT_YET.to_owned()))).collect();
        Self { unready: RefCell::new(unready), ended: RefCell::default(), changed: Notify::new() }
    }

    pub(super) fn contains(&self, id: &InstanceId) -> bool {
        self.unready.borrow().contains_key(id)
    }

    /// It is not ready; `why` takes the place of what was said before, if there is anything to say.
    pub(super) fn hold_back(&self, id: &InstanceId, why: Option<String>) {
        let mut unready = self.unready.borrow_mut();
        if !unready.contains_key(id) {
            self.changed.notify_one();
        }
        let said = unready.entry(id.clone()).or_insert_with(|| NOT_YET.to_owned());
        if let Some(why) = why {
            *said = why;
        }
    }

    /// It is ready, or nobody asks any more.
    pub(super) fn let_go(&self, id: &InstanceId) {
        self.retain(|other| other != id);
    }

    /// Lets all others go.
    pub(super) fn retain(&self, stays: impl Fn(&InstanceId) -> bool) {
        let mut unready = self.unready.borrow_mut();
        let before = unready.len();
        unready.retain(|id, _| stays(id));
        if unready.len() < before {
            self.changed.notify_one();
        }
    }

    /// These copies have ended, and no others.
    pub(super) fn have_ended(&self, ended: BTreeSet<String>) {
        if *self.ended.borrow() != ended {
            *self.ended.borrow_mut() = ended;
            self.changed.notify_one();
        }
    }

    /// Has the proxy told once more, unless this is what it was told.
    pub(super) fn compare(&self, told: &Report) {
        if told.unready != self.names() || told.ended != *self.ended.borrow() {
            self.changed.notify_one();
        }
    }

    fn names(&self) -> BTreeSet<String> {
        self.unready.borrow().keys().map(ToString::to_string).collect()
    }
}

impl Host {
    /// Why a copy that runs is not ready, as the checks say that the host side asks.
    pub(in crate::host) fn unready(&self, id: &InstanceId) -> Option<String> {
        let why = self.verdicts.unready.borrow().get(id).cloned()?;
        Running::of(&self.layout.instance(id)).map(|_| why)
    }

    /// The same as all checks say, its liveness and those of the proxy among them.
    pub(in crate::host) fn why_unready(&self, id: &InstanceId, report: &Report) -> Option<String> {
        let is_not_alive = || self.health.borrow().get(id)?.reason.clone();
        let gets_no_requests = || {
            let endpoint = report.endpoints.get(&id.to_string()).filter(|endpoint| !endpoint.healthy)?;
            Some(endpoint.reason.clone().unwrap_or_else(|| "it cannot be reached".to_owned()))
        };
        is_not_alive().or_else(|| self.unready(id)).or_else(gets_no_requests)
    }

    /// Tells of copies of the release in force that are not ready although they were to be by now.
    pub(super) fn look_for_unready(self: &Rc<Self>, active: &Active, report: &Report) {
        let kept = self.kept();
        for (name, service) in &active.release.spec.services {
            let Some(check) = &service.checks.readiness else { continue };
            // What has ended is told of otherwise.
            let why = |id: &InstanceId| match Running::of(&self.layout.instance(id)) {
                Some(_) => self.why_unready(id, report),
                None => {
                    process::is_under_way(&self.layout.instance(id)).then(|| "it does not run".to_owned())
                }
            };
            let copies = kept.iter().filter(|id| id.service == *name);
            let unready = copies.filter_map(|id| Some((id.clone(), why(id)?))).collect();
            self.tell_of_unready(active, name, &unready, check.start_period);
        }
    }

    /// Tells the proxy of every change, one after another, so that none overtakes a later one.
    pub(super) async fn tell_of_readiness(self: Rc<Self>) {
        let mut said = String::new();
        loop {
            // What goes down may be deleted just now.
            if !self.ending.get() {
                self.tell_proxy(&mut said).await;
            }
            self.verdicts.changed.notified().await;
        }
    }

    /// Tells it; `said` is why that could not be noted before.
    async fn tell_proxy(&self, said: &mut String) {
        let (proxy, instances) = (self.layout.proxy(), self.verdicts.names());
        let ended = self.verdicts.ended.borrow().clone();
        // First, so that a proxy that is started meanwhile knows it as well.
        if unready::read(&proxy) != instances
            && let Err(error) = unready::write(&proxy, &instances)
        {
            let why = format!("which copies are not ready cannot be noted: {error}");
            if *said != why {
                note(&why);
                *said = why;
            }
        }
        // One that does not answer is told by and by; one of an earlier build knows nothing of this, and goes by
        // what it sees.
        let _told = self.proxy().ask(&Ask::Unready { instances, ended }).await;
    }
}
