//! What was given up as a crash loop: told of once, and tried again (`windlass_core::policy::again`).

use std::rc::Rc;

use indexmap::IndexMap;
use windlass_core::launch::End;
use windlass_core::name::{InstanceId, Name};
use windlass_core::spec::Service;
use windlass_core::units::Span;

use crate::clock;
use crate::engine::Active;
use crate::host::Host;
use crate::host::supervise::liveness::Running;
use crate::runtime::process::Observation;

impl Host {
    /// What of the resources is known to whoever was given up: nothing, and nobody is asked, where none was
    /// that may be tried again.
    pub(super) async fn hopes(&self, active: &Active) -> IndexMap<Name, bool> {
        match self.any_has_hope(active) {
            true => self.answers().await,
            false => IndexMap::new(),
        }
    }

    fn any_has_hope(&self, active: &Active) -> bool {
        let services = &active.release.spec.services;
        let is_tried_again = |id: &InstanceId| services.get(&id.service).is_some_and(|s| !s.again.is_zero());
        self.crash_loops.borrow().iter().any(|(id, crash)| crash.is_given_up() && is_tried_again(id))
    }

    /// Forgets the crash loops of copies that are none of the active release's any more.
    pub(super) fn forget_crash_loops(&self) {
        let active = self.active_copies();
        self.crash_loops.borrow_mut().retain(|id, _| active.contains(id));
    }

    /// Whether a copy that was looked at was given up and is to be tried again now. The first time somebody is
    /// told.
    pub(super) fn is_to_be_tried(
        self: &Rc<Self>,
        active: &Active,
        id: &InstanceId,
        seen: &Observation,
        answers: &IndexMap<Name, bool>,
    ) -> bool {
        let Some(service) = active.release.spec.services.get(&id.service) else { return false };
        let Some(ended) = seen.ended().filter(|ended| ended.end == End::CrashLoop) else {
            let is_well = |running: Running| running.age() >= service.restart.window;
            if Running::of(&self.layout.instance(id)).is_some_and(is_well) {
                self.crash_loops.borrow_mut().shift_remove(id);
            }
            return false;
        };
        if !self.crash_loops.borrow().contains_key(id) {
            self.tell_of_crash_loop(active, id, &ended, service.again);
        }
        let now = clock::since_boot();
        let mut loops = self.crash_loops.borrow_mut();
        let crash_loop = loops.entry(id.clone()).or_default();
        crash_loop.given_up(now);
        let Some(left) = crash_loop.left(service.again, now) else { return false };
        let lacks = |need: &Name| answers.get(need) == Some(&false);
        let is_due = left.is_zero() || crash_loop.has_hope(!service.needs.iter().any(lacks));
        if is_due {
            crash_loop.tried();
        }
        is_due
    }

    /// How long a copy of this service that was given up is left alone yet; `None`: until somebody comes.
    pub(in crate::host) fn again_in(&self, id: &InstanceId, service: &Service) -> Option<Span> {
        let loops = self.crash_loops.borrow();
        let left = loops.get(id).cloned().unwrap_or_default().left(service.again, clock::since_boot())?;
        // In whole seconds: it is for people.
        Some(Span::from_secs(left.as_millis().div_ceil(1000)))
    }
}

#[cfg(test)]
mod tests {
    use windlass_core::policy::again::CrashLoop;
    use windlass_testkit::sample::{name, worker};

    use super::*;
    use crate::host::testing;

    #[test]
    fn nobody_is_asked_for_the_sake_of_copies_that_are_not_tried_again() {
        let (_place, host) = testing::host();
        let mut release = testing::row(1);
        let of = |again| Service { again, ..worker("send mail") };
        release.spec.services.insert(name("mail"), of(Span::ZERO));
        let mut active = Active { release, stopped: false };
        let mut crash_loop = CrashLoop::default();
        crash_loop.given_up(clock::since_boot());
        host.crash_loops.borrow_mut().insert("mail.r1.1".parse().unwrap(), crash_loop);
        assert!(!host.any_has_hope(&active));
        active.release.spec.services.insert(name("mail"), of(Span::from_secs(9)));
        assert!(host.any_has_hope(&active));
    }
}
