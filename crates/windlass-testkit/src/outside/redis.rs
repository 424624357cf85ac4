//! A Redis with an administrator, whose default user is the application's.

use std::process::{Command, Stdio};

use super::{ADMIN, FIRST, Server, free_port};
use crate::sandbox::until;
use crate::watchdog::watch_over;

/// See the module.
pub struct Redis {
    /// Where it listens, on the loopback address.
    pub port: u16,
    server: Option<Server>,
    directory: tempfile::TempDir,
}

impl Redis {
    /// Starts one.
    #[must_use]
    pub fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        watch_over(directory.path());
        let port = free_port();
        let (admin, boss) = ADMIN;
        let text = format!(
            "port {port}\nbind 127.0.0.1\nsave \"\"\nuser {admin} on >{boss} ~* &* +@all\n\
             user default on >{} ~* &* +@all -@dangerous\n",
            FIRST.1
        );
        std::fs::write(directory.path().join("redis.conf"), text).unwrap();
        let mut redis = Self { port, server: None, directory };
        redis.start();
        redis
    }

    fn start(&mut self) {
        let mut command = Command::new("redis-server");
        command.arg("redis.conf").current_dir(self.directory.path()).stdout(Stdio::null());
        self.server = Some(Server(command.spawn().unwrap()));
        until("Redis", || (self.ask(&["PING"]) == "PONG").then_some(()));
    }

    /// Ends it at once, and starts it with what it has written down.
    pub fn restart(&mut self) {
        self.server = None;
        self.start();
    }

    /// The URL of an account; of the application without its name.
    #[must_use]
    pub fn url(&self, (user, password): (&str, &str)) -> String {
        let user = if user == FIRST.0 { "" } else { user };
        format!("redis://{user}:{password}@127.0.0.1:{}/0", self.port)
    }

    /// What the administrator is answered.
    #[must_use]
    pub fn ask(&self, words: &[&str]) -> String {
        let mut command = Command::new("redis-cli");
        command.args(["--no-auth-warning", "-p", &self.port.to_string(), "--user", ADMIN.0]).args(words);
        let output = command.env("REDISCLI_AUTH", ADMIN.1).stdin(Stdio::null()).output().unwrap();
        String::from_utf8_lossy(&output.stdout).trim().to_owned()
    }

    /// How many passwords the application's user has.
    #[must_use]
    pub fn passwords(&self) -> usize {
        let known = self.ask(&["ACL", "GETUSER", "default"]);
        let is_hash = |line: &&str| line.len() == 64 && line.bytes().all(|byte| byte.is_ascii_hexdigit());
        known.lines().map(str::trim).filter(is_hash).count()
    }
}

impl Default for Redis {
    fn default() -> Self {
        Self::new()
    }
}
