//! One client connection: what it is waiting for, and what it may not make the proxy wait for.

use std::cell::{Cell, RefCell};
use std::net::SocketAddr;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use tokio::time::Instant;
use windlass_core::spec::ClientPatience;

use crate::proxy::connection::framing::Framing;
use crate::proxy::connection::timer::Timer;
use crate::proxy::endpoint::tunnel::Tunnel;
use crate::proxy::request::caller::Caller;

/// What a connection does that has no request open; an open one has deadlines of its own.
#[derive(Clone, Copy)]
enum Phase {
    /// Between requests, until then.
    Quiet(Instant),
    /// In the middle of a head; the deadline once it is known.
    Head(Option<Instant>),
}

/// Why a client has waited for long enough.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::proxy) enum Expired {
    /// It asks for nothing.
    Silent,
    /// It takes nothing of what it asked for.
    Deaf,
}

/// How long a client has that was told to go and has asked for nothing.
const GOODBYE: Duration = Duration::from_secs(2);

/// What is more than pings and their answers, in bytes.
const MUCH: usize = 1024;

/// A client's connection, shared by its stream, its requests and its task; all in one thread.
pub(in crate::proxy) struct Conn {
    /// Who connected; counted, so that it is made only once.
    pub(in crate::proxy) caller: Rc<Caller>,
    /// The address that the client came to, if it is known.
    pub(in crate::proxy) local: Option<SocketAddr>,
    /// Whether it speaks HTTP/2, whose requests run in tasks of their own.
    pub(in crate::proxy) multiplexed: Cell<bool>,
    /// The timer of the connection's task.
    pub(in crate::proxy) timer: Rc<Timer>,
    /// What the connection turns into after a 101.
    pub(in crate::proxy) tunnel: RefCell<Option<Box<Tunnel>>>,
    patience: ClientPatience,
    phase: Cell<Phase>,
    /// Requests that are not over.
    open: Cell<u32>,
    has_asked: Cell<bool>,
    framing: RefCell<Framing>,
    blocked_since: Cell<Option<Instant>>,
    /// Answers of which a part waits for the client to take it.
    untaken: Cell<u32>,
    /// When the client last took a part of any, or there was none to take.
    taken_at: Cell<Instant>,
    waker: RefCell<Option<Waker>>,
    given_up: Cell<bool>,
}

impl Conn {
    pub(in crate::proxy) fn new(
        peer: SocketAddr,
        local: Option<SocketAddr>,
        secure: bool,
        patience: ClientPatience,
    ) -> Self {
        let now = Instant::now();
        Self {
            caller: Rc::new(Caller::new(peer.ip(), secure)),
            local,
            multiplexed: Cell::new(false),
            timer: Rc::default(),
            tunnel: RefCell::new(None),
            patience,
            phase: Cell::new(Phase::Quiet(now + patience.head.as_duration())),
            open: Cell::new(0),
            has_asked: Cell::new(false),
            framing: RefCell::default(),
            blocked_since: Cell::new(None),
            untaken: Cell::new(0),
            taken_at: Cell::new(now),
            waker: RefCell::new(None),
            given_up: Cell::new(false),
        }
    }

    /// The stream delivered these bytes.
    pub(in crate::proxy) fn received(&self, bytes: &[u8]) {
        if self.multiplexed.get() {
            return;
        }
        let mut framing = self.framing.borrow_mut();
        framing.pass(bytes);
        // It may be the rest of a body that is answered already.
        if self.is_quiet() && framing.is_within_head() {
            self.phase.set(Phase::Head(None));
        }
    }

    /// Whether all that the client began to send has come whole.
    pub(in crate::proxy) fn is_between_requests(&self) -> bool {
        self.framing.borrow().is_between_requests()
    }

    /// Whether a body has not come whole.
    pub(in crate::proxy) fn is_within_body(&self) -> bool {
        self.framing.borrow().is_within_body()
    }

    /// The stream would take no bytes.
    pub(in crate::proxy) fn write_is_blocked(&self) {
        if self.blocked_since.get().is_none() {
            self.blocked_since.set(Some(Instant::now()));
        }
    }

