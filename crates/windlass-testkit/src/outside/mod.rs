//! Servers that are somebody else's: a test runs them beside Windlass, which only signs in to them.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a server of a test that fails fails the test"
)]

mod postgres;
mod rabbitmq;
mod redis;

pub use postgres::{Postgres, psql};
pub use rabbitmq::{Certificate, Rabbitmq};
pub use redis::Redis;

use std::os::unix::process::CommandExt;
use std::process::{Child, Command};

use std::time::{Duration, Instant};

use rustix::process::Signal;

use crate::ports::free_port;
use crate::sandbox::kill;

/// How long one may take to end in its own way.
const A_WHILE: Duration = Duration::from_secs(10);

/// Who administers a server, and his password.
pub const ADMIN: (&str, &str) = ("boss", "The1Password2Of3The4Boss");

/// What an application signs in by at first.
pub const FIRST: (&str, &str) = ("fixture", "The1First2Of3Its4Passwords");

/// A server that ends with its test.
struct Server(Child);

impl Server {
    /// Has it end in its own way, in which it takes its shared memory with it.
    fn ask_to_end(&mut self, signal: Signal) {
        kill(self.0.id().cast_signed(), signal);
        let deadline = Instant::now() + A_WHILE;
        while matches!(self.0.try_wait(), Ok(None)) && Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _gone = self.0.kill();
        let _gone = self.0.wait();
    }
}

/// Lets a program run as `account` where a test runs as root, which servers refuse.
fn as_account(command: &mut Command, account: &str) {
    if !rustix::process::getuid().is_root() {
        return;
    }
    let number = |which: &str| -> u32 {
        let output = Command::new("id").args([which, account]).output().unwrap();
        String::from_utf8(output.stdout).unwrap().trim().parse().unwrap()
    };
    command.uid(number("-u")).gid(number("-g"));
}
