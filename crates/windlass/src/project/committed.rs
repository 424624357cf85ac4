//! Looking for secrets in the files that git keeps: in the last commit, and in what the next one takes.
//!
//! Each file is read once, however many secrets are sought. Older commits and other branches are another search
//! ([`history`]). What git keeps elsewhere is not looked at: submodules, what Git LFS has.

mod history;

pub use history::{History, Limits, PastHit};

use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::Path;

use aho_corasick::{AhoCorasick, AhoCorasickKind};
use windlass_core::settings::audit::Sought;
use windlass_core::settings::sealed::HEADER;
use windlass_core::spec::Encoding;
use zeroize::Zeroizing;

use super::git;
use crate::settings::encodings;

/// Larger files, in bytes, are no text that a person wrote.
const LARGEST: u64 = 1 << 20;

/// How much is read in all, in bytes.
const MOST: u64 = 128 << 20;

/// Texts of at least this length, in bytes, are found also within a longer word.
const SURELY: usize = 16;

/// In how many bytes at the beginning of a file git looks whether it is a text.
const LOOKED_AT: usize = 8000;

/// A secret that stands in a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hit {
    /// Whose it is.
    pub setting: String,
    /// The file, as seen from the project.
    pub file: String,
    /// The first line with it, from 1.
    pub line: u32,
    /// How many more lines have it.
    pub more: u32,
    /// Whether only the last commit has it so, and the next one no longer does.
    pub is_past: bool,
}

/// What was found, and what was not looked at.
#[derive(Debug, Default)]
pub struct Searched {
    /// What was found, by file.
    pub hits: Vec<Hit>,
    /// How many files were looked at.
    pub files: usize,
    /// Those that are too large.
    pub large: Vec<String>,
    /// Those that are no text.
    pub binary: Vec<String>,
    /// Those that came when enough was read.
    pub beyond: Vec<String>,
    /// Those whose content is not here, as in a partial clone.
    pub missing: Vec<String>,
    /// Why git did not say what it keeps, where there is a repository.
    pub unanswered: Option<String>,
}

/// A search for several texts at once.
pub struct Search<'a> {
    sought: &'a [Sought],
    forms: AhoCorasick,
    /// Whose form each is, and whether it is found within a longer word.
    of: Vec<(usize, bool)>,
}

impl<'a> Search<'a> {
    /// For `sought`, as they are and as they are written in JSON, in URLs, in shells, in hex and in base64; `None`
    /// where there is nothing to look for.
    #[must_use]
    pub fn of(sought: &'a [Sought]) -> Option<Self> {
        let (mut forms, mut of): (Vec<Zeroizing<String>>, Vec<_>) = (Vec::new(), Vec::new());
        let mut known = HashSet::new();
        for (at, Sought { text, .. }) in sought.iter().enumerate() {
            let encoded = [Encoding::Json, Encoding::Url].map(|way| Zeroizing::new(way.encode(text)));
            let plain = encodings::forms(text).into_iter().chain(encoded);
            for (form, within) in plain.map(|form| (form, false)).chain(
                // Its neighbours are encoded with it.
                encodings::base64(text).into_iter().map(|form| (form, true)),
            ) {
                if known.insert(blake3::hash(form.as_bytes())) {
                    of.push((at, within || form.len() >= SURELY));
                    forms.push(form);
                }
            }
        }
        let mut search = AhoCorasick::builder();
        let search = search.kind(Some(AhoCorasickKind::ContiguousNFA));
        let patterns = forms.iter().map(|form| form.as_bytes());
        // Only beyond 2^31 patterns or states.
        let forms = search.build(patterns).ok().filter(|_| !of.is_empty())?;
        Some(Self { sought, forms, of })
    }

