//! Who listens on a port, as far as the system tells this account.

use std::collections::HashSet;
use std::fmt;
use std::fs;

use crate::account::Account;
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

/// Who listens on a TCP port of this machine; `None` where nobody does, or the system does not say.
pub(crate) fn holder(port: u16) -> Option<Holder> {
    let tables =
        ["/proc/net/tcp", "/proc/net/tcp6"].map(|table| fs::read_to_string(table).unwrap_or_default());
    let listening: Vec<(&str, &str)> = tables.iter().flat_map(|table| listening(table, port)).collect();
    let sockets: HashSet<String> = listening.iter().map(|(_, inode)| format!("socket:[{inode}]")).collect();
    let (uid, _) = listening.first()?;
    let mut pids = processes::all();
    pids.sort_unstable();
    let process = pids
        .into_iter()
        .find(|pid| has_any(*pid, &sockets))
        .map(|pid| Holder::Process { pid, name: processes::name(pid).unwrap_or_default() });
    let named =
        || Account::named(uid).ok().flatten().map_or_else(|| (*uid).to_owned(), |account| account.name);
    Some(process.unwrap_or_else(|| Holder::Of(named())))
}

/// The accounts and the inodes of the sockets of a table that listen on the port.
fn listening(table: &str, port: u16) -> impl Iterator<Item = (&str, &str)> {
    table.lines().skip(1).filter_map(move |line| {
        let fields: Vec<&str> = line.split_ascii_whitespace().collect();
        let (_, own) = fields.get(1)?.rsplit_once(':')?;
        let is_it = *fields.get(3)? == LISTENS && u16::from_str_radix(own, 16) == Ok(port);
        is_it.then_some((*fields.get(7)?, *fields.get(9)?))
    })
}

fn has_any(pid: i32, sockets: &HashSet<String>) -> bool {
    let open = fs::read_dir(format!("/proc/{pid}/fd")).into_iter().flatten().flatten();
    open.filter_map(|open| fs::read_link(open.path()).ok())
        .any(|to| to.to_str().is_some_and(|to| sockets.contains(to)))
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    #[test]
    fn whoever_listens_is_known_by_number_and_name() {
        for address in ["127.0.0.1:0", "[::]:0"] {
            // A machine without IPv6 has one kind only.
            let Ok(listener) = TcpListener::bind(address) else { continue };
            let port = listener.local_addr().unwrap().port();
            let Some(Holder::Process { pid, name }) = holder(port) else { panic!("nobody has {port}") };
            assert_eq!(pid, std::process::id().cast_signed());
            assert!(!name.is_empty());
            drop(listener);
            assert_eq!(holder(port), None);
        }
    }

    #[test]
    fn only_what_listens_counts() {
        let table = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n\
                     0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000    33        0 4711 1\n\
                     1: 0100007F:1F90 0100007F:9999 01 00000000:00000000 00:00000000 00000000    33        0 4712 1\n\
                     2: 0100007F:1F91 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 4713 1\n";
        assert_eq!(listening(table, 8080).collect::<Vec<_>>(), [("33", "4711")]);
    }
}
