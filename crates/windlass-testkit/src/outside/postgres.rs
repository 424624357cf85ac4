//! A PostgreSQL with an administrator, and an application's role and database.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use rustix::process::Signal;

use super::{ADMIN, FIRST, Server, as_account, free_port};
use crate::sandbox::until;
use crate::watchdog::watch_over;

/// See the module.
pub struct Postgres {
    /// Where it listens, on the loopback address.
    pub port: u16,
    server: Server,
    directory: tempfile::TempDir,
}

impl Postgres {
    /// Starts one.
    #[must_use]
    pub fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        watch_over(directory.path());
        let (programs, port) = (programs(), free_port());
        let passwords = directory.path().join("password");
        std::fs::write(&passwords, ADMIN.1).unwrap();
        let data = directory.path().join("data");
        if rustix::process::getuid().is_root() {
            let owned =
                Command::new("chown").args(["-R", "postgres"]).arg(directory.path()).status().unwrap();
            assert!(owned.success());
        }
        let mut made = Command::new(programs.join("initdb"));
        made.arg("-D").arg(&data).arg("--pwfile").arg(&passwords);
        made.args(["-U", ADMIN.0, "-A", "scram-sha-256", "-E", "UTF8", "--no-locale", "--no-sync"]);
        as_account(&mut made, "postgres");
        let made = made.current_dir(directory.path()).output().unwrap();
        assert!(made.status.success(), "{made:?}");
        let mut server = Command::new(programs.join("postgres"));
        server.arg("-D").arg(&data).args(["-p", &port.to_string(), "-c", "fsync=off"]);
        server.args(["-c", "listen_addresses=127.0.0.1", "-c", "log_statement=all", "-c"]);
        server.arg(format!("unix_socket_directories={}", directory.path().display()));
        let log = std::fs::File::create(directory.path().join("log")).unwrap();
        server.stdin(Stdio::null()).stdout(log.try_clone().unwrap()).stderr(log);
        as_account(&mut server, "postgres");
        let server = Server(server.current_dir(directory.path()).spawn().unwrap());
        let postgres = Self { port, server, directory };
        until("PostgreSQL", || postgres.ask("SELECT 1").ok());
        let (user, password) = FIRST;
        postgres.ask(&format!("CREATE ROLE {user} LOGIN PASSWORD '{password}'")).unwrap();
        postgres.ask(&format!("CREATE DATABASE {user} OWNER {user}")).unwrap();
        postgres
    }

    /// The URL of a role.
    #[must_use]
    pub fn url(&self, (user, password): (&str, &str), database: &str) -> String {
        format!("postgresql://{user}:{password}@127.0.0.1:{}/{database}", self.port)
    }

    /// What the administrator is answered.
    ///
    /// # Errors
    /// What went wrong.
    pub fn ask(&self, statement: &str) -> Result<String, String> {
        self.ask_as(&self.url(ADMIN, "postgres"), statement)
    }

    /// What whoever the URL names is answered.
    ///
    /// # Errors
    /// What went wrong.
    pub fn ask_as(&self, url: &str, statement: &str) -> Result<String, String> {
        let mut parts = url.split("://").nth(1).unwrap().split([':', '@', '/']);
        let mut command = Command::new(psql());
        command.args(["-XAtqw", "-c", statement]).stdin(Stdio::null());
        // Not as an argument: those are looked for passwords.
        for name in ["PGUSER", "PGPASSWORD", "PGHOST", "PGPORT", "PGDATABASE"] {
            command.env(name, parts.next().unwrap());
        }
        let output = command.output().unwrap();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim().to_owned();
        if output.status.success() { Ok(text(&output.stdout)) } else { Err(text(&output.stderr)) }
    }

    /// The roles of the application that may sign in.
    #[must_use]
    pub fn roles(&self) -> Vec<String> {
        let roles = "SELECT rolname FROM pg_roles WHERE rolcanlogin AND rolname LIKE 'fixture%' ORDER BY 1";
        self.ask(roles).unwrap().lines().map(str::to_owned).collect()
    }

    /// Lets in those roles that there are, and no other.
    pub fn keep_out_others(&self) {
        let path = self.directory.path().join("data/pg_hba.conf");
        let those = format!("{},{}", ADMIN.0, self.roles().join(","));
        let rules =
            format!("host all {those} 127.0.0.1/32 scram-sha-256\nhost all all 127.0.0.1/32 reject\n");
        std::fs::write(&path, rules).unwrap();
        self.ask("SELECT pg_reload_conf()").unwrap();
        until("its rules", || {
            let why = self.ask_as(&self.url(("other", "x"), ""), "SELECT 1").err()?;
            why.contains("rejects connection").then_some(())
        });
    }

    /// What it has logged, every statement among it.
    #[must_use]
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.directory.path().join("log")).unwrap()
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        self.server.ask_to_end(Signal::QUIT);
    }
}

impl Default for Postgres {
    fn default() -> Self {
        Self::new()
    }
}

/// PostgreSQL's client itself. What is called `psql` in the path is, on Debian, a script that looks for it, and takes
/// longer than the client does.
#[must_use]
pub fn psql() -> PathBuf {
    newest().map_or_else(|| "psql".into(), |programs| programs.join("psql"))
}

fn programs() -> PathBuf {
    newest().expect("PostgreSQL's programs are installed")
}

/// The directory of the newest version's programs.
fn newest() -> Option<PathBuf> {
    let versions = std::fs::read_dir("/usr/lib/postgresql").ok()?.flatten();
    let mut found: Vec<PathBuf> = versions.map(|version| version.path().join("bin")).collect();
    found.sort();
    found.into_iter().rfind(|path| Path::exists(&path.join("initdb")))
}
