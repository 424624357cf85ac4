//! Servers that run for one test.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use indexmap::IndexMap;
use rustix::process::Signal;
use windlass::account::Account;
use windlass::resource::{Place, Prepared, forget_memory, ready};
use windlass_core::launch::Log;
use windlass_core::name::Name;
use windlass_core::spec::{Credential, Engine, Resource, Source};
use windlass_core::units::Bytes;
use windlass_testkit::sandbox::{kill, lives, processes};
use windlass_testkit::watchdog::watch_over;

use crate::SHORT;

/// A directory that the servers' accounts can pass.
pub(crate) fn directory() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o711)).unwrap();
    watch_over(dir.path());
    dir
}

pub(crate) fn place(dir: &Path, name: &str) -> Place {
    let log = Log { path: dir.join("log").display().to_string(), rotate_at: Bytes(1 << 20), keep: 1 };
    let directory = dir.join(name);
    Place {
        app: Name::new("shop").unwrap(),
        environment: Name::new("test").unwrap(),
        name: Name::new(name).unwrap(),
        directory,
        log,
    }
}

pub(crate) fn resource(engine: Engine, database: &str, options: &[(&str, &str)]) -> Resource {
    let options = options.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    let memory = Some(Bytes(256 << 20));
    Resource {
        engine,
        source: Source::Private {
            version: None,
            database: database.into(),
            port: 0,
            options,
            memory,
            credential: Credential::FIRST,
        },
    }
}

/// A server that runs. However the test ends, nothing of it is left.
pub(crate) struct Server {
    pub(crate) child: Child,
    pub(crate) prepared: Prepared,
    pub(crate) log: PathBuf,
}

impl Server {
    pub(crate) fn start(prepared: Prepared) -> Self {
        let log = PathBuf::from(&prepared.launch.log.path);
        let output = fs::File::options().create(true).append(true).open(&log).unwrap();
        let mut command = Command::new(&prepared.launch.argv[0]);
        command
            .args(&prepared.launch.argv[1..])
            .current_dir(&prepared.launch.directory)
            .env_clear()
            .envs(prepared.env.iter().cloned())
            .stdin(Stdio::null())
            .stdout(output.try_clone().unwrap())
            .stderr(output)
            .process_group(0);
        if let Some(account) =
            prepared.launch.user.as_deref().and_then(|user| Account::to_become(user).unwrap())
        {
            command.uid(account.uid).gid(account.gid);
        }
        Self { child: command.spawn().unwrap(), prepared, log }
    }

    pub(crate) fn await_ready(&mut self) {
        let deadline = Instant::now() + self.prepared.patience;
        while let Err(why) = ready(self.prepared.engine, &self.prepared.facts, SHORT) {
            let ended = self.child.try_wait().unwrap();
            let log = || fs::read_to_string(&self.log).unwrap();
            assert!(ended.is_none() && Instant::now() < deadline, "{why} {ended:?}\n{}", log());
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    pub(crate) fn signal(&self, signal: &str) {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args([format!("-{signal}"), pid]).status().unwrap().success());
    }

    /// Stops it as its launch says; the exit code.
    pub(crate) fn stop(&mut self) -> Option<i32> {
        self.signal(&self.prepared.launch.stop.signal.clone());
        let deadline = Instant::now() + Duration::from_secs(60);
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status.code();
            }
            assert!(Instant::now() < deadline, "it does not stop");
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

impl Server {
    /// Kills it, with all that it has started.
    pub(crate) fn kill_all(&mut self) {
        // Whoever starts it again may not find one that is still dying: it has the server's memory until it has died.
        let directory = format!("{}/", self.prepared.launch.directory);
        let mut dying: Vec<i32> = Vec::new();
        for _ in 0..1000 {
            let left: Vec<i32> = processes(Path::new(&directory)).iter().map(|process| process.pid).collect();
            left.iter().for_each(|pid| kill(*pid, Signal::KILL));
            dying.extend(left);
            dying.retain(|pid| lives(*pid));
            if dying.is_empty() {
                break;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.kill_all();
        forget_memory(Path::new(&self.prepared.launch.directory));
    }
}

/// Runs a client program as a template's facts would have it; what it printed.
pub(crate) fn client(program: &str, args: &[&str], env: &[(&str, &str)]) -> Result<String, String> {
    let output =
        Command::new(program).args(args).envs(env.iter().copied()).stdin(Stdio::null()).output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim().to_owned();
    if output.status.success() { Ok(text(&output.stdout)) } else { Err(text(&output.stderr)) }
}

/// That no file with `secret` in it can be read by others, and that no process has it as an argument.
pub(crate) fn assert_private(directory: &Path, secret: &str) {
    let mut directories = vec![directory.to_owned()];
    while let Some(directory) = directories.pop() {
        for entry in fs::read_dir(&directory).unwrap() {
            let path = entry.unwrap().path();
            let Ok(facts) = path.symlink_metadata() else { continue };
            if facts.is_dir() {
                directories.push(path);
            } else if facts.is_file()
                && fs::read(&path).is_ok_and(|b| String::from_utf8_lossy(&b).contains(secret))
            {
                assert_eq!(facts.permissions().mode() & 0o077, 0, "{}", path.display());
            }
        }
    }
    for entry in fs::read_dir("/proc").unwrap().flatten() {
        let argv = fs::read(entry.path().join("cmdline")).unwrap_or_default();
        assert!(!String::from_utf8_lossy(&argv).contains(secret), "{:?}", entry.path());
    }
}

pub(crate) fn sql(facts: &IndexMap<String, String>, statement: &str) -> Result<String, String> {
    client("psql", &["-XAtqc", statement, &facts["url"]], &[])
}
