//! A WebSocket: bytes both ways, until one side or the drain ends it.

use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::time::{Instant, timeout};

use crate::proxy::connection::budget::Descriptor;
use crate::proxy::connection::io::Stream;
use crate::proxy::connection::timer::Timer;
use crate::proxy::endpoint::claim::Claim;
use crate::proxy::endpoint::websocket::{CLOSE_TO_CLIENT, CLOSE_TO_SERVER, Frames};

const BUFFER: usize = 16 * 1024;
/// How long both sides have to part, once the tunnel has to end.
const GOODBYE: Duration = Duration::from_secs(2);

/// The endpoint's end of an upgraded connection, while the client's is still being upgraded.
pub(in crate::proxy) struct Tunnel {
    pub(in crate::proxy) upstream: Stream,
    /// What the endpoint sent already.
    pub(in crate::proxy) read: Bytes,
    pub(in crate::proxy) claim: Claim,
    pub(in crate::proxy) timer: Rc<Timer>,
    pub(in crate::proxy) idle_timeout: Duration,
    /// That `upstream` is one of those that may be open.
    pub(in crate::proxy) descriptor: Descriptor,
}

impl Tunnel {
    /// Carries bytes until both sides have ended, both are silent for too long, or the endpoint has to go.
    pub(in crate::proxy) async fn run(self, client: Stream, read: Bytes) {
        let Self { upstream, read: from_upstream, claim, timer, idle_timeout, descriptor } = self;
        let (mut client, mut upstream) = (client, upstream);
        let mut up = Pipe::new(&read);
        let mut down = Pipe::new(&from_upstream);
        let mut silent_since = Instant::now();
        let both_ended = poll_fn(|cx| {
            loop {
                if up.carry(cx, &mut client, &mut upstream) | down.carry(cx, &mut upstream, &mut client) {
                    silent_since = Instant::now();
                }
                if up.failed || down.failed || (up.ended && down.ended) {
                    return Poll::Ready(true);
                }
                let patience = if up.ended || down.ended { GOODBYE } else { idle_timeout };
                let too_silent = silent_since + patience;
                let close_at = claim.close_at(cx);
                let deadline = match close_at {
                    // A frame that is under way may be finished first.
                    Some(at) if at <= Instant::now() && down.is_within_frame() => {
                        too_silent.min(at + GOODBYE)
                    }
                    Some(at) => too_silent.min(at),
                    None => too_silent,
                };
                if timer.poll(cx, deadline).is_pending() {
                    return Poll::Pending;
                }
                let at_its_turn = close_at.is_some_and(|at| deadline == at);
                if !(at_its_turn && down.is_within_frame()) {
                    return Poll::Ready(false);
                }
            }
        })
        .await;
        if !both_ended {
            let _ = timeout(GOODBYE, part(&mut client, &mut upstream, &up, &down)).await;
        }
        // Nothing of the endpoint's waits for a client that does not even take the end.
        drop(upstream);
        drop(descriptor);
        claim.finish();
        let _ = timeout(GOODBYE, client.shutdown()).await;
    }
}

/// Says goodbye to both sides, and waits for the client's own.
async fn part(client: &mut Stream, upstream: &mut Stream, up: &Pipe, down: &Pipe) -> io::Result<()> {
    if !up.is_within_frame() {
        upstream.write_all(&CLOSE_TO_SERVER).await?;
    }
    if !down.is_within_frame() {
        client.write_all(&CLOSE_TO_CLIENT).await?;
        client.flush().await?;
        let mut sink = [0; 512];
        while tokio::io::AsyncReadExt::read(client, &mut sink).await? > 0 {}
    }
    Ok(())
}

/// One direction.
struct Pipe {
    buffer: Box<[u8]>,
    start: usize,
    end: usize,
    frames: Frames,
    source_ended: bool,
    ended: bool,
    failed: bool,
}

impl Pipe {
    fn new(first: &[u8]) -> Self {
        let mut buffer = vec![0; BUFFER.max(first.len())].into_boxed_slice();
        buffer[..first.len()].copy_from_slice(first);
        Self {
            buffer,
            start: 0,
            end: first.len(),
            frames: Frames::default(),
            source_ended: false,
            ended: false,
            failed: false,
        }
    }

    /// Whether what was carried so far ends in the middle of a WebSocket frame.
    fn is_within_frame(&self) -> bool {
        self.start < self.end || !self.frames.is_between()
    }

    /// Carries what can be carried now. Returns whether anything was.
    fn carry(&mut self, cx: &mut Context<'_>, source: &mut Stream, sink: &mut Stream) -> bool {
        let mut moved = false;
        while !self.ended && !self.failed {
            match self.step(cx, source, sink) {
                Poll::Pending => break,
                Poll::Ready(Ok(())) => moved = true,
                Poll::Ready(Err(_)) => self.failed = true,
            }
        }
        moved
    }

    fn step(&mut self, cx: &mut Context<'_>, source: &mut Stream, sink: &mut Stream) -> Poll<io::Result<()>> {
        if self.start < self.end {
            let written =
                std::task::ready!(Pin::new(&mut *sink).poll_write(cx, &self.buffer[self.start..self.end]))?;
            if written == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.frames.pass(&self.buffer[self.start..self.start + written]);
            self.start += written;
            return Poll::Ready(Ok(()));
        }
        if self.source_ended {
            std::task::ready!(Pin::new(sink).poll_shutdown(cx))?;
            self.ended = true;
            return Poll::Ready(Ok(()));
        }
        let mut buf = ReadBuf::new(&mut self.buffer);
        if Pin::new(source).poll_read(cx, &mut buf)?.is_pending() {
            // Bytes that TLS holds back would wait for the next ones.
            std::task::ready!(Pin::new(sink).poll_flush(cx))?;
            return Poll::Pending;
        }
        (self.start, self.end) = (0, buf.filled().len());
        self.source_ended = self.end == 0;
        Poll::Ready(Ok(()))
    }
}
