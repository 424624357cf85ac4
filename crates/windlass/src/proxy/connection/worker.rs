//! One thread that carries requests: a single-threaded runtime with its own connections to clients
//! and endpoints, so that a request never changes threads.

use std::cell::{Cell, RefCell};
use std::net::TcpListener;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use indexmap::IndexMap;
use slab::Slab;
use tokio::sync::mpsc;
use tokio::task::AbortHandle;
use tokio::time::Instant;

use crate::proxy::connection::accept;
use crate::proxy::connection::budget::{Budget, Descriptor};
use crate::proxy::connection::conn::Conn;
use crate::proxy::drain;
use crate::proxy::edge::Edge;
use crate::proxy::endpoint::claim::Note;
use crate::proxy::endpoint::upstream::Links;
use crate::proxy::measure::access_log::Log;

/// How often idle connections to endpoints are looked at.
const SWEEP: Duration = Duration::from_secs(5);

/// What the control thread tells a worker.
pub(in crate::proxy) enum Order {
    /// Accept connections.
    Listen { name: String, listener: TcpListener, secure: bool },
    /// Accept no more of them.
    Unlisten { name: String },
    /// Finish what is in flight within this time, then end.
    Close { within: Duration },
}

/// A worker's state; never leaves its thread.
pub(in crate::proxy) struct Worker {
    pub(in crate::proxy) edge: Arc<Edge>,
    /// Idle connections to endpoints.
    pub(in crate::proxy) links: Links,
    /// What requests may open.
    budget: Budget,
    /// The places that this worker's requests hold.
    pub(in crate::proxy) claims: RefCell<Slab<Note>>,
    /// The clients' connections.
    pub(in crate::proxy) conns: RefCell<Slab<Rc<Conn>>>,
    /// The most clients' connections it takes.
    pub(in crate::proxy) max_conns: usize,
    pub(in crate::proxy) log: Log,
    /// When the last connection has to be gone, once the process is ending.
    pub(in crate::proxy) closing: Cell<Option<Closing>>,
    turn: Cell<usize>,
}

/// How this process ends.
#[derive(Clone, Copy)]
pub(in crate::proxy) struct Closing {
    /// When connections that wait for a next request are closed.
    pub(in crate::proxy) quiet: Instant,
    /// When all others are.
    pub(in crate::proxy) all: Instant,
}

impl Worker {
    pub(in crate::proxy) fn new(edge: Arc<Edge>, max_conns: usize, log: Log) -> Self {
        Self {
            edge,
            links: Links::default(),
            // As many as there may be clients.
            budget: Budget::new(max_conns),
            claims: RefCell::default(),
            conns: RefCell::default(),
            max_conns,
            log,
            closing: Cell::new(None),
            turn: Cell::new(0),
        }
    }

    /// Leave to open a connection or a file for a request, if what may be open is not.
    pub(in crate::proxy) fn descriptor(&self) -> Option<Descriptor> {
        self.budget.take().or_else(|| {
            self.links.clear();
            self.budget.take()
        })
    }

    /// A number that is different each time, to break ties.
    pub(in crate::proxy) fn turn(&self) -> usize {
        let turn = self.turn.get();
        self.turn.set(turn.wrapping_add(1));
        turn
    }

    /// Carries requests until it is told to close, or the control thread is gone.
    pub(in crate::proxy) async fn run(self: Rc<Self>, mut orders: mpsc::UnboundedReceiver<Order>) {
        let follower = tokio::task::spawn_local(drain::follow(Rc::clone(&self)));
        let flusher = tokio::task::spawn_local(Rc::clone(&self).flush_log());
        let sweeper = tokio::task::spawn_local(Rc::clone(&self).sweep_links());
        let mut accepting: IndexMap<String, AbortHandle> = IndexMap::new();
        while let Some(order) = orders.recv().await {
            match order {
                Order::Listen { name, listener, secure } => {
                    let task = tokio::task::spawn_local(accept::accept(Rc::clone(&self), listener, secure));
                    if let Some(old) = accepting.insert(name, task.abort_handle()) {
                        old.abort();
                    }
                }
                Order::Unlisten { name } => {
                    if let Some(task) = accepting.shift_remove(&name) {
                        task.abort();
                    }
                }
                Order::Close { within } => {
                    for task in accepting.values() {
                        task.abort();
                    }
                    drain::close(&self, within).await;
                    break;
                }
            }
        }
        follower.abort();
        flusher.abort();
        sweeper.abort();
        self.log.flush();
    }

    async fn sweep_links(self: Rc<Self>) {
        loop {
            tokio::time::sleep(SWEEP).await;
            self.links.sweep();
        }
    }

    async fn flush_log(self: Rc<Self>) {
        while self.log.is_on() {
            tokio::time::sleep(Duration::from_millis(250)).await;
            self.log.flush();
        }
    }

    /// Whether the process takes no more requests on kept connections.
    pub(in crate::proxy) fn is_closing(&self) -> bool {
        self.edge.closing.load(Ordering::Relaxed)
    }
}
