//! Free ports for what keeps its port for long, and who has one that is not free.

mod holder;

use std::fs;
use std::io;
use std::net::{Ipv4Addr, SocketAddrV4, TcpListener};
use std::ops::Range;
use std::os::fd::OwnedFd;

use rustix::net::{AddressFamily, SocketType, bind, socket};

use crate::random;

pub(crate) use holder::{Holder, answering, answers_here, holder, is_open_to_others, listened_at, occupants};

/// The first that is given out.
const FIRST: u16 = 20_000;

/// Where the system begins to hand out ports for outgoing connections, where it does not say so.
const USUAL: u16 = 32_768;

/// How many there have to be for the choice among them to be one.
const ENOUGH: u16 = 1000;

/// So many free ports of this machine, none of them `taken`: beside those that the system hands out for outgoing
/// connections, so that none of these takes the port of what is just starting; and none that is reserved, which
/// is another program's.
///
/// # Errors
/// When there are not as many.
pub(crate) fn free(count: usize, taken: &[u16]) -> io::Result<Vec<u16>> {
    let read = |name: &str| fs::read_to_string(format!("/proc/sys/net/ipv4/{name}")).unwrap_or_default();
    let range = beside(&read("ip_local_port_range"));
    let reserved = read("ip_local_reserved_ports");
    let mut held: Vec<(u16, OwnedFd)> = vec![];
    for _ in 0..2000 {
        if held.len() == count {
            break;
        }
        let port = range.start + u16::from_ne_bytes(random::bytes()?) % (range.end - range.start);
        if taken.contains(&port) || is_reserved(port, &reserved) {
            continue;
        }
        // Held until all are found, so that none is found twice.
        if let Ok(socket) = hold(port) {
            held.push((port, socket));
        }
    }
    if held.len() < count {
        let what = format!("no free port from {} to {}", range.start, range.end - 1);
        return Err(io::Error::new(io::ErrorKind::AddrInUse, what));
    }
    Ok(held.into_iter().map(|(port, _)| port).collect())
}

/// Whether somebody listens at a port of this machine's own address, or has it otherwise.
pub(crate) fn is_taken(port: u16) -> bool {
    let taken = TcpListener::bind((Ipv4Addr::LOCALHOST, port));
    taken.is_err_and(|error| error.kind() == io::ErrorKind::AddrInUse)
}

/// Takes a port at all addresses of IPv4, as most who listen do, without listening. Others who do the same, in
/// another environment, cannot have it meanwhile.
fn hold(port: u16) -> io::Result<OwnedFd> {
    let socket = socket(AddressFamily::INET, SocketType::STREAM, None)?;
    bind(&socket, &SocketAddrV4::new(Ipv4Addr::UNSPECIFIED, port))?;
    Ok(socket)
}

/// The ports beside those for outgoing connections, as the system writes these: below them, else above. Where they
/// are nearly all, as some set them, there is no better place than the usual one.
fn beside(outgoing: &str) -> Range<u16> {
    let mut ends = outgoing.split_whitespace().filter_map(|end| end.parse::<u16>().ok());
    let (low, high) = (ends.next().unwrap_or(USUAL), ends.next().unwrap_or(u16::MAX));
    if low >= FIRST + ENOUGH {
        FIRST..low
    } else if high <= u16::MAX - ENOUGH {
        high.max(FIRST) + 1..u16::MAX
    } else {
        FIRST..USUAL
    }
}

/// Whether a port stands in a list such as `8080,9000-9100`.
fn is_reserved(port: u16, list: &str) -> bool {
    list.trim().split(',').any(|part| {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        matches!((first.parse::<u16>(), last.parse::<u16>()), (Ok(first), Ok(last)) if (first..=last).contains(&port))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_are_free_different_and_none_that_an_outgoing_connection_may_get() {
        let ports = free(20, &[]).unwrap();
        let range = beside(&fs::read_to_string("/proc/sys/net/ipv4/ip_local_port_range").unwrap());
        assert!(ports.iter().all(|port| range.contains(port)), "{ports:?}");
        let mut different = ports.clone();
        different.sort_unstable();
        different.dedup();
        assert_eq!(different.len(), ports.len());
        // All but one are taken.
        let but_one: Vec<u16> = range.filter(|port| *port != ports[0]).collect();
        assert!(free(1, &but_one).map_or(true, |found| found == [ports[0]]), "found by chance, or not");
    }

    #[test]
    fn there_is_a_place_beside_the_outgoing_connections_wherever_they_are() {
        assert_eq!(beside("32768\t60999\n"), 20_000..32_768);
        assert_eq!(beside("10000 40000"), 40_001..65_535);
        assert_eq!(beside("1024 65535"), 20_000..32_768, "none");
        assert_eq!(beside(""), 20_000..32_768, "the system does not say");
        assert!(is_reserved(8080, "8080,9000-9100\n") && is_reserved(9100, "8080,9000-9100\n"));
        assert!(!is_reserved(8081, "8080,9000-9100\n") && !is_reserved(8080, "\n"));
    }

    #[test]
    fn a_port_that_is_held_at_one_address_is_given_to_nobody() {
        let port = free(1, &[]).unwrap()[0];
        let held = hold(port).unwrap();
        assert!(hold(port).is_err());
        drop(held);
        let _other = TcpListener::bind(("127.0.0.2", port)).unwrap();
        assert!(hold(port).is_err() && !is_taken(port));
    }
}
