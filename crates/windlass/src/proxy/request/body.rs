//! The body of an answer on its way to the client.

use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use bytes::Bytes;
use http_body::{Body as HttpBody, Frame, SizeHint};
use hyper::body::Incoming;
use tokio::time::Instant;

use crate::proxy::connection::timer::Timer;
use crate::proxy::connection::worker::Worker;
use crate::proxy::endpoint::claim::Claim;
use crate::proxy::endpoint::upstream::Link;
use crate::proxy::request::compress::Compressed;
use crate::proxy::request::files::FileBody;
use crate::proxy::request::ticket::Ticket;

/// What goes wrong with a body; the client sees its connection break.
pub(in crate::proxy) type Error = Box<dyn std::error::Error + Send + Sync>;

/// An answer's body, and the ticket of its request.
pub(in crate::proxy) struct Body {
    content: Content,
    ticket: Option<Box<Ticket>>,
    /// Whether a part was handed out, and no other asked for since, over HTTP/2. (Over HTTP/1 the stream
    /// itself says whether it takes anything.)
    waits: bool,
}

/// What is in it.
pub(in crate::proxy) enum Content {
    /// Nothing.
    Empty,
    /// These bytes.
    Full(Bytes),
    /// As it comes.
    Plain(Source),
    /// Compressed on its way.
    Compressed(Box<Compressed>),
}

/// Where a body comes from. Boxed, like the ticket: an answer is handed on from function to function
/// a dozen times before it is sent.
pub(in crate::proxy) enum Source {
    /// An endpoint.
    Upstream(Box<UpstreamBody>),
    /// A file.
    File(Box<FileBody>),
}

impl Body {
    pub(in crate::proxy) const fn new(content: Content) -> Self {
        Self { content, ticket: None, waits: false }
    }

    pub(in crate::proxy) const fn empty() -> Self {
        Self::new(Content::Empty)
    }

    pub(in crate::proxy) fn with_ticket(mut self, ticket: Box<Ticket>) -> Self {
        self.ticket = Some(ticket);
        self
    }

    /// What is in it; it must not have begun.
    pub(in crate::proxy) fn into_content(mut self) -> Content {
        std::mem::replace(&mut self.content, Content::Empty)
    }

    /// The client asks for more, or for nothing any more.
    fn was_taken(&mut self) {
        if std::mem::take(&mut self.waits)
            && let Some(ticket) = &self.ticket
        {
            ticket.conn.part_is_gone();
        }
    }
}

impl Drop for Body {
    fn drop(&mut self) {
        self.was_taken();
        // A client that takes nothing is given up when the drain time is over, and nothing more is asked for.
        let is_whole = self.is_end_stream();
        if let Some(ticket) = self.ticket.as_mut().filter(|ticket| !is_whole && ticket.conn.is_given_up()) {
            ticket.is_cut();
        }
    }
}

impl HttpBody for Body {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        let this = self.get_mut();
        this.was_taken();
        let frame = match &mut this.content {
            Content::Empty => Poll::Ready(None),
            Content::Full(bytes) => {
                let bytes = std::mem::take(bytes);
                this.content = Content::Empty;
                Poll::Ready(Some(Ok(Frame::data(bytes))))
            }
            Content::Plain(source) => Pin::new(source).poll_frame(cx),
            Content::Compressed(compressed) => Pin::new(&mut **compressed).poll_frame(cx),
        };
        let (Poll::Ready(Some(part)), Some(ticket)) = (&frame, &mut this.ticket) else { return frame };
        if part.is_err() {
            ticket.is_cut();
        } else if let Some(data) = part.as_ref().ok().and_then(Frame::data_ref) {
            ticket.sent(data.len() as u64);
            if ticket.conn.multiplexed.get() {
                ticket.conn.part_waits();
                this.waits = true;
            }
        }
        frame
    }

    fn is_end_stream(&self) -> bool {
        match &self.content {
            Content::Empty => true,
            Content::Full(bytes) => bytes.is_empty(),
            Content::Plain(source) => source.is_end_stream(),
            Content::Compressed(compressed) => compressed.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.content {
            Content::Empty => SizeHint::with_exact(0),
            Content::Full(bytes) => SizeHint::with_exact(bytes.len() as u64),
            Content::Plain(source) => source.size_hint(),
            Content::Compressed(_) => SizeHint::default(),
        }
    }
}

