//! Services that do something once and end, though nobody waits for their end: migrations, seed data.

use super::Import;
use super::depends::depended;
use super::ending::ends_by_itself;
use super::env::entries;
use super::yaml::Yaml;
use crate::manifest::{hosts, words};
use crate::name::Name;

/// The services of which the compose file itself says that they run something that ends. What a Dockerfile says is for
/// every service of its image.
pub(super) fn candidates(services: &[(String, Yaml)]) -> Vec<String> {
    let ends = |service: &Yaml| {
        let nodes = ["entrypoint", "command"].into_iter().filter_map(|key| service.get(key));
        let words: Option<Vec<Vec<String>>> = nodes.map(told).collect();
        words.is_some_and(|words| ends_by_itself(&words.concat()))
    };
    services.iter().filter(|(_, service)| ends(service)).map(|(key, _)| key.clone()).collect()
}

/// The words of a command. Those of a line are taken apart, those of a list are not.
fn told(node: &Yaml) -> Option<Vec<String>> {
    match node.text() {
        Some(line) => words::split_verbatim(line).ok(),
        None => node.items().iter().map(|item| item.text().map(str::to_owned)).collect(),
    }
}

/// Whether nothing has a service run on, or says that it is asked for something.
pub(super) fn may_end(key: &str, service: &Yaml, services: &[(String, Yaml)]) -> bool {
    let restart = service.get("restart").and_then(Yaml::text).unwrap_or("no");
    let goes_on = !matches!(restart.split(':').next(), Some("no" | "false" | "on-failure"));
    let is_asked = ["ports", "expose", "healthcheck"].iter().any(|key| service.get(key).is_some());
    let is_routed = |key: &str, begins: &[&str]| {
        let said = service.get(key).map(entries).unwrap_or_default();
        said.iter().any(|(_, key, _)| begins.iter().any(|begin| key.starts_with(begin)))
    };
    let calls_it = |other: &Yaml| {
        let condition = other.get("depends_on").and_then(|needed| needed.get(key)?.get("condition")?.text());
        let env = other.get("environment").map(entries).unwrap_or_default();
        let leads = |name: &str, value: &str| hosts::leads_to(name, value) == Some(key);
        condition == Some("service_healthy")
            || env.iter().any(|(_, name, value)| value.as_deref().is_some_and(|value| leads(name, value)))
    };
    let is_called = services.iter().any(|(other, service)| other != key && calls_it(service));
    let is_routed = is_routed("labels", &["traefik.", "caddy"]) || is_routed("environment", &["VIRTUAL_"]);
    !(goes_on || is_asked || is_routed || is_called)
}

impl Import {
    /// That a service was taken for a job.
    pub(super) fn tell_job(&mut self, place: &str, key: &str, service: &Yaml) {
        if self.guessed_jobs.iter().any(|job| job == key) {
            let line = service.get("command").or_else(|| service.get("entrypoint")).unwrap_or(service).line;
            let message = "is taken for a job, as it ends by itself: it runs in each deploy, before any new copy starts";
            self.note(line, format!("{place}.command"), message);
        }
    }

    /// That a service which is not started again, and which others wait for, may be meant to end.
    pub(super) fn tell_perhaps_a_job(
        &mut self,
        place: &str,
        key: &str,
        service: &Yaml,
        services: &[(String, Yaml)],
    ) {
        let Some(restart) = service.get("restart") else { return };
        let policy = restart.text().unwrap_or_default();
        let ends = matches!(policy.split(':').next(), Some("no" | "false" | "on-failure"));
        let is_asked = ["ports", "healthcheck"].iter().any(|key| service.get(key).is_some());
        let waiting = services.iter().find(|(_, other)| depended(other).iter().any(|needed| needed == key));
        let name = self.name(key).map_or(key, Name::as_str);
        if let (true, false, Some((waiting, _))) = (ends, is_asked, waiting) {
            let message = format!(
                "{waiting} depends on it, and it is not started again: a service that ends fails the deploy. Where it is to end, write \
                 it as [jobs.{name}] with when = \"before-start\" and undo = \"compatible\", and take it out of `needs`"
            );
            self.note(restart.line, format!("{place}.restart"), message);
        }
    }
}
