//! Unix sockets behind long paths.

use std::fs::File;
use std::io;
use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};

/// A way to a socket, valid as long as this lives. The address of a socket has room for 107 bytes; the
/// way through the open directory is always shorter.
pub(in crate::proxy) struct SocketPath {
    _directory: File,
    path: PathBuf,
}

impl SocketPath {
    pub(in crate::proxy) fn new(path: &Path) -> io::Result<Self> {
        let (Some(parent), Some(name)) = (path.parent(), path.file_name()) else {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "the path of a socket has no file name"));
        };
        let parent = if parent.as_os_str().is_empty() { Path::new(".") } else { parent };
        let directory = File::open(parent)?;
        let path = PathBuf::from(format!("/proc/self/fd/{}", directory.as_raw_fd())).join(name);
        Ok(Self { _directory: directory, path })
    }

    pub(in crate::proxy) fn as_path(&self) -> &Path {
        &self.path
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_socket_behind_a_long_path_is_reached() {
        let directory = tempfile::tempdir().unwrap();
        let deep = directory.path().join("d".repeat(120));
        std::fs::create_dir(&deep).unwrap();
        let path = deep.join("sock");
        assert!(std::os::unix::net::UnixListener::bind(&path).is_err());
        let short = SocketPath::new(&path).unwrap();
        let _listener = std::os::unix::net::UnixListener::bind(short.as_path()).unwrap();
        let short = SocketPath::new(&path).unwrap();
        std::os::unix::net::UnixStream::connect(short.as_path()).unwrap();
    }
}
