//! The open connections, and which of them hold a request.

use std::collections::HashMap;
use std::io;
use std::net::{Shutdown, TcpStream};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// The open connections.
#[derive(Default)]
pub struct Connections {
    open: Mutex<Open>,
    changed: Condvar,
}

#[derive(Default)]
struct Open {
    next: u64,
    streams: HashMap<u64, Connection>,
}

struct Connection {
    stream: TcpStream,
    busy: bool,
}

impl Connections {
    /// Enters a connection, as one without a request, when there are fewer than `most`.
    pub fn enter(&self, stream: &TcpStream, most: usize) -> io::Result<u64> {
        let stream = stream.try_clone()?;
        let mut open = self.lock();
        while open.streams.len() >= most {
            open = self.changed.wait(open).unwrap_or_else(PoisonError::into_inner);
        }
        open.next += 1;
        let id = open.next;
        open.streams.insert(id, Connection { stream, busy: false });
        Ok(id)
    }

    /// Says whether a connection holds a request.
    pub fn set_busy(&self, id: u64, busy: bool) {
        if let Some(connection) = self.lock().streams.get_mut(&id) {
            connection.busy = busy;
        }
        self.changed.notify_all();
    }

    /// Removes a connection.
    pub fn leave(&self, id: u64) {
        self.lock().streams.remove(&id);
        self.changed.notify_all();
    }

    /// Ends the connections that hold no request.
    pub fn close_idle(&self) {
        for connection in self.lock().streams.values().filter(|connection| !connection.busy) {
            // It fails where the client has just closed it, which is as good.
            let _ = connection.stream.shutdown(Shutdown::Read);
        }
    }

    /// Waits until no connection holds a request, and answers how many do when the time is over.
    pub fn wait_until_quiet(&self, limit: Duration) -> usize {
        let deadline = Instant::now() + limit;
        let mut open = self.lock();
        loop {
            let busy = open.streams.values().filter(|connection| connection.busy).count();
            let left = deadline.saturating_duration_since(Instant::now());
            if busy == 0 || left.is_zero() {
                return busy;
            }
            open = self.changed.wait_timeout(open, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// A handler that panicked leaves the table whole: every change in it is one statement.
    fn lock(&self) -> MutexGuard<'_, Open> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