    /// The settings of which a secret stands in a text, with the first line and the number of more lines.
    #[must_use]
    pub fn in_text(&self, text: &[u8]) -> Vec<(String, u32, u32)> {
        let mut places = Vec::new();
        for hit in self.forms.find_overlapping_iter(text) {
            let (sought, within) = self.of[hit.pattern().as_usize()];
            if within || is_apart(text, hit.start(), hit.end()) {
                places.push((hit.start(), sought));
            }
        }
        // In the order of the text, so that its lines are counted once.
        places.sort_unstable();
        let mut of_settings: BTreeMap<&str, Vec<u32>> = BTreeMap::new();
        let (mut line, mut counted) = (1_u32, 0);
        for (place, sought) in places {
            let passed = text[counted..place].iter().filter(|&&byte| byte == b'\n').count();
            line = u32::try_from(passed).map_or(u32::MAX, |passed| line.saturating_add(passed));
            counted = place;
            of_settings.entry(&self.sought[sought].setting).or_default().push(line);
        }
        let told = of_settings.into_iter().filter_map(|(setting, mut lines)| {
            lines.dedup();
            let more = u32::try_from(lines.len().saturating_sub(1)).unwrap_or(u32::MAX);
            Some((setting.to_owned(), *lines.first()?, more))
        });
        told.collect()
    }

    /// Looks through what git keeps of the repository that `project` lies in. Nothing where there is no
    /// repository.
    #[must_use]
    pub fn in_repository(&self, project: &Path) -> Searched {
        let mut searched = Searched::default();
        let found = Repository::of(project)
            .and_then(|repository| repository.map(|one| Ok((one.files()?, one))).transpose());
        let (files, repository) = match found {
            Ok(Some(found)) => found,
            Ok(None) => return searched,
            Err(why) => return Searched { unanswered: Some(why), ..searched },
        };
        let sizes = repository.sizes(files.keys().map(String::as_str));
        let mut wanted = Vec::new();
        let mut read = 0;
        for (object, kept) in &files {
            let paths = kept.iter().map(|kept| kept.path.clone());
            match sizes.get(object) {
                None => searched.missing.extend(paths),
                Some(size) if *size > LARGEST => searched.large.extend(paths),
                Some(size) if read + size > MOST => searched.beyond.extend(paths),
                Some(size) => {
                    read += size;
                    wanted.push(object.as_str());
                }
            }
        }
        let mut unread: HashSet<&str> = wanted.iter().copied().collect();
        git::contents_while(&repository.top, &wanted, |object, text| {
            let Some(kept) = files.get(object) else { return true };
            unread.remove(object);
            if is_binary(text) {
                searched.binary.extend(kept.iter().map(|kept| kept.path.clone()));
                return true;
            }
            if is_sealed(text) {
                return true;
            }
            searched.files += kept.len();
            for (setting, line, more) in self.in_text(text) {
                let hit = |kept: &Kept| Hit {
                    setting: setting.clone(),
                    file: kept.path.clone(),
                    line,
                    more,
                    is_past: !kept.is_next,
                };
                searched.hits.extend(kept.iter().map(hit));
            }
            true
        });
        let unread = unread.into_iter().filter_map(|object| files.get(object)).flatten();
        searched.missing.extend(unread.map(|kept| kept.path.clone()));
        // What is there still is told where it is now.
        let (mut past, now): (Vec<Hit>, Vec<Hit>) = searched.hits.into_iter().partition(|hit| hit.is_past);
        let told: HashSet<(&str, &str)> = now.iter().map(|hit| (&*hit.setting, &*hit.file)).collect();
        past.retain(|hit| !told.contains(&(&*hit.setting, &*hit.file)));
        searched.hits = now;
        searched.hits.extend(past);
        searched.hits.sort_by(|a, b| (&a.file, a.line, &a.setting).cmp(&(&b.file, b.line, &b.setting)));
        let Searched { large, binary, beyond, missing, .. } = &mut searched;
        for paths in [large, binary, beyond, missing] {
            paths.sort_unstable();
            paths.dedup();
        }
        searched
    }
}

/// Whether it is no text.
fn is_binary(content: &[u8]) -> bool {
    content[..content.len().min(LOOKED_AT)].contains(&0)
}

