//! Files that `env_file` names: their lines stand in `environment`, which wins over them.

use indexmap::IndexMap;

use super::env::entries;
use super::interpolate::by_default;
use super::variables::holds_secret;
use super::yaml::{Value, Yaml};
use super::{Files, Import};
use crate::settings::dotenv::{self, Lookup};
use crate::settings::speaks_of_secret;

/// The file that Windlass reads as well.
const OWN: &str = ".env";

/// What the files of each service brought along; by `services.web`.
#[derive(Default)]
pub(super) struct EnvFiles(IndexMap<String, Brought>);

#[derive(Default)]
struct Brought {
    variables: IndexMap<String, Origin>,
    /// What is wrong with the files, by the lines that name them.
    faults: Vec<(u64, String)>,
    /// The files that are not there.
    missing: Vec<(u64, String)>,
}

/// Where the value of a variable is from, and whether it may be shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Origin {
    File,
    /// From a file too, and a secret by its name, or by that of something in it.
    Secret,
    /// From the `.env` that the values of settings come from in any case.
    Own,
}

/// A line of a file, and where the compose file names that.
struct Line {
    at: u64,
    value: String,
    origin: Origin,
}

impl EnvFiles {
    /// Puts the lines of the files into the `environment` of each service.
    pub(super) fn bring(document: &mut Yaml, files: Files<'_>, values: Lookup<'_>) -> Self {
        let mut all = IndexMap::new();
        for (service, node) in document.get_mut("services").map(Yaml::map_mut).into_iter().flatten() {
            let Some(named) = node.get("env_file").cloned() else { continue };
            let mut brought = Brought::default();
            let lines = brought.read(&named, files, values);
            brought.put(node, lines);
            all.insert(format!("services.{service}"), brought);
        }
        Self(all)
    }

    /// Where the variable of the service has its value from, where that is no `environment`.
    pub(super) fn origin(&self, service: &str, variable: &str) -> Option<Origin> {
        self.0.get(service)?.variables.get(variable).copied()
    }

    /// Where the variable of the service stands.
    pub(super) fn place(&self, service: &str, variable: &str) -> String {
        let key = if self.origin(service, variable).is_some() { "env_file" } else { "environment" };
        format!("{service}.{key}.{variable}")
    }

    /// Whether a file of the service is not there.
    pub(super) fn lack(&self, service: &str) -> bool {
        self.0.get(service).is_some_and(|brought| !brought.missing.is_empty())
    }
}

impl Brought {
    /// The lines of all files; a later one wins.
    fn read(&mut self, named: &Yaml, files: Files<'_>, values: Lookup<'_>) -> IndexMap<String, Line> {
        let mut lines: IndexMap<String, Line> = IndexMap::new();
        for item in named.items() {
            let Some(path) = item.text().or_else(|| item.get("path").and_then(Yaml::text)) else { continue };
            let path = by_default(path, "$");
            let path = path.trim_start_matches("./");
            let Some(text) = files(path) else {
                let is_needed = item.get("required").and_then(Yaml::text).is_none_or(|word| word != "false");
                // Nothing of Windlass's own lacks where there is no .env.
                if is_needed && path != OWN {
                    self.missing.push((item.line, path.to_owned()));
                }
                continue;
            };
            let found = match item.get("format").and_then(Yaml::text) {
                Some("raw") => raw(&text),
                _ => self.parsed(item.line, path, &text, values, &lines),
            };
            for (name, value, of_secret) in found {
                // Those of compose itself.
                if path == OWN && name.starts_with("COMPOSE_") {
                    continue;
                }
                let is_secret = of_secret || (speaks_of_secret(&name) && !value.is_empty());
                let origin = match path {
                    OWN => Origin::Own,
                    _ if is_secret => Origin::Secret,
                    _ => Origin::File,
                };
                lines.insert(name, Line { at: item.line, value, origin });
            }
        }
        lines
    }

