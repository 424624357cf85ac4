//! Between runs: what should run runs, what is not alive is restarted, what is due by the clock is
//! started.

use std::collections::BTreeSet;
use std::path::Path;
use std::rc::Rc;
use std::time::Duration;

use indexmap::IndexMap;
use windlass_core::edge::Report;
use windlass_core::launch::End;
use windlass_core::name::{InstanceId, Name};

use crate::engine::Active;
use crate::host::Host;
use crate::host::instance::identity::Identity;
use crate::host::instance::quieted;
use crate::host::instance::restarts::Restarts;
use crate::host::world::Sent;
use crate::runtime::process;

/// How often the host side looks whether what should run does. Keepers restart processes by
/// themselves; this is for keepers that died, and for the machine's reboot.
const PACE: Duration = Duration::from_secs(2);

/// How often another replacement of the proxy is waited for before that is told; it is waited for all the same.
const PATIENCE: u32 = 30;

impl Host {
    /// Starts the loops that go on as long as the host side lives.
    pub(in crate::host) fn supervise(self: &Rc<Self>) {
        let host = self.clone();
        host.proxy_tried.send_replace(false);
        tokio::task::spawn_local(async move {
            loop {
                host.keep_running().await;
                host.watch_liveness();
                host.watch_readiness();
                let news = host.comebacks.borrow().news();
                tokio::select! {
                    () = tokio::time::sleep(PACE) => {}
                    () = news.notified() => {}
                }
            }
        });
        let host = self.clone();
        tokio::task::spawn_local(async move { host.have_proxy_renewed().await });
        let host = self.clone();
        tokio::task::spawn_local(async move { host.keep_time().await });
        tokio::task::spawn_local(self.clone().tell_of_readiness());
        let host = self.clone();
        tokio::task::spawn_local(async move { host.watch_storage().await });
        tokio::task::spawn_local(self.clone().put_logs_away());
        let host = self.clone();
        tokio::task::spawn_local(async move { host.serve_health().await });
    }

    /// Lets a proxy of another build give way, beside all else: the new one may take half a minute to be ready, or not to
    /// be.
    async fn have_proxy_renewed(&self) {
        let mut asked = 0;
        while !self.renew_proxy().await {
            asked += 1;
            if asked == PATIENCE {
                note(
                    "the proxy is still one of another build: its keeper replaces it by another, or it does not run",
                );
            }
            tokio::time::sleep(PACE).await;
        }
    }

    /// Answers whether that is settled: a renewal that fails is not tried again, one for which another has to end first is.
    async fn renew_proxy(&self) -> bool {
        self.proxy().renew().await.unwrap_or_else(|fault| {
            note(&fault.message);
            true
        })
    }

    /// The release in force, unless a run is under way, which then has it in hand.
    pub(in crate::host) fn between_runs(&self) -> Option<Active> {
        self.in_force().filter(|_| self.holder().is_none())
    }

    /// Brings back what should run and has neither process nor keeper, and gives keepers to
    /// processes that lost theirs.
    async fn keep_running(self: &Rc<Self>) {
        self.keep_keepers_of_begun().await;
        let Some(active) = self.in_force() else {
            self.proxy_tried.send_replace(true);
            return;
        };
        self.keep_resources(&active);
        // The proxy first, and beside all else: with the table that it had last it holds requests until there
        // is somebody to answer them, also while an interrupted run waits to be claimed or goes back.
        let proxy = async {
            let report = self.keep_proxy(&active).await;
            self.proxy_tried.send_replace(true);
            report
        };
        let (report, ()) = tokio::join!(proxy, self.keep_copies(&active));
        if let Some(report) = report.filter(|_| self.between_runs().is_some()) {
            self.look_for_unready(&active, &report);
            self.tell_of_certificates(&active, &report.certificates);
        }
        self.keep_keepers_of_parts().await;
    }

    async fn keep_copies(self: &Rc<Self>, active: &Active) {
        self.forget_crash_loops();
        let mut ended = BTreeSet::new();
        // For those that were given up others are asked, which may take its time: the rest do not wait for it.
        let (given_up, others): (Vec<_>, Vec<_>) =
            self.kept().into_iter().partition(|id| is_given_up(&self.layout.instance(id)));
        for id in &others {
            self.keep_copy(active, id, &IndexMap::new(), &mut ended).await;
        }
        if !given_up.is_empty() {
            let answers = self.hopes(active).await;
            for id in &given_up {
                self.keep_copy(active, id, &answers, &mut ended).await;
            }
        }
        // What a run brings may be ready soon: for that requests wait.
        self.verdicts.have_ended(if self.between_runs().is_some() { ended } else { BTreeSet::new() });
    }

