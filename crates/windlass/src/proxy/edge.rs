//! What all threads share: the table in force and the one lock around choosing an endpoint.
//!
//! An endpoint is chosen, and its count of requests raised, under the read lock; a new table is put
//! in force under the write lock. So once a switch is answered no request can reach an endpoint that
//! left, and its count can only fall.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::{Duration, Instant};

use indexmap::IndexMap;
use tokio::sync::watch;
use windlass_core::edge::{Report, Table};

use crate::proxy::control::last_good::LastGood;
use crate::proxy::endpoint::backend::Backend;
use crate::proxy::live::{Live, LivePool};
use crate::proxy::measure::gap::Gap;
use crate::proxy::measure::metrics::{Release, prometheus};
use crate::proxy::unready;

/// Counters are kept for so many releases, and for those in force.
const MAX_RELEASES: usize = 20;

/// The shared state.
pub(super) struct Edge {
    live: RwLock<Arc<Live>>,
    /// Changes with every table and whenever an endpoint becomes ready: wakes the held requests.
    pub(super) changed: watch::Sender<u64>,
    /// Endpoints that left with requests in flight.
    leaving: Mutex<Vec<Arc<Backend>>>,
    /// How many streams were given a moment to end in this drain: since the table in force is, or since this
    /// process ends.
    turns: AtomicU32,
    releases: Mutex<IndexMap<String, Arc<Release>>>,
    last_good: LastGood,
    /// The instances that the host side keeps requests from, in this table or the next.
    unready: Mutex<BTreeSet<String>>,
    /// Those of which nothing comes by itself.
    ended: Mutex<BTreeSet<String>>,
    pub(super) gap: Gap,
    pub(super) held: AtomicU64,
    /// Whether this process accepts no more connections.
    pub(super) closing: AtomicBool,
    /// Says that an endpoint was found unhealthy, so that it is looked at soon.
    pub(super) failed: tokio::sync::Notify,
}

/// What is left on an instance.
pub(super) struct Left {
    /// Requests and connections.
    pub(super) all: u64,
    /// Those of them that have no end of their own.
    pub(super) streams: u64,
}

/// A request's place at an endpoint, not yet bound to its thread.
pub(super) struct Place {
    pub(super) backend: Arc<Backend>,
    pub(super) release: Arc<Release>,
}

impl Edge {
    /// Nothing yet; certificates that can be used are kept in this directory.
    pub(super) fn new(directory: &Path) -> Self {
        Self {
            last_good: LastGood::below(directory),
            live: RwLock::new(Arc::new(Live::empty())),
            changed: watch::Sender::new(0),
            leaving: Mutex::default(),
            turns: AtomicU32::new(0),
            unready: Mutex::new(unready::read(directory)),
            ended: Mutex::default(),
            releases: Mutex::default(),
            gap: Gap::new(),
            held: AtomicU64::new(0),
            closing: AtomicBool::new(false),
            failed: tokio::sync::Notify::new(),
        }
    }

    /// The certificates that could be used last.
    pub(super) fn last_good(&self) -> &LastGood {
        &self.last_good
    }

