//! The listening sockets: bound as the table says, kept over a crash, shared with every worker.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::os::fd::{AsFd, OwnedFd};
use std::time::{Duration, Instant};

use indexmap::IndexMap;
use tokio::sync::mpsc::UnboundedSender;
use windlass_core::spec::{Listen, covers, overlaps};

use crate::proxy::connection::worker::Order;
use crate::proxy::control::bind;
use crate::proxy::control::keep::Keep;

/// How long a socket goes on that leaves because another one has what it had: whoever was connecting to
/// it meanwhile is served.
pub(in crate::proxy) const LINGER: Duration = Duration::from_secs(1);

/// The sockets that are open, by the address in the table.
pub(in crate::proxy) struct Listeners {
    open: IndexMap<String, Open>,
    /// Handed on by the keeper, and not asked for by a table yet.
    inherited: IndexMap<String, TcpListener>,
    keep: Keep,
    workers: Vec<UnboundedSender<Order>>,
}

struct Open {
    listener: TcpListener,
    secure: bool,
    why: Why,
}

/// Why a socket is open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Why {
    /// The table names it.
    Named,
    /// The table named it once, and names one now that has all that it has: `[::]:80` after
    /// `0.0.0.0:80`. Closing it could only lose connections.
    Covered,
    /// The table names one now that has a part of what it had. It is closed then.
    Leaves(Instant),
}

/// Sockets that were opened for a table which is not in force yet; dropping them closes the new ones.
pub(in crate::proxy) struct Opened(Vec<(String, Open)>);

impl Listeners {
    pub(in crate::proxy) fn new(
        inherited: Vec<(String, OwnedFd)>,
        keep: Keep,
        workers: Vec<UnboundedSender<Order>>,
    ) -> Self {
        let inherited = inherited.into_iter().map(|(name, socket)| (name, TcpListener::from(socket)));
        Self { open: IndexMap::new(), inherited: inherited.collect(), keep, workers }
    }

    /// Opens what a table asks for and is not open.
    ///
    /// # Errors
    /// Which address cannot be had.
    pub(in crate::proxy) fn open(&mut self, listen: &Listen) -> Result<Opened, String> {
        let mut opened: Vec<(String, Open)> = Vec::new();
        for (index, (address, secure)) in wanted(listen).enumerate() {
            if wanted(listen).take(index).any(|(earlier, _)| earlier == address) {
                return Err(format!("{address} is named twice"));
            }
            let known = self.open.get(address);
            if known.is_some_and(|open| open.secure == secure && open.why == Why::Named) {
                continue;
            }
            let listener = match known.map(|open| &open.listener).or_else(|| self.inherited.get(address)) {
                Some(listener) => listener.try_clone(),
                None => self.bind(address),
            };
            let listener = listener
                .and_then(|listener| listener.set_nonblocking(true).map(|()| listener))
                .map_err(|error| refusal(address, &error))?;
            opened.push((address.to_owned(), Open { listener, secure, why: Why::Named }));
        }
        Ok(Opened(opened))
    }

    /// Whether [`Self::open`] could have an address.
    ///
    /// # Errors
    /// Why not.
    pub(in crate::proxy) fn probe(&self, address: &str) -> Result<(), String> {
        if self.open.contains_key(address) || self.inherited.contains_key(address) {
            return Ok(());
        }
        let at = address.parse().map_err(|_| format!("{address} is no address"))?;
        bind::probe(at, &self.beside(at)).map_err(|error| refusal(address, &error))
    }

    fn bind(&self, address: &str) -> io::Result<TcpListener> {
        let Ok(at) = address.parse() else { return TcpListener::bind(address) };
        bind::listen(at, &self.beside(at))
    }

    /// The sockets that are in the way of an address.
    fn beside(&self, address: SocketAddr) -> Vec<&TcpListener> {
        let open = self.open.values().map(|open| &open.listener).chain(self.inherited.values());
        open.filter(|listener| listener.local_addr().is_ok_and(|bound| overlaps(bound, address))).collect()
    }