/// Whether what stands at a place is no part of a longer word.
fn is_apart(text: &[u8], start: usize, end: usize) -> bool {
    let is_of_word = |at: usize| text.get(at).is_some_and(u8::is_ascii_alphanumeric);
    !start.checked_sub(1).is_some_and(is_of_word) && !is_of_word(end)
}

/// A file that git keeps.
struct Kept {
    /// As seen from the project.
    path: String,
    /// Whether the next commit has it so.
    is_next: bool,
}

/// A repository, and where in it a project is.
struct Repository {
    top: std::path::PathBuf,
    /// With a `/` behind it, or nothing.
    prefix: String,
}

impl Repository {
    /// `None` where there is none.
    fn of(project: &Path) -> Result<Option<Self>, String> {
        let answer = match git::answered(project, &["rev-parse", "--show-toplevel", "--show-prefix"]) {
            Ok(answer) => answer,
            Err(why) => {
                let project = std::path::absolute(project).unwrap_or_else(|_| project.to_owned());
                let is_one = project.ancestors().any(|above| above.join(".git").exists());
                return if is_one { Err(why) } else { Ok(None) };
            }
        };
        let mut lines = answer.lines();
        let Some(top) = lines.next().filter(|top| !top.is_empty()) else { return Ok(None) };
        Ok(Some(Self { top: top.into(), prefix: lines.next().unwrap_or_default().to_owned() }))
    }

    /// The files by their content.
    fn files(&self) -> Result<BTreeMap<String, Vec<Kept>>, String> {
        // mode SP stage or kind and object, TAB, path
        let next = git::answered(&self.top, &["ls-files", "--stage", "-z"])?;
        let last = match git::answered(&self.top, &["ls-tree", "-r", "-z", "--full-tree", "HEAD"]) {
            // Before the first commit.
            Err(_) if git::ask(&self.top, &["rev-parse", "--verify", "HEAD"]).is_empty() => {
                Zeroizing::default()
            }
            last => last?,
        };
        let mut files: BTreeMap<String, Vec<Kept>> = BTreeMap::new();
        for (answer, at, is_next) in [(&next, 1, true), (&last, 2, false)] {
            for line in answer.split('\0') {
                let Some((words, path)) = line.split_once('\t') else { continue };
                let words: Vec<&str> = words.split(' ').collect();
                let is_file = words[0].starts_with("100");
                let Some(object) = words.get(at).filter(|_| is_file) else { continue };
                let path = self.seen_from_project(path);
                let kept = files.entry((*object).to_owned()).or_default();
                if kept.iter().all(|known| known.path != path) {
                    kept.push(Kept { path, is_next });
                }
            }
        }
        Ok(files)
    }

    /// The sizes of those objects that are files, in bytes, as far as they are here.
    fn sizes<'o>(&self, objects: impl Iterator<Item = &'o str>) -> HashMap<String, u64> {
        let objects: Vec<&str> = objects.collect();
        let mut sizes = HashMap::new();
        git::sizes_while(&self.top, &objects, |line| {
            sizes.extend(size(line).map(|(object, size)| (object.to_owned(), size)));
            true
        });
        sizes
    }

    fn seen_from_project(&self, path: &str) -> String {
        if let Some(within) = path.strip_prefix(self.prefix.as_str()) {
            return within.to_owned();
        }
        format!("{}{path}", "../".repeat(self.prefix.matches('/').count()))
    }
}

/// An object that is a file, and its size in bytes, as git says them.
fn size(line: &str) -> Option<(&str, u64)> {
    let (object, rest) = line.split_once(' ')?;
    Some((object, rest.strip_prefix("blob ")?.parse().ok()?))
}

/// Whether a file has values that are encrypted. It says so itself: of what is in it a name says nothing.
fn is_sealed(content: &[u8]) -> bool {
    let of_all_versions = HEADER.trim_end_matches(|c: char| c.is_ascii_digit());
    content.starts_with(of_all_versions.as_bytes())
}

#[cfg(test)]
mod tests;
