//! Looking for secrets in what git kept at any time: in all versions of all files, on all branches and tags.
//!
//! Whoever has a copy of the repository has those, so what is found has to be exchanged. A history may be as large as it
//! likes, so a search of it ends in time, and says where it did.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::Path;
use std::time::{Duration, Instant};

use super::{Kept, LARGEST, Repository, Search, is_binary, is_sealed_path};
use crate::project::git;

/// How much of a history is looked at.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// How long.
    pub time: Duration,
    /// How many versions of files, the newest first.
    pub versions: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { time: Duration::from_secs(5), versions: 500_000 }
    }
}

/// A secret in a version of a file that is no longer the one in force.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PastHit {
    /// Whose it is.
    pub setting: String,
    /// The file, as seen from the project.
    pub file: String,
    /// The first line with it, from 1.
    pub line: u32,
    /// The newest commit that has it, by the beginning of its name.
    pub commit: String,
    /// How many more versions of the file have it.
    pub more: u32,
}

/// What was found in a history, and how much of it was looked at.
#[derive(Debug, Default)]
pub struct History {
    /// What was found, by file.
    pub hits: Vec<PastHit>,
    /// How many versions of files were looked at.
    pub versions: usize,
    /// Why that is not all of it, where it is not.
    pub cut: Option<&'static str>,
    /// How many versions are too large, or no text.
    pub passed_over: usize,
}

/// As many characters of a commit's name are enough to find it.
const SHORT: usize = 10;

/// A version of a file.
struct Version {
    path: String,
    /// The newest commit that has it.
    commit: String,
    /// Its place among all, the newest first.
    rank: usize,
}

impl Search<'_> {
    /// Looks through all versions of files but those that the last commit and the next one have.
    #[must_use]
    pub fn in_history(&self, project: &Path, limits: Limits) -> History {
        let mut history = History::default();
        // What git does not say is told of by the search in what it keeps now.
        let Ok(Some(repository)) = Repository::of(project) else { return history };
        let Ok(files) = repository.files() else { return history };
        let end = Instant::now() + limits.time;
        if git::ask(project, &["rev-parse", "--is-shallow-repository"]).trim() == "true" {
            history.cut = Some("this clone has only the newest commits");
        }
        let found = repository.versions(&files, limits.versions, end);
        if !found.is_whole {
            history.cut = Some("it has too many versions of files");
        }
        let versions = found.versions;
        let names: Vec<&str> = found.order.iter().map(String::as_str).collect();
        let sizes = repository.sizes(names.iter().copied());
        let is_small = |object: &&str| sizes.get(*object).is_some_and(|size| *size <= LARGEST);
        // Directories are among them, and have no size.
        let wanted: Vec<&str> = names.into_iter().filter(is_small).collect();
        history.passed_over = sizes.len() - wanted.len();
        let mut hits: Vec<(usize, PastHit)> = Vec::new();
        let mut is_late = false;
        git::contents_while(&repository.top, &wanted, |object, text| {
            is_late = Instant::now() >= end;
            if is_late {
                return false;
            }
            let Some(version) = versions.get(object) else { return true };
            if is_binary(text) {
                history.passed_over += 1;
                return true;
            }
            history.versions += 1;
            for (setting, line, _) in self.in_text(text) {
                let (file, commit) = (version.path.clone(), version.commit.clone());
                hits.push((version.rank, PastHit { setting, file, line, commit, more: 0 }));
            }
            true
        });
        if is_late {
            history.cut = Some("it takes too long");
        }
        history.hits = newest_of_each(hits);
        history
    }
}

/// Of the versions of a file that have a secret the newest, with the number of the others.
fn newest_of_each(mut hits: Vec<(usize, PastHit)>) -> Vec<PastHit> {
    hits.sort_by_key(|(rank, _)| *rank);
    let mut of_each: BTreeMap<(String, String), PastHit> = BTreeMap::new();
    for (_, hit) in hits {
        let key = (hit.file.clone(), hit.setting.clone());
        of_each.entry(key).and_modify(|newest| newest.more += 1).or_insert(hit);
    }
    of_each.into_values().collect()
}

/// The versions of files in a history.
#[derive(Default)]
struct Versions {
    versions: HashMap<String, Version>,
    /// The newest first.
    order: Vec<String>,
    is_whole: bool,
}

impl Repository {
    /// All versions of files, and directories, but those of `files`.
    fn versions(&self, files: &BTreeMap<String, Vec<Kept>>, most: usize, end: Instant) -> Versions {
        let mut found = Versions { is_whole: true, ..Versions::default() };
        let (mut commit, mut known) = (String::new(), HashSet::new());
        // What is stashed away here nobody else has.
        let list = ["rev-list", "--objects", "--in-commit-order", "--exclude=refs/stash", "--all"];
        git::lines_while(&self.top, &list, |line| {
            if found.order.len() >= most || Instant::now() >= end {
                found.is_whole = false;
                return false;
            }
            match line.split_once(' ') {
                None => commit = line.chars().take(SHORT).collect(),
                // The directory of all has no name.
                Some((_, "")) => {}
                Some((object, path)) => {
                    let is_new = !files.contains_key(object) && !is_sealed_path(path);
                    if is_new && known.insert(object.to_owned()) {
                        let rank = found.order.len();
                        let (path, commit) = (self.seen_from_project(path), commit.clone());
                        found.versions.insert(object.to_owned(), Version { path, commit, rank });
                        found.order.push(object.to_owned());
                    }
                }
            }
            true
        });
        found
    }
}
