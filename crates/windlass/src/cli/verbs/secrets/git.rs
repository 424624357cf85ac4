//! Git's part: how encrypted files are merged, and how they were.

use std::fs;
use std::io;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::layout;

/// Git neither changes line ends of encrypted files nor merges them by itself.
const ATTRIBUTES: &str = "secrets.*.enc -text merge=windlass-secrets";

const DRIVER: &[(&str, &str)] = &[
    ("merge.windlass-secrets.name", "Windlass's encrypted files, value by value"),
    ("merge.windlass-secrets.driver", "windlass secrets merge %O %A %B"),
];

/// How many versions of a file are looked at.
const VERSIONS: &str = "200";

/// The texts of the versions of a file that git has, the newest first; none where there is no git.
pub(super) fn versions(project: &Path, file: &str) -> Vec<String> {
    let ask = |arguments: &[&str]| {
        let mut command = Command::new("git");
        // It only looks: no lock of the index is taken, and none left behind.
        command.arg("-C").arg(project).args(arguments).env("GIT_OPTIONAL_LOCKS", "0");
        let output = command.stdin(Stdio::null()).stderr(Stdio::null()).output().ok()?;
        output.status.success().then_some(output.stdout)
    };
    let commits = ask(&["log", "-n", VERSIONS, "--format=%H", "--", file]).unwrap_or_default();
    let commits = String::from_utf8_lossy(&commits).into_owned();
    let text = |commit: &str| String::from_utf8(ask(&["show", &format!("{commit}:./{file}")])?).ok();
    commits.lines().filter_map(text).collect()
}

/// What was done.
pub(super) struct Prepared {
    /// Whether `.gitattributes` was written.
    pub(super) attributes: bool,
    /// Whether this clone knows the merge driver now.
    pub(super) driver: bool,
}

/// Prepares a project that git keeps; the attributes are written in any case.
pub(super) fn prepare(project: &Path) -> io::Result<Prepared> {
    Ok(Prepared { attributes: write_attributes(project)?, driver: set_driver(project) })
}

fn write_attributes(project: &Path) -> io::Result<bool> {
    let path = project.join(".gitattributes");
    let mut text = match fs::read_to_string(&path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => String::new(),
        text => text?,
    };
    if text.lines().any(|line| line.trim() == ATTRIBUTES) {
        return Ok(false);
    }
    if !text.is_empty() && !text.ends_with('\n') {
        text.push('\n');
    }
    text.push_str(ATTRIBUTES);
    text.push('\n');
    layout::replace_file(&path, text.as_bytes(), 0o644)?;
    Ok(true)
}

/// Attributes are part of the repository; what a driver runs is, for good reason, part of each clone
/// alone.
fn set_driver(project: &Path) -> bool {
    let git = |arguments: &[&str]| {
        let mut command = Command::new("git");
        command.arg("-C").arg(project).args(arguments);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        command.status().is_ok_and(|status| status.success())
    };
    git(&["rev-parse", "--is-inside-work-tree"])
        && DRIVER.iter().all(|(key, value)| git(&["config", "--local", key, value]))
}
