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
    /// What differs from it, or is not part of it, below the project's directory; of a directory that is not,
    /// or is a repository of its own, only its name, with a `/` behind it. What was renamed has both names.
    pub changed: Vec<String>,
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
        let commit = answer.split('\0').find_map(|line| line.strip_prefix("# branch.oid "));
        let commit = commit.filter(|commit| commit.bytes().all(|b| b.is_ascii_hexdigit())).map(str::to_owned);
        let is_checkout = |above: &&Path| above.join(".git").symlink_metadata().is_ok();
        let checkout = self.directory.ancestors().find(is_checkout).unwrap_or(&self.directory);
        let within = self.directory.strip_prefix(checkout).unwrap_or(Path::new("")).join("");
        let within = within.to_string_lossy();
        let below = |path: String| path.strip_prefix(&*within).map(str::to_owned);
        Version { commit, changed: changed(&answer).into_iter().filter_map(below).collect() }
    }

    fn ask(&self) -> git::Asked {
        git::begin(&self.directory, &["status", "--porcelain=v2", "--branch", "-z", "--", "."])
    }
}

/// The paths that `git status --porcelain=v2 -z` tells of, as seen from the checkout's directory.
fn changed(answer: &str) -> Vec<String> {
    let mut paths = Vec::new();
    let mut lines = answer.split('\0');
    while let Some(line) = lines.next() {
        let fields = match line.as_bytes().first() {
            Some(b'?') => 2,
            Some(b'1') => 9,
            Some(b'2') => 10,
            Some(b'u') => 11,
            _ => continue,
        };
        let words: Vec<&str> = line.splitn(fields, ' ').collect();
        if let Some(path) = words.get(fields - 1) {
            // Of a submodule it is not said what in it was changed.
            let is_repository = fields > 2 && words[2].starts_with('S');
            paths.push(format!("{path}{}", if is_repository { "/" } else { "" }));
        }
        if fields == 10 {
            // What it was called before follows: it is taken no more.
            paths.extend(lines.next().map(str::to_owned));
        }
    }
    paths
}

/// What files of settings are called, anywhere in a project.
const SETTINGS: [&str; 4] = [":(glob)**/.env", ":(glob)**/.env.*", ":(glob)**/*.env", ":(glob)**/.envrc"];

/// The files of settings that git keeps, where they do not belong: whoever gets the source gets
/// their secrets.
#[must_use]
pub fn kept_settings(directory: &Path) -> Vec<String> {
    named(directory, &["ls-files", "-z"])
}

/// Of which files git was asked whether it keeps them: it takes milliseconds, in which there are other things to do.
#[derive(Debug)]
pub struct Keeping(git::Asked);

impl Keeping {
    /// Has git begin to look for files of `directory`.
    #[must_use]
    pub fn of(directory: &Path, names: &[String]) -> Self {
        let names = names.iter().map(String::as_str).collect::<Vec<_>>();
        let begin = ["--literal-pathspecs", "ls-files", "-z", "--"];
        Self(git::begin(directory, &[&begin[..], &names].concat()))
    }

    /// Those that it keeps.
    #[must_use]
    pub fn kept(self) -> Vec<String> {
        self.0.answer().split('\0').filter(|name| !name.is_empty()).map(str::to_owned).collect()
    }
}

/// The files of settings that git has kept at any time, on any branch: their secrets stay in the
/// history.
#[must_use]
pub fn once_kept_settings(directory: &Path) -> Vec<String> {
    let history = ["log", "--all", "--relative", "--diff-filter=A", "--name-only", "--format=", "-z"];
    let mut names = named(directory, &history);
    names.sort_unstable();
    names.dedup();
    names
}

/// The files of settings that are there and that git does not ignore.
#[must_use]
pub fn unignored_settings(directory: &Path) -> Vec<String> {
    named(directory, &["ls-files", "-z", "--others", "--exclude-standard"])
}

/// The settings files that git names in its answer; none where there is no git, or no checkout.
fn named(directory: &Path, arguments: &[&str]) -> Vec<String> {
    let answer = git::ask(directory, &[arguments, &["--"], &SETTINGS].concat());
    let names = answer.split(['\0', '\n']).filter(|name| !name.is_empty());
    names.filter(|name| !is_pattern(name)).map(str::to_owned).collect()
}

/// The first or the last word of a file that only shows which settings there are.
const PATTERNS: [&str; 4] = ["example", "sample", "template", "dist"];

/// Whether a file only shows which settings there are, and is meant to be kept.
fn is_pattern(path: &str) -> bool {
    let name = path.rsplit('/').next().unwrap_or_default();
    let mut words = name.split(['.', '-', '_']).filter(|word| !word.is_empty());
    let says_so = |word: Option<&str>| word.is_some_and(|word| PATTERNS.contains(&word));
    says_so(words.next()) || says_so(words.next_back())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_git_tells_of_a_checkout_are_paths() {
        let answer = [
            "# branch.oid 39",
            "1 .M N... 100644 100644 100644 78 78 sub/a b",
            "2 R. N... 100644 100644 100644 7 8 R100 sub/to",
            "sub/from there",
            "1 .M S.M. 160000 160000 160000 7 7 sub/module",
            "u UU N... 1 2 3 4 5 6 7 sub/both",
            "? sub/new/",
        ];
        let answer = answer.join("\0");
        let paths = ["sub/a b", "sub/to", "sub/from there", "sub/module/", "sub/both", "sub/new/"];
        assert_eq!(changed(&answer), paths);
    }

    #[test]
    fn settings_are_found_wherever_git_keeps_them() {
        let place = tempfile::tempdir().unwrap();
        let project = place.path().join("project");
        let git = |arguments: &[&str]| {
            let output =
                std::process::Command::new("git").arg("-C").arg(&project).args(arguments).output().unwrap();
            assert!(output.status.success(), "{arguments:?}: {output:?}");
        };
        let write = |name: &str| {
            let path = project.join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, "A=1\n").unwrap();
        };
        write("a/.env");
        git(&["init", "--quiet"]);
        git(&["config", "user.name", "Ada"]);
        git(&["config", "user.email", "ada@shop.internal"]);
        let kept = [".env", ".env.template.local", "a/.env", "a/b/.env.production", "prod.env", "web/.envrc"];
        let patterns =
            [".env.example", "a/.env.sample", "a/example.env", ".env.dist", "env", "a/environment"];
        for name in kept.iter().chain(&patterns) {
            write(name);
        }
        git(&["add", "."]);
        git(&["commit", "--quiet", "--message", "All"]);
        assert_eq!(kept_settings(&project), kept);
        assert_eq!(once_kept_settings(&project), kept);
        git(&["rm", "--quiet", "--cached", "a/.env", "prod.env"]);
        let left = [".env", ".env.template.local", "a/b/.env.production", "web/.envrc"];
        assert_eq!(kept_settings(&project), left);
        assert_eq!(unignored_settings(&project), ["a/.env", "prod.env"]);
        assert_eq!(kept_settings(&project.join("a")), ["b/.env.production"]);
        assert_eq!(once_kept_settings(&project.join("a")), [".env", "b/.env.production"]);
    }
}
