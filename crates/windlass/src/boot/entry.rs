//! The entry that starts the host side with the machine: which kind, whether it is there, writing it
//! and taking it away.

use std::fmt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde::{Deserialize, Serialize};
use windlass_core::name::Name;

use super::crontab;
use super::systemd::{self, Whose};
use crate::account::is_root;
use crate::host;
use crate::layout::{self, Layout};
use crate::processes;
use crate::programs::is_on_path;

/// Where it is noted, below the host side's directory.
const FILE: &str = "boot.json";

/// What starts the host side with the machine.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Entry {
    /// A unit of systemd.
    Systemd {
        /// Its file.
        unit: PathBuf,
        /// The system's, or this account's own.
        whose: Whose,
    },
    /// A line of this account's crontab.
    Crontab {
        /// The line.
        line: String,
    },
}

/// What enabling or disabling did.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Change {
    /// What starts it now (or did).
    #[serde(flatten)]
    pub entry: Entry,
    /// Whether anything had to be done.
    pub changed: bool,
}

impl fmt::Display for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Systemd { unit, whose: Whose::System } => write!(f, "systemd, by {}", unit.display()),
            Self::Systemd { unit, whose: Whose::Account } => {
                write!(f, "systemd of this account, by {}", unit.display())
            }
            Self::Crontab { .. } => f.write_str("cron, by a line of this account's crontab"),
        }
    }
}

/// The entry that was made, where it still stands as far as can be seen without asking anybody.
#[must_use]
pub fn recorded(layout: &Layout) -> Option<Entry> {
    let entry: Entry = serde_json::from_slice(&std::fs::read(layout.host().join(FILE)).ok()?).ok()?;
    match &entry {
        // One of that name may be another environment's by now.
        Entry::Systemd { unit, .. } => systemd::starts(unit, layout.root().to_str()?).then_some(entry),
        Entry::Crontab { .. } => Some(entry),
    }
}

/// Why an entry starts nothing as the machine is now, where that can be seen.
#[must_use]
pub fn nobody_reads(entry: &Entry) -> Option<&'static str> {
    match entry {
        Entry::Crontab { .. } if !may_have_cron(Path::new("/"), &running()) => Some(
            "no cron runs on this machine, so nothing will read that line: have cron started with the machine, or run \
             what the line says from whatever starts it",
        ),
        _ => None,
    }
}

/// The names of all processes; none where others' are hidden from this account.
fn running() -> Vec<String> {
    // Each account sees its own, and the first process is root's.
    match processes::name(1) {
        Ok(_) => processes::all().into_iter().filter_map(|pid| processes::name(pid).ok()).collect(),
        Err(_) => Vec::new(),
    }
}

/// Whether something may read crontabs, as far as can be seen from what runs and from what lies below `root`.
fn may_have_cron(root: &Path, running: &[String]) -> bool {
    /// What crons are called, or the one program that some machines have for everything.
    const CRONS: [&str; 5] = ["cron", "crond", "fcron", "busybox", "bcron-sched"];
    /// What makes timers of systemd of crontabs: nothing of it runs.
    const GENERATORS: [&str; 3] = [
        "usr/lib/systemd/system-generators/systemd-crontab-generator",
        "lib/systemd/system-generators/systemd-crontab-generator",
        "etc/systemd/system-generators/systemd-crontab-generator",
    ];
    running.is_empty()
        || running.iter().any(|name| CRONS.contains(&name.as_str()))
        || GENERATORS.iter().any(|generator| root.join(generator).exists())
}

