//! `depends_on`: what a service needs, and the order in which jobs are written down, as they run in it.

use super::Import;
use super::yaml::{Value, Yaml};
use crate::manifest::draft::{self, Section};

/// The services that `depends_on` names, each with its line.
fn entries(service: &Yaml) -> Vec<(u64, &str)> {
    let Some(node) = service.get("depends_on") else { return vec![] };
    match &node.value {
        Value::Map(entries) => entries.iter().map(|(key, value)| (value.line, key.as_str())).collect(),
        _ => node.items().iter().filter_map(|item| Some((item.line, item.text()?))).collect(),
    }
}

/// The services that `depends_on` names.
pub(super) fn depended(service: &Yaml) -> Vec<String> {
    entries(service).into_iter().map(|(_, key)| key.to_owned()).collect()
}

/// The services as they stand there, but for the `jobs`: of those, one that another waits for is first.
pub(super) fn in_order<'y>(services: &'y [(String, Yaml)], jobs: &[String]) -> Vec<&'y (String, Yaml)> {
    let is_job = |key: &String| jobs.contains(key);
    let mut waiting: Vec<&(String, Yaml)> = services.iter().filter(|(key, _)| is_job(key)).collect();
    let mut sorted = Vec::new();
    while !waiting.is_empty() {
        let is_free = |key: &str| {
            let mut others = waiting.iter().map(|(other, _)| other.as_str()).filter(|other| *other != key);
            !others.any(|other| leads_to(services, key, other))
        };
        // Where each waits for another, none can be first: the first that is written down is.
        let at = waiting.iter().position(|(key, _)| is_free(key)).unwrap_or(0);
        sorted.push(waiting.remove(at));
    }
    let mut sorted = sorted.into_iter();
    services.iter().filter_map(|entry| if is_job(&entry.0) { sorted.next() } else { Some(entry) }).collect()
}

/// Whether `from` waits for `to`, or for one that does.
fn leads_to(services: &[(String, Yaml)], from: &str, to: &str) -> bool {
    let mut reached = vec![from];
    let mut next = 0;
    while let Some(key) = reached.get(next).copied() {
        let service = services.iter().find(|(other, _)| other == key);
        for (_, other) in service.map(|(_, service)| entries(service)).unwrap_or_default() {
            if other == to {
                return true;
            }
            if !reached.contains(&other) {
                reached.push(other);
            }
        }
        next += 1;
    }
    false
}

impl Import {
    /// What must be ready before a service starts.
    pub(super) fn needs(&mut self, key: &str, service: &Yaml, section: &mut Section) {
        let mut needs: Vec<String> = Vec::new();
        for (other, said) in service.get("depends_on").map(Yaml::map).unwrap_or_default() {
            if let Some(restart) = said.get("restart").filter(|restart| restart.is_true()) {
                let message = format!("{key} is not started again because {other} is");
                self.note(restart.line, format!("services.{key}.depends_on.{other}.restart"), message);
            }
        }
        self.tell_optional(key, service);
        for (line, other) in entries(service) {
            let place = format!("services.{key}.depends_on");
            let Some(name) = self.name(other).cloned() else {
                self.note(line, place, format!("there is no service {other:?}"));
                continue;
            };
            if self.left_out.iter().any(|key| key == other) {
                self.note(line, place, format!("{other} was left out"));
            } else if self.is_clock(other) {
                self.note(line, place, format!("{other} became cron jobs, and nothing waits for those"));
            } else if self.jobs.iter().any(|job| job == other) {
                // Jobs have ended before any service starts.
            } else if self.reaches(other, key) {
                let message = format!("{other} needs {key} itself: neither could be the first to start");
                self.note(line, place, message);
            } else if !needs.iter().any(|need| need == name.as_str()) {
                self.needs.push((key.to_owned(), other.to_owned()));
                needs.push(name.to_string());
            }
        }
        if !needs.is_empty() {
            section.set("needs", draft::texts(&needs));
        }
    }

    /// What a service starts without, where it has to.
    fn tell_optional(&mut self, key: &str, service: &Yaml) {
        for (other, said) in service.get("depends_on").map(Yaml::map).unwrap_or_default() {
            let is_there = self.name(other).is_some() && !self.left_out.contains(other);
            if let Some(required) = said.get("required").filter(|required| is_there && !required.is_true()) {
                let message = format!(
                    "{key} does not start without {other}: a deploy in which that does not get ready goes back"
                );
                self.note(required.line, format!("services.{key}.depends_on.{other}.required"), message);
            }
        }
    }

    /// What a job waits for. Other jobs stand before it, and resources are ready before all jobs; for
    /// nothing else it can wait.
    pub(super) fn job_needs(&mut self, key: &str, service: &Yaml, services: &[(String, Yaml)]) {
        self.tell_optional(key, service);
        for (line, other) in entries(service) {
            let message = if self.name(other).is_none() {
                format!("there is no service {other:?}")
            } else if self.left_out.iter().any(|key| key == other) {
                format!("{other} was left out")
            } else if self.is_clock(other) {
                format!("{other} became cron jobs, and nothing waits for those")
            } else if leads_to(services, other, key) {
                format!("{other} needs {key} itself: neither could be the first to run")
            } else if self.jobs.iter().any(|job| job == other) || self.resources.contains(other) {
                continue;
            } else {
                format!(
                    "a job of before-start has ended before {other} starts: where it asks {other}, write when = \"after-switch\""
                )
            };
            self.note(line, format!("services.{key}.depends_on"), message);
        }
    }

    /// Whether `from` is `to`, or needs it, or needs one that does.
    fn reaches(&self, from: &str, to: &str) -> bool {
        let mut reached = vec![from];
        let mut next = 0;
        while let Some(key) = reached.get(next).copied() {
            for (_, other) in self.needs.iter().filter(|(needing, _)| needing == key) {
                if !reached.contains(&other.as_str()) {
                    reached.push(other);
                }
            }
            next += 1;
        }
        reached.contains(&to)
    }
}
