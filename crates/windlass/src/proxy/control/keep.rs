//! The way to the keeper, which holds the listening sockets while this process comes and goes.

use std::io::{self, IoSlice};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};

use rustix::io::Errno;
use rustix::net::{
    AddressFamily, RecvFlags, SendAncillaryBuffer, SendAncillaryMessage, SendFlags, SocketAddrUnix,
    SocketFlags, SocketType,
};

use crate::proxy::endpoint::socket_path::SocketPath;

/// The keeper's end, if there is a keeper.
pub(in crate::proxy) struct Keep(Option<Connection>);

struct Connection {
    socket: OwnedFd,
    path: PathBuf,
}

impl Keep {
    /// Without a keeper everything works, but nothing outlives this process.
    pub(in crate::proxy) const fn none() -> Self {
        Self(None)
    }

    /// Connects to the keeper's socket.
    pub(in crate::proxy) fn connect(path: &Path) -> io::Result<Self> {
        Ok(Self(Some(Connection { socket: connected(path)?, path: path.to_owned() })))
    }

    /// Whether another keeper has taken over from one that died: it is connected to then, and holds
    /// nothing yet.
    pub(in crate::proxy) fn renewed(&mut self) -> bool {
        let Some(connection) = &mut self.0 else { return false };
        let mut byte = [0];
        let looked = rustix::net::recv(&connection.socket, &mut byte, RecvFlags::PEEK | RecvFlags::DONTWAIT);
        // A keeper says nothing on its own, so nothing to read means that it is there.
        if looked.is_err_and(|error| error == Errno::AGAIN) {
            return false;
        }
        match connected(&connection.path) {
            Ok(socket) => {
                connection.socket = socket;
                true
            }
            Err(_) => false,
        }
    }

    /// Hands the keeper a copy of a socket. The name travels as it is; only the list in `LISTEN_FDNAMES`
    /// needs it encoded, and the keeper writes that.
    pub(in crate::proxy) fn store(&self, name: &str, socket: BorrowedFd<'_>) -> io::Result<()> {
        self.send(&format!("STORE {name}\n"), Some(socket))
    }

    /// Tells it to close its copy.
    pub(in crate::proxy) fn forget(&self, name: &str) -> io::Result<()> {
        self.send(&format!("FORGET {name}\n"), None)
    }

    /// This process serves: one that it replaces may go.
    pub(in crate::proxy) fn ready(&self) -> io::Result<()> {
        self.send("READY\n", None)
    }

    fn send(&self, text: &str, socket: Option<BorrowedFd<'_>>) -> io::Result<()> {
        let Some(Connection { socket: keeper, .. }) = &self.0 else { return Ok(()) };
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
        let mut ancillary = SendAncillaryBuffer::new(&mut space);
        let sockets: Vec<_> = socket.into_iter().collect();
        if !sockets.is_empty() && !ancillary.push(SendAncillaryMessage::ScmRights(&sockets)) {
            return Err(io::Error::other("no room for a descriptor"));
        }
        let data = [IoSlice::new(text.as_bytes())];
        rustix::net::sendmsg(keeper.as_fd(), &data, &mut ancillary, SendFlags::NOSIGNAL)?;
        Ok(())
    }
}

fn connected(path: &Path) -> io::Result<OwnedFd> {
    let socket =
        rustix::net::socket_with(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None)?;
    let path = SocketPath::new(path)?;
    rustix::net::connect(&socket, &SocketAddrUnix::new(path.as_path())?)?;
    Ok(socket)
}
