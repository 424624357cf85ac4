//! Environments.

use super::Import;
use super::interpolate::template;
use super::yaml::{Value, Yaml};
use crate::manifest::draft;
use crate::manifest::format::is_env_name;

/// The entries of an `environment`, a map or a list of `KEY=value`.
fn entries(node: &Yaml) -> Vec<(u64, String, Option<String>)> {
    match &node.value {
        Value::Map(entries) => entries
            .iter()
            .map(|(key, value)| (value.line, key.clone(), value.text().map(str::to_owned)))
            .collect(),
        _ => node
            .items()
            .iter()
            .filter_map(|item| {
                let text = item.text()?;
                Some(match text.split_once('=') {
                    Some((key, value)) => (item.line, key.to_owned(), Some(value.to_owned())),
                    None => (item.line, text.to_owned(), None),
                })
            })
            .collect(),
    }
}

/// The value of `key` in an `environment`.
pub(super) fn lookup(node: &Yaml, key: &str) -> Option<String> {
    entries(node).into_iter().find(|(_, other, _)| other == key)?.2
}

impl Import {
    /// The environment of a service, as TOML entries.
    pub(super) fn environment(&mut self, place: &str, node: &Yaml) -> Vec<(String, String)> {
        let mut env = Vec::new();
        let all = entries(node);
        for (line, key, value) in &all {
            let place = format!("{place}.environment.{key}");
            if !is_env_name(key) {
                self.note(*line, place, "cannot be the name of an environment variable");
                continue;
            }
            let Some(value) = value else {
                // Passed on from the environment of whoever starts it, as every setting is.
                self.variables.entry(key.clone()).or_default();
                continue;
            };
            if value.contains('\0') {
                self.note(*line, place, "has a NUL character, which no environment can hold");
                continue;
            }
            let host_of = |key: &str| all.iter().find(|(_, other, _)| other == key)?.2.clone();
            let reference =
                self.resources.reference(key, value).or_else(|| self.resources.beside(key, host_of));
            if let Some(reference) = reference {
                env.push((key.clone(), draft::text(&reference)));
                continue;
            }
            self.other_host(*line, &place, value);
            let filled = template(value, &mut self.variables);
            // A setting of the same name arrives by itself.
            if filled != format!("{{settings.{key}}}") {
                env.push((key.clone(), draft::text(&filled)));
            }
        }
        env
    }

    /// Containers call each other by the names of their services; processes share one machine.
    fn other_host(&mut self, line: u64, place: &str, value: &str) {
        let after_scheme = value.split_once("://").map_or(value, |(_, rest)| rest);
        let host =
            after_scheme.rsplit('@').next().unwrap_or_default().split([':', '/']).next().unwrap_or_default();
        if value.len() > host.len() && self.names.iter().any(|(key, _)| key == host) {
            let message = format!(
                "no host is called {host:?} here: write 127.0.0.1 and a fixed port, or the address of a route"
            );
            self.note(line, place, message);
        }
    }
}
