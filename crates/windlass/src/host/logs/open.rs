//! The logs that a person asked for.

use std::collections::BTreeSet;

use jiff::tz::TimeZone;
use windlass_core::manifest::nearest;
use windlass_core::name::ReleaseId;
use windlass_core::protocol::Refusal;

use super::past::{self, Dated, Window};
use super::{Follow, find, retire, shown};
use crate::host::Host;
use crate::host::run::no::No;
use crate::layout::Layout;
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
    followed: Vec<Followed>,
}

/// What goes by one name: one log, or those of a service's releases.
struct Source {
    name: String,
    labels: Vec<String>,
    is_service: bool,
}

/// A source that is followed.
struct Followed {
    name: String,
    /// Whether logs of further releases belong to it.
    grows: bool,
    /// The logs that were taken up, ended ones among them.
    known: BTreeSet<String>,
    files: Vec<(String, Follow)>,
}

impl Logs {
    /// What was there already: each line and whose it is.
    pub(in crate::host) fn past(&mut self) -> Vec<(String, String)> {
        std::mem::take(&mut self.past)
    }

    /// What was added since the last call.
    pub(in crate::host) fn news(&mut self, host: &Host) -> Vec<(String, String)> {
        let mask = host.mask_of_all();
        let labels = labels(&host.layout);
        let live = retire::written_to(&host.layout);
        let mut news = Vec::new();
        for followed in &mut self.followed {
            followed.take_up(&host.layout, &labels);
            let (name, grows) = (&followed.name, followed.grows);
            // What had ended before all of it was read says no more.
            followed.files.retain_mut(|(label, follow)| {
                let before = news.len();
                let unmasked = find::release_of(label).and_then(|release| host.unmasked(release));
                let mask = unmasked.as_deref().unwrap_or(&mask);
                follow.lines(|line| news.push((name.clone(), shown(&line, mask))));
                !grows || live.contains(label) || news.len() > before
            });
        }
        told_once(news)
    }
}

/// What is said in the place of lines is said once.
fn told_once(mut lines: Vec<(String, String)>) -> Vec<(String, String)> {
    lines.dedup_by(|a, b| a == b && a.1.starts_with(Redactor::NOT_SHOWN));
    lines
}

impl Followed {
    /// From the end of what is written to now.
    fn new(layout: &Layout, source: &Source, grows: bool) -> Self {
        let files = source.labels.iter().map(|label| (label.clone(), Follow::from_end(&layout.log(label))));
        let known = source.labels.iter().cloned().collect();
        Self { name: source.name.clone(), grows, known, files: files.collect() }
    }

    /// Takes up the logs of releases that began since, from their beginning.
    fn take_up(&mut self, layout: &Layout, labels: &[String]) {
        if !self.grows {
            return;
        }
        for label in find::of_service(labels, &self.name) {
            if self.known.insert(label.clone()) {
                let follow = Follow::from_start(&layout.log(&label));
                self.files.push((label, follow));
            }
        }
    }
}

impl Host {
    /// Opens logs.
    pub(in crate::host) fn open_logs(&self, wanted: &Wanted) -> Result<Logs, No> {
        let labels = labels(&self.layout);
        let mask = self.mask_of_all();
        let window = Window { lines: wanted.lines.map(|lines| lines as usize), since: wanted.since };
        let mut past = Vec::new();
        let mut followed = Vec::new();
        for source in self.sources(&labels, wanted)? {
            for (at, text) in self.past_of(&source, window, &mask) {
                past.push((at, source.name.clone(), text));
            }
            let grows = wanted.release.is_none() && source.is_service;
            followed.push(Followed::new(&self.layout, &source, grows));
        }
        if past.iter().all(|(at, ..)| at.is_some()) {
            past.sort_by_key(|(at, ..)| *at);
        }
        let past = past.into_iter().map(|(_, source, text)| (source, text)).collect();
        Ok(Logs { past: told_once(past), followed })
    }

