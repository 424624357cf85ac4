//! Who listens on a port, as far as the system tells this account.

use std::collections::HashSet;
use std::fmt;
use std::fs;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::account;
use crate::observe::printable;
use crate::processes;

/// A socket that listens, in the tables below `/proc/net`.
const LISTENS: &str = "0A";

/// Somebody who listens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Holder {
    /// This process.
    Process {
        /// Its number; of several that have the socket the oldest's, as far as numbers tell.
        pid: i32,
        /// What it is called.
        name: String,
    },
    /// A process that this account may not look at, of this account.
    Of(String),
}

impl fmt::Display for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Process { pid, name } => write!(f, "{} (process {pid})", printable(name)),
            Self::Of(account) => write!(f, "a process of the account {account}"),
        }
    }
}

/// Who listens on a TCP port of this machine so that nobody else can at this address; `None` where nobody does,
/// or the system does not say.
pub(crate) fn holder(address: IpAddr, port: u16) -> Option<Holder> {
    let tables =
        ["/proc/net/tcp", "/proc/net/tcp6"].map(|table| fs::read_to_string(table).unwrap_or_default());
    let listening: Vec<(&str, &str)> =
        tables.iter().flat_map(|table| listening(table, address, port)).collect();
    let sockets: HashSet<String> = listening.iter().map(|(_, inode)| format!("socket:[{inode}]")).collect();
    let (uid, _) = listening.first()?;
    let mut pids = processes::all();
    pids.sort_unstable();
    let process = pids
        .into_iter()
        .find(|pid| has_any(*pid, &sockets))
        .map(|pid| Holder::Process { pid, name: processes::name(pid).unwrap_or_default() });
    Some(process.unwrap_or_else(|| Holder::Of(account::name(uid))))
}

/// The accounts and the inodes of the sockets of a table that listen on the port, in the way of the address.
fn listening(table: &str, address: IpAddr, port: u16) -> impl Iterator<Item = (&str, &str)> {
    table.lines().skip(1).filter_map(move |line| {
        let fields: Vec<&str> = line.split_ascii_whitespace().collect();
        let (at, own) = fields.get(1)?.rsplit_once(':')?;
        let is_it = *fields.get(3)? == LISTENS
            && u16::from_str_radix(own, 16) == Ok(port)
            && is_in_the_way(of_table(at)?, address);
        is_it.then_some((*fields.get(7)?, *fields.get(9)?))
    })
}

/// Whether nobody else can listen at an address because somebody listens at `there`.
fn is_in_the_way(there: IpAddr, address: IpAddr) -> bool {
    let (there, address) = (there.to_canonical(), address.to_canonical());
    // Who listens at all of IPv6 does so at all of IPv4, unless that was asked not to be.
    let is_everywhere = there.is_unspecified() && (there.is_ipv6() || address.is_ipv4());
    there == address || is_everywhere || address.is_unspecified()
}

/// An address as the tables write it: in words of four bytes, each as the machine has it.
fn of_table(text: &str) -> Option<IpAddr> {
    let word = |at: usize| Some(u32::from_str_radix(text.get(at * 8..at * 8 + 8)?, 16).ok()?.to_ne_bytes());
    match text.len() {
        8 => Some(Ipv4Addr::from(word(0)?).into()),
        32 => {
            let mut bytes = [0; 16];
            for (at, part) in bytes.as_chunks_mut::<4>().0.iter_mut().enumerate() {
                part.copy_from_slice(&word(at)?);
            }
            Some(Ipv6Addr::from(bytes).into())
        }
        _ => None,
    }
}

fn has_any(pid: i32, sockets: &HashSet<String>) -> bool {
    let open = fs::read_dir(format!("/proc/{pid}/fd")).into_iter().flatten().flatten();
    open.filter_map(|open| fs::read_link(open.path()).ok())
        .any(|to| to.to_str().is_some_and(|to| sockets.contains(to)))
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use windlass_testkit::sandbox::until;

    use super::*;

    #[test]
    fn whoever_listens_is_known_by_number_and_name() {
        for address in ["127.0.0.1:0", "[::]:0"] {
            // A machine without IPv6 has one kind only.
            let Ok(listener) = TcpListener::bind(address) else { continue };
            let port = listener.local_addr().unwrap().port();
            let holder = || holder(Ipv4Addr::LOCALHOST.into(), port);
            let Some(Holder::Process { pid, name }) = holder() else { panic!("nobody has {port}") };
            assert_eq!(pid, std::process::id().cast_signed());
            assert!(!name.is_empty());
            drop(listener);
            // A process that another test starts has it until it becomes its program.
            until("nobody to have it", || holder().is_none().then_some(()));
        }
    }

    #[test]
    fn only_what_listens_counts() {
        let table = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n\
                     0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000    33        0 4711 1\n\
                     1: 0100007F:1F90 0100007F:9999 01 00000000:00000000 00:00000000 00000000    33        0 4712 1\n\
                     2: 0100007F:1F91 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 4713 1\n";
        let localhost = IpAddr::from(Ipv4Addr::LOCALHOST);
        assert_eq!(listening(table, localhost, 8080).collect::<Vec<_>>(), [("33", "4711")]);
        assert_eq!(listening(table, "192.0.2.1".parse().unwrap(), 8080).count(), 0, "at another address");
    }

    #[test]
    fn an_address_is_taken_by_who_has_it_or_all() {
        let address = |text: &str| text.parse::<IpAddr>().unwrap();
        for (there, wanted, is_it) in [
            ("127.0.0.1", "127.0.0.1", true),
            ("127.0.0.2", "127.0.0.1", false),
            ("0.0.0.0", "127.0.0.1", true),
            ("127.0.0.1", "0.0.0.0", true),
            ("::", "127.0.0.1", true),
            ("::ffff:127.0.0.1", "127.0.0.1", true),
            ("::1", "127.0.0.1", false),
            ("0.0.0.0", "::1", false),
        ] {
            assert_eq!(is_in_the_way(address(there), address(wanted)), is_it, "{there} {wanted}");
        }
        let words: String = [0_u32, 0, 0, u32::from_ne_bytes([0, 0, 0, 1])]
            .iter()
            .map(|word| format!("{word:08X}"))
            .collect();
        assert_eq!(of_table(&words), Some(address("::1")));
        assert_eq!(of_table("0100"), None);
    }
}
