//! A project, its home and its port; the program that is tested.

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use windlass_testkit::ports::free_port;
use windlass_testkit::sandbox::end_all;
use windlass_testkit::watchdog::watch_over;

use crate::processes;

/// How long one call of the program may take.
const LONGEST: Duration = Duration::from_secs(400);

/// What the program said and how it ended.
#[derive(Debug)]
pub(crate) struct Said {
    pub(crate) code: Option<i32>,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Said {
    /// The call, which must have ended with this code.
    #[track_caller]
    pub(crate) fn exits(self, code: i32) -> Self {
        assert_eq!(self.code, Some(code), "\n--- stdout\n{}\n--- stderr\n{}", self.out, self.err);
        self
    }

    /// The one document of `--json`.
    #[track_caller]
    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.out).unwrap_or_else(|error| panic!("{error}: {}", self.out))
    }
}

/// A project in a directory of its own, with a home and a port of its own.
pub(crate) struct Place {
    base: tempfile::TempDir,
    pub(crate) port: u16,
    env: Vec<(String, String)>,
}

impl Place {
    /// An empty project of this name.
    pub(crate) fn new(name: &str) -> Self {
        // PostgreSQL's account must get through to its data.
        let base = tempfile::Builder::new().prefix("windlass-real-").tempdir_in("/var/tmp").unwrap();
        fs::set_permissions(base.path(), fs::Permissions::from_mode(0o711)).unwrap();
        fs::create_dir_all(base.path().join("home")).unwrap();
        fs::create_dir_all(base.path().join("project").join(name)).unwrap();
        if std::env::var_os("KEEP").is_none() {
            watch_over(base.path());
        }
        let port = free_port();
        Self { base, port, env: Vec::new() }
    }

    /// A copy of an example, listening on a port of its own.
    pub(crate) fn of_example(name: &str) -> Self {
        let place = Self::new(name);
        let example = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples").join(name);
        copy(&example, &place.project());
        place.edit("windlass.toml", "127.0.0.1:8080", &format!("127.0.0.1:{}", place.port));
        // How fast a machine is that runs other tests as well says nothing about a release.
        place.edit("windlass.toml", "[deploy]\n", "[deploy]\nmax_p95_ratio = 1000.0\n");
        place
    }

    pub(crate) fn project(&self) -> PathBuf {
        fs::read_dir(self.base.path().join("project")).unwrap().next().unwrap().unwrap().path()
    }

    pub(crate) fn home(&self) -> PathBuf {
        self.base.path().join("home")
    }

    /// The directory of the environment `local`.
    pub(crate) fn root(&self) -> PathBuf {
        let app = fs::read_dir(self.home()).unwrap().next().unwrap().unwrap().path();
        app.join("local")
    }

    pub(crate) fn write(&self, name: &str, text: &str) {
        let path = self.project().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        let _ = fs::remove_file(&path);
        let mode = if name.starts_with(".env") { 0o600 } else { 0o644 };
        let mut file =
            fs::OpenOptions::new().write(true).create(true).truncate(true).mode(mode).open(path).unwrap();
        file.write_all(text.as_bytes()).unwrap();
    }

    pub(crate) fn read(&self, name: &str) -> String {
        fs::read_to_string(self.project().join(name)).unwrap()
    }

    /// Replaces what must be there.
    #[track_caller]
    pub(crate) fn edit(&self, name: &str, from: &str, to: &str) {
        let text = self.read(name);
        assert!(text.contains(from), "{name} has no {from:?}:\n{text}");
        self.write(name, &text.replace(from, to));
    }

    /// The manifest that was proposed, but on this place's port.
    pub(crate) fn listen_here(&self) {
        let text = self.read("windlass.toml");
        assert!(!text.contains("[listen]"), "{text}");
        self.write("windlass.toml", &format!("{text}\n[listen]\nhttp = \"127.0.0.1:{}\"\n", self.port));
    }

