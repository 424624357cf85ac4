//! Who listens on a port, as far as the system tells this account.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::fs;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

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
    holders(address, port, &[]).into_iter().next()
}

/// All who do, for each of their sockets one. Of the processes that have it `first` are looked at before others.
fn holders(address: IpAddr, port: u16, first: &[i32]) -> Vec<Holder> {
    of_sockets(|line| line.listens && line.port == port && is_in_the_way(line.at, address), first)
}

/// All who may answer whoever asks at a port of this machine's own IPv4 address, for each of their sockets one.
pub(crate) fn answering(port: u16, first: &[i32]) -> Vec<Holder> {
    let tables = tables();
    who_has(answering_sockets(&tables, port), first)
}

fn answering_sockets(tables: &[String], port: u16) -> Sockets<'_> {
    let here = IpAddr::from(Ipv4Addr::LOCALHOST);
    let of = |is_v4| {
        sockets(tables, |line| {
            let at = line.at.to_canonical();
            line.listens && line.port == port && is_in_the_way(at, here) && at.is_ipv4() == is_v4
        })
    };
    // Beside one of IPv4 who listens at all of IPv6 does so at nothing else.
    let of_v4 = of(true);
    if of_v4.is_empty() { of(false) } else { of_v4 }
}

/// All who have a port in any way, at any address: a connection from there is in the way of whoever would listen.
pub(crate) fn occupants(port: u16, first: &[i32]) -> Vec<Holder> {
    of_sockets(|line| line.port == port, first)
}

/// Where these processes listen, by TCP, in the order of their ports.
pub(crate) fn listened_at(pids: &[i32]) -> Vec<SocketAddr> {
    let tables = tables();
    let listening = || tables.iter().flat_map(|table| lines(table)).filter(|line| line.listens);
    let all = sockets(&tables, |line| line.listens);
    let mut others = all.clone();
    pids.iter().for_each(|pid| take_those_of(*pid, &mut others));
    let is_theirs = |line: &Line<'_>| all.contains_key(line.inode) && !others.contains_key(line.inode);
    let mut found: Vec<_> = listening()
        .filter(is_theirs)
        .map(|line| SocketAddr::new(line.at.to_canonical(), line.port))
        .collect();
    found.sort_by_key(|at| (at.port(), at.ip()));
    found.dedup();
    found
}

/// Whether who listens at `there` answers whoever asks at this machine's own IPv4 address.
pub(crate) fn answers_here(there: IpAddr) -> bool {
    is_in_the_way(there, Ipv4Addr::LOCALHOST.into())
}

/// Whether somebody listens on a port at an address by which other machines may come.
pub(crate) fn is_open_to_others(port: u16) -> bool {
    tables().iter().any(|table| {
        lines(table).any(|line| line.listens && line.port == port && !line.at.to_canonical().is_loopback())
    })
}

fn tables() -> [String; 2] {
    ["/proc/net/tcp", "/proc/net/tcp6"].map(|table| fs::read_to_string(table).unwrap_or_default())
}

fn lines(table: &str) -> impl Iterator<Item = Line<'_>> {
    table.lines().skip(1).filter_map(Line::parse)
}

/// Sockets by their inodes, with the number of the account that has each.
type Sockets<'t> = BTreeMap<&'t str, &'t str>;

