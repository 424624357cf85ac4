//! The command socket: who asks and who watches. A slow or dead one is dropped, never waited for.

use std::io::{self, Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixListener, UnixStream};

use windlass_core::launch::{KeeperAsk, Status};

use super::files::SOCKET;

/// How many connections are served at a time.
const MOST: usize = 64;
/// The longest command: one names a program and its arguments.
const LONGEST: usize = 32 * 1024;

/// How what is not understood is answered: whoever asks may know an older way.
pub(crate) const NO_COMMAND: &str = "this is no command";

/// The socket and its connections.
pub(super) struct Watchers {
    listener: UnixListener,
    clients: Vec<Client>,
    /// How many there were.
    number: u64,
}

/// A connection, told from all others that this keeper has or had.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct ClientId(u64);

/// One connection.
struct Client {
    id: ClientId,
    stream: UnixStream,
    /// The part of a line that has come in.
    partial: Vec<u8>,
    watches: bool,
    /// It could not be told something.
    gone: bool,
}

/// A command, or the reason why it is none, and which client gave it.
pub(super) type Asked = (ClientId, Result<KeeperAsk, String>);

impl Watchers {
    /// Opens the socket in the current directory; it appears under its name when it can be used.
    pub(super) fn open() -> io::Result<Self> {
        let fresh = "sock.new";
        let _of_a_former_keeper = std::fs::remove_file(fresh);
        let listener = UnixListener::bind(fresh)?;
        listener.set_nonblocking(true)?;
        std::fs::set_permissions(fresh, std::fs::Permissions::from_mode(0o600))?;
        std::fs::rename(fresh, SOCKET)?;
        Ok(Self { listener, clients: Vec::new(), number: 0 })
    }

    /// What to poll.
    pub(super) fn descriptors(&self) -> (&UnixListener, impl Iterator<Item = &UnixStream>) {
        (&self.listener, self.clients.iter().map(|client| &client.stream))
    }

    /// Takes in what has come.
    pub(super) fn serve(&mut self) -> Vec<Asked> {
        while let Ok((stream, _)) = self.listener.accept() {
            if self.clients.len() < MOST && stream.set_nonblocking(true).is_ok() {
                self.number += 1;
                let id = ClientId(self.number);
                self.clients.push(Client { id, stream, partial: Vec::new(), watches: false, gone: false });
            }
        }
        self.clients.retain_mut(|client| !client.gone && client.receive());
        let mut asked = Vec::new();
        for client in &mut self.clients {
            while let Some(end) = client.partial.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = client.partial.drain(..=end).collect();
                let ask = serde_json::from_slice(&line).map_err(|e| format!("{NO_COMMAND}: {e}"));
                client.watches |= matches!(ask, Ok(KeeperAsk::Watch));
                asked.push((client.id, ask));
            }
        }
        asked
    }

    /// Answers one client, if it is there still.
    pub(super) fn answer(&mut self, client: ClientId, status: &Status) {
        if let Some(client) = self.clients.iter_mut().find(|other| other.id == client) {
            let _dropped_when_read_next = client.send(status);
        }
    }

    /// Answers one client that what it asked is not done, and why.
    pub(super) fn refuse(&mut self, client: ClientId, status: &Status, reason: String) {
        self.answer(client, &Status { note: Some(reason), ..status.clone() });
    }

    /// Tells all that watch.
    pub(super) fn tell(&mut self, status: &Status) {
        for client in self.clients.iter_mut().filter(|client| client.watches) {
            client.gone |= client.send(status).is_err();
        }
    }
}

impl Client {
    /// Whether it is still there.
    fn receive(&mut self) -> bool {
        let mut bytes = [0_u8; 512];
        loop {
            match self.stream.read(&mut bytes) {
                Ok(0) => return false,
                Ok(_) if self.partial.len() > LONGEST => return false,
                Ok(length) => self.partial.extend_from_slice(&bytes[..length]),
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => return true,
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => return false,
            }
        }
    }

    /// Sends a whole line or fails: a client whose buffer is full has stopped reading.
    fn send(&mut self, status: &Status) -> io::Result<()> {
        let mut line = serde_json::to_vec(status)?;
        line.push(b'\n');
        if self.stream.write(&line)? < line.len() {
            self.stream.shutdown(std::net::Shutdown::Both)?;
            return Err(io::ErrorKind::WouldBlock.into());
        }
        Ok(())
    }
}
