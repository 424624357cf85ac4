//! A host side that was woken only for a look, or to run one command, while everything is stopped, or whose first deploy
//! went back or never began: it ends as soon as nobody needs it. Only it can judge that: what others began may be under
//! way.

use std::cell::Cell;
use std::rc::Rc;
use std::sync::TryLockError;
use std::time::Duration;

use tokio::sync::Notify;
use windlass_core::protocol::Refusal;

use crate::host::Host;
use crate::host::run::no::No;
use crate::host::supervise::loops::note;
use crate::runtime::process;

/// How often it looks for the end of what is no conversation, such as a run that nobody follows.
const LOOK: Duration = Duration::from_secs(1);

/// How long after its start it waits for somebody to ask it for something. Who starts one for a look has asked, and let
/// it rest, long before.
const UNASKED: Duration = Duration::from_secs(10);

/// Who talks to the host side, and whether it ends when nobody does.
#[derive(Default)]
pub(in crate::host) struct Leaving {
    conversations: Cell<usize>,
    is_asked_for: Cell<bool>,
    /// From the moment on that it was decided: who comes now has to start another.
    is_decided: Cell<bool>,
    /// Told when a conversation has ended.
    left: Notify,
}

/// What becomes of a host side that is to end when nobody needs it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verdict {
    /// Something goes on that ends by itself.
    NotYet,
    /// It has something to look after.
    Stays,
    Ends,
}

/// A conversation that goes on.
pub(in crate::host) struct Present(Rc<Host>);

impl Drop for Present {
    fn drop(&mut self) {
        let leaving = &self.0.leaving;
        leaving.conversations.set(leaving.conversations.get() - 1);
        leaving.left.notify_one();
    }
}

impl Host {
    /// Takes note of a conversation, unless the host side is about to end because there was none.
    pub(super) fn welcome(self: &Rc<Self>) -> Option<Present> {
        let leaving = &self.leaving;
        if leaving.is_decided.get() {
            return None;
        }
        leaving.conversations.set(leaving.conversations.get() + 1);
        Some(Present(self.clone()))
    }

    /// From now on it ends as soon as nobody needs it. Not where it looks after anything.
    pub(in crate::host) fn rest_when_left(self: &Rc<Self>) -> Result<(), No> {
        if let Some(what) = self.looks_after().filter(|_| self.open_run().is_none()) {
            return Err(No::new(Refusal::Invalid, format!("the host side is needed: {what}"), ""));
        }
        if !self.leaving.is_asked_for.replace(true) {
            let host = self.clone();
            tokio::task::spawn_local(async move { host.leave().await });
        }
        Ok(())
    }

    /// Ends it when it turns out to be needed by nobody: whoever started it may have been killed before saying so.
    pub(super) fn rest_unless_needed(self: &Rc<Self>) {
        let host = self.clone();
        tokio::task::spawn_local(async move {
            tokio::time::sleep(UNASKED).await;
            let _stays_where_it_is_needed = host.rest_when_left();
        });
    }

    async fn leave(&self) {
        loop {
            tokio::select! {
                () = self.leaving.left.notified() => {}
                () = tokio::time::sleep(LOOK) => {}
            }
            // Nothing is waited for from the look to its result: nobody can have come, or have begun anything.
            match self.may_leave() {
                Verdict::NotYet => {}
                Verdict::Stays => return self.leaving.is_asked_for.set(false),
                Verdict::Ends => break,
            }
        }
        self.leaving.is_decided.set(true);
        self.ending.set(true);
        // That of a first deploy that went back.
        if let Err(fault) = self.proxy().stop().await {
            note(&fault.message);
        }
        crate::host::settings::files::forget_all(&self.layout);
        self.ended.notify_one();
    }

    fn may_leave(&self) -> Verdict {
        if self.is_busy() {
            return Verdict::NotYet;
        }
        // Somebody has started everything meanwhile, or takes it down.
        match self.looks_after().is_some() || self.ending.get() {
            true => Verdict::Stays,
            false => Verdict::Ends,
        }
    }