    /// The table in force.
    pub(super) fn live(&self) -> Arc<Live> {
        Arc::clone(&self.live.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Makes a table ready to be put in force.
    pub(super) fn compile(&self, table: Table) -> Result<Live, String> {
        let live = self.live();
        let mut releases = self.releases.lock().unwrap_or_else(PoisonError::into_inner);
        let mut excess = releases.len().saturating_sub(MAX_RELEASES);
        releases.retain(|name, _| {
            // What answers still is what a bake compares with, however old it is.
            let goes = excess > 0 && !live.table.pools.values().any(|pool| pool.release == *name);
            excess -= usize::from(goes);
            !goes
        });
        Live::compile(table, &live, &mut releases, &self.last_good)
    }

    /// Puts a table in force. Returns how long requests were kept from choosing an endpoint.
    pub(super) fn switch(&self, next: Live) -> Duration {
        let staying = next.backends();
        self.hold_back(&staying);
        let next = Arc::new(next);
        let (before, took) = {
            let mut live = self.live.write().unwrap_or_else(PoisonError::into_inner);
            let begin = Instant::now();
            let before = std::mem::replace(&mut *live, next);
            (before, begin.elapsed())
        };
        let mut leaving = self.leaving.lock().unwrap_or_else(PoisonError::into_inner);
        leaving.retain(|backend| backend.load() > 0);
        self.begin_drain();
        for backend in before.backends() {
            if !staying.iter().any(|stays| stays.id == backend.id) {
                backend.leave();
                leaving.push(backend);
            }
        }
        drop(leaving);
        self.gap.reset();
        self.announce();
        took
    }

    /// Accepts no more connections: all that is there drains.
    pub(super) fn close(&self) {
        self.begin_drain();
        self.closing.store(true, Ordering::Release);
    }

    /// What was drained before takes no places from what is drained now.
    fn begin_drain(&self) {
        self.turns.store(0, Ordering::Relaxed);
    }

    /// Keeps requests from these instances, and from no others that were named before; waits for none that
    /// have ended.
    pub(super) fn set_unready(&self, instances: BTreeSet<String>, ended: BTreeSet<String>) {
        *self.unready.lock().unwrap_or_else(PoisonError::into_inner) = instances;
        *self.ended.lock().unwrap_or_else(PoisonError::into_inner) = ended;
        self.hold_back(&self.live().backends());
        self.announce();
    }

    fn hold_back(&self, backends: &[Arc<Backend>]) {
        let unready = self.unready.lock().unwrap_or_else(PoisonError::into_inner);
        for backend in backends {
            backend.hold_back(unready.contains(&backend.instance));
        }
    }

    /// Has held requests, and whoever follows the table, look again.
    pub(super) fn announce(&self) {
        self.changed.send_modify(|count| *count += 1);
    }

    /// Takes the least loaded healthy endpoint of a pool, in the table that is in force now. `seen`
    /// is the table by which `pool` is numbered, `turn` breaks ties, `avoid` is an endpoint that has
    /// just failed. `None`: no endpoint is healthy.
    pub(super) fn choose(
        &self,
        seen: &Arc<Live>,
        pool: usize,
        turn: usize,
        avoid: Option<u64>,
    ) -> Option<Place> {
        let live = self.live.read().unwrap_or_else(PoisonError::into_inner);
        let pool = Self::current(&live, seen, pool)?;
        let place = least_loaded(&pool.endpoints, turn, avoid)
            .or_else(|| avoid.and_then(|_| least_loaded(&pool.endpoints, turn, None)))?;
        place.in_flight.fetch_add(1, Ordering::AcqRel);
        Some(Place { backend: Arc::clone(place), release: Arc::clone(&pool.release) })
    }

    /// The same of the pool's fallback.
    pub(super) fn choose_fallback(&self, seen: &Arc<Live>, pool: usize, turn: usize) -> Option<Place> {
        let live = self.live.read().unwrap_or_else(PoisonError::into_inner);
        let pool = Self::current(&live, seen, pool)?;
        let place = least_loaded(&pool.fallback, turn, None)?;
        place.in_flight.fetch_add(1, Ordering::AcqRel);
        Some(Place { backend: Arc::clone(place), release: Arc::clone(&pool.release) })
    }

    /// Whether someone of the pool's fallback could answer.
    pub(super) fn has_fallback(&self, seen: &Arc<Live>, pool: usize) -> bool {
        let live = self.live.read().unwrap_or_else(PoisonError::into_inner);
        Self::current(&live, seen, pool)
            .is_some_and(|pool| pool.fallback.iter().any(|backend| backend.is_ready()))
    }

    /// Whether nothing is meant to answer.
    pub(super) fn is_stopped(&self, seen: &Arc<Live>, pool: usize) -> bool {
        let live = self.live.read().unwrap_or_else(PoisonError::into_inner);
        Self::current(&live, seen, pool).is_none_or(|pool| pool.stopped)
    }

    /// Whether nobody of the pool is going to be ready by itself.
    pub(super) fn has_ended(&self, seen: &Arc<Live>, pool: usize) -> bool {
        let ended = self.ended.lock().unwrap_or_else(PoisonError::into_inner);
        let live = self.live.read().unwrap_or_else(PoisonError::into_inner);
        Self::current(&live, seen, pool).is_some_and(|pool| {
            let mut all = pool.endpoints.iter();
            !pool.endpoints.is_empty() && all.all(|backend| ended.contains(&backend.instance))
        })
    }

    fn current<'live>(live: &'live Arc<Live>, seen: &Arc<Live>, pool: usize) -> Option<&'live LivePool> {
        if Arc::ptr_eq(live, seen) {
            return live.pools.get(pool);
        }
        let name = &seen.pools.get(pool)?.name;
        live.pools.iter().find(|pool| pool.name == *name)
    }

    /// Keeps requests from an endpoint that cannot be reached.
    pub(super) fn unreachable(&self, backend: &Backend, why: String) {
        if backend.fail_to_reach(why) {
            self.failed.notify_one();
        }
    }

    /// Lets an endpoint have requests again.
    pub(super) fn recovered(&self, backend: &Backend) {
        if backend.recover() {
            self.announce();
        }
    }

