//! What a client goes on sending after its answer. Left unread, it would reset the connection or the
//! stream, and most clients then never see the answer that came before.

use std::future::poll_fn;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use http_body::Body as _;
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use tokio::io::{AsyncRead as _, AsyncWrite as _, ReadBuf};
use tokio::time::Instant;

use crate::proxy::connection::io::Stream;
use crate::proxy::connection::timer::Timer;

/// How much of what nobody wants is read, in bytes, and for how long: as nginx does.
const MOST_UNREAD: u64 = 64 << 20;
const LINGER: Duration = Duration::from_secs(30);

/// How long a client may be silent meanwhile: most of them close when they have the answer.
const SILENCE: Duration = Duration::from_secs(5);

/// The rest of a body is small enough to wait for it and keep the connection, up to here.
const SMALL: u64 = 64 * 1024;

/// The connection's task, which this one is a part of, reads the next part of a body only when it is asked
/// for, and its next turn has come. So often it is looked whether it had any.
const LOOKS: u32 = 3;

/// Whether the rest of an HTTP/1 body is worth keeping its connection for.
pub(in crate::proxy) fn is_small(rest: &Incoming) -> bool {
    rest.size_hint().upper().is_some_and(|size| size <= SMALL)
}

/// Whether a body whose length nobody knows before is small, and its rest is here already.
pub(in crate::proxy) async fn has_come(rest: &mut Incoming) -> bool {
    if rest.size_hint().upper().is_some() {
        return false;
    }
    let mut left = SMALL;
    let mut looks = LOOKS;
    poll_fn(|cx| {
        loop {
            match Pin::new(&mut *rest).poll_frame(cx) {
                Poll::Ready(None) => return Poll::Ready(true),
                Poll::Ready(Some(Ok(frame))) => {
                    let size = frame.data_ref().map_or(0, |data| data.len() as u64);
                    let Some(less) = left.checked_sub(size) else { return Poll::Ready(false) };
                    (left, looks) = (less, LOOKS);
                }
                Poll::Ready(Some(Err(_))) => return Poll::Ready(false),
                Poll::Pending if looks == 0 => return Poll::Ready(false),
                Poll::Pending => {
                    looks -= 1;
                    cx.waker().wake_by_ref();
                    return Poll::Pending;
                }
            }
        }
    })
    .await
}

/// Reads the rest of a body away while its connection goes on.
pub(in crate::proxy) async fn read_away(mut rest: Incoming) {
    let all = async {
        let mut left = MOST_UNREAD;
        while let Some(Ok(frame)) = rest.frame().await {
            let size = frame.data_ref().map_or(0, |data| data.len() as u64);
            let Some(less) = left.checked_sub(size) else { return };
            left = less;
        }
    };
    let _too_long = tokio::time::timeout(LINGER, all).await;
}

/// Ends a connection whose client may go on sending: says that nothing more comes, and reads until the
/// client has noticed, or `has_to_go`.
pub(in crate::proxy) async fn close(
    mut stream: Stream,
    timer: &Timer,
    has_to_go: impl Fn(&Context<'_>) -> bool,
) {
    let end = Instant::now() + LINGER;
    let mut silent = Instant::now() + SILENCE;
    let told = poll_fn(|cx| {
        // A client that takes nothing cannot even be told.
        if has_to_go(cx) || timer.poll(cx, silent).is_ready() {
            return Poll::Ready(false);
        }
        Pin::new(&mut stream).poll_shutdown(cx).map(|done| done.is_ok())
    });
    if !told.await {
        return;
    }
    let mut unwanted = vec![0; 16 * 1024];
    let mut left = MOST_UNREAD;
    silent = Instant::now() + SILENCE;
    poll_fn(|cx| {
        loop {
            if has_to_go(cx) || timer.poll(cx, silent.min(end)).is_ready() {
                return Poll::Ready(());
            }
            let mut buffer = ReadBuf::new(&mut unwanted);
            let Poll::Ready(read) = Pin::new(&mut stream).poll_read(cx, &mut buffer) else {
                return Poll::Pending;
            };
            let size = buffer.filled().len() as u64;
            let Some(less) = left.checked_sub(size).filter(|_| read.is_ok() && size > 0) else {
                return Poll::Ready(());
            };
            left = less;
            silent = Instant::now() + SILENCE;
        }
    })
    .await;
}
