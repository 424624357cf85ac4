//! The proxy's own death and replacement: the table and the listening sockets outlive it.

use std::io::IoSliceMut;
use std::mem::MaybeUninit;
use std::net::SocketAddr;
use std::os::fd::{AsRawFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rustix::net::{
    AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SocketAddrUnix, SocketFlags,
    SocketType,
};
use rustix::process::Signal;
use tempfile::TempDir;
use windlass_core::units::Span;
use windlass_testkit::ports::free_port;

use crate::support::{Backend, Client, PATIENCE, Proxy, get, table, wait_for};

/// Holds what a proxy stores, as its keeper does.
struct FakeKeeper {
    path: PathBuf,
    stored: Arc<Mutex<Vec<(String, OwnedFd)>>>,
    ready: Receiver<()>,
    _directory: TempDir,
}

impl FakeKeeper {
    fn start() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("keep");
        let socket =
            rustix::net::socket_with(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None)
                .unwrap();
        rustix::net::bind(&socket, &SocketAddrUnix::new(&path).unwrap()).unwrap();
        rustix::net::listen(&socket, 8).unwrap();
        let stored: Arc<Mutex<Vec<(String, OwnedFd)>>> = Arc::default();
        let (send, ready) = channel();
        let all = Arc::clone(&stored);
        std::thread::spawn(move || {
            while let Ok(peer) = rustix::net::accept(&socket) {
                let (all, send) = (Arc::clone(&all), send.clone());
                std::thread::spawn(move || {
                    while let Some((text, fd)) = receive(&peer) {
                        match (text.split_whitespace().collect::<Vec<_>>().as_slice(), fd) {
                            (["STORE", name], Some(fd)) => all.lock().unwrap().push(((*name).to_owned(), fd)),
                            (["FORGET", name], None) => {
                                all.lock().unwrap().retain(|(known, _)| known != name);
                            }
                            (["READY"], None) => drop(send.send(())),
                            other => panic!("{other:?}"),
                        }
                    }
                });
            }
        });
        Self { path, stored, ready, _directory: directory }
    }

    /// Starts a proxy with the stored sockets from descriptor 3 on, as a keeper does.
    fn proxy(&self, directory: &Path) -> std::process::Child {
        let stored = self.stored.lock().unwrap();
        // As the protocol says: stored as they are, handed on percent-encoded.
        let encode = |name: &str| name.replace('[', "%5B").replace(']', "%5D").replace(':', "%3A");
        let names: Vec<_> = stored.iter().map(|(name, _)| encode(name)).collect();
        let mut script = String::from("exec \"$@\"");
        let copies: Vec<OwnedFd> =
            stored.iter().map(|(_, fd)| rustix::io::fcntl_dupfd_cloexec(fd, 50).unwrap()).collect();
        for (index, copy) in copies.iter().enumerate() {
            rustix::io::fcntl_setfd(copy, rustix::io::FdFlags::empty()).unwrap();
            let number = copy.as_raw_fd();
            script += &format!(" {}<&{number} {number}<&-", index + 3);
        }
        let mut command = Command::new("bash");
        command
            .args(["-c", &script, "sh", env!("CARGO_BIN_EXE_windlass"), "proxy"])
            .arg(directory)
            .env("WINDLASS_KEEPER_SOCK", &self.path);
        if !names.is_empty() {
            command.env("LISTEN_FDS", names.len().to_string()).env("LISTEN_FDNAMES", names.join(":"));
        }
        command.spawn().unwrap()
    }

    fn wait_ready(&self) {
        self.ready.recv_timeout(PATIENCE).unwrap();
    }
}

fn receive(peer: &OwnedFd) -> Option<(String, Option<OwnedFd>)> {
    let mut bytes = [0; 512];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut ancillary = RecvAncillaryBuffer::new(&mut space);
    let mut data = [IoSliceMut::new(&mut bytes)];
    let got = rustix::net::recvmsg(peer, &mut data, &mut ancillary, RecvFlags::CMSG_CLOEXEC).ok()?;
    let fd = ancillary.drain().find_map(|message| match message {
        RecvAncillaryMessage::ScmRights(mut fds) => fds.next(),
        _ => None,
    });
    (got.bytes > 0).then(|| (String::from_utf8_lossy(&bytes[..got.bytes]).into_owned(), fd))
}

#[test]
fn a_killed_proxy_finds_its_table_again() {
    let backend = Backend::start("one");
    let mut table = table(1, "r1", &[("web.r1.1", backend.address)]);
    let proxy = Proxy::with(&table);
    table.generation = 2;
    proxy.apply(&table);
    let directory = proxy.kill();
    let proxy = Proxy::start_in(directory, &[]);
    assert_eq!(proxy.report().generation, 2);
    assert_eq!(get(proxy.address(), "/").text(), "one");
    // Damaged, it goes back by one, and says so.
    let directory = proxy.kill();
    std::fs::write(directory.path().join("table.json"), "{\"version\":1").unwrap();
    let proxy = Proxy::start_in(directory, &[]);
    let report = proxy.report();
    assert_eq!((report.generation, report.problems.len()), (1, 1), "{report:?}");
    assert_eq!(get(proxy.address(), "/").text(), "one");
}

