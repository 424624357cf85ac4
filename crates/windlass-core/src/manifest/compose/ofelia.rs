//! Ofelia and its like: a container that runs commands in others by the clock, as labels or its configuration say.
//! Each becomes a cron job with what the other service has.

use super::built;
use super::crond::zone_of;
use super::crontab::schedule;
use super::env::entries;
use super::interpolate::by_default;
use super::volume::mount;
use super::yaml::Yaml;
use super::{Files, Import};
use crate::manifest::draft::{self, Draft};

/// Images that are such schedulers; labels for them begin so.
const SCHEDULERS: [&str; 2] = ["ofelia", "chadburn"];

/// Where the configuration lies that no option names.
const CONFIGURATION: &str = "/etc/ofelia/config.ini";

/// Such a container.
pub(super) struct Scheduler {
    /// The service's key.
    pub(super) key: String,
    jobs: Vec<Job>,
}

/// What it runs.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
struct Job {
    /// `job-exec` and the like.
    kind: String,
    name: String,
    line: u64,
    /// The service in whose container it runs.
    service: Option<String>,
    /// The name of the container that it runs in.
    container: Option<String>,
    schedule: Option<String>,
    command: Option<String>,
}

/// Those among the services.
pub(super) fn find(services: &[(String, Yaml)], left_out: &[String], files: Files<'_>) -> Vec<Scheduler> {
    let is_meant = |(key, service): &&(String, Yaml)| !left_out.contains(key) && is_scheduler(service);
    let schedulers = services.iter().filter(is_meant).map(|(key, service)| {
        let mut jobs = configured(service, files);
        for (other, labelled) in services {
            of_labels(other, labelled, &mut jobs);
        }
        for job in jobs.iter_mut().filter(|job| job.service.is_none()) {
            job.service = job.container.as_deref().and_then(|container| service_of(container, services));
        }
        Scheduler { key: key.clone(), jobs }
    });
    // A second one would run the same again.
    schedulers.take(1).collect()
}

fn is_scheduler(service: &Yaml) -> bool {
    let image = service.get("image").and_then(Yaml::text).map(|image| by_default(image, "$"));
    let last = image.as_deref().and_then(|image| image.rsplit('/').next()).unwrap_or_default();
    SCHEDULERS.contains(&last.split([':', '@']).next().unwrap_or_default())
}

/// A label for such a scheduler, in its parts behind the scheduler's name.
fn parts(label: &str) -> Option<Vec<&str>> {
    let mut parts = label.split('.');
    SCHEDULERS.contains(&parts.next()?).then(|| parts.collect())
}

/// Whether the labels say nothing but what became cron jobs.
pub(super) fn are_all_jobs(labels: &Yaml) -> bool {
    let labels = entries(labels);
    !labels.is_empty() && labels.iter().all(|(_, label, _)| parts(label).is_some())
}

/// Adds what the labels of a service say.
fn of_labels(key: &str, service: &Yaml, jobs: &mut Vec<Job>) {
    for (line, label, value) in service.get("labels").map(entries).unwrap_or_default() {
        let Some([kind, name, what]) =
            parts(&label).as_deref().and_then(|parts| <[&str; 3]>::try_from(parts).ok())
        else {
            continue;
        };
        let runs_there = kind == "job-exec";
        let service = runs_there.then(|| key.to_owned());
        let at = jobs.iter().position(|job| job.kind == kind && job.name == name && job.service == service);
        let at = at.unwrap_or_else(|| {
            jobs.push(Job { kind: kind.to_owned(), name: name.to_owned(), line, service, ..Job::default() });
            jobs.len() - 1
        });
        let value = value.map(|value| by_default(&value, "$")).unwrap_or_default();
        jobs[at].take(what, &value);
    }
}

/// What its configuration says, where that is in the project.
fn configured(service: &Yaml, files: Files<'_>) -> Vec<Job> {
    let command = service.get("command").map(Yaml::items).unwrap_or_default();
    let words: Vec<&str> = command.iter().filter_map(Yaml::text).flat_map(str::split_whitespace).collect();
    let told = words.iter().find_map(|word| word.strip_prefix("--config=")).unwrap_or(CONFIGURATION);
    let volumes = service.get("volumes").map(Yaml::items).unwrap_or_default();
    let source = volumes.iter().filter_map(mount).find(|mount| mount.target == told);
    let path = source.and_then(|mount| Some(mount.source?.strip_prefix("./")?.to_owned()));
    let text = path.and_then(|path| files(&path)).unwrap_or_default();
    let mut jobs: Vec<Job> = Vec::new();
    for line in text.lines().map(str::trim).filter(|line| !line.starts_with(['#', ';'])) {
        if let Some(section) = line.strip_prefix('[').and_then(|line| line.strip_suffix(']')) {
            let (kind, name) = section.split_once(' ').unwrap_or((section, ""));
            let name = name.trim().trim_matches('"').to_owned();
            jobs.push(Job { kind: kind.to_owned(), name, line: service.line, ..Job::default() });
        } else if let (Some((key, value)), Some(job)) = (line.split_once('='), jobs.last_mut()) {
            job.take(key.trim(), value.trim());
        }
    }
    jobs.retain(|job| job.kind.starts_with("job-"));
    jobs
}