    /// Sets a variable of the environment for all calls that follow; `None` takes it away.
    pub(crate) fn set(&mut self, name: &str, value: Option<&str>) {
        self.env.retain(|(key, _)| key != name);
        self.env.extend(value.map(|value| (name.to_owned(), value.to_owned())));
    }

    /// Calls the program in the project.
    pub(crate) fn windlass(&self, arguments: &[&str]) -> Said {
        let mut command = Command::new(env!("CARGO_BIN_EXE_windlass"));
        command.args(arguments).current_dir(self.project());
        for name in ["SECRET_KEY", "SITE_URL", "GUESTBOOK_FAULT", "PORT"] {
            command.env_remove(name);
        }
        command.env("WINDLASS_HOME", self.home()).envs(self.env.iter().map(|(key, value)| (key, value)));
        let [out, err] = [self.scratch(), self.scratch()];
        let read = |path: &Path| fs::read_to_string(path).unwrap();
        let mut child = command
            .stdin(Stdio::null())
            .stdout(fs::File::create(out.path()).unwrap())
            .stderr(fs::File::create(err.path()).unwrap())
            .spawn()
            .unwrap();
        let deadline = Instant::now() + LONGEST;
        let status = loop {
            if let Some(status) = child.try_wait().unwrap() {
                break status;
            }
            if Instant::now() > deadline {
                let _ = child.kill();
                let _ = child.wait();
                panic!(
                    "{arguments:?} takes longer than {LONGEST:?}:\n{}\n{}",
                    read(out.path()),
                    read(err.path())
                );
            }
            std::thread::sleep(Duration::from_millis(5));
        };
        Said { code: status.code(), out: read(out.path()), err: read(err.path()) }
    }

    fn scratch(&self) -> tempfile::NamedTempFile {
        tempfile::NamedTempFile::new_in(self.base.path()).unwrap()
    }

    pub(crate) fn status(&self) -> serde_json::Value {
        self.windlass(&["status", "--json"]).exits(0).json()
    }

    /// The process ids of a service's or resource's instances.
    pub(crate) fn pids(&self, name: &str) -> Vec<i64> {
        let status = self.status();
        let mut parts =
            status["services"].as_array().unwrap().iter().chain(status["resources"].as_array().unwrap());
        let part = parts.find(|part| part["name"] == name).unwrap_or_else(|| panic!("no {name} in {status}"));
        let instances = part["instances"].as_array().unwrap();
        instances
            .iter()
            .filter_map(|instance| instance["status"]["state"]["running"]["pid"].as_i64())
            .collect()
    }

    /// Takes everything down with its data: no process and no directory may be left.
    pub(crate) fn down(&self) {
        let root = self.root();
        self.windlass(&["down", "--delete-data", "--yes"]).exits(0);
        assert!(!root.exists(), "{} is still there", root.display());
        let left = || processes::of(self.base.path());
        let deadline = Instant::now() + Duration::from_secs(60);
        while !left().is_empty() {
            assert!(Instant::now() < deadline, "these still run: {:#?}", left());
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if std::thread::panicking() && std::env::var_os("KEEP").is_some() {
            eprintln!("kept: {}", self.base.path().display());
            self.base.disable_cleanup(true);
            return;
        }
        end_all(self.base.path());
    }
}

/// Waits until something is so.
#[track_caller]
pub(crate) fn wait_for(what: &str, patience: Duration, mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + patience;
    while !holds() {
        assert!(Instant::now() < deadline, "waited {patience:?} in vain: {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Copies a directory without what builds and people leave in it.
fn copy(from: &Path, to: &Path) {
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let name = entry.file_name();
        if ["target", ".venv", ".env", "static_root"].iter().any(|left_out| name == *left_out) {
            continue;
        }
        let to = to.join(&name);
        if entry.file_type().unwrap().is_dir() {
            fs::create_dir_all(&to).unwrap();
            copy(&entry.path(), &to);
        } else {
            fs::copy(entry.path(), to).unwrap();
        }
    }
}
