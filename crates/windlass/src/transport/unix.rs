//! Unix sockets by directory, however long its path is.
//!
//! The kernel limits a socket's path to 107 bytes, and environments may lie deep. A socket is
//! therefore reached through `/proc/self/fd/N/NAME`, where N is its open directory.

use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use tokio::net::{UnixListener, UnixStream};

/// Connects to the socket `name` in `directory`.
///
/// # Errors
/// When there is none, or nobody listens.
pub async fn connect(directory: &Path, name: &str) -> io::Result<UnixStream> {
    let open = std::fs::File::open(directory)?;
    UnixStream::connect(through(&open, name)).await
}

/// Makes the socket `name` in `directory` anew and listens; only the owner can connect.
///
/// # Errors
/// When it cannot be made.
pub fn bind(directory: &Path, name: &str) -> io::Result<UnixListener> {
    let path = directory.join(name);
    match std::fs::remove_file(&path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let open = std::fs::File::open(directory)?;
    let listener = UnixListener::bind(through(&open, name))?;
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600))?;
    Ok(listener)
}

fn through(directory: &std::fs::File, name: &str) -> PathBuf {
    PathBuf::from(format!("/proc/self/fd/{}/{name}", directory.as_raw_fd()))
}
