//! The way to the keeper, which holds the listening sockets while this process comes and goes.

use std::io::{self, IoSlice};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;

use rustix::net::{
    AddressFamily, SendAncillaryBuffer, SendAncillaryMessage, SendFlags, SocketAddrUnix, SocketFlags,
    SocketType,
};

/// The keeper's end, if there is a keeper.
pub(super) struct Keep(Option<OwnedFd>);

impl Keep {
    /// Without a keeper everything works, but nothing outlives this process.
    pub(super) const fn none() -> Self {
        Self(None)
    }

    /// Connects to the keeper's socket.
    pub(super) fn connect(path: &Path) -> io::Result<Self> {
        let socket =
            rustix::net::socket_with(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None)?;
        rustix::net::connect(&socket, &SocketAddrUnix::new(path)?)?;
        Ok(Self(Some(socket)))
    }

    /// Hands the keeper a copy of a socket.
    pub(super) fn store(&self, name: &str, socket: BorrowedFd<'_>) -> io::Result<()> {
        self.send(&format!("STORE {name}\n"), Some(socket))
    }

    /// Tells it to close its copy.
    pub(super) fn forget(&self, name: &str) -> io::Result<()> {
        self.send(&format!("FORGET {name}\n"), None)
    }

    /// This process serves: one that it replaces may go.
    pub(super) fn ready(&self) -> io::Result<()> {
        self.send("READY\n", None)
    }

    fn send(&self, text: &str, socket: Option<BorrowedFd<'_>>) -> io::Result<()> {
        let Some(keeper) = &self.0 else { return Ok(()) };
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
