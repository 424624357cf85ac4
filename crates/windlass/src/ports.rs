//! Free ports for what keeps its port for long, and who has one that is not free.

mod holder;

use std::io;
use std::net::{Ipv4Addr, TcpListener};

use crate::random;

pub(crate) use holder::{Holder, holder};

/// The first that is given out.
const FIRST: u16 = 20_000;

/// Where the system begins to hand out ports for outgoing connections, where it does not say so.
const USUAL: u16 = 32_768;

/// So many free ports of this machine's own address, none of them `taken`: below those that the system hands
/// out for outgoing connections, so that none of these takes the port of what is just restarting.
///
/// # Errors
/// When there are not as many.
pub(crate) fn free(count: usize, taken: &[u16]) -> io::Result<Vec<u16>> {
    let end = outgoing().filter(|&end| end > FIRST + 1000).unwrap_or(USUAL);
    let mut held = vec![];
    for _ in 0..2000 {
        if held.len() == count {
            break;
        }
        let port = FIRST + u16::from_ne_bytes(random::bytes()?) % (end - FIRST);
        if taken.contains(&port) {
            continue;
        }
        // Held until all are found, so that none is found twice.
        if let Ok(listener) = TcpListener::bind((Ipv4Addr::LOCALHOST, port)) {
            held.push((port, listener));
        }
    }
    if held.len() < count {
        return Err(io::Error::new(io::ErrorKind::AddrInUse, format!("no free port from {FIRST} to {end}")));
    }
    Ok(held.into_iter().map(|(port, _)| port).collect())
}

/// The first port for outgoing connections.
fn outgoing() -> Option<u16> {
    let range = std::fs::read_to_string("/proc/sys/net/ipv4/ip_local_port_range").ok()?;
    range.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_are_free_different_and_none_that_an_outgoing_connection_may_get() {
        let ports = free(20, &[]).unwrap();
        let end = outgoing().filter(|&end| end > FIRST + 1000).unwrap_or(USUAL);
        assert!(ports.iter().all(|port| (FIRST..end).contains(port)), "{ports:?}");
        let mut different = ports.clone();
        different.sort_unstable();
        different.dedup();
        assert_eq!(different.len(), ports.len());
        // All but one are taken.
        let but_one: Vec<u16> = (FIRST..end).filter(|port| *port != ports[0]).collect();
        assert!(free(1, &but_one).map_or(true, |found| found == [ports[0]]), "found by chance, or not");
    }
}
