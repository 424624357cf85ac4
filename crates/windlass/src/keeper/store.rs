//! The socket store: sockets that outlive the process that opened them.
//! The protocol is described in `windlass_core::launch`.

use std::fs::File;
use std::io::{self, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::sync::Arc;

use rustix::io::{DupFlags, Errno, FdFlags, dup3, fcntl_dupfd_cloexec, fcntl_setfd};
use rustix::net::{
    AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SocketAddrUnix, SocketFlags,
    SocketType, accept_with, bind, listen, recvmsg, socket_with, sockopt::socket_peercred,
};

use super::files::NOTIFY;

/// How many sockets a process may leave here.
const MOST: usize = 16;
/// How many connections are served at a time.
pub(super) const MOST_CONNECTIONS: usize = 8;
/// The first descriptor that a process inherits.
const FIRST: i32 = 3;
/// Where the keeper keeps its own copies, out of the way of the numbers that children get.
const ASIDE: i32 = 64;

/// The longest path of a unix socket.
const LONGEST_PATH: usize = 107;

/// The store of one keeper.
pub(super) struct Store {
    listener: OwnedFd,
    connections: Vec<Connection>,
    kept: Vec<(String, OwnedFd)>,
    /// Descriptors 3 and up, `/dev/null` but while a process starts: a child's descriptors must be at
    /// these numbers before it is made, and nothing else may take them.
    slots: Arc<Vec<OwnedFd>>,
    empty: OwnedFd,
}

struct Connection {
    socket: OwnedFd,
    peer: i32,
}

/// What a process is given at its start.
#[derive(Clone, Default)]
pub(super) struct Handover {
    slots: Arc<Vec<OwnedFd>>,
    count: usize,
    environment: Vec<(String, String)>,
}

impl Handover {
    /// Variables for the process.
    pub(super) fn environment(&self) -> impl Iterator<Item = (&str, &str)> {
        self.environment.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// In the new process: lets the descriptors live on in the program.
    pub(super) fn open(&self) -> io::Result<()> {
        for slot in self.slots.iter().take(self.count) {
            fcntl_setfd(slot, FdFlags::empty())?;
        }
        Ok(())
    }
}

/// Takes the descriptors that children will get. Call it while 3 and up are free.
///
/// # Errors
/// When they are not free, or the system has none left.
pub(super) fn reserve() -> io::Result<Vec<OwnedFd>> {
    use std::os::fd::AsRawFd;
    let null = File::options().read(true).write(true).open("/dev/null")?;
    let null = fcntl_dupfd_cloexec(null, ASIDE)?;
    (FIRST..)
        .take(MOST + 1)
        .map(|number| {
            let slot = fcntl_dupfd_cloexec(&null, number)?;
            if slot.as_raw_fd() == number { Ok(slot) } else { Err(Errno::BUSY.into()) }
        })
        .collect()
}

impl Store {
    /// Opens the store in the current directory.
    pub(super) fn open(slots: Vec<OwnedFd>) -> io::Result<Self> {
        let _of_a_former_keeper = std::fs::remove_file(NOTIFY);
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        let listener = socket_with(AddressFamily::UNIX, SocketType::SEQPACKET, flags, None)?;
        bind(&listener, &SocketAddrUnix::new(NOTIFY)?)?;
        listen(&listener, 8)?;
        let empty = fcntl_dupfd_cloexec(File::options().read(true).write(true).open("/dev/null")?, ASIDE)?;
        Ok(Self { listener, connections: Vec::new(), kept: Vec::new(), slots: Arc::new(slots), empty })
    }

    /// What to poll.
    pub(super) fn descriptors(&self) -> impl Iterator<Item = &OwnedFd> {
        std::iter::once(&self.listener).chain(self.connections.iter().map(|connection| &connection.socket))
    }

    /// Puts the stored sockets where the next process finds them.
    pub(super) fn hand_over(&mut self, directory: &Path) -> io::Result<Handover> {
        let mut count = self.kept.len();
        let path = directory.join(NOTIFY);
        let fits = path.as_os_str().len() <= LONGEST_PATH;
        let slots = Arc::get_mut(&mut self.slots).ok_or(Errno::BUSY)?;
        for ((_, socket), slot) in self.kept.iter().zip(slots.iter_mut()) {
            dup3(socket, slot, DupFlags::CLOEXEC)?;
        }
        let address = if fits {
            path.to_string_lossy().into_owned()
        } else {
            let here = File::open(".")?;
            dup3(here, &mut slots[count], DupFlags::CLOEXEC)?;
            count += 1;
            format!("/proc/self/fd/{}/{NOTIFY}", FIRST as usize + self.kept.len())
        };
        let mut environment = vec![("WINDLASS_KEEPER_SOCK".to_owned(), address)];
        if !self.kept.is_empty() {
            let names: Vec<String> = self.kept.iter().map(|(name, _)| percent_encode(name)).collect();
            environment.push(("LISTEN_FDS".to_owned(), self.kept.len().to_string()));
            environment.push(("LISTEN_FDNAMES".to_owned(), names.join(":")));
        }
        Ok(Handover { slots: Arc::clone(&self.slots), count, environment })
    }

    /// Frees the numbers again, once the process has started and the handover is gone.
    pub(super) fn take_back(&mut self) {
        if let Some(slots) = Arc::get_mut(&mut self.slots) {
            for slot in slots {
                let _still_taken = dup3(&self.empty, slot, DupFlags::CLOEXEC);
            }
        }
    }

    /// Serves what has come in. Returns the processes that said that they are ready.
    pub(super) fn serve(&mut self) -> Vec<i32> {
        while let Ok(socket) = accept_with(&self.listener, SocketFlags::CLOEXEC | SocketFlags::NONBLOCK) {
            let Ok(peer) = socket_peercred(&socket) else { continue };
            let Ok(socket) = fcntl_dupfd_cloexec(socket, ASIDE) else { continue };
            if self.connections.len() < MOST_CONNECTIONS {
                self.connections.push(Connection { socket, peer: peer.pid.as_raw_nonzero().get() });
            }
        }
        let mut ready = Vec::new();
        let kept = &mut self.kept;
        self.connections.retain_mut(|connection| {
            loop {
                match receive(&connection.socket) {
                    Ok(Some((text, socket))) => {
                        if obey(kept, &text, socket) {
                            ready.push(connection.peer);
                        }
                    }
                    Ok(None) => return false,
                    Err(Errno::AGAIN) => return true,
                    Err(Errno::INTR) => {}
                    Err(_) => return false,
                }
            }
        });
        ready
    }
}

/// Whether the message was `READY`.
fn obey(kept: &mut Vec<(String, OwnedFd)>, text: &str, socket: Option<OwnedFd>) -> bool {
    match (text.split_once(' ').unwrap_or((text, "")), socket) {
        (("STORE", name), Some(socket)) if !name.is_empty() => {
            let Ok(socket) = fcntl_dupfd_cloexec(socket, ASIDE) else { return false };
            match kept.iter().position(|(known, _)| known == name) {
                Some(at) => kept[at].1 = socket,
                None if kept.len() < MOST => kept.push((name.to_owned(), socket)),
                None => {}
            }
        }
        (("FORGET", name), _) => kept.retain(|(known, _)| known != name),
        (("READY", ""), _) => return true,
        _ => {}
    }
    false
}

/// One packet: its text without the line end, and the descriptor that came with it.
fn receive(socket: &OwnedFd) -> Result<Option<(String, Option<OwnedFd>)>, Errno> {
    let mut text = [0_u8; 512];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let length =
        recvmsg(socket, &mut [IoSliceMut::new(&mut text)], &mut control, RecvFlags::CMSG_CLOEXEC)?.bytes;
    if length == 0 {
        return Ok(None);
    }
    let descriptor = control.drain().find_map(|message| match message {
        RecvAncillaryMessage::ScmRights(mut descriptors) => descriptors.next(),
        _ => None,
    });
    let text = String::from_utf8_lossy(&text[..length]);
    Ok(Some((text.trim_end_matches('\n').to_owned(), descriptor)))
}

fn percent_encode(name: &str) -> String {
    use std::fmt::Write as _;
    let mut encoded = String::new();
    for byte in name.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            let _writing_to_a_string = write!(encoded, "%{byte:02X}");
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_travel_through_a_list_separated_by_colons() {
        assert_eq!(percent_encode("[::]:443"), "%5B%3A%3A%5D%3A443");
        assert_eq!(percent_encode("http-80.main_1"), "http-80.main_1");
    }

    #[test]
    fn a_socket_is_replaced_under_its_name_and_forgotten_by_it() {
        let socket = || Some(OwnedFd::from(File::open("/dev/null").unwrap()));
        let mut kept = Vec::new();
        assert!(!obey(&mut kept, "STORE a", socket()));
        assert!(!obey(&mut kept, "STORE b", socket()));
        assert!(!obey(&mut kept, "STORE a", socket()));
        assert!(!obey(&mut kept, "STORE c", None), "nothing to store");
        assert_eq!(kept.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>(), ["a", "b"]);
        obey(&mut kept, "FORGET a", None);
        assert_eq!(kept.len(), 1);
        assert!(obey(&mut kept, "READY", None));
        for number in 0..40 {
            obey(&mut kept, &format!("STORE {number}"), socket());
        }
        assert_eq!(kept.len(), MOST);
    }
}
