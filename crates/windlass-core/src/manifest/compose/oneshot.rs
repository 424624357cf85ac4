//! Services that do something once and end, though nobody waits for their end: migrations, seed data.

use super::Import;
use super::depends::depended;
use super::yaml::Yaml;
use crate::manifest::roles;
use crate::name::Name;

/// Whether what a service runs is known to end, and nothing has it run on.
pub(super) fn is_one(service: &Yaml) -> bool {
    let restart = service.get("restart").and_then(Yaml::text).unwrap_or("no");
    let goes_on = !matches!(restart.split(':').next(), Some("no" | "false" | "on-failure"));
    let is_asked = ["ports", "healthcheck"].iter().any(|key| service.get(key).is_some());
    if goes_on || is_asked {
        return false;
    }
    let nodes = ["entrypoint", "command"].into_iter().filter_map(|key| service.get(key));
    let words = nodes.flat_map(Yaml::items).filter_map(Yaml::text).flat_map(str::split_whitespace);
    let words: Vec<&str> = words.map(|word| word.trim_matches(['"', '\'', ';'])).collect();
    // Of a line for the shell the last command goes on, or does not.
    let last = words.rsplit(|word| matches!(*word, "&&" | "||" | ";" | "&" | "|")).next();
    last.is_some_and(roles::ends_by_itself)
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
