//! One client connection: what it is waiting for, and what it may not make the proxy wait for.

use std::cell::{Cell, RefCell};
use std::net::{IpAddr, SocketAddr};
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use http::HeaderValue;
use tokio::time::Instant;
use windlass_core::spec::ClientPatience;

use super::timer::Timer;
use super::tunnel::Tunnel;

/// What a connection is doing.
#[derive(Clone, Copy)]
enum Phase {
    /// Between requests, until then.
    Quiet(Instant),
    /// In the middle of a head; the deadline once it is known.
    Head(Option<Instant>),
    /// A request is being answered; its own deadlines count.
    Busy,
}

/// A client's connection, shared by its stream, its requests and its task; all in one thread.
pub(super) struct Conn {
    /// The client.
    pub(super) peer: IpAddr,
    /// The client's address as text, for headers; counted, so that it is made only once.
    pub(super) peer_text: HeaderValue,
    /// Whether the client came by TLS.
    pub(super) secure: bool,
    /// Whether it speaks HTTP/2, whose requests run in tasks of their own.
    pub(super) multiplexed: Cell<bool>,
    /// The timer of the connection's task.
    pub(super) timer: Rc<Timer>,
    /// What the connection turns into after a 101.
    pub(super) tunnel: RefCell<Option<Box<Tunnel>>>,
    patience: ClientPatience,
    phase: Cell<Phase>,
    content_lengths: Cell<u8>,
    line: RefCell<LineStart>,
    blocked_since: Cell<Option<Instant>>,
    waker: RefCell<Option<Waker>>,
    given_up: Cell<bool>,
}

impl Conn {
    pub(super) fn new(peer: SocketAddr, secure: bool, patience: ClientPatience) -> Self {
        let ip = peer.ip().to_canonical();
        let text = ip.to_string();
        Self {
            peer: ip,
            peer_text: HeaderValue::try_from(text).unwrap_or(HeaderValue::from_static("unknown")),
            secure,
            multiplexed: Cell::new(false),
            timer: Rc::default(),
            tunnel: RefCell::new(None),
            patience,
            phase: Cell::new(Phase::Quiet(Instant::now() + patience.head.as_duration())),
            content_lengths: Cell::new(0),
            line: RefCell::default(),
            blocked_since: Cell::new(None),
            waker: RefCell::new(None),
            given_up: Cell::new(false),
        }
    }

    /// The stream delivered these bytes.
    pub(super) fn received(&self, bytes: &[u8]) {
        if self.multiplexed.get() {
            return;
        }
        match self.phase.get() {
            Phase::Busy => return,
            Phase::Quiet(_) => self.phase.set(Phase::Head(None)),
            Phase::Head(_) => {}
        }
        let seen = self.line.borrow_mut().count_content_lengths(bytes);
        self.content_lengths.set(self.content_lengths.get().saturating_add(seen));
    }

    /// The stream took bytes, or would not.
    pub(super) fn write_blocked(&self, blocked: bool) {
        if !blocked {
            self.blocked_since.set(None);
        } else if self.blocked_since.get().is_none() {
            self.blocked_since.set(Some(Instant::now()));
        }
    }

    /// A request's head is complete. Tells how many `Content-Length` lines it had.
    pub(super) fn request_begins(&self) -> u8 {
        self.phase.set(Phase::Busy);
        self.line.borrow_mut().reset();
        self.content_lengths.take()
    }

    /// A request is answered, at `now`.
    pub(super) fn request_ends(&self, now: Instant) {
        self.phase.set(Phase::Quiet(now + self.patience.keep.as_duration()));
    }

    /// Whether no request is under way.
    pub(super) fn is_quiet(&self) -> bool {
        matches!(self.phase.get(), Phase::Quiet(_))
    }

    /// Ready when the client has been silent, or deaf, for longer than it may.
    pub(super) fn poll_expired(&self, cx: &mut Context<'_>) -> Poll<()> {
        self.remember(cx);
        if let Some(since) = self.blocked_since.get() {
            return self.timer.poll(cx, since + self.patience.write.as_duration());
        }
        match self.phase.get() {
            Phase::Busy => Poll::Pending,
            Phase::Quiet(deadline) | Phase::Head(Some(deadline)) => self.timer.poll(cx, deadline),
            Phase::Head(None) => {
                let deadline = Instant::now() + self.patience.head.as_duration();
                self.phase.set(Phase::Head(Some(deadline)));
                self.timer.poll(cx, deadline)
            }
        }
    }

    /// Has the connection's task end it, whatever it is doing.
    pub(super) fn give_up(&self) {
        self.given_up.set(true);
        self.wake();
    }

    pub(super) fn is_given_up(&self) -> bool {
        self.given_up.get()
    }

    /// Notes the connection's task, so that it can be woken.
    pub(super) fn remember(&self, cx: &Context<'_>) {
        if self.waker.borrow().is_none() {
            *self.waker.borrow_mut() = Some(cx.waker().clone());
        }
    }

    /// Has the connection's task look at the world again.
    pub(super) fn wake(&self) {
        if let Some(waker) = &*self.waker.borrow() {
            waker.wake_by_ref();
        }
    }
}

const CONTENT_LENGTH: &[u8] = b"content-length";

/// Counts `Content-Length` lines as the bytes go by. The parser behind forgets that there was one
/// when it finds `Transfer-Encoding` too, and joins equal ones; the proxy refuses both.
#[derive(Default)]
struct LineStart {
    /// How much of a header's name the present line has matched; `None` once it cannot match.
    matched: Option<usize>,
}

impl LineStart {
    fn reset(&mut self) {
        self.matched = None;
    }

    fn count_content_lengths(&mut self, bytes: &[u8]) -> u8 {
        let mut count = 0_u8;
        let mut rest = bytes;
        loop {
            if let Some(matched) = self.matched {
                let expected = &CONTENT_LENGTH[matched..];
                let length = expected.len().min(rest.len());
                if rest[..length].eq_ignore_ascii_case(&expected[..length]) {
                    if length == expected.len() {
                        count = count.saturating_add(1);
                        self.matched = None;
                    } else {
                        self.matched = Some(matched + length);
                        return count;
                    }
                } else {
                    self.matched = None;
                }
            }
            match rest.iter().position(|byte| *byte == b'\n') {
                Some(end) => {
                    rest = &rest[end + 1..];
                    self.matched = Some(0);
                }
                None => return count,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEAD: &[u8] =
        b"GET /content-length HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nX: \r\ncontent-LENGTH:2\r\n\r\n";

    #[test]
    fn content_length_lines_are_counted_however_the_bytes_are_cut() {
        for cut in 0..HEAD.len() {
            let mut line = LineStart::default();
            let (first, second) = HEAD.split_at(cut);
            let count = line.count_content_lengths(first) + line.count_content_lengths(second);
            assert_eq!(count, 2, "cut at {cut}");
        }
    }

    #[test]
    fn byte_by_byte_too() {
        let mut line = LineStart::default();
        let count: u8 = HEAD.iter().map(|byte| line.count_content_lengths(&[*byte])).sum();
        assert_eq!(count, 2);
    }
}
