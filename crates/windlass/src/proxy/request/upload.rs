//! The body of a request on its way to an endpoint.

use std::cell::Cell;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use tokio::time::Instant;

/// How a body gets on; shared between the body and the exchange that waits for the answer.
#[derive(Clone, Default)]
pub(in crate::proxy) struct Progress(Rc<State>);

#[derive(Default)]
struct State {
    last: Cell<Option<Instant>>,
    fault: Cell<Option<ClientFault>>,
    /// What of a body that is too large has not come yet.
    rest: Cell<Option<Incoming>>,
}

/// What the client did wrong with a body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::proxy) enum ClientFault {
    TooLarge,
    /// It is not what HTTP says that it must be.
    Malformed,
    /// It went away, or took the request back.
    BrokenOff,
}

impl Progress {
    /// When a part of it last went by.
    pub(in crate::proxy) fn last(&self) -> Option<Instant> {
        self.0.last.get()
    }

    /// What of a body that is too large has not come yet.
    pub(in crate::proxy) fn take_rest(&self) -> Option<Incoming> {
        self.0.rest.take()
    }

    /// Why the body did not come whole: then it is not the endpoint's fault that it has no answer.
    pub(in crate::proxy) fn fault(&self) -> Option<ClientFault> {
        self.0.fault.get()
    }
}

/// The body of a request.
pub(in crate::proxy) enum RequestBody {
    /// There is none.
    Empty,
    /// The client's, with the bytes that may still come.
    Client { incoming: Option<Incoming>, left: u64, progress: Progress },
}

impl RequestBody {
    /// The body of a request that may have this many bytes, and how to follow it. `None` for the
    /// progress of a body that is empty.
    pub(in crate::proxy) fn new(incoming: Option<Incoming>, limit: u64) -> (Self, Option<Progress>) {
        let Some(incoming) = incoming.filter(|incoming| !incoming.is_end_stream()) else {
            return (Self::Empty, None);
        };
        let progress = Progress::default();
        (Self::Client { incoming: Some(incoming), left: limit, progress: progress.clone() }, Some(progress))
    }

    /// What of it has not been asked for.
    pub(in crate::proxy) fn into_rest(self) -> Option<Incoming> {
        match self {
            Self::Empty => None,
            Self::Client { incoming, .. } => incoming,
        }
    }
}

impl Body for RequestBody {
    type Data = Bytes;
    type Error = Box<dyn std::error::Error + Send + Sync>;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        let Self::Client { incoming: there, left, progress } = self.get_mut() else {
            return Poll::Ready(None);
        };
        let Some(incoming) = there else { return Poll::Ready(None) };
        let frame = match Pin::new(incoming).poll_frame(cx) {
            Poll::Ready(Some(Ok(frame))) => frame,
            Poll::Ready(Some(Err(error))) => {
                progress.0.fault.set(Some(if is_malformed(&error) {
                    ClientFault::Malformed
                } else {
                    ClientFault::BrokenOff
                }));
                return Poll::Ready(Some(Err(error.into())));
            }
            Poll::Ready(None) => return Poll::Ready(None),
            Poll::Pending => return Poll::Pending,
        };
        progress.0.last.set(Some(Instant::now()));
        let Some(data) = frame.data_ref() else { return Poll::Ready(Some(Ok(frame))) };
        match left.checked_sub(data.len() as u64) {
            Some(rest) => *left = rest,
            None => {
                progress.0.fault.set(Some(ClientFault::TooLarge));
                progress.0.rest.set(there.take());
                return Poll::Ready(Some(Err("the body is larger than it may be".into())));
            }
        }
        Poll::Ready(Some(Ok(frame)))
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Empty => true,
            Self::Client { incoming, .. } => incoming.as_ref().is_none_or(Incoming::is_end_stream),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Empty => SizeHint::with_exact(0),
            Self::Client { incoming, .. } => incoming.as_ref().map(Incoming::size_hint).unwrap_or_default(),
        }
    }
}

/// Whether a body broke the rules, as opposed to breaking off.
fn is_malformed(error: &hyper::Error) -> bool {
    let source = std::error::Error::source(error).and_then(|source| source.downcast_ref::<io::Error>());
    source
        .is_some_and(|error| matches!(error.kind(), io::ErrorKind::InvalidInput | io::ErrorKind::InvalidData))
}
