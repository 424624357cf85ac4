//! Ports for what a test starts itself.
//!
//! A port that the system chose (port 0) and that was let go is anybody's: the next outgoing connection of any process
//! may get it. These lie below those that the system hands out and below those that Windlass chooses, and no other test
//! gets one as long as the test that has it lives.

#![expect(clippy::unwrap_used, clippy::panic, reason = "only tests use this")]

use std::io::ErrorKind;
use std::net::{Ipv4Addr, TcpListener};
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::net::{SocketAddr, UnixListener};
use std::sync::Mutex;

const FIRST: u32 = 10_000;
/// The first that Windlass may choose.
const END: u32 = 20_000;

/// What is held of the ports that were given out, and how many were tried.
static HELD: Mutex<(Vec<UnixListener>, u32)> = Mutex::new((Vec::new(), 0));

/// A port that nobody listens on, at any address of this machine.
///
/// # Panics
/// When there is none left, or none can be held.
#[must_use]
pub fn free_port() -> u16 {
    let (held, tried) = &mut *HELD.lock().unwrap();
    loop {
        assert!(*tried < END - FIRST, "no free port from {FIRST} to {END}");
        // Each test begins elsewhere.
        let port = FIRST + (std::process::id().wrapping_mul(25) + *tried) % (END - FIRST);
        let port = u16::try_from(port).unwrap();
        *tried += 1;
        // A name that is no file, and that the system forgets with the process.
        let name = SocketAddr::from_abstract_name(format!("windlass-test-port-{port}")).unwrap();
        let hold = match UnixListener::bind_addr(&name) {
            Ok(hold) => hold,
            Err(error) if error.kind() == ErrorKind::AddrInUse => continue,
            Err(error) => panic!("port {port} cannot be held: {error}"),
        };
        if TcpListener::bind((Ipv4Addr::UNSPECIFIED, port)).is_ok() {
            held.push(hold);
            return port;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_given_out_is_free_and_given_to_nobody_else() {
        let first = free_port();
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, first)).unwrap();
        // As another test would try it, which begins at the same place.
        HELD.lock().unwrap().1 = 0;
        let second = free_port();
        drop(listener);
        HELD.lock().unwrap().1 = 0;
        let third = free_port();
        assert!(first != second && first != third && second != third, "{first} {second} {third}");
        assert!((FIRST..END).contains(&u32::from(third)));
    }
}
