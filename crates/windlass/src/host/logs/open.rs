//! The logs that a person asked for.

use std::rc::Rc;

use windlass_core::manifest::nearest;
use windlass_core::name::ReleaseId;
use windlass_core::protocol::Refusal;

use super::past::{self, Window};
use super::{Follow, find, starts};
use crate::host::Host;
use crate::host::runs::No;
use crate::settings::Redactor;

/// What is asked for; see [`windlass_core::protocol::Ask::Logs`].
pub(in crate::host) struct Wanted {
    pub(in crate::host) of: Vec<String>,
    pub(in crate::host) release: Option<ReleaseId>,
    pub(in crate::host) lines: Option<u32>,
    pub(in crate::host) since: Option<i64>,
}

/// Logs that are shown.
pub(in crate::host) struct Logs {
    past: Vec<(String, String)>,
    followed: Vec<(String, Follow)>,
}

impl Logs {
    /// What was there already: each line and whose it is.
    pub(in crate::host) fn past(&mut self) -> Vec<(String, String)> {
        std::mem::take(&mut self.past)
    }

    /// What was added since the last call.
    pub(in crate::host) fn news(&mut self, host: &Host) -> Vec<(String, String)> {
        let masks = host.masks();
        let mut news = Vec::new();
        for (source, follow) in &mut self.followed {
            follow.lines(|line| news.push((source.clone(), masked(&masks, line))));
        }
        news
    }
}

impl Host {
    /// Opens logs.
    pub(in crate::host) fn open_logs(&self, wanted: &Wanted) -> Result<Logs, No> {
        let labels = self.labels();
        let services = self.services_with_logs(wanted.release);
        let asked = if wanted.of.is_empty() { &services } else { &wanted.of };
        let mut sources = Vec::new();
        for name in asked {
            let found = find::meant(&labels, name, wanted.release);
            if found.is_empty() && !wanted.of.is_empty() {
                return Err(no_log(&labels, name, wanted.release));
            }
            // A service that has written nothing yet has no log, and may be followed.
            sources.extend(if found.is_empty() { vec![name.clone()] } else { found });
        }
        let masks = self.masks();
        let mut past = Vec::new();
        let mut followed = Vec::new();
        for source in sources {
            let path = self.layout.log(&source);
            let part = match wanted.release {
                // Its name says whose it is.
                Some(release) if !source.starts_with(&format!("{release}.")) => {
                    let Some(part) = starts::of_release(&self.layout, &source, release) else {
                        return Err(no_lines(&source, release));
                    };
                    Some(part)
                }
                _ => None,
            };
            let lines = wanted.lines.map(|lines| lines as usize);
            for (at, text) in past::lines(&path, Window { lines, since: wanted.since, part }) {
                past.push((at, source.clone(), masked(&masks, text)));
            }
            followed.push((source, Follow::from_end(&path)));
        }
        if past.iter().all(|(at, ..)| at.is_some()) {
            past.sort_by_key(|(at, ..)| *at);
        }
        Ok(Logs { past: past.into_iter().map(|(_, source, text)| (source, text)).collect(), followed })
    }

    /// The names of all logs.
    fn labels(&self) -> Vec<String> {
        let entries = std::fs::read_dir(self.layout.logs()).into_iter().flatten().flatten();
        let mut labels: Vec<String> = entries
            .filter_map(|entry| entry.file_name().to_str()?.strip_suffix(".log").map(str::to_owned))
            .collect();
        labels.sort();
        labels
    }

    /// The services of a release that had a copy, or those of the active one.
    fn services_with_logs(&self, release: Option<ReleaseId>) -> Vec<String> {
        let journal = self.journal.borrow();
        let row = match release {
            Some(release) => journal.release(release).ok().flatten(),
            None => journal.active().ok().flatten().map(|active| active.release),
        };
        let had_a_copy = |name: &String| {
            release.is_none_or(|release| starts::of_release(&self.layout, name, release).is_some())
        };
        let services = row.iter().flat_map(|row| row.spec.services.keys());
        services.map(ToString::to_string).filter(had_a_copy).collect()
    }

    /// What masks the secrets of every release that is kept: a log goes back further than one.
    fn masks(&self) -> Vec<Rc<Redactor>> {
        let releases = self.journal.borrow().releases().unwrap_or_default();
        releases.iter().map(|release| self.redactor(release.id)).collect()
    }
}

fn masked(masks: &[Rc<Redactor>], line: String) -> String {
    masks.iter().fold(line, |line, mask| mask.redact(&line).into_owned())
}

fn no_log(labels: &[String], name: &str, release: Option<ReleaseId>) -> No {
    let of = release.map(|release| format!(" of {release}")).unwrap_or_default();
    let names = find::names(labels);
    let hint = match nearest(name, names.iter().map(String::as_str)) {
        Some(meant) => format!("did you mean {meant}?"),
        None => format!("there are {}", names.join(", ")),
    };
    No::new(Refusal::NotFound, format!("there is no log of {name}{of}"), hint)
}

fn no_lines(source: &str, release: ReleaseId) -> No {
    No::new(
        Refusal::NotFound,
        format!("no copy of {source} was started by {release}"),
        format!("a release that does not change a service leaves its copies running: windlass logs {source}"),
    )
}