/// Makes the host side start with the machine.
///
/// # Errors
/// Why it cannot, and what to do, for people.
pub fn enable(layout: &Layout, app: &Name, environment: &Name) -> Result<Change, String> {
    let program = host::program().map_err(|error| format!("this program cannot be found: {error}"))?;
    let program = plain(&program)?;
    let root = plain(layout.root())?;
    let change = if let Some(place) = systemd::place(app, environment, &root) {
        let text = systemd::unit(app, environment, place.whose, &program, &root);
        let changed = systemd::install(&place, &text)?;
        Change { entry: Entry::Systemd { unit: place.unit(), whose: place.whose }, changed }
    } else if is_on_path("crontab") {
        let line = crontab::line(&program, &root);
        let changed = crontab::add(&line, &root)?;
        Change { entry: Entry::Crontab { line }, changed }
    } else {
        return Err(format!(
            "this machine has neither systemd nor a crontab; have whatever starts it run, as {}: {program} host \
             start {root}",
            if is_root() { "root" } else { "this account" }
        ));
    };
    layout.make().map_err(|error| format!("{root} cannot be used: {error}"))?;
    serde_json::to_vec(&change.entry)
        .map_err(std::io::Error::other)
        .and_then(|noted| layout::replace_file(&layout.host().join(FILE), &noted, 0o600))
        .map_err(|error| format!("what was done cannot be noted: {error}"))?;
    Ok(change)
}

/// Takes the entry away; `None` where there was none.
///
/// # Errors
/// Why it cannot, for people.
pub fn disable(layout: &Layout) -> Result<Option<Change>, String> {
    let Some(entry) = recorded(layout) else { return Ok(None) };
    let changed = match &entry {
        Entry::Systemd { unit, whose } => {
            systemd::remove(&systemd::Place::of(unit, *whose), &plain(layout.root())?)?
        }
        Entry::Crontab { .. } => crontab::remove(&plain(layout.root())?)?,
    };
    let _not_there = std::fs::remove_file(layout.host().join(FILE));
    Ok(Some(Change { entry, changed }))
}

/// A path that means itself in a unit and in a crontab. Both have characters with meanings of their
/// own; rather than escaping them twice over, such a path is refused.
fn plain(path: &Path) -> Result<String, String> {
    let text = path.to_str().unwrap_or_default();
    let harmless = |c: char| c.is_ascii_alphanumeric() || "/._-+@,=".contains(c);
    if !text.is_empty() && text.chars().all(harmless) {
        return Ok(text.to_owned());
    }
    Err(format!(
        "{} cannot stand in a unit or a crontab: use a path of letters, digits and /._-+@,=",
        path.display()
    ))
}

/// Runs a program of the system to its end; what it complained of otherwise.
pub(super) fn run(program: &str, arguments: &[&str], input: Option<&str>) -> Result<String, String> {
    use std::io::Write;

    let failed = |error: std::io::Error| format!("{program} cannot be run: {error}");
    let mut command = Command::new(program);
    command.args(arguments).stdout(Stdio::piped()).stderr(Stdio::piped());
    command.stdin(if input.is_some() { Stdio::piped() } else { Stdio::null() });
    let mut child = command.spawn().map_err(failed)?;
    if let (Some(text), Some(mut pipe)) = (input, child.stdin.take()) {
        pipe.write_all(text.as_bytes()).map_err(failed)?;
    }
    let output = child.wait_with_output().map_err(failed)?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    Err(format!("{program} {}: {}", arguments.join(" "), said.trim()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_said_that_no_cron_runs_where_that_can_be_seen() {
        let root = tempfile::tempdir().unwrap();
        let may = |running: &[&str]| {
            let running: Vec<String> = running.iter().map(|name| (*name).to_owned()).collect();
            may_have_cron(root.path(), &running)
        };
        assert!(!may(&["init", "sh", "crontab"]));
        assert!(may(&["systemd", "cron"]) && may(&["init", "busybox"]));
        assert!(may(&[]), "the processes of others are hidden");
        let generators = root.path().join("usr/lib/systemd/system-generators");
        std::fs::create_dir_all(&generators).unwrap();
        std::fs::write(generators.join("systemd-crontab-generator"), "").unwrap();
        assert!(may(&["systemd", "sh"]), "systemd reads crontabs here");
    }

    #[test]
    fn a_path_that_means_something_to_a_shell_or_to_systemd_is_refused() {
        assert_eq!(plain(Path::new("/srv/w.1/shop/local")).as_deref(), Ok("/srv/w.1/shop/local"));
        for path in ["", "/a b", "/a%h", "/a$b", "/a;b", "/a'b", "/a\nb", "/ä"] {
            assert!(plain(Path::new(path)).is_err(), "{path:?}");
        }
    }
}
