//! Opening a socket to listen on, also beside those of this process that are in its way.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::os::fd::OwnedFd;

use rustix::io::Errno;
use rustix::net::sockopt::{set_ipv6_v6only, set_socket_reuseaddr, set_socket_reuseport};
use rustix::net::{AddressFamily, SocketFlags, SocketType};

/// As many connections wait to be accepted.
const QUEUE: i32 = 4096;

/// Listens on an address. `beside` are this process's own sockets that listen on what the address
/// overlaps: from `0.0.0.0:80` to `[::]:80` one is open before the other is closed.
pub(in crate::proxy) fn listen(address: SocketAddr, beside: &[&TcpListener]) -> io::Result<TcpListener> {
    sharing(address, beside, |socket| rustix::net::listen(socket, QUEUE))
}

/// Whether [`listen`] would do. Nothing is sent to a socket that does not listen.
pub(in crate::proxy) fn probe(address: SocketAddr, beside: &[&TcpListener]) -> io::Result<()> {
    sharing(address, beside, |_| Ok(())).map(drop)
}

fn sharing(
    address: SocketAddr,
    beside: &[&TcpListener],
    then: impl Fn(&OwnedFd) -> rustix::io::Result<()>,
) -> io::Result<TcpListener> {
    let alone = bound(address, false).and_then(|socket| then(&socket).map(|()| socket));
    let socket = match alone {
        Err(Errno::ADDRINUSE) if !beside.is_empty() => {
            // The kernel lets sockets share that all say so, and are of one account. They say it no
            // longer than it takes: no other program shall share the port by accident. (One of this
            // account that asks to could, as the kernel remembers that the port has been shared.)
            let _shared: Vec<Shared<'_>> = beside.iter().map(|listener| Shared::now(listener)).collect();
            let socket = bound(address, true)?;
            then(&socket)?;
            set_socket_reuseport(&socket, false)?;
            socket
        }
        other => other?,
    };
    Ok(TcpListener::from(socket))
}

fn bound(address: SocketAddr, share: bool) -> rustix::io::Result<OwnedFd> {
    let family = if address.is_ipv6() { AddressFamily::INET6 } else { AddressFamily::INET };
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let socket = rustix::net::socket_with(family, SocketType::STREAM, flags, None)?;
    set_socket_reuseaddr(&socket, true)?;
    if address.is_ipv6() {
        // Whatever the machine is set to: `[::]` is on all addresses, of IPv4 too.
        set_ipv6_v6only(&socket, false)?;
    }
    set_socket_reuseport(&socket, share)?;
    rustix::net::bind(&socket, &address)?;
    Ok(socket)
}

/// A socket that lets others have what it has, until this is dropped.
struct Shared<'a>(&'a TcpListener);

impl<'a> Shared<'a> {
    fn now(listener: &'a TcpListener) -> Self {
        let _ = set_socket_reuseport(listener, true);
        Self(listener)
    }
}

impl Drop for Shared<'_> {
    fn drop(&mut self) {
        let _ = set_socket_reuseport(self.0, false);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpStream;

    fn at(ip: &str, port: u16) -> SocketAddr {
        SocketAddr::new(ip.parse().unwrap(), port)
    }

    #[test]
    fn one_address_takes_over_from_another_that_it_overlaps() {
        for (old, new) in
            [("127.0.0.1", "0.0.0.0"), ("0.0.0.0", "127.0.0.1"), ("0.0.0.0", "::"), ("::", "0.0.0.0")]
        {
            if [old, new].contains(&"::") && TcpListener::bind("[::1]:0").is_err() {
                continue;
            }
            let first = listen(at(old, 0), &[]).unwrap();
            let port = first.local_addr().unwrap().port();
            let refused = listen(at(new, port), &[]).unwrap_err();
            assert_eq!(refused.kind(), io::ErrorKind::AddrInUse, "{old} {new}");
            probe(at(new, port), &[&first]).unwrap();
            let second = listen(at(new, port), &[&first]).unwrap();
            // And nobody else who comes without a word.
            assert!(probe(at(new, port), &[]).is_err());
            assert!(probe(at(old, port), &[]).is_err());
            drop(first);
            TcpStream::connect(("127.0.0.1", port)).unwrap();
            second.set_nonblocking(false).unwrap();
            second.accept().unwrap();
        }
    }

    #[test]
    fn somebody_elses_socket_stays_in_the_way() {
        let own = listen(at("127.0.0.1", 0), &[]).unwrap();
        let port = own.local_addr().unwrap().port();
        let other = listen(at("127.0.0.2", port), &[]).unwrap();
        let refused = probe(at("0.0.0.0", port), &[&own]).unwrap_err();
        assert_eq!(refused.kind(), io::ErrorKind::AddrInUse);
        drop(other);
        probe(at("0.0.0.0", port), &[&own]).unwrap();
    }
}
