//! A request's place at an endpoint: counted as long as it is held, and told when it has to end.

use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Waker};

use tokio::time::Instant;

use crate::proxy::connection::conn::Conn;
use crate::proxy::connection::worker::Worker;
use crate::proxy::edge::Place;
use crate::proxy::endpoint::backend::Backend;
use crate::proxy::measure::metrics::Release;

/// What holds the place: decides how it is closed when its endpoint leaves.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(in crate::proxy) enum Holder {
    /// A request with an end of its own: it has the whole drain time.
    Request,
    /// An event stream or an upgraded connection, without an end: it is closed within the drain
    /// time, one after another, so that the clients do not all come back at once.
    Stream,
}

/// The worker's note of a claim.
pub(in crate::proxy) struct Note {
    pub(in crate::proxy) backend: Arc<Backend>,
    pub(in crate::proxy) holder: Holder,
    /// When it has to end, once its endpoint has left.
    pub(in crate::proxy) close_at: Option<Instant>,
    pub(in crate::proxy) waker: Option<Waker>,
    /// The client's connection, which is given up when it will not even take what it is sent.
    pub(in crate::proxy) conn: Rc<Conn>,
}

/// A place at an endpoint. Dropping it gives the place back.
pub(in crate::proxy) struct Claim {
    pub(in crate::proxy) backend: Arc<Backend>,
    pub(in crate::proxy) release: Arc<Release>,
    worker: Rc<Worker>,
    key: usize,
    /// Whether what holds the place came to its own end.
    finished: bool,
}

impl Claim {
    pub(in crate::proxy) fn new(place: Place, worker: &Rc<Worker>, conn: &Rc<Conn>) -> Self {
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
    pub(in crate::proxy) fn becomes_stream(&self) {
        let holder = &mut self.worker.claims.borrow_mut()[self.key].holder;
        if std::mem::replace(holder, Holder::Stream) == Holder::Request {
            self.backend.streams.fetch_add(1, Ordering::AcqRel);
        }
    }

    /// When it has to end, if it has to. The task is woken when that changes.
    pub(in crate::proxy) fn close_at(&self, cx: &Context<'_>) -> Option<Instant> {
        let mut claims = self.worker.claims.borrow_mut();
        let note = &mut claims[self.key];
        if !note.waker.as_ref().is_some_and(|waker| waker.will_wake(cx.waker())) {
            note.waker = Some(cx.waker().clone());
        }
        note.close_at
    }

    /// Gives the place back: what held it came to its end, and was not broken off.
    pub(in crate::proxy) fn finish(mut self) {
        self.finished = true;
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        let note = self.worker.claims.borrow_mut().remove(self.key);
        if note.holder == Holder::Stream {
            self.backend.streams.fetch_sub(1, Ordering::AcqRel);
        }
        if self.backend.has_left() && self.finished {
            self.release.drained.fetch_add(1, Ordering::Relaxed);
        }
        self.backend.in_flight.fetch_sub(1, Ordering::AcqRel);
    }
}