    async fn keep_copy(
        self: &Rc<Self>,
        active: &Active,
        id: &InstanceId,
        answers: &IndexMap<Name, bool>,
        ended: &mut BTreeSet<String>,
    ) {
        if !self.keeps(id) {
            return; // A run has taken it in hand meanwhile.
        }
        let directory = self.layout.instance(id);
        let seen = process::observe(&directory);
        let is_tried = seen.as_ref().is_some_and(|seen| self.is_to_be_tried(active, id, seen, answers));
        match seen {
            _ if quieted::is_noted(&directory) && self.lives(id) => self.start_anew(id),
            _ if is_tried => self.bring_back(id, "it had been given up, and was tried again").await,
            Some(seen) if seen.has_lost_its_keeper() => self.keep_again(id, || self.keeps(id)).await,
            Some(seen) if seen.keeper_alive || seen.gave_up() => {
                if seen.gave_up() {
                    ended.insert(id.to_string());
                }
                let service = active.release.spec.services.get(&id.service);
                if let Some(service) = service
                    && let Err(fault) = self.keep_files(service, id).await
                {
                    note(&fault.message);
                }
            }
            // A launch is not written for good: a power cut may have taken it. What the instance
            // is stands in its description.
            None if process::is_kept(&directory) => {}
            // As when the machine starts: a copy that comes before its database would end until it is
            // given up.
            _ if self.comebacks.borrow().are_awaited() => {}
            _ => self.bring_back(id, "it was gone, and its keeper with it").await,
        }
    }

    /// The same for what a run has started: all else about it is the run's.
    async fn keep_keepers_of_begun(&self) {
        for id in self.begun() {
            let seen = process::observe(&self.layout.instance(&id));
            if seen.is_some_and(|seen| seen.has_lost_its_keeper()) {
                self.keep_again(&id, || self.begun().contains(&id)).await;
            }
        }
    }

    async fn keep_keepers_of_parts(&self) {
        for directory in [self.layout.proxy().join("keeper"), self.layout.host().join("keeper")] {
            let seen = process::observe(&directory);
            if seen.is_some_and(|seen| seen.has_lost_its_keeper())
                && let Err(error) = process::readopt(&directory).await
            {
                note(&error.to_string());
            }
        }
    }

    /// Gives a copy that has lost its keeper another one, with the environment that it is to be started
    /// with again. What the process itself has of that cannot be relied on: many write their title over
    /// it. Where it cannot be made, that is better than nothing. Unless it is not `wanted` any more by then.
    async fn keep_again(&self, id: &InstanceId, wanted: impl Fn() -> bool) {
        let directory = self.layout.instance(id);
        if let Ok(identity) = Identity::read(&directory)
            && self.start_instance_if(&identity, wanted).await.is_ok()
        {
            return;
        }
        if let Err(error) = process::readopt(&directory).await {
            note(&format!("{id} has no keeper: {error}"));
        }
    }

    async fn bring_back(&self, id: &InstanceId, reason: &str) {
        let directory = self.layout.instance(id);
        let Ok(identity) = Identity::read(&directory) else { return };
        let restarts = Restarts::read(&directory).and_one(process::observe(&directory).as_ref(), reason);
        match self.start_instance_if(&identity, || self.keeps(id)).await {
            Ok(true) => restarts.write(&directory),
            Ok(false) => {}
            Err(fault) => note(&fault.message),
        }
    }

    /// Starts a worker anew that was told to take no more work, and whose stop was given up. It has its time to
    /// end, in which all else is looked after.
    fn start_anew(self: &Rc<Self>, id: &InstanceId) {
        if !self.starting_anew.borrow_mut().insert(id.clone()) {
            return;
        }
        let (host, id) = (self.clone(), id.clone());
        tokio::task::spawn_local(async move {
            host.bring_back(&id, "it had been told to take no more work").await;
            host.starting_anew.borrow_mut().remove(&id);
        });
    }

    /// A proxy that is away comes back; one that lost its table, or came back with an older one, gets
    /// the one that was sent last, unless a run has the table in hand. Answers how it goes, where that is known.
    async fn keep_proxy(&self, active: &Active) -> Option<Report> {
        if active.release.spec.routes.is_empty() {
            return Some(Report::default());
        }
        if self.proxy().report().await.is_none()
            && let Err(fault) = self.proxy().start().await
        {
            note(&fault.message);
            return None;
        }
        let report = self.proxy().report().await?;
        self.verdicts.compare(&report);
        let sent = self.between_runs().and_then(|_| Sent::read(&self.layout));
        if let Some(sent) = sent.filter(|sent| sent.generation > report.generation) {
            match self.table_again(&sent) {
                Ok(table) => {
                    if let Err(fault) = self.proxy().apply(table).await {
                        note(&fault.message);
                    }
                }
                Err(fault) => note(&fault.message),
            }
        }
        Some(report)
    }
}

/// Whether a copy's keeper gave it up as a crash loop.
fn is_given_up(directory: &Path) -> bool {
    let ended = process::observe(directory).and_then(|seen| seen.ended());
    ended.is_some_and(|ended| ended.end == End::CrashLoop)
}

/// A line in the host side's own log.
pub(in crate::host) fn note(line: &str) {
    #[expect(clippy::print_stderr, reason = "the host side's own log")]
    {
        eprintln!("{} {line}", jiff::Timestamp::now());
    }
}
