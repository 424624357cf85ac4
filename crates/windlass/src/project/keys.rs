//! Private keys that lie in a project, such as `windlass secrets keygen FILE` has written.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use windlass_core::settings::sealed::Identity;
use zeroize::Zeroizing;

use super::git;

/// More than any key file has.
const LARGEST: u64 = 64 << 10;

/// A file with a private key in it.
#[derive(Debug, PartialEq, Eq)]
pub struct KeyFile {
    /// Its name, relative to the project.
    pub name: String,
    /// What git does with it; `None` where it is ignored, or there is no git.
    pub kept: Option<Kept>,
    /// Its mode, where it is there.
    pub mode: Option<u32>,
}

/// What git does with a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kept {
    /// It keeps it.
    Now,
    /// It will, with the next `git add .`.
    Soon,
    /// It did, and its history has it.
    Once,
}

/// The key files that git finds in the project, and those that lie beside the manifest.
#[must_use]
pub fn find(project: &Path) -> Vec<KeyFile> {
    let kept = grep(project, "--cached");
    let soon = grep(project, "--untracked");
    let once = once(project);
    let beside = fs::read_dir(project).into_iter().flatten().flatten();
    let beside = beside.filter_map(|entry| entry.file_name().into_string().ok());
    let beside = beside.filter(|name| has_key(&content(&project.join(name)).unwrap_or_default()));
    let names: BTreeSet<String> = kept.iter().chain(&soon).chain(&once).cloned().chain(beside).collect();
    let state = |name: &String| {
        let states = [(&kept, Kept::Now), (&once, Kept::Once), (&soon, Kept::Soon)];
        states.into_iter().find(|(names, _)| names.contains(name)).map(|(_, state)| state)
    };
    // Of the file that a link leads to, and only while there is a key in it.
    let mode = |name: &String| {
        let path = project.join(name);
        let facts = fs::metadata(&path).ok().filter(|_| content(&path).is_some_and(|text| has_key(&text)));
        facts.map(|facts| facts.mode() & 0o777)
    };
    names.into_iter().map(|name| KeyFile { kept: state(&name), mode: mode(&name), name }).collect()
}

/// The files in which git sees a key, `--cached` in what it keeps and `--untracked` also in what it does not ignore.
fn grep(project: &Path, among: &str) -> BTreeSet<String> {
    let found = git::ask(project, &["grep", among, "-I", "-l", "-z", "-E", "-e", &line()]);
    let found = found.split('\0').filter(|name| !name.is_empty());
    // What only looks like a key, such as one in a text about keys, is none.
    let is_key = |name: &&str| match among {
        "--cached" => has_key(&git::ask(project, &["show", &format!(":./{name}")])),
        _ => has_key(&content(&project.join(name)).unwrap_or_default()),
    };
    found.filter(is_key).map(str::to_owned).collect()
}

/// The files that git kept a key in at any time, on any branch. Only those are looked at whose names say
/// that they are keys: a long history takes too long otherwise.
fn once(project: &Path) -> BTreeSet<String> {
    let history = [
        "log",
        "--all",
        "--relative",
        "--diff-filter=AM",
        "--no-renames",
        "--name-only",
        "--format=",
        "-z",
        "-G",
    ];
    let found = git::ask(project, &[&history[..], &[&line(), "--", ":(icase)*key*"]].concat());
    found.split(['\0', '\n']).filter(|name| !name.is_empty()).map(str::to_owned).collect()
}

/// What the line of a key looks like, as an extended regular expression.
fn line() -> String {
    format!("^[[:space:]]*{}[A-Za-z0-9_-]{{48}}[[:space:]]*$", Identity::PREFIX)
}

/// The text of a file that is small enough for a key file.
fn content(path: &Path) -> Option<Zeroizing<String>> {
    let is_small = fs::metadata(path).is_ok_and(|facts| facts.is_file() && facts.len() <= LARGEST);
    is_small.then(|| fs::read_to_string(path).ok().map(Zeroizing::new))?
}

fn has_key(text: &str) -> bool {
    text.lines().any(|line| Identity::parse(line.trim()).is_some())
}
