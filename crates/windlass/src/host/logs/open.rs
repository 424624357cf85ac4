//! The logs that a person asked for.

use std::cell::LazyCell;
use std::collections::BTreeSet;

use windlass_core::manifest::nearest;
use windlass_core::name::{InstanceId, ReleaseId};
use windlass_core::protocol::Refusal;

use super::past::{self, Dated, Window};
use super::{Follow, find, retire, shown, zone};
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
    pub(in crate::host) notes: bool,
}

/// Logs that are shown.
pub(in crate::host) struct Logs {
    /// What is to be known beside the lines.
    pub(in crate::host) notes: Vec<String>,
    past: Vec<Line>,
    followed: Vec<Followed>,
}

/// A line, and whose it is.
pub(in crate::host) struct Line {
    pub(in crate::host) source: String,
    pub(in crate::host) copy: Option<InstanceId>,
    pub(in crate::host) text: String,
}

/// What goes by one name: one log, or those of a service's copies.
struct Source {
    name: String,
    labels: Vec<String>,
    is_service: bool,
    /// Whether only the logs of one release were asked for.
    of_release: bool,
}

/// A source that is followed.
struct Followed {
    name: String,
    of_release: bool,
    /// Whether logs of further releases belong to it.
    grows: bool,
    /// The logs that were taken up, ended ones among them.
    known: BTreeSet<String>,
    files: Vec<(String, Follow)>,
}

impl Logs {
    /// What was there already.
    pub(in crate::host) fn past(&mut self) -> Vec<Line> {
        std::mem::take(&mut self.past)
    }

    /// What was added since the last call.
    pub(in crate::host) fn news(&mut self, host: &Host) -> Vec<Line> {
        let mask = host.mask_of_all();
        let labels = labels(&host.layout);
        let live = retire::written_to(&host.layout);
        let own = LazyCell::new(|| host.own_labels());
        let mut news = Vec::new();
        for followed in &mut self.followed {
            followed.take_up(&host.layout, &labels);
            let (name, grows) = ((followed.name.as_str(), followed.of_release), followed.grows);
            // What had ended before all of it was read says no more.
            followed.files.retain_mut(|(label, follow)| {
                let before = news.len();
                let unmasked = find::release_of(label).and_then(|release| host.unmasked(release));
                let mask = unmasked.as_deref().unwrap_or(&mask);
                let mut texts = Vec::new();
                follow.lines(|line| texts.push(shown(&line, mask)));
                if !texts.is_empty() {
                    news.extend(said_by(label, name, (&labels, &own), texts));
                }
                !grows || live.contains(label) || news.len() > before
            });
        }
        told_once(news)
    }
}

/// The lines of one log, where a name was asked for, and perhaps of one release, with the names of all logs and of
/// those of the active release's copies.
fn said_by(
    label: &str,
    (name, of_release): (&str, bool),
    (labels, own): (&[String], &BTreeSet<String>),
    texts: impl IntoIterator<Item = String>,
) -> impl Iterator<Item = Line> {
    let part = find::service_part(label);
    let source = part.map_or_else(|| name.to_owned(), |part| part.called((name, of_release), labels, own));
    let copy = label.parse().ok();
    texts.into_iter().map(move |text| Line { source: source.clone(), copy: copy.clone(), text })
}

/// What is said in the place of lines is said once, and of no copy: it holds for all of a service's.
fn told_once(mut lines: Vec<Line>) -> Vec<Line> {
    for line in lines.iter_mut().filter(|line| line.text.starts_with(Redactor::NOT_SHOWN)) {
        if let Some(copy) = line.copy.take() {
            line.source = copy.service.to_string();
        }
    }
    let mut told = BTreeSet::new();
    lines.retain(|line| {
        !line.text.starts_with(Redactor::NOT_SHOWN) || told.insert((line.source.clone(), line.text.clone()))
    });
    lines
}

impl Followed {
    /// From the end of what is written to now.
    fn new(layout: &Layout, source: &Source, grows: bool) -> Self {
        let files = source.labels.iter().map(|label| (label.clone(), Follow::from_end(&layout.log(label))));
        let known = source.labels.iter().cloned().collect();
        let (name, of_release) = (source.name.clone(), source.of_release);
        Self { name, of_release, grows, known, files: files.collect() }
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
        let window = Window { lines: wanted.lines.map(|lines| lines as usize), since: wanted.since };
        let mut logs = Logs { notes: Vec::new(), past: Vec::new(), followed: Vec::new() };
        let mut past = Vec::new();
        for source in self.sources(&labels, wanted)? {
            let lines = self.past_of(&source, &labels, window);
            if wanted.notes && wanted.release.is_none() {
                // The steps of a build say it once.
                let note = self.of_another_release(&source, wanted);
                logs.notes.extend(note.filter(|note| !logs.notes.contains(note)));
            }
            if wanted.since.is_some() && wanted.notes {
                logs.notes.extend(without_times(&source, &lines));
            }
            past.extend(lines);
            let grows = wanted.release.is_none() && source.is_service;
            logs.followed.push(Followed::new(&self.layout, &source, grows));
        }
        if past.iter().all(|(at, _)| at.is_some()) {
            past.sort_by_key(|(at, _)| *at);
        }
        logs.past = told_once(past.into_iter().map(|(_, line)| line).collect());
        Ok(logs)
    }