    /// The stream took so many bytes.
    pub(in crate::proxy) fn wrote(&self, bytes: usize) {
        self.blocked_since.set(None);
        if self.multiplexed.get() && bytes >= MUCH {
            // Parts of answers, also of those that are over but for what waited here.
            let now = Instant::now();
            self.taken_at.set(now);
            if self.open.get() == 0 {
                self.phase.set(Phase::Quiet(now + self.patience.keep.as_duration()));
            }
        }
    }

    /// A part of an answer waits for the client to take it.
    pub(in crate::proxy) fn part_waits(&self) {
        let waiting = self.untaken.get();
        self.untaken.set(waiting + 1);
        if waiting == 0 {
            self.taken_at.set(Instant::now());
            self.wake();
        }
    }

    /// The client took a part of an answer, or will not get it any more.
    pub(in crate::proxy) fn part_is_gone(&self) {
        self.untaken.set(self.untaken.get().saturating_sub(1));
        self.taken_at.set(Instant::now());
    }

    /// A request's head is complete, and its body has this length, if that is known before. Tells how many
    /// `Content-Length` lines the head had, where that matters.
    pub(in crate::proxy) fn request_begins(&self, length: Option<u64>) -> u8 {
        self.open.set(self.open.get() + 1);
        self.has_asked.set(true);
        if self.multiplexed.get() { 0 } else { self.framing.borrow_mut().request_begins(length) }
    }

    /// A request is answered, at `now`.
    pub(in crate::proxy) fn request_ends(&self, now: Instant) {
        self.open.set(self.open.get().saturating_sub(1));
        let has_next = !self.multiplexed.get() && self.framing.borrow().is_within_head();
        self.phase.set(if has_next {
            Phase::Head(None)
        } else {
            Phase::Quiet(now + self.patience.keep.as_duration())
        });
        if self.multiplexed.get() && self.open.get() == 0 {
            // The request ends in a task of its own.
            self.wake();
        }
    }

    /// Whether no request is under way.
    pub(in crate::proxy) fn is_quiet(&self) -> bool {
        self.open.get() == 0 && matches!(self.phase.get(), Phase::Quiet(_))
    }

    /// Ready when the client has been silent, or deaf, for longer than it may.
    pub(in crate::proxy) fn poll_expired(&self, cx: &mut Context<'_>) -> Poll<Expired> {
        self.remember(cx);
        let untaken = (self.untaken.get() > 0).then(|| self.taken_at.get());
        if let Some(since) = self.blocked_since.get().into_iter().chain(untaken).min() {
            let deadline = since + self.patience.write.as_duration();
            return self.timer.poll(cx, deadline).map(|()| Expired::Deaf);
        }
        if self.open.get() > 0 {
            return Poll::Pending;
        }
        let deadline = match self.phase.get() {
            Phase::Quiet(deadline) | Phase::Head(Some(deadline)) => deadline,
            Phase::Head(None) => {
                let deadline = Instant::now() + self.patience.head.as_duration();
                self.phase.set(Phase::Head(Some(deadline)));
                deadline
            }
        };
        self.timer.poll(cx, deadline).map(|()| Expired::Silent)
    }

    /// The client was told to go. What it asked for may still wait for it to be taken, outside of any
    /// request.
    pub(in crate::proxy) fn was_told_to_go(&self) {
        let patience = if self.has_asked.get() { self.patience.write.as_duration() } else { GOODBYE };
        self.phase.set(Phase::Quiet(Instant::now() + patience));
    }

    /// Has the connection's task end it, whatever it is doing.
    pub(in crate::proxy) fn give_up(&self) {
        self.given_up.set(true);
        self.wake();
    }

    pub(in crate::proxy) fn is_given_up(&self) -> bool {
        self.given_up.get()
    }

    /// Notes the connection's task, so that it can be woken.
    pub(in crate::proxy) fn remember(&self, cx: &Context<'_>) {
        if self.waker.borrow().is_none() {
            *self.waker.borrow_mut() = Some(cx.waker().clone());
        }
    }

    /// Has the connection's task look at the world again.
    pub(in crate::proxy) fn wake(&self) {
        if let Some(waker) = &*self.waker.borrow() {
            waker.wake_by_ref();
        }
    }
}
