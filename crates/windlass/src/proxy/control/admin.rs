//! The admin socket: one JSON value a line, answered by one.

use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{UnixListener, UnixStream};
use windlass_core::edge::{Answer, Ask};

use crate::proxy::control::tables::Control;
use crate::proxy::endpoint::socket_path::SocketPath;

/// No table is larger.
const MAX_LINE: u64 = 64 * 1024 * 1024;

/// Whether another proxy of this directory runs, whose place this one is to take.
pub(in crate::proxy) fn is_served(directory: &Path) -> bool {
    SocketPath::new(&directory.join("sock"))
        .is_ok_and(|path| std::os::unix::net::UnixStream::connect(path.as_path()).is_ok())
}

/// Opens `DIR/sock`, for this user only. It takes the place of an older one at once, so that a new
/// proxy can be asked while the old one is still finishing.
pub(in crate::proxy) fn open(directory: &Path) -> io::Result<UnixListener> {
    let aside = directory.join(format!("sock.{}", std::process::id()));
    let _ = std::fs::remove_file(&aside);
    let listener = std::os::unix::net::UnixListener::bind(SocketPath::new(&aside)?.as_path())?;
    std::fs::set_permissions(&aside, std::fs::Permissions::from_mode(0o600))?;
    std::fs::rename(&aside, directory.join("sock"))?;
    listener.set_nonblocking(true)?;
    UnixListener::from_std(listener)
}

/// How often a socket that could not be opened is tried again.
const PACE: Duration = Duration::from_secs(1);

/// Answers everybody who asks, from when the socket can be opened; nobody where another has come to do so meanwhile, whose
/// place this one must not take back.
pub(in crate::proxy) async fn serve(directory: PathBuf, opened: Option<UnixListener>, control: Rc<Control>) {
    let mut opened = opened;
    let listener = loop {
        match opened.take().map_or_else(|| open(&directory), Ok) {
            Ok(listener) => break listener,
            Err(_) => tokio::time::sleep(PACE).await,
        }
        if is_served(&directory) {
            return;
        }
    };
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                tokio::task::spawn_local(converse(stream, Rc::clone(&control)));
            }
            Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
        }
    }
}

async fn converse(stream: UnixStream, control: Rc<Control>) -> io::Result<()> {
    let (read, mut write) = stream.into_split();
    let mut lines = BufReader::new(read);
    loop {
        let mut line = Vec::new();
        (&mut lines).take(MAX_LINE).read_until(b'\n', &mut line).await?;
        if line.last() != Some(&b'\n') {
            return Ok(());
        }
        let answer = match serde_json::from_slice::<Ask>(&line) {
            Ok(ask) => control.obey(ask),
            Err(error) => Answer::Refused {
                reason: format!(
                    "the request cannot be understood: {error}: are both sides of the same version?"
                ),
            },
        };
        let mut text = serde_json::to_vec(&answer)?;
        text.push(b'\n');
        write.write_all(&text).await?;
        control.settle();
    }
}
