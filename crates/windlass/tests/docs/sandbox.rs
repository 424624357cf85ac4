//! A directory, a port and a state directory of their own for the commands of one page.

use std::fs;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use tempfile::TempDir;

use crate::repository;

/// Where the commands of a page run. What they left running is taken down with it.
pub(crate) struct Sandbox {
    root: TempDir,
    port: u16,
}

impl Sandbox {
    /// A sandbox that holds a copy of an example, or nothing.
    pub(crate) fn new(example: Option<&str>) -> Self {
        let root = tempfile::Builder::new().prefix("windlass-docs-").tempdir().unwrap();
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let sandbox = Self { root, port };
        fs::create_dir(sandbox.root.path().join("project")).unwrap();
        if let Some(example) = example {
            sandbox.copy(&repository("examples").join(example), Path::new(""));
        }
        sandbox
    }

    /// The text with this sandbox's port for 8080, which the documentation uses.
    pub(crate) fn localise(&self, text: &str) -> String {
        text.replace("8080", &self.port.to_string())
    }

    /// Writes a file of the project.
    pub(crate) fn write(&self, path: &str, text: &str) {
        let path = self.root.path().join("project").join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, self.localise(text)).unwrap();
    }

    /// Runs a line as a person would; answers the exit code, and what it printed to both outputs in one.
    pub(crate) fn run(&self, line: &str) -> (i32, String) {
        self.settle_port();
        let binary = Path::new(env!("CARGO_BIN_EXE_windlass")).parent().unwrap();
        let path = format!("{}:{}", binary.display(), std::env::var("PATH").unwrap());
        let output = Command::new("timeout")
            .args(["120", "bash", "-c", &format!("exec 2>&1; {}", self.localise(line))])
            .current_dir(self.root.path().join("project"))
            .env("PATH", path)
            .env("WINDLASS_HOME", self.root.path().join("state"))
            .env_remove("CARGO_TARGET_DIR")
            .stdin(Stdio::null())
            .output()
            .unwrap();
        (output.status.code().unwrap_or(-1), String::from_utf8_lossy(&output.stdout).into_owned())
    }

    /// The names of what the environments keep in `state/`, without what belongs to another file there.
    pub(crate) fn kept(&self) -> Vec<String> {
        let below = |path: &Path| -> Vec<PathBuf> {
            fs::read_dir(path).into_iter().flatten().flatten().map(|entry| entry.path()).collect()
        };
        let environments = below(&self.root.path().join("state")).into_iter().flat_map(|app| below(&app));
        let kept = environments.flat_map(|environment| below(&environment.join("state")));
        let names = kept.map(|path| path.file_name().unwrap().to_string_lossy().into_owned());
        // SQLite's own, and the locks of the jobs by name.
        let is_own = |name: &String| !name.contains(".db-") && !name.starts_with("run-");
        names.filter(is_own).collect()
    }

    /// A manifest that a command of the page wrote listens on the port that everybody gets: that is 8080.
    fn settle_port(&self) {
        let path = self.root.path().join("project/windlass.toml");
        let Ok(text) = fs::read_to_string(&path) else { return };
        let listen = if text.contains("\n[listen]") { "" } else { "\n[listen]\nhttp = \"127.0.0.1:8080\"\n" };
        let settled = self.localise(&format!("{text}{listen}"));
        if settled != text {
            fs::write(path, settled).unwrap();
        }
    }

    fn copy(&self, from: &Path, to: &Path) {
        for entry in fs::read_dir(from).unwrap().flatten() {
            let to = to.join(entry.file_name());
            match entry.path() {
                path if entry.file_name() == "target" || entry.file_name() == "data" => drop(path),
                path if path.is_dir() => self.copy(&path, &to),
                path if path.ends_with("windlass.toml") => {
                    self.write(&to.to_string_lossy(), &fs::read_to_string(path).unwrap());
                }
                path => {
                    let to = self.root.path().join("project").join(to);
                    fs::create_dir_all(to.parent().unwrap()).unwrap();
                    fs::copy(path, to).unwrap();
                }
            }
        }
    }
}

impl Drop for Sandbox {
    fn drop(&mut self) {
        if self.root.path().join("state").exists() {
            let _ = self.run("windlass down --yes --delete-data");
        }
        end_what_is_left(self.root.path());
    }
}

/// Ends whatever still speaks of this directory on its command line or in its environment: a page may have deployed more
/// than the one environment that `down` ends. Keepers come first, or they would start theirs again.
fn end_what_is_left(root: &Path) {
    let root = root.to_string_lossy().into_owned();
    for file in ["cmdline", "environ"] {
        for entry in fs::read_dir("/proc").into_iter().flatten().flatten() {
            let text = fs::read(entry.path().join(file)).unwrap_or_default();
            let pid = entry.file_name().to_string_lossy().parse::<u32>().ok();
            let other = pid.filter(|pid| *pid != std::process::id());
            if let Some(pid) = other.filter(|_| String::from_utf8_lossy(&text).contains(&root)) {
                let _ = Command::new("kill").args(["-9", &pid.to_string()]).status();
            }
        }
    }
}