    /// Whether in each pool that it is in at least half of the endpoints may have requests without it.
    pub(super) fn can_spare(&self, backend: &Backend) -> bool {
        let live = self.live();
        let is_its = |pool: &&LivePool| pool.endpoints.iter().any(|endpoint| endpoint.id == backend.id);
        let others_do = |pool: &LivePool| {
            let ready =
                pool.endpoints.iter().filter(|other| other.id != backend.id && other.is_ready()).count();
            ready > 0 && ready * 2 >= pool.endpoints.len()
        };
        live.pools.iter().filter(is_its).all(others_do)
    }

    /// The next turn, from 1, among the streams of all threads that have to end in this drain.
    pub(super) fn next_turn(&self) -> u32 {
        self.turns.fetch_add(1, Ordering::Relaxed).wrapping_add(1)
    }

    /// Requests and connections that are left on an instance.
    pub(super) fn left_on(&self, instance: &str) -> Left {
        let leaving = self.leaving.lock().unwrap_or_else(PoisonError::into_inner);
        let live = self.live();
        let mut left = Left { all: 0, streams: 0 };
        for backend in leaving.iter().cloned().chain(live.backends()) {
            if backend.instance == instance {
                left.all += backend.in_flight.load(Ordering::Acquire);
                left.streams += backend.streams.load(Ordering::Acquire);
            }
        }
        left
    }

    /// How it goes; `listening` is known elsewhere.
    pub(super) fn report(&self, listening: Vec<String>) -> Report {
        let live = self.live();
        let certificates = live.certificates.problems();
        let releases = self.releases.lock().unwrap_or_else(PoisonError::into_inner);
        Report {
            generation: live.table.generation,
            listening,
            releases: releases.iter().map(|(name, release)| (name.clone(), release.counters())).collect(),
            routes: live.routes.iter().map(|route| (route.name.clone(), route.counters.counts())).collect(),
            endpoints: live
                .backends()
                .into_iter()
                .map(|backend| (backend.instance.clone(), backend.report()))
                .collect(),
            longest_gap_micros: self.gap.longest_micros(),
            held: self.held.load(Ordering::Relaxed),
            problems: certificates.clone(),
            certificates,
            unready: self.unready.lock().unwrap_or_else(PoisonError::into_inner).clone(),
            ended: self.ended.lock().unwrap_or_else(PoisonError::into_inner).clone(),
        }
    }

    /// The counters in Prometheus' text format.
    pub(super) fn metrics(&self) -> String {
        let live = self.live();
        prometheus(
            &self.report(Vec::new()),
            live.routes.iter().map(|route| (route.name.as_str(), &*route.counters)),
        )
    }
}

fn least_loaded(backends: &[Arc<Backend>], turn: usize, avoid: Option<u64>) -> Option<&Arc<Backend>> {
    let count = backends.len();
    (0..count)
        .map(|offset| &backends[(turn + offset) % count])
        .filter(|backend| backend.is_ready() && Some(backend.id) != avoid)
        .min_by_key(|backend| backend.load())
}

#[cfg(test)]
mod tests {
    use windlass_core::edge::Pool;

    use super::*;

    #[test]
    fn the_first_stream_of_each_drain_has_the_first_turn() {
        let place = tempfile::tempdir().unwrap();
        let edge = Edge::new(place.path());
        let switch = || edge.switch(edge.compile(Live::empty().table).unwrap());
        let turns = |streams| (0..streams).map(|_| edge.next_turn()).collect::<Vec<_>>();
        switch();
        assert_eq!(turns(200).last(), Some(&200));
        switch();
        assert_eq!(turns(200), (1..=200).collect::<Vec<_>>(), "of the next table");
        edge.close();
        assert_eq!(turns(2), [1, 2], "of the end of this process");
    }

    #[test]
    fn what_a_release_that_answers_still_has_counted_is_not_forgotten() {
        let place = tempfile::tempdir().unwrap();
        let edge = Edge::new(place.path());
        let pool = |release: String| Pool {
            release,
            endpoints: Vec::new(),
            fallback: Vec::new(),
            check: None,
            stopped: false,
        };
        // r1 left web alone from then on.
        for release in 1..=2 * MAX_RELEASES {
            let pools = [("web", pool("r1".to_owned())), ("api", pool(format!("r{release}")))];
            let mut table = Live::empty().table;
            table.pools = pools.into_iter().map(|(name, pool)| (name.to_owned(), pool)).collect();
            edge.switch(edge.compile(table).unwrap());
        }
        let counted = edge.report(Vec::new()).releases;
        assert!(counted.contains_key("r1") && !counted.contains_key("r2"), "{:?}", counted.keys());
        assert_eq!(counted.len(), MAX_RELEASES + 1);
    }
}
