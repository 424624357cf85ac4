//! Which version of its source a project has checked out.

use std::cell::RefCell;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::git;

/// A checkout's version.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Version {
    /// The commit; `None` where there is no version control.
    pub commit: Option<String>,
    /// Whether files differ from it.
    pub dirty: bool,
}

/// How old an answer may be that was asked for ahead.
const FRESH: Duration = Duration::from_secs(1);

/// A project's directory, whose version may be asked for ahead of its use: git takes milliseconds, in which
/// whoever asks has other things to do.
#[derive(Debug)]
pub struct Checkout {
    directory: PathBuf,
    asked: RefCell<Option<(Instant, git::Asked)>>,
}

impl Checkout {
    /// That of a directory. Nobody is asked yet.
    #[must_use]
    pub fn of(directory: &Path) -> Self {
        Self { directory: directory.to_owned(), asked: RefCell::new(None) }
    }

    /// Has git begin to look.
    pub fn ask_ahead(&self) {
        *self.asked.borrow_mut() = Some((Instant::now(), self.ask()));
    }

    /// The version, as it is now or was a moment ago. Without git, or outside a checkout, nothing is known,
    /// which is no fault.
    #[must_use]
    pub fn version(&self) -> Version {
        let ahead = self.asked.take().filter(|(at, _)| at.elapsed() < FRESH);
        let answer = ahead.map_or_else(|| self.ask(), |(_, asked)| asked).answer();
        let commit = answer.lines().find_map(|line| line.strip_prefix("# branch.oid "));
        let commit = commit.filter(|commit| commit.bytes().all(|b| b.is_ascii_hexdigit())).map(str::to_owned);
        let dirty = commit.is_some() && answer.lines().any(|line| !line.starts_with('#'));
        Version { commit, dirty }
    }

    fn ask(&self) -> git::Asked {
        git::begin(&self.directory, &["status", "--porcelain=v2", "--branch", "--", "."])
    }
}

/// The files of settings that git keeps, where they do not belong: whoever gets the source gets
/// their secrets.
#[must_use]
pub fn kept_settings(directory: &Path) -> Vec<String> {
    named(directory, &["ls-files", "-z", "--", ".env", ".env.*"])
}

/// The files of settings that git has kept at any time, on any branch: their secrets stay in the
/// history.
#[must_use]
pub fn once_kept_settings(directory: &Path) -> Vec<String> {
    let history = ["log", "--all", "--relative", "--diff-filter=A", "--name-only", "--format=", "-z"];
    let mut names = named(directory, &[&history[..], &["--", ".env", ".env.*"]].concat());
    names.sort_unstable();
    names.dedup();
    names
}

/// The files of settings that are there and that git does not ignore.
#[must_use]
pub fn unignored_settings(directory: &Path) -> Vec<String> {
    let others = ["ls-files", "-z", "--others", "--exclude-standard", "--", ".env", ".env.*"];
    named(directory, &others)
}

/// The settings files that git names in its answer; none where there is no git, or no checkout.
fn named(directory: &Path, arguments: &[&str]) -> Vec<String> {
    let answer = git::ask(directory, arguments);
    // What only shows which settings there are is meant to be kept.
    let is_pattern =
        |name: &str| [".example", ".sample", ".template", ".dist"].iter().any(|end| name.ends_with(end));
    let names = answer.split(['\0', '\n']).filter(|name| !name.is_empty() && !name.contains('/'));
    names.filter(|name| !is_pattern(name)).map(str::to_owned).collect()
}
