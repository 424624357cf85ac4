//! What a test needs of the machine. What is missing is said, and the test is left out; in CI it fails.

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use windlass_testkit::machine;

/// Something of the machine.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Need {
    /// A program on the path.
    Program(&'static str),
    /// PostgreSQL's server, which Debian keeps away from the path.
    Postgres,
    /// Python 3.11 or later with its module venv.
    Python,
    /// A package that pip can get.
    PyPi(&'static str),
    /// A package that npm can get.
    Npm(&'static str),
    /// uv itself: on the path, or from where pip gets packages.
    Uv,
}

/// Whether all is there; says what is not.
pub(crate) fn are_met(test: &str, needs: &[Need]) -> bool {
    let missing: Vec<String> = needs.iter().filter_map(missing).collect();
    if !missing.is_empty() {
        machine::lacks(test, &missing.join("; "));
    }
    missing.is_empty()
}

fn missing(need: &Need) -> Option<String> {
    match need {
        Need::Program(name) => (!is_on_path(name)).then(|| format!("{name} is not installed")),
        Need::Postgres => {
            let debian =
                std::fs::read_dir("/usr/lib/postgresql").is_ok_and(|mut versions| versions.next().is_some());
            (!debian && !is_on_path("postgres")).then(|| "PostgreSQL is not installed".to_owned())
        }
        Need::Python => {
            let check = "import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))";
            (!succeeds("python3", &["-c", check]))
                .then(|| "python3 (3.11 or later) with venv is not installed".to_owned())
        }
        Need::Npm(package) => {
            (!succeeds("npm", &["view", package, "version"])).then(|| format!("npm cannot get {package}"))
        }
        Need::Uv if is_on_path("uv") => None,
        Need::Uv => missing(&Need::PyPi("uv")).map(|why| format!("uv is not installed, and {why}")),
        Need::PyPi(package) => {
            let arguments = ["-m", "pip", "download", "--quiet", "--no-deps", "--dest"];
            let directory = tempfile::tempdir().unwrap();
            let mut arguments = arguments.to_vec();
            arguments.extend([directory.path().to_str().unwrap(), package]);
            (!succeeds("python3", &arguments)).then(|| format!("pip cannot download {package}"))
        }
    }
}

/// A directory for the path in which uv is; installed below `tools` where the machine has none.
pub(crate) fn uv(tools: &Path) -> Option<PathBuf> {
    if is_on_path("uv") {
        return None;
    }
    let to = tools.to_str().unwrap();
    assert!(succeeds("python3", &["-m", "pip", "install", "--quiet", "--target", to, "uv"]));
    Some(tools.join("bin"))
}

/// Where pip gets packages, if it was told: uv reads neither its configuration nor its variables.
pub(crate) fn index() -> Option<String> {
    let asked = Command::new("python3").args(["-m", "pip", "config", "get", "global.index-url"]).output();
    let told = |output: Output| String::from_utf8_lossy(&output.stdout).trim().to_owned();
    let configured = || asked.ok().filter(|output| output.status.success()).map(told);
    std::env::var("PIP_INDEX_URL").ok().or_else(configured).filter(|index| !index.is_empty())
}

fn is_on_path(name: &str) -> bool {
    let path = std::env::var("PATH").unwrap_or_default();
    path.split(':').any(|directory| Path::new(directory).join(name).is_file())
}

fn succeeds(program: &str, arguments: &[&str]) -> bool {
    let mut command = Command::new(program);
    command.args(arguments).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command.status().is_ok_and(|status| status.success())
}