#[test]
fn connections_wait_while_a_killed_proxy_is_started_again() {
    let backend = Backend::start("one");
    let keeper = FakeKeeper::start();
    let directory = tempfile::tempdir().unwrap();
    let child = keeper.proxy(directory.path());
    keeper.wait_ready();
    let proxy = Proxy::adopt(directory, child);
    proxy.apply(&table(1, "r1", &[("web.r1.1", backend.address)]));
    let address = proxy.address();
    assert_eq!(get(address, "/").text(), "one");
    wait_for("the store", || keeper.stored.lock().unwrap().len() == 1);
    let directory = proxy.kill();
    // Nobody listens, and nobody is refused.
    let waiting = std::thread::spawn(move || get(address, "/"));
    std::thread::sleep(Duration::from_millis(50));
    let child = keeper.proxy(directory.path());
    let proxy = Proxy::adopt(directory, child);
    keeper.wait_ready();
    assert_eq!(waiting.join().unwrap().text(), "one");
    assert_eq!(proxy.address(), address);
}

#[test]
fn an_upgrade_loses_nothing() {
    let backend = Backend::start("one");
    let keeper = FakeKeeper::start();
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().to_owned();
    let child = keeper.proxy(&path);
    keeper.wait_ready();
    let mut old = Proxy::adopt(directory, child);
    let mut table = table(1, "r1", &[("web.r1.1", backend.address)]);
    table.drain = Span::from_secs(2);
    old.apply(&table);
    let address = old.address();
    wait_for("the store", || keeper.stored.lock().unwrap().len() == 1);
    let mut kept = Client::connect(address);
    assert_eq!(kept.get("/").unwrap().text(), "one");
    let slow = std::thread::spawn(move || get(address, "/slow/300"));
    wait_for("the request in flight", || old.left_on("web.r1.1") == 1);
    // The new one takes over beside the old one, which then goes in order.
    let new = keeper.proxy(&path);
    keeper.wait_ready();
    old.signal(Signal::TERM);
    let stop = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
    let stopped = Arc::clone(&stop);
    let load = std::thread::spawn(move || {
        let mut count = 0;
        while !stopped.load(std::sync::atomic::Ordering::SeqCst) {
            assert_eq!(get(address, "/").text(), "one");
            count += 1;
        }
        count
    });
    assert_eq!(slow.join().unwrap().status, 200);
    // A kept connection gets its next answer, and is told that it was the last.
    std::thread::sleep(Duration::from_millis(50));
    let got = kept.get("/").unwrap();
    assert_eq!((got.status, got.header("connection")), (200, Some("close")));
    assert!(kept.is_closed());
    wait_for("the end of the old one", || old.has_ended());
    stop.store(true, std::sync::atomic::Ordering::SeqCst);
    assert!(load.join().unwrap() > 0);
    let moved = tempfile::tempdir().unwrap();
    let new = Proxy::adopt(std::mem::replace(&mut old.directory, moved), new);
    assert_eq!(get(new.address(), "/").text(), "one");
}

#[test]
fn an_address_that_cannot_be_had_at_a_start_is_told_of_and_keeps_no_other_closed() {
    let backend = Backend::start("one");
    let address = SocketAddr::from(([127, 0, 0, 3], free_port()));
    let mut table = table(1, "r1", &[("web.r1.1", backend.address)]);
    table.listen.http.push(address.to_string());
    let proxy = Proxy::with(&table);
    assert_eq!(get(address, "/").text(), "one");
    let directory = proxy.kill();
    let taken = crate::support::bind(address);
    let proxy = Proxy::start_in(directory, &[]);
    assert_eq!(get(proxy.address(), "/").text(), "one");
    let report = proxy.report();
    assert_eq!((report.generation, report.listening.len()), (1, 1));
    assert!(report.problems.iter().any(|why| why.contains(&address.to_string())), "{:?}", report.problems);
    drop(taken);
    wait_for("the other address", || proxy.report().listening.len() == 2);
    assert_eq!(get(address, "/").text(), "one");
    assert!(proxy.report().problems.is_empty());
}

/// Whoever replaces it without its sockets would serve nobody.
#[test]
fn one_that_could_not_listen_does_not_take_the_place_of_one_that_does() {
    let backend = Backend::start("one");
    let keeper = FakeKeeper::start();
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().to_owned();
    let proxy = Proxy::adopt(directory, keeper.proxy(&path));
    keeper.wait_ready();
    let address = SocketAddr::from(([127, 0, 0, 1], free_port()));
    let mut table = table(1, "r1", &[("web.r1.1", backend.address)]);
    table.listen.http = vec![address.to_string()];
    proxy.apply(&table);
    wait_for("the store", || keeper.stored.lock().unwrap().len() == 1);
    let stored = std::mem::take(&mut *keeper.stored.lock().unwrap());
    let mut deaf = keeper.proxy(&path);
    assert!(!deaf.wait().unwrap().success());
    assert!(keeper.ready.try_recv().is_err(), "it said that it was ready");
    assert_eq!(get(address, "/").text(), "one");
    keeper.stored.lock().unwrap().extend(stored);
    let mut next = keeper.proxy(&path);
    keeper.wait_ready();
    next.kill().unwrap();
    next.wait().unwrap();
}