impl HttpBody for Source {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        match self.get_mut() {
            Self::Upstream(body) => body.poll_frame(cx),
            Self::File(body) => body.poll_frame(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Upstream(body) => body.incoming.is_end_stream(),
            Self::File(body) => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Upstream(body) => body.incoming.size_hint(),
            Self::File(body) => SizeHint::with_exact(body.left()),
        }
    }
}

/// The body of an endpoint's answer. It drives its own connection.
pub(in crate::proxy) struct UpstreamBody {
    pub(in crate::proxy) incoming: Incoming,
    pub(in crate::proxy) link: Option<Box<Link>>,
    /// `None` for the host side's own pages.
    pub(in crate::proxy) claim: Option<Claim>,
    pub(in crate::proxy) worker: Rc<Worker>,
    pub(in crate::proxy) timer: Rc<Timer>,
    pub(in crate::proxy) idle_timeout: Duration,
    /// When silence becomes too long, once it is silent.
    pub(in crate::proxy) deadline: Option<Instant>,
    /// An event stream: it has no end of its own, and may be ended between any two parts.
    pub(in crate::proxy) endless: bool,
}

impl UpstreamBody {
    /// Gives the connection back when the answer has no body, or has come whole.
    pub(in crate::proxy) fn settle(&mut self) {
        if self.incoming.is_end_stream() {
            self.finish();
        }
    }

    fn poll_frame(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        let close_at = self.claim.as_ref().and_then(|claim| claim.close_at(cx));
        // However fast it comes: only this answer is cut then, and not all that share the connection.
        if close_at.is_some_and(|close_at| close_at <= Instant::now()) {
            return Poll::Ready(self.cut("the drain time is over"));
        }
        match self.poll_incoming(cx) {
            Poll::Ready(Some(Ok(frame))) => {
                self.deadline = None;
                self.settle();
                return Poll::Ready(Some(Ok(frame)));
            }
            Poll::Ready(Some(Err(error))) => return Poll::Ready(Some(Err(error.into()))),
            Poll::Ready(None) => {
                self.finish();
                return Poll::Ready(None);
            }
            Poll::Pending => {}
        }
        let silent = *self.deadline.get_or_insert_with(|| Instant::now() + self.idle_timeout);
        let deadline = close_at.map_or(silent, |close_at| close_at.min(silent));
        if self.timer.poll(cx, deadline).is_pending() {
            return Poll::Pending;
        }
        let in_time = close_at == Some(deadline);
        Poll::Ready(self.cut(if in_time { "the drain time is over" } else { "the endpoint fell silent" }))
    }

    /// What is there of it, or can be had of the connection at once.
    fn poll_incoming(&mut self, cx: &mut Context<'_>) -> Poll<Option<hyper::Result<Frame<Bytes>>>> {
        let Some(link) = &mut self.link else { return Pin::new(&mut self.incoming).poll_frame(cx) };
        match Pin::new(&mut self.incoming).poll_frame(&mut Context::from_waker(Waker::noop())) {
            // Asked once more, by whoever can bring it.
            Poll::Pending => link.poll_body(cx, &mut self.incoming),
            ready => ready,
        }
    }

    /// The answer has come whole: its connection can carry another.
    fn finish(&mut self) {
        if let Some(claim) = self.claim.take() {
            if let Some(link) = self.link.take() {
                self.worker.links.give(&claim.backend, link);
            }
            claim.finish();
        }
    }

    /// It ends before it is whole; an endless one has no other end.
    fn cut(&mut self, why: &str) -> Option<Result<Frame<Bytes>, Error>> {
        self.link = None;
        let claim = self.claim.take();
        if self.endless {
            if let Some(claim) = claim {
                claim.finish();
            }
            // A clean end: the client's event source comes back by itself.
            return None;
        }
        Some(Err(why.into()))
    }
}
