//! The listening sockets: bound as the table says, kept over a crash, shared with every worker.

use std::io;
use std::net::TcpListener;
use std::os::fd::{AsFd, OwnedFd};

use indexmap::IndexMap;
use tokio::sync::mpsc::UnboundedSender;
use windlass_core::spec::Listen;

use super::keep::Keep;
use super::worker::Order;

/// The sockets that are open, by the address in the table.
pub(super) struct Listeners {
    open: IndexMap<String, Open>,
    /// Handed on by the keeper, and not asked for by a table yet.
    inherited: IndexMap<String, OwnedFd>,
    keep: Keep,
    workers: Vec<UnboundedSender<Order>>,
}

struct Open {
    listener: TcpListener,
    secure: bool,
}

/// Sockets that were opened for a table which is not in force yet; dropping them closes the new ones.
pub(super) struct Opened(Vec<(String, Open)>);

impl Listeners {
    pub(super) fn new(
        inherited: Vec<(String, OwnedFd)>,
        keep: Keep,
        workers: Vec<UnboundedSender<Order>>,
    ) -> Self {
        Self { open: IndexMap::new(), inherited: inherited.into_iter().collect(), keep, workers }
    }

    /// Opens what a table asks for and is not open.
    ///
    /// # Errors
    /// Which address cannot be had.
    pub(super) fn open(&mut self, listen: &Listen) -> Result<Opened, String> {
        let mut opened: Vec<(String, Open)> = Vec::new();
        for (index, (address, secure)) in wanted(listen).enumerate() {
            if wanted(listen).take(index).any(|(earlier, _)| earlier == address) {
                return Err(format!("{address} is named twice"));
            }
            if self.open.get(address).is_some_and(|open| open.secure == secure) {
                continue;
            }
            let listener = match self.open.get(address) {
                Some(open) => open.listener.try_clone(),
                None => match self.inherited.get(address) {
                    Some(socket) => socket.try_clone().map(TcpListener::from),
                    None => bind(address),
                },
            };
            let listener = listener
                .and_then(|listener| listener.set_nonblocking(true).map(|()| listener))
                .map_err(|error| refusal(address, &error))?;
            opened.push((address.to_owned(), Open { listener, secure }));
        }
        Ok(Opened(opened))
    }

    /// Opens what can be had of what a table asks for; tells why the rest cannot.
    pub(super) fn open_some(&mut self, listen: &Listen) -> (Opened, Vec<String>) {
        let (mut opened, mut problems) = (Vec::new(), Vec::new());
        for (address, secure) in wanted(listen) {
            let mut one = Listen { http: Vec::new(), https: Vec::new(), ..listen.clone() };
            if secure { &mut one.https } else { &mut one.http }.push(address.to_owned());
            match self.open(&one) {
                Ok(Opened(one)) => opened.extend(one),
                Err(why) => problems.push(why),
            }
        }
        (Opened(opened), problems)
    }

    /// Has the workers accept on what was opened, and on nothing that the table does not name.
    pub(super) fn put_in_force(&mut self, opened: Opened, listen: &Listen) {
        for (address, open) in opened.0 {
            for worker in &self.workers {
                if let Ok(listener) = open.listener.try_clone() {
                    let _ =
                        worker.send(Order::Listen { name: address.clone(), listener, secure: open.secure });
                }
            }
            // Without the keeper's copy the socket only lives as long as this process.
            let _ = self.keep.store(&address, open.listener.as_fd());
            self.open.insert(address, open);
        }
        let stays = |address: &str| wanted(listen).any(|(wanted, _)| wanted == address);
        let gone: Vec<String> = self.open.keys().filter(|address| !stays(address)).cloned().collect();
        for address in gone {
            for worker in &self.workers {
                let _ = worker.send(Order::Unlisten { name: address.clone() });
            }
            self.open.shift_remove(&address);
            let _ = self.keep.forget(&address);
        }
        for (address, _) in self.inherited.drain(..) {
            if !self.open.contains_key(&address) {
                let _ = self.keep.forget(&address);
            }
        }
    }

    /// Stores everything again where another keeper has taken over: what the one before held went
    /// with it.
    pub(super) fn mind_the_keeper(&mut self) {
        if self.keep.renewed() {
            for (address, open) in &self.open {
                let _ = self.keep.store(address, open.listener.as_fd());
            }
            let _ = self.keep.ready();
        }
    }

    /// Tells the keeper that this process serves.
    pub(super) fn ready(&self) {
        let _ = self.keep.ready();
    }

    /// The addresses as bound.
    pub(super) fn addresses(&self) -> Vec<String> {
        self.open
            .iter()
            .map(|(name, open)| {
                open.listener.local_addr().map_or_else(|_| name.clone(), |bound| bound.to_string())
            })
            .collect()
    }
}

fn wanted(listen: &Listen) -> impl Iterator<Item = (&str, bool)> {
    let clear = listen.http.iter().map(|address| (address.as_str(), false));
    clear.chain(listen.https.iter().map(|address| (address.as_str(), true)))
}

fn bind(address: &str) -> io::Result<TcpListener> {
    // The standard library sets SO_REUSEADDR and a queue of 4096.
    TcpListener::bind(address)
}

fn refusal(address: &str, error: &io::Error) -> String {
    let hint = match error.kind() {
        io::ErrorKind::AddrInUse => ": stop what listens there, or choose another address",
        io::ErrorKind::PermissionDenied => ": ports below 1024 need root or CAP_NET_BIND_SERVICE",
        _ => "",
    };
    format!("cannot listen on {address}: {error}{hint}")
}