    /// What the names stand for that were asked for; without any, for each service.
    fn sources(&self, labels: &[String], wanted: &Wanted) -> Result<Vec<Source>, No> {
        let services = self.services_with_logs(labels, wanted.release);
        let asked = if wanted.of.is_empty() { &services } else { &wanted.of };
        if let Some(release) = wanted.release.filter(|_| asked.is_empty()) {
            return Err(self.nothing_of(labels, release));
        }
        let of_release = wanted.release.is_some();
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
                        of_release: false,
                    });
                    continue;
                }
                return Err(no_log(labels, name, wanted.release));
            }
            // A service that has written nothing yet has no log, and may be followed.
            if services.contains(name) || found.iter().all(|label| find::service_part(label).is_some()) {
                sources.push(Source { name: name.clone(), labels: found, is_service: true, of_release });
            } else {
                let alone = |label: String| Source {
                    name: label.clone(),
                    labels: vec![label],
                    is_service: false,
                    of_release,
                };
                sources.extend(found.into_iter().map(alone));
            }
        }
        Ok(sources)
    }

    /// That what is shown of a job or a build is not of the active release, and of which it is: the newest may have
    /// gone back. Not where that was asked for by its whole name.
    fn of_another_release(&self, source: &Source, wanted: &Wanted) -> Option<String> {
        let label =
            source.labels.first().filter(|_| !source.is_service && !wanted.of.contains(&source.name))?;
        let (release, what) = find::of_job(label)?;
        let name = what.split('.').next().unwrap_or(what);
        match self.journal.borrow().active().ok()?.map(|active| active.release) {
            // A restart makes another release of what was built.
            Some(active) if [active.id, active.tree].contains(&release) => None,
            Some(active) => {
                Some(format!("{name} ran last in {release}; the active release is {}", active.id))
            }
            None => Some(format!("{name} ran last in {release}; no release is active")),
        }
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

    /// The last lines of a source, with their times: so many of each log that is written to now, and, where these have
    /// too few, of those of earlier releases.
    fn past_of(&self, source: &Source, labels: &[String], window: Window) -> Vec<(Option<i64>, Line)> {
        let live = retire::written_to(&self.layout);
        let (name, own) = ((source.name.as_str(), source.of_release), self.own_labels());
        let most = window.lines.unwrap_or(past::MOST);
        let of_one = |a: &String, b: &String| find::release_of(a) == find::release_of(b);
        let mut all = Vec::new();
        for copies in source.labels.chunk_by(of_one).rev() {
            let left = most.saturating_sub(all.len());
            let mut older = Vec::new();
            for label in copies {
                let lines = if live.contains(label) { most } else { left };
                let (times, texts): (Vec<_>, Vec<_>) = match lines {
                    0 => continue,
                    lines => {
                        self.lines_of(label, Window { lines: Some(lines), ..window }).into_iter().unzip()
                    }
                };
                older.extend(times.into_iter().zip(said_by(label, name, (labels, &own), texts)));
            }
            older.append(&mut all);
            all = older;
        }
        all
    }

    /// The names of the active release's copies, and so of their logs.
    fn own_labels(&self) -> BTreeSet<String> {
        let active = self.journal.borrow().active().ok().flatten();
        let copies = active.into_iter().flat_map(|active| active.release.instances.into_values().flatten());
        copies.map(|id| id.to_string()).collect()
    }

    /// Lines of one log, as they may be shown.
    fn lines_of(&self, label: &str, window: Window) -> Vec<Dated> {
        let mask = find::release_of(label).and_then(|release| self.unmasked(release));
        let mask = mask.unwrap_or_else(|| self.mask_of_all());
        // Only copies have directories of such names; the rest goes by the machine's zone.
        let zone = zone::of(&self.layout.instances().join(label));
        let mut lines = past::lines(&self.layout.log(label), window, &zone);
        lines.iter_mut().for_each(|(_, text)| *text = shown(text, &mask));
        lines
    }

    /// The services of which a release started copies, or those of the active one.
    fn services_with_logs(&self, labels: &[String], release: Option<ReleaseId>) -> Vec<String> {
        if let Some(release) = release {
            return find::services_of(labels, release);
        }
        let active = self.journal.borrow().active().ok().flatten();
        let services = active.iter().flat_map(|active| active.release.spec.services.keys());
        services.map(ToString::to_string).collect()
    }

    /// That a release has no logs of services, and why.
    fn nothing_of(&self, labels: &[String], release: ReleaseId) -> No {
        let known = self.journal.borrow().release(release).is_ok_and(|row| row.is_some());
        if known || labels.iter().any(|label| find::release_of(label) == Some(release)) {
            return No::new(
                Refusal::NotFound,
                format!("no copy of a service was started by {release}"),
                "a release that does not change a service leaves its copies running: windlass logs",
            );
        }
        No::new(Refusal::NotFound, format!("there is no release {release}"), "windlass releases lists them")
    }
}

/// That lines could not be chosen by their times, where a source has none.
fn without_times(source: &Source, lines: &[(Option<i64>, Line)]) -> Option<String> {
    let (_, first) = lines.iter().find(|(at, _)| at.is_none())?;
    let since = first.copy.as_ref().map(|copy| format!(" since {} started", copy.release));
    Some(format!("{} prints no times: all of its lines{} are shown", source.name, since.unwrap_or_default()))
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
        && let Some(newest) =
            find::meant(labels, name, None).iter().filter_map(|label| find::of_job(label)).next_back()
    {
        return No::new(
            Refusal::NotFound,
            format!("there is no log of {name} of {release}: it did not run there, or that is gone"),
            format!("the newest is of {}: windlass logs {name}", newest.0),
        );
    }
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
