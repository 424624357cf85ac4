//! An environment that rests: it was stopped, and its host side has ended. Who only looks at it is
//! answered from what lies on disk, by this process itself, so that looking starts nothing.

use std::io;
use std::sync::mpsc;

use tokio::net::UnixStream;
use tokio::task::LocalSet;

use crate::engine::{Journal, JournalError};
use crate::host::Host;
use crate::host::session::conversation;
use crate::layout::Layout;
use crate::runtime::process;

/// Whether nothing of it runs, and nothing is meant to.
#[must_use]
pub fn is_at_rest(layout: &Layout) -> bool {
    let rests = || -> Result<bool, JournalError> {
        let journal = Journal::open_to_read(&layout.journal())?;
        let is_stopped = journal.active()?.is_some_and(|active| active.stopped);
        Ok(is_stopped && journal.open_runs()?.is_empty())
    };
    !process::is_kept(&layout.host().join("keeper")) && rests().unwrap_or(false)
}

/// A conversation about an environment that rests, until whoever has it goes.
///
/// # Errors
/// When its state cannot be read, or the system gives neither a thread nor sockets.
pub fn converse_at_rest(layout: Layout) -> io::Result<UnixStream> {
    let (asker, answerer) = std::os::unix::net::UnixStream::pair()?;
    for end in [&asker, &answerer] {
        end.set_nonblocking(true)?;
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let (opened, is_open) = mpsc::channel();
    // A host side is of one thread, and the asker's is busy with asking.
    std::thread::Builder::new().spawn(move || {
        let host = match Host::open_to_read(layout) {
            Ok(host) => host,
            Err(error) => return drop(opened.send(Err(io::Error::other(error.to_string())))),
        };
        LocalSet::new().block_on(&runtime, async {
            let stream = UnixStream::from_std(answerer);
            let _ =
                opened.send(stream.as_ref().map(drop).map_err(|error| io::Error::other(error.to_string())));
            if let Ok(stream) = stream {
                conversation::converse(&host, stream).await;
            }
        });
    })?;
    is_open.recv().map_err(io::Error::other)??;
    UnixStream::from_std(asker)
}
