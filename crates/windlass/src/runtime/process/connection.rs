//! Talking to a keeper: one JSON value a line, both ways.

use std::fs::File;
use std::io::{
    self,
    ErrorKind::{BrokenPipe, ConnectionRefused, ConnectionReset, NotFound},
};
use std::os::fd::AsRawFd;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::net::UnixStream;
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use windlass_core::launch::{KeeperAsk, Status};

use super::error::RuntimeError;
use crate::keeper::files::SOCKET;

/// A connection to the keeper of one directory.
pub(super) struct Connection {
    lines: Lines<BufReader<OwnedReadHalf>>,
    write: OwnedWriteHalf,
}

impl Connection {
    /// Connects. The directory is opened and the socket addressed through it, because the path of a
    /// socket may be no longer than 107 bytes.
    pub(super) async fn open(dir: &Path) -> Result<Self, RuntimeError> {
        let no_keeper = || RuntimeError::NoKeeper { directory: dir.to_owned() };
        let handle = File::options().read(true).custom_flags(libc::O_PATH | libc::O_DIRECTORY).open(dir);
        let handle = handle.map_err(|_| no_keeper())?;
        let path = format!("/proc/self/fd/{}/{SOCKET}", handle.as_raw_fd());
        match UnixStream::connect(path).await {
            Ok(stream) => {
                let (read, write) = stream.into_split();
                Ok(Self { lines: BufReader::with_capacity(1024, read).lines(), write })
            }
            // A keeper that ends just now resets who was about to be heard.
            Err(e) if matches!(e.kind(), NotFound | ConnectionRefused | ConnectionReset | BrokenPipe) => {
                Err(no_keeper())
            }
            Err(source) => {
                Err(RuntimeError::Io { tried: "talk to the keeper of", directory: dir.to_owned(), source })
            }
        }
    }

    /// Sends a command.
    pub(super) async fn send(&mut self, ask: &KeeperAsk) -> io::Result<()> {
        let mut line = serde_json::to_vec(ask)?;
        line.push(b'\n');
        self.write.write_all(&line).await
    }

    /// The next answer or change; `None` when the keeper is gone.
    pub(super) async fn next(&mut self) -> Option<Status> {
        let line = self.lines.next_line().await.ok()??;
        serde_json::from_str(&line).ok()
    }
}
