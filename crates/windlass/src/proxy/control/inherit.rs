//! Taking over the sockets that the keeper hands on.

use std::os::fd::OwnedFd;

use crate::sys;

/// The first descriptor that is handed on.
const FIRST: i32 = 3;

/// Takes descriptors 3 and following, with the names that came with them. Call it once, before
/// anything else opens files.
pub(in crate::proxy) fn take(count: &str, names: &str) -> Vec<(String, OwnedFd)> {
    let count: i32 = count.parse().unwrap_or(0);
    let mut names = names.split(':').map(decode);
    let mut sockets = Vec::new();
    for number in FIRST..FIRST.saturating_add(count) {
        let Some(socket) = sys::inherited(number) else { break };
        let _ = rustix::io::fcntl_setfd(&socket, rustix::io::FdFlags::CLOEXEC);
        sockets.push((names.next().unwrap_or_default(), socket));
    }
    sockets
}

/// Names come percent-encoded, because `:` parts them.
fn decode(name: &str) -> String {
    crate::proxy::request::route::decode(name)
        .and_then(|bytes| String::from_utf8(bytes).ok())
        .unwrap_or_else(|| name.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_come_as_the_keeper_encodes_them() {
        assert_eq!(decode("127.0.0.1%3A8080"), "127.0.0.1:8080");
        assert_eq!(decode("%5B%3A%3A%5D%3A443"), "[::]:443");
        assert_eq!(decode("plain"), "plain");
    }
}
