//! A request's place at an endpoint: counted as long as it is held, and told when it has to end.

use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Waker};

use tokio::time::Instant;

use super::backend::Backend;
use super::conn::Conn;
use super::edge::Place;
use super::metrics::Release;
use super::worker::Worker;

/// What holds the place: decides how it is closed when its endpoint leaves.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Holder {
    /// A request with an end of its own: it has the whole drain time.
    Request,
    /// An event stream or an upgraded connection, without an end: it is closed within the drain
    /// time, one after another, so that the clients do not all come back at once.
    Stream,
}

/// The worker's note of a claim.
pub(super) struct Note {
    pub(super) backend: Arc<Backend>,
    pub(super) holder: Holder,
    /// When it has to end, once its endpoint has left.
    pub(super) close_at: Option<Instant>,
    pub(super) waker: Option<Waker>,
    /// The client's connection, which is given up when it will not even take what it is sent.
    pub(super) conn: Rc<Conn>,
}

/// A place at an endpoint. Dropping it gives the place back.
pub(super) struct Claim {
    pub(super) backend: Arc<Backend>,
    pub(super) release: Arc<Release>,
    worker: Rc<Worker>,
    key: usize,
    /// Whether what holds the place came to its own end.
    finished: bool,
}

impl Claim {
    pub(super) fn new(place: Place, worker: &Rc<Worker>, conn: &Rc<Conn>) -> Self {
        let Place { backend, release } = place;
        let key = worker.claims.borrow_mut().insert(Note {
            backend: Arc::clone(&backend),
            holder: Holder::Request,
            close_at: None,
            waker: None,
            conn: Rc::clone(conn),
        });
        Self { backend, release, worker: Rc::clone(worker), key, finished: false }
    }

    /// It turned out to have no end of its own.
    pub(super) fn becomes_stream(&self) {
        self.worker.claims.borrow_mut()[self.key].holder = Holder::Stream;
    }

    /// When it has to end, if it has to. The task is woken when that changes.
    pub(super) fn close_at(&self, cx: &Context<'_>) -> Option<Instant> {
        let mut claims = self.worker.claims.borrow_mut();
        let note = &mut claims[self.key];
        if !note.waker.as_ref().is_some_and(|waker| waker.will_wake(cx.waker())) {
            note.waker = Some(cx.waker().clone());
        }
        note.close_at
    }

    /// Gives the place back: what held it came to its end, and was not broken off.
    pub(super) fn finish(mut self) {
        self.finished = true;
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        self.worker.claims.borrow_mut().remove(self.key);
        if self.backend.has_left() && self.finished {
            self.release.drained.fetch_add(1, Ordering::Relaxed);
        }
        self.backend.in_flight.fetch_sub(1, Ordering::AcqRel);
    }
}