    /// The names and the values of a file, and whether something in a value is a secret.
    fn parsed(
        &mut self,
        at: u64,
        path: &str,
        text: &str,
        values: Lookup<'_>,
        above: &IndexMap<String, Line>,
    ) -> Vec<(String, String, bool)> {
        let of_above = |name: &str| above.get(name).map(|line| line.value.clone());
        let parsed = dotenv::parse(path, text, values, &of_above);
        let faults = parsed.faults.into_iter().chain(parsed.unfit);
        self.faults.extend(faults.map(|fault| (at, fault.to_string())));
        let mut found: Vec<(String, String, bool)> = Vec::new();
        for entry in parsed.entries {
            let hides = |name: &String| {
                let here = found.iter().any(|(other, _, of_secret)| other == name && *of_secret);
                let before = above.get(name).is_some_and(|line| line.origin == Origin::Secret);
                here || before
                    || speaks_of_secret(name)
                    || values(name).is_some_and(|value| holds_secret(name, &value))
            };
            let of_secret = entry.made_of.iter().any(hides);
            found.push((entry.name, entry.value.expose().to_owned(), of_secret));
        }
        found
    }

    /// Puts the lines before what the service's `environment` has.
    fn put(&mut self, service: &mut Yaml, lines: IndexMap<String, Line>) {
        let own = service.get("environment").map(entries).unwrap_or_default();
        let lines: Vec<_> =
            lines.into_iter().filter(|(name, _)| own.iter().all(|(_, other, _)| other != name)).collect();
        if lines.is_empty() {
            return;
        }
        let Value::Map(keys) = &mut service.value else { return };
        let mut all = Vec::new();
        for (name, Line { at, value, origin }) in lines {
            // Nothing in it is a reference any more.
            let value = Value::Scalar(value.replace('$', "$$"));
            all.push((name.clone(), Yaml { line: at, value }));
            self.variables.insert(name, origin);
        }
        all.extend(own.into_iter().map(|(line, name, value)| {
            (name, Yaml { line, value: value.map_or(Value::Null, Value::Scalar) })
        }));
        match keys.iter_mut().find(|(key, _)| key == "environment") {
            Some((_, environment)) => environment.value = Value::Map(all),
            None => {
                keys.push(("environment".to_owned(), Yaml { line: service.line, value: Value::Map(all) }));
            }
        }
    }
}

/// The lines of a file in which nothing is quoted and nothing is put in.
fn raw(text: &str) -> Vec<(String, String, bool)> {
    let lines = text.lines().map(str::trim).filter(|line| !line.starts_with('#'));
    let entries = lines.filter_map(|line| line.split_once('='));
    entries.map(|(name, value)| (name.to_owned(), value.to_owned(), false)).collect()
}

impl Import {
    /// What of the files of a service was not brought along.
    pub(super) fn env_file(&mut self, place: &str) {
        let Some(Brought { faults, missing, .. }) = self.env_files.0.shift_remove(place) else { return };
        let place = format!("{place}.env_file");
        for (line, fault) in faults {
            self.note(line, &place, fault);
        }
        let hosts = if missing.is_empty() { String::new() } else { self.no_hosts() };
        for (line, path) in missing {
            let message = format!(
                "{path} was not found in the project, so that nothing of it is here: put it there and import again, or declare \
                 what it has under [settings], with the values in .env{hosts}"
            );
            self.note(line, &place, message);
        }
    }

    /// That names of services are no hosts, and what there is instead.
    fn no_hosts(&self) -> String {
        let services = self.names.iter().map(|(key, _)| key).filter(|key| !self.left_out.contains(key));
        let (resources, others): (Vec<_>, Vec<_>) = services.partition(|key| self.resources.contains(key));
        let host = resources.first().or(others.first());
        let instead = match resources.first().and_then(|host| self.resources.facts(host)) {
            Some(facts) => format!("what leads there is put together from {facts}"),
            None => "write 127.0.0.1 and a fixed port, or the address of a route".to_owned(),
        };
        host.map(|host| format!("; no host is called {host:?} here: {instead}")).unwrap_or_default()
    }
}
