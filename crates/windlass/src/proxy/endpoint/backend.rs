//! One endpoint of the table, as it goes: its load and its health.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use tokio::sync::Notify;
use windlass_core::edge::{Endpoint, EndpointReport};

/// An endpoint. It lives on from table to table as long as it stands in them, and then until its
/// last request is finished.
pub(in crate::proxy) struct Backend {
    /// Names it among all that ever were.
    pub(in crate::proxy) id: u64,
    /// The instance's name.
    pub(in crate::proxy) instance: String,
    /// Where it listens.
    pub(in crate::proxy) address: SocketAddr,
    /// Requests and upgraded connections. Raised only under the lock of the table.
    pub(in crate::proxy) in_flight: AtomicU64,
    /// Those of them that have no end of their own.
    pub(in crate::proxy) streams: AtomicU64,
    /// Whether it is no longer in the table.
    left: AtomicBool,
    healthy: AtomicBool,
    /// Whether it is to be tried until a connection succeeds.
    unreachable: AtomicBool,
    /// Whether the host side says that it is not ready.
    unready: AtomicBool,
    reason: Mutex<Option<String>>,
    /// Told that a request got no answer.
    pub(in crate::proxy) doubted: Notify,
}

impl Backend {
    pub(in crate::proxy) fn new(endpoint: &Endpoint) -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        Self {
            id: NEXT.fetch_add(1, Ordering::Relaxed),
            instance: endpoint.instance.clone(),
            address: endpoint.address,
            in_flight: AtomicU64::new(0),
            streams: AtomicU64::new(0),
            left: AtomicBool::new(false),
            healthy: AtomicBool::new(true),
            unreachable: AtomicBool::new(false),
            unready: AtomicBool::new(false),
            reason: Mutex::new(None),
            doubted: Notify::new(),
        }
    }

    /// Whether it is the endpoint that a table means.
    pub(in crate::proxy) fn is(&self, endpoint: &Endpoint) -> bool {
        self.instance == endpoint.instance && self.address == endpoint.address
    }

    pub(in crate::proxy) fn load(&self) -> u64 {
        self.in_flight.load(Ordering::Relaxed)
    }

    /// Whether it may get requests.
    pub(in crate::proxy) fn is_ready(&self) -> bool {
        self.is_healthy() && !self.unready.load(Ordering::Acquire)
    }

    /// Takes what the host side says of it.
    pub(in crate::proxy) fn hold_back(&self, unready: bool) {
        self.unready.store(unready, Ordering::Release);
    }

    /// Whether it is well, as far as the proxy sees.
    pub(in crate::proxy) fn is_healthy(&self) -> bool {
        self.healthy.load(Ordering::Acquire)
    }

    /// Keeps requests from it. Returns whether that is new.
    pub(in crate::proxy) fn fail(&self, why: impl Into<String>) -> bool {
        *self.reason.lock().unwrap_or_else(PoisonError::into_inner) = Some(why.into());
        self.healthy.swap(false, Ordering::AcqRel)
    }

    /// Notes that it could not be reached. Returns whether that is new.
    pub(in crate::proxy) fn fail_to_reach(&self, why: String) -> bool {
        let new = self.fail(why);
        if new {
            self.unreachable.store(true, Ordering::Release);
        }
        new
    }

    /// Whether someone has to try it until it can be reached; says so once.
    pub(in crate::proxy) fn take_unreachable(&self) -> bool {
        self.unreachable.swap(false, Ordering::AcqRel)
    }

    /// Lets it have requests. Returns whether that is new.
    pub(in crate::proxy) fn recover(&self) -> bool {
        *self.reason.lock().unwrap_or_else(PoisonError::into_inner) = None;
        !self.healthy.swap(true, Ordering::AcqRel)
    }

    pub(in crate::proxy) fn has_left(&self) -> bool {
        self.left.load(Ordering::Acquire)
    }

    pub(in crate::proxy) fn leave(&self) {
        self.left.store(true, Ordering::Release);
    }

    pub(in crate::proxy) fn report(&self) -> EndpointReport {
        let seen = self.reason.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let told = || self.unready.load(Ordering::Acquire).then(|| "its readiness check fails".to_owned());
        EndpointReport {
            healthy: self.is_ready(),
            reason: seen.or_else(told),
            in_flight: self.in_flight.load(Ordering::Acquire),
        }
    }
}