/// The service whose container has this name: the one that was given to it, the service's, or what compose makes of it,
/// as `project-web-1` or, before, `project_web_1`.
fn service_of(container: &str, services: &[(String, Yaml)]) -> Option<String> {
    let named = |service: &Yaml| service.get("container_name").and_then(Yaml::text).map(str::to_owned);
    let is_it = |(key, service): &&(String, Yaml)| named(service).as_ref().unwrap_or(key) == container;
    if let Some((key, _)) = services.iter().find(is_it) {
        return Some(key.clone());
    }
    let is_made_of = |key: &str| {
        ['-', '_'].into_iter().any(|mark| {
            let parts = container.rsplit_once(mark).filter(|(_, number)| number.parse::<u32>().is_ok());
            let project = parts.and_then(|(name, _)| name.strip_suffix(key)?.strip_suffix(mark));
            project.is_some_and(|project| !project.is_empty())
        })
    };
    let made = services.iter().filter(|(key, service)| named(service).is_none() && is_made_of(key));
    // Of `web` and `my-web` the longer one: a project's name may have any end.
    made.map(|(key, _)| key).max_by_key(|key| key.len()).cloned()
}

impl Job {
    fn take(&mut self, key: &str, value: &str) {
        let place = match key {
            "schedule" => &mut self.schedule,
            "command" => &mut self.command,
            "container" => &mut self.container,
            _ => return,
        };
        *place =
            Some(value.to_owned()).filter(|value| !value.is_empty() && !value.chars().any(char::is_control));
    }
}

impl Import {
    /// The cron jobs of the schedulers, once all services are there.
    pub(super) fn scheduled(&mut self, services: &[(String, Yaml)], draft: &mut Draft) {
        for Scheduler { key, jobs } in std::mem::take(&mut self.schedulers) {
            let Some((_, scheduler)) = services.iter().find(|(other, _)| *other == key) else { continue };
            let place = format!("services.{key}");
            if jobs.is_empty() {
                let message = "is left out, and what it runs is not in the project: write each of its jobs as [cron.NAME]";
                self.note(scheduler.line, &place, message);
            }
            for job in &jobs {
                self.scheduled_job(&place, (&key, scheduler), job, services, draft);
            }
        }
    }

    fn scheduled_job(
        &mut self,
        place: &str,
        (key, scheduler): (&str, &Yaml),
        job: &Job,
        services: &[(String, Yaml)],
        draft: &mut Draft,
    ) {
        let what = format!("{} {}", job.kind, job.name);
        let by_hand = |why: &str| format!("{what} {why}: write it as [cron.NAME]");
        let runs_here = ["job-exec", "job-local"].contains(&job.kind.as_str()) || job.service.is_some();
        let (Some(command), Some(written)) = (&job.command, &job.schedule) else {
            return self.note(job.line, place, by_hand("lacks a schedule or a command"));
        };
        if !runs_here {
            return self.note(job.line, place, by_hand("runs in a container of its own"));
        }
        if job.kind == "job-exec" && job.service.is_none() {
            return self.note(job.line, place, by_hand("runs in a container that is no service's here"));
        }
        let Some(made) = schedule(written) else {
            return self.note(job.line, place, by_hand("has a schedule that has no counterpart"));
        };
        let other = job.service.as_deref().unwrap_or(key);
        let service = services.iter().find(|(known, _)| known == other).map_or(scheduler, |(_, node)| node);
        let (command, directory) = self.of_project(place, service, command);
        let owner = self.name(other).cloned().unwrap_or_else(|| super::name_of(other));
        let name = self.cron_name(&job.name, &owner);
        let of_service = draft.find(&format!("[services.{owner}]")).cloned();
        if of_service.is_none() && other != key {
            let message = format!(
                "{what} ran in the container of {other}, which is none here: its command has to find its programs on this \
                 machine, and what it connects to in `env`"
            );
            self.note(job.line, place, message);
        }
        self.built_here = built::is_here(service);
        let section = draft.section(format!("[cron.{name}]"));
        section.set("command", self.of_shell(&command)).set("schedule", draft::text(&made));
        let zone = service.get("environment").and_then(|env| super::env::lookup(env, "TZ"));
        let zone = zone.and_then(|zone| zone_of(&[("TZ".to_owned(), zone)]));
        zone.map(|zone| section.set("time_zone", draft::text(&zone)));
        if !directory.is_empty() {
            section.set("directory", draft::text(&directory));
        }
        if let Some(of_service) = &of_service {
            section.carry("env", of_service).carry("limits", of_service);
        }
    }
}