    /// Whether anything goes on that ends by itself.
    fn is_busy(&self) -> bool {
        self.leaving.conversations.get() > 0
            || self.open_run().is_some()
            || !self.by_hand.borrow().is_empty()
            || self.starting.try_write().is_err()
            || self.working.try_write().is_err()
            || matches!(self.trees.try_lock(), Err(TryLockError::WouldBlock))
            || self.post.is_under_way()
            || self.jobs_under_way().next().is_some()
            || self.is_job_at_a_terminal()
    }

    /// What it looks after until somebody takes that down.
    fn looks_after(&self) -> Option<&'static str> {
        let Ok(seen) = crate::host::observe(&self.layout, &self.journal.borrow()) else {
            return Some("its state cannot be read");
        };
        let proxy = self.proxy();
        match &seen.active {
            Some(active) if !active.stopped => return Some("the services are not stopped"),
            // Who comes is told that it was stopped.
            Some(_) if proxy.pid().is_some() || proxy.is_kept() => return Some("the proxy runs"),
            _ => {}
        }
        if seen.instances.iter().any(|instance| instance.running) {
            return Some("a copy of a service runs");
        }
        seen.resources.values().any(|resource| resource.running).then_some("a resource runs")
    }

    /// Whether a job that must not run beside itself runs by `windlass run` at a terminal.
    fn is_job_at_a_terminal(&self) -> bool {
        let state = std::fs::read_dir(self.layout.state()).into_iter().flatten().flatten();
        state
            .filter(|entry| {
                let name = entry.file_name();
                let name = name.to_string_lossy();
                name.starts_with("run-") && name.ends_with(".lock")
            })
            .any(|entry| process::is_locked(&entry.path()))
    }
}

#[cfg(test)]
mod tests {
    use rustix::fs::{FlockOperation, flock};
    use windlass_core::name::Name;

    use super::*;
    use crate::host::testing;
    use crate::keeper::files::LOCK;

    fn lock(path: &std::path::Path) -> std::fs::File {
        let file = std::fs::File::create(path).unwrap();
        flock(&file, FlockOperation::LockExclusive).unwrap();
        file
    }

    #[tokio::test]
    async fn it_ends_when_the_last_who_needs_it_has_gone() {
        let (_place, host) = testing::host();
        assert_eq!(host.may_leave(), Verdict::Ends);
        let (one, other) = (host.welcome().unwrap(), host.welcome().unwrap());
        drop(one);
        assert_eq!(host.may_leave(), Verdict::NotYet, "another conversation goes on");
        drop(other);
        let by_hand = Name::new("migrate").unwrap();
        host.by_hand.borrow_mut().insert(by_hand.clone());
        assert_eq!(host.may_leave(), Verdict::NotYet, "a job runs by hand");
        host.by_hand.borrow_mut().remove(&by_hand);
        let at_a_terminal = lock(&host.layout.state().join("run-migrate.lock"));
        assert_eq!(host.may_leave(), Verdict::NotYet, "a job runs at a terminal");
        drop(at_a_terminal);
        let starting = host.starting.clone().read_owned().await;
        assert_eq!(host.may_leave(), Verdict::NotYet, "something is just being started");
        drop(starting);
        assert_eq!(host.may_leave(), Verdict::Ends);
    }

    #[tokio::test]
    async fn nobody_is_let_in_once_it_is_decided() {
        let (_place, host) = testing::host();
        let leaving = async {
            assert!(host.rest_when_left().is_ok());
            host.leaving.left.notify_one();
            host.ended.notified().await;
        };
        tokio::task::LocalSet::new().run_until(leaving).await;
        assert!(host.welcome().is_none() && host.ending.get());
    }

    #[test]
    fn what_is_looked_after_is_a_reason_to_stay() {
        let (_place, host) = testing::host();
        let directory = host.layout.instances().join("mail.r2.1");
        std::fs::create_dir_all(&directory).unwrap();
        let copy = lock(&directory.join(LOCK));
        let no = host.rest_when_left().err().unwrap();
        assert_eq!(no.message, "the host side is needed: a copy of a service runs");
        assert_eq!(host.may_leave(), Verdict::Stays);
        drop(copy);
        assert_eq!(host.may_leave(), Verdict::Ends);
    }
}