    /// What the names stand for that were asked for; without any, for each service.
    fn sources(&self, labels: &[String], wanted: &Wanted) -> Result<Vec<Source>, No> {
        let services = self.services_with_logs(labels, wanted.release);
        let asked = if wanted.of.is_empty() { &services } else { &wanted.of };
        let mut sources = Vec::new();
        for name in asked {
            let found = find::meant(labels, name, wanted.release);
            if found.is_empty() && !services.contains(name) {
                if wanted.release.is_none() && self.is_to_have_a_log(name) {
                    // It has not run yet; whoever follows it sees its first line.
                    sources.push(Source {
                        name: name.clone(),
                        labels: vec![name.clone()],
                        is_service: false,
                    });
                    continue;
                }
                return Err(no_log(labels, name, wanted.release));
            }
            let of_it = |label: &String| find::service_part(label).is_some_and(|(of, _)| of == name);
            // A service that has written nothing yet has no log, and may be followed.
            if services.contains(name) || found.iter().all(of_it) {
                sources.push(Source { name: name.clone(), labels: found, is_service: true });
            } else {
                let alone =
                    |label: String| Source { name: label.clone(), labels: vec![label], is_service: false };
                sources.extend(found.into_iter().map(alone));
            }
        }
        Ok(sources)
    }

    /// Whether a cron job or a resource goes by this name, whose log begins with its first run.
    fn is_to_have_a_log(&self, name: &str) -> bool {
        let active = self.journal.borrow().active().ok().flatten();
        active.is_some_and(|active| {
            let spec = &active.release.spec;
            let mut names = spec.crons.keys().chain(spec.resources.keys());
            names.any(|known| known.as_str() == name)
        })
    }

    /// The last lines of a source: of the logs that are written to now, and, where these have too few,
    /// of those of earlier releases.
    fn past_of(&self, source: &Source, window: Window, mask: &Redactor) -> Vec<Dated> {
        let live = retire::written_to(&self.layout);
        let most = window.lines.unwrap_or(past::MOST);
        let mut all: Vec<Dated> = Vec::new();
        for label in source.labels.iter().rev() {
            let lines = if live.contains(label) { most } else { most.saturating_sub(all.len()) };
            if lines > 0 {
                let window = Window { lines: Some(lines), ..window };
                let unmasked = find::release_of(label).and_then(|release| self.unmasked(release));
                let mask = unmasked.as_deref().unwrap_or(mask);
                let mut older = past::lines(&self.layout.log(label), window, &TimeZone::system());
                older.iter_mut().for_each(|(_, text)| *text = shown(text, mask));
                older.append(&mut all);
                all = older;
            }
        }
        all
    }

    /// The services of a release that had a copy, or those of the active one.
    fn services_with_logs(&self, labels: &[String], release: Option<ReleaseId>) -> Vec<String> {
        let journal = self.journal.borrow();
        let row = match release {
            Some(release) => journal.release(release).ok().flatten(),
            None => journal.active().ok().flatten().map(|active| active.release),
        };
        let services = row.iter().flat_map(|row| row.spec.services.keys()).map(ToString::to_string);
        let had_a_copy = |name: &String| release.is_none() || !find::meant(labels, name, release).is_empty();
        services.filter(had_a_copy).collect()
    }
}

/// The names of all logs.
pub(super) fn labels(layout: &Layout) -> Vec<String> {
    let entries = std::fs::read_dir(layout.logs()).into_iter().flatten().flatten();
    let mut labels: Vec<String> = entries
        .filter_map(|entry| entry.file_name().to_str()?.strip_suffix(".log").map(str::to_owned))
        .collect();
    labels.sort();
    labels
}

fn no_log(labels: &[String], name: &str, release: Option<ReleaseId>) -> No {
    let names = find::names(labels);
    if let Some(release) = release
        && names.iter().any(|known| known == name)
    {
        return No::new(
            Refusal::NotFound,
            format!("no copy of {name} was started by {release}"),
            format!(
                "a release that does not change a service leaves its copies running: windlass logs {name}"
            ),
        );
    }
    let of = release.map(|release| format!(" of {release}")).unwrap_or_default();
    let hint = match nearest(name, names.iter().map(String::as_str)) {
        Some(meant) => format!("did you mean {meant}?"),
        None => format!("there are {}", names.join(", ")),
    };
    No::new(Refusal::NotFound, format!("there is no log of {name}{of}"), hint)
}
