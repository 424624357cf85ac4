//! Looking for secrets in what git kept at any time: in all versions of all files, on all branches and tags.
//!
//! Whoever has a copy of the repository has those, so what is found has to be exchanged. A history may be as large as it
//! likes, so a search of it ends in time, and says where it did. Git lists it, the newest first, and waits while what it
//! has listed is read: however long a history is, its newest part is looked at.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::Path;
use std::time::{Duration, Instant};

use super::{Kept, LARGEST, Repository, Search, is_binary, is_sealed, size};
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

/// As many versions are read together, and fewer where listing them takes this part of the time.
const AT_ONCE: usize = 4096;
const PART: u32 = 10;

const TOO_LONG: &str = "it takes too long";
const TOO_MANY: &str = "it has too many versions of files";
const SHALLOW: &str = "this clone has only the newest commits";
const PARTIAL: &str = "this clone does not have all versions of files";
const UNLISTED: &str = "git failed before it had listed all of it (run: git fsck)";

/// A version of a file.
struct Version {
    object: String,
    path: String,
    /// The newest commit that has it.
    commit: String,
}

impl Search<'_> {
    /// Looks through all versions of files but those that the last commit and the next one have.
    #[must_use]
    pub fn in_history(&self, project: &Path, limits: Limits) -> History {
        let begin = Instant::now();
        self.in_history_by(project, limits, &|| begin.elapsed())
    }

    /// The same by a clock, which says how long it has taken.
    pub(super) fn in_history_by(
        &self,
        project: &Path,
        limits: Limits,
        clock: &dyn Fn() -> Duration,
    ) -> History {
        // What git does not say is told of by the search in what it keeps now.
        let Ok(Some(repository)) = Repository::of(project) else { return History::default() };
        let Ok(files) = repository.files() else { return History::default() };
        let mut reading = Reading {
            search: self,
            repository: &repository,
            files,
            limits,
            clock,
            commit: String::new(),
            known: HashSet::new(),
            listed: vec![],
            since: clock(),
            hits: vec![],
            history: History::default(),
        };
        if git::ask(project, &["rev-parse", "--is-shallow-repository"]).trim() == "true" {
            reading.cut(SHALLOW);
        }
        reading.all();
        History { hits: newest_of_each(reading.hits), ..reading.history }
    }
}

/// A history that is being read.
struct Reading<'a> {
    search: &'a Search<'a>,
    repository: &'a Repository,
    /// Those that are looked at elsewhere.
    files: BTreeMap<String, Vec<Kept>>,
    limits: Limits,
    clock: &'a dyn Fn() -> Duration,
    /// The one that is being listed, by the beginning of its name.
    commit: String,
    /// All objects that were listed.
    known: HashSet<String>,
    /// Those that were not read yet.
    listed: Vec<Version>,
    /// When the last ones had been read.
    since: Duration,
    /// The newest first.
    hits: Vec<PastHit>,
    history: History,
}

impl Reading<'_> {
    fn all(&mut self) {
        // What is stashed away here nobody else has.
        let all = ["--exclude=refs/stash", "--all"];
        // It fails at the first object that a partial clone lacks where it is not to print it.
        let list = ["rev-list", "--objects", "--missing=print", "--in-commit-order", all[0], all[1]];
        let repository = self.repository;
        if !git::lines_while(&repository.top, &list, |line| self.goes_on(line)) {
            self.cut(UNLISTED);
        }
        self.read();
    }

    /// Notes why not all is looked at. What came of it is no reason of its own.
    fn cut(&mut self, why: &'static str) {
        self.history.cut.get_or_insert(why);
    }

    fn is_late(&mut self) -> bool {
        let is_late = (self.clock)() >= self.limits.time;
        if is_late {
            self.cut(TOO_LONG);
        }
        is_late
    }

    /// Takes a line of what git lists; says whether there is time for more.
    fn goes_on(&mut self, line: &str) -> bool {
        if self.is_late() {
            return false;
        }
        if let Some(missing) = line.strip_prefix('?') {
            if !self.files.contains_key(missing) {
                self.cut(PARTIAL);
            }
            return true;
        }
        match line.split_once(' ') {
            None => self.commit = line.chars().take(SHORT).collect(),
            // The directory of all has no name.
            Some((_, "")) => {}
            Some((object, path)) if !self.files.contains_key(object) => {
                if self.known.len() >= self.limits.versions && !self.known.contains(object) {
                    self.cut(TOO_MANY);
                    return false;
                }
                if self.known.insert(object.to_owned()) {
                    let path = self.repository.seen_from_project(path);
                    self.listed.push(Version {
                        object: object.to_owned(),
                        path,
                        commit: self.commit.clone(),
                    });
                }
            }
            Some(_) => {}
        }
        let is_enough = self.listed.len() >= AT_ONCE
            || (self.clock)().saturating_sub(self.since) >= self.limits.time / PART;
        if is_enough && !self.listed.is_empty() {
            self.read();
        }
        true
    }

    /// Looks for secrets in what was listed.
    fn read(&mut self) {
        let listed = std::mem::take(&mut self.listed);
        let sizes = self.sizes(&listed);
        let is_small = |version: &&Version| sizes.get(&*version.object).is_some_and(|size| *size <= LARGEST);
        // Directories are among them, and have no size.
        let wanted: HashMap<&str, &Version> =
            listed.iter().filter(is_small).map(|version| (&*version.object, version)).collect();
        let in_order: Vec<&str> = listed.iter().filter(is_small).map(|version| &*version.object).collect();
        self.history.passed_over += sizes.len() - wanted.len();
        let repository = self.repository;
        let mut unread = in_order.len();
        git::contents_while(&repository.top, &in_order, |object, text| {
            if self.is_late() {
                return false;
            }
            unread -= 1;
            let Some(version) = wanted.get(object) else { return true };
            if is_binary(text) {
                self.history.passed_over += 1;
                return true;
            }
            if is_sealed(text) {
                return true;
            }
            self.history.versions += 1;
            for (setting, line, _) in self.search.in_text(text) {
                let (file, commit) = (version.path.clone(), version.commit.clone());
                self.hits.push(PastHit { setting, file, line, commit, more: 0 });
            }
            true
        });
        if unread > 0 {
            self.cut(PARTIAL);
        }
        self.since = (self.clock)();
    }

    fn sizes<'v>(&mut self, listed: &'v [Version]) -> HashMap<&'v str, u64> {
        let objects: Vec<&str> = listed.iter().map(|version| &*version.object).collect();
        let (mut sizes, mut at) = (HashMap::new(), 0);
        let repository = self.repository;
        // Git answers in the order in which it is asked.
        git::sizes_while(&repository.top, &objects, |line| {
            if self.is_late() {
                return false;
            }
            if line.ends_with(" missing") {
                self.cut(PARTIAL);
            }
            sizes.extend(objects.get(at).copied().zip(size(line).map(|(_, size)| size)));
            at += 1;
            true
        });
        sizes
    }
}

/// Of the versions of a file that have a secret the newest, with the number of the others. The newest comes first.
fn newest_of_each(hits: Vec<PastHit>) -> Vec<PastHit> {
    let mut of_each: BTreeMap<(String, String), PastHit> = BTreeMap::new();
    for hit in hits {
        let key = (hit.file.clone(), hit.setting.clone());
        of_each.entry(key).and_modify(|newest| newest.more += 1).or_insert(hit);
    }
    of_each.into_values().collect()
}