fn sockets(tables: &[String], is_wanted: impl Fn(&Line<'_>) -> bool) -> Sockets<'_> {
    // What nobody has any more waits for its last packets, and has no number.
    let wanted =
        tables.iter().flat_map(|table| lines(table)).filter(|line| line.inode != "0" && is_wanted(line));
    wanted.map(|line| (line.inode, line.uid)).collect()
}

fn of_sockets(is_wanted: impl Fn(&Line<'_>) -> bool, first: &[i32]) -> Vec<Holder> {
    let tables = tables();
    who_has(sockets(&tables, is_wanted), first)
}

fn who_has(mut sockets: Sockets<'_>, first: &[i32]) -> Vec<Holder> {
    if sockets.is_empty() {
        return Vec::new();
    }
    let mut pids = processes::all();
    pids.sort_unstable();
    let mut found = Vec::new();
    for pid in first.iter().copied().chain(pids) {
        let before = sockets.len();
        take_those_of(pid, &mut sockets);
        if sockets.len() < before {
            found.push(Holder::Process { pid, name: processes::name(pid).unwrap_or_default() });
        }
        if sockets.is_empty() {
            return found;
        }
    }
    let hidden: BTreeSet<&str> = sockets.into_values().collect();
    found.extend(hidden.into_iter().map(|uid| Holder::Of(account::name(uid))));
    found
}

/// Takes out the sockets, by their inodes, that a process has open.
fn take_those_of(pid: i32, sockets: &mut Sockets<'_>) {
    let open = fs::read_dir(format!("/proc/{pid}/fd")).into_iter().flatten().flatten();
    for to in open.filter_map(|open| fs::read_link(open.path()).ok()) {
        if let Some(inode) = to.to_str().and_then(|to| to.strip_prefix("socket:[")?.strip_suffix(']')) {
            sockets.remove(inode);
        }
    }
}

/// A socket, as the tables have it.
struct Line<'t> {
    at: IpAddr,
    port: u16,
    listens: bool,
    uid: &'t str,
    inode: &'t str,
}

impl<'t> Line<'t> {
    fn parse(line: &'t str) -> Option<Self> {
        let fields: Vec<&str> = line.split_ascii_whitespace().collect();
        let (at, port) = fields.get(1)?.rsplit_once(':')?;
        Some(Self {
            at: of_table(at)?,
            port: u16::from_str_radix(port, 16).ok()?,
            listens: *fields.get(3)? == LISTENS,
            uid: fields.get(7)?,
            inode: fields.get(9)?,
        })
    }
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
    fn who_listens_beside_by_ipv6_alone_does_not_answer() {
        let line = |at: &str, inode: &str| {
            format!("sl\n 0: {at}:1F90 0:0 0A 00000000:00000000 00:00000000 00000000 33 0 {inode} 1\n")
        };
        let v6 = line(&"0".repeat(32), "2");
        let of = |v4: String| {
            let tables = [v4, v6.clone()];
            answering_sockets(&tables, 8080).into_keys().map(str::to_owned).collect::<Vec<_>>()
        };
        assert_eq!(of(line("0100007F", "1")), ["1"]);
        assert_eq!(of(line("00000000", "1")), ["1"]);
        assert_eq!(of(String::new()), ["2"]);
    }

    #[test]
    fn a_line_of_the_tables_says_who_has_which_port_and_whether_he_listens() {
        let table = "0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000    33        0 4711 1\n\
                     1: 0100007F:1F91 0100007F:9999 01 00000000:00000000 00:00000000 00000000     0        0 4712 1\n\
                     2: cut off";
        let lines: Vec<_> = table.lines().filter_map(Line::parse).collect();
        let told: Vec<_> = lines.iter().map(|l| (l.port, l.listens, l.uid, l.inode)).collect();
        assert_eq!(told, [(8080, true, "33", "4711"), (8081, false, "0", "4712")]);
        assert!(lines.iter().all(|line| line.at == IpAddr::from(Ipv4Addr::LOCALHOST)));
    }

    #[test]
    fn others_may_come_by_any_address_but_the_machines_own() {
        for (address, is_open) in
            [("127.0.0.1:0", false), ("0.0.0.0:0", true), ("[::1]:0", false), ("[::]:0", true)]
        {
            let Ok(listener) = TcpListener::bind(address) else { continue };
            assert_eq!(is_open_to_others(listener.local_addr().unwrap().port()), is_open, "{address}");
        }
    }

    #[test]
    fn a_connection_is_in_the_way_of_a_port_and_does_not_listen_there() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let open = std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let port = open.local_addr().unwrap().port();
        let me = std::process::id().cast_signed();
        let is_mine = |by: &Holder| matches!(by, Holder::Process { pid, .. } if *pid == me);
        assert!(occupants(port, &[me]).iter().any(is_mine));
        assert_eq!(holders(Ipv4Addr::LOCALHOST.into(), port, &[me]), []);
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