    /// Opens what can be had of what a table asks for; tells why the rest cannot.
    pub(in crate::proxy) fn open_some(&mut self, listen: &Listen) -> (Opened, Vec<String>) {
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

    /// Has the workers accept on what was opened, and on nothing that the table does not name, but for
    /// what changes into another form of the same.
    pub(in crate::proxy) fn put_in_force(&mut self, opened: Opened, listen: &Listen) {
        for (address, open) in opened.0 {
            self.accept(&address, &open.listener, open.secure);
            // Without the keeper's copy the socket only lives as long as this process.
            let _ = self.keep.store(&address, open.listener.as_fd());
            self.open.insert(address, open);
        }
        let is_named = |address: &str| wanted(listen).any(|(wanted, _)| wanted == address);
        for (address, listener) in std::mem::take(&mut self.inherited) {
            if !self.open.contains_key(&address) {
                // What it spoke is settled below, where it stays.
                let open = Open { listener, secure: false, why: Why::Leaves(Instant::now()) };
                self.open.insert(address, open);
            }
        }
        let named: Vec<(SocketAddr, bool)> = self
            .open
            .iter()
            .filter(|(address, _)| is_named(address))
            .filter_map(|(_, open)| Some((open.listener.local_addr().ok()?, open.secure)))
            .collect();
        let others: Vec<String> = self.open.keys().filter(|address| !is_named(address)).cloned().collect();
        for address in others {
            self.settle(&address, &named);
        }
    }

    /// What becomes of a socket that the table does not name, beside those that it does.
    fn settle(&mut self, address: &str, named: &[(SocketAddr, bool)]) {
        let Some(open) = self.open.get(address) else { return };
        let Ok(bound) = open.listener.local_addr() else { return self.close(address) };
        let over = named.iter().find(|(wide, _)| covers(*wide, bound));
        let why = match (over, open.why) {
            (Some(_), _) => Why::Covered,
            (None, Why::Leaves(at)) if at > Instant::now() => return,
            (None, Why::Named | Why::Covered) if named.iter().any(|(other, _)| overlaps(*other, bound)) => {
                // Who connects from now on reaches the other one.
                let _ = self.keep.forget(address);
                Why::Leaves(Instant::now() + LINGER)
            }
            (None, _) => return self.close(address),
        };
        let secure = over.map_or(open.secure, |(_, secure)| *secure);
        // Handed on by the keeper, or about to go: nobody accepts on it, or not for long.
        if matches!(open.why, Why::Leaves(_)) {
            let _ = self.keep.store(address, open.listener.as_fd());
        }
        if matches!(open.why, Why::Leaves(_)) || secure != open.secure {
            self.accept(address, &open.listener, secure);
        }
        if let Some(open) = self.open.get_mut(address) {
            (open.secure, open.why) = (secure, why);
        }
    }

    /// Whether a socket is to be closed soon.
    pub(in crate::proxy) fn any_leaves(&self) -> bool {
        self.open.values().any(|open| matches!(open.why, Why::Leaves(_)))
    }

    /// Closes the sockets whose time is over.
    pub(in crate::proxy) fn close_left(&mut self) {
        let now = Instant::now();
        let is_over = |open: &Open| matches!(open.why, Why::Leaves(at) if at <= now);
        let over: Vec<String> =
            self.open.iter().filter(|(_, open)| is_over(open)).map(|(address, _)| address.clone()).collect();
        for address in over {
            self.close(&address);
        }
    }

    fn accept(&self, address: &str, listener: &TcpListener, secure: bool) {
        for worker in &self.workers {
            if let Ok(listener) = listener.try_clone() {
                let _ = worker.send(Order::Listen { name: address.to_owned(), listener, secure });
            }
        }
    }

    fn close(&mut self, address: &str) {
        for worker in &self.workers {
            let _ = worker.send(Order::Unlisten { name: address.to_owned() });
        }
        self.open.shift_remove(address);
        let _ = self.keep.forget(address);
    }

    /// Stores everything again where another keeper has taken over: what the one before held went
    /// with it.
    pub(in crate::proxy) fn mind_the_keeper(&mut self) {
        if self.keep.renewed() {
            for (address, open) in self.open.iter().filter(|(_, open)| !matches!(open.why, Why::Leaves(_))) {
                let _ = self.keep.store(address, open.listener.as_fd());
            }
            let _ = self.keep.ready();
        }
    }

    /// Tells the keeper that this process serves.
    pub(in crate::proxy) fn ready(&self) {
        let _ = self.keep.ready();
    }

    /// The addresses of the table, as bound.
    pub(in crate::proxy) fn addresses(&self) -> Vec<String> {
        self.open
            .iter()
            .filter(|(_, open)| open.why == Why::Named)
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

fn refusal(address: &str, error: &io::Error) -> String {
    let hint = match error.kind() {
        io::ErrorKind::AddrInUse => ": stop what listens there, or choose another address",
        io::ErrorKind::PermissionDenied => ": ports below 1024 need root or CAP_NET_BIND_SERVICE",
        _ => "",
    };
    format!("cannot listen on {address}: {error}{hint}")
}
