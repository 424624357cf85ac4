//! Requests that wait because nothing is ready to answer them: held, not refused.

use std::future::Future;
use std::future::poll_fn;
use std::pin::pin;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::task::Poll;

use tokio::sync::watch;
use tokio::time::Instant;

use crate::proxy::measure::gap::Gap;
use crate::proxy::request::serve::Visit;

/// How a wait ended.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::proxy) enum Held {
    /// Something has changed: look again.
    Changed,
    /// It took too long.
    TooLong,
    /// Too many wait already.
    TooMany,
}

/// A request that may have to wait; it counts as held from its first wait until it has a place.
pub(in crate::proxy) struct Hold<'request> {
    visit: &'request Visit<'request>,
    place: Option<Counted<'request>>,
    changed: watch::Receiver<u64>,
    deadline: Instant,
}

impl<'request> Hold<'request> {
    /// Call it before looking for an endpoint: what changes from then on is noticed.
    pub(in crate::proxy) fn new(visit: &'request Visit<'request>, started: Instant) -> Self {
        Self {
            visit,
            place: None,
            changed: visit.worker.edge.changed.subscribe(),
            deadline: started + visit.route.hold_timeout,
        }
    }

    /// It waits no more: another one may.
    pub(in crate::proxy) fn is_over(&mut self) {
        self.place = None;
    }

    /// Waits for a change.
    pub(in crate::proxy) async fn wait(&mut self) -> Held {
        if self.place.is_none() {
            self.place = Counted::take(self.visit);
        }
        if self.place.is_none() {
            return Held::TooMany;
        }
        let mut changed = pin!(self.changed.changed());
        poll_fn(|cx| {
            if changed.as_mut().poll(cx).is_ready() {
                return Poll::Ready(Held::Changed);
            }
            self.visit.timer.poll(cx, self.deadline).map(|()| Held::TooLong)
        })
        .await
    }
}

struct Counted<'request> {
    of_route: &'request AtomicU32,
    of_all: &'request AtomicU64,
    gap: &'request Gap,
    since: Instant,
}

impl<'request> Counted<'request> {
    fn take(visit: &'request Visit<'request>) -> Option<Self> {
        let of_route = &visit.route.held;
        if of_route.fetch_add(1, Ordering::AcqRel) >= visit.route.hold {
            of_route.fetch_sub(1, Ordering::AcqRel);
            return None;
        }
        let edge = &visit.worker.edge;
        edge.held.fetch_add(1, Ordering::Relaxed);
        Some(Self { of_route, of_all: &edge.held, gap: &edge.gap, since: Instant::now() })
    }
}

impl Drop for Counted<'_> {
    fn drop(&mut self) {
        self.of_route.fetch_sub(1, Ordering::AcqRel);
        self.of_all.fetch_sub(1, Ordering::Relaxed);
        self.gap.was_held(self.since.into_std(), Instant::now().into_std());
    }
}
