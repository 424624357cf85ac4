//! Environments.

use super::Import;
use super::env_file::Origin;
use super::interpolate::by_default;
use super::variables::holds_secret;
use super::yaml::{Value, Yaml};
use crate::manifest::draft;
use crate::manifest::format::is_env_name;
use crate::manifest::hosts::{host, is_host};
use crate::settings::{is_harmless, sounds_secret};
use indexmap::IndexSet;

/// The names that mean a variable anywhere in a compose file: `$NAME`, `${NAME...}`, and entries of an `environment` that
/// have no value.
pub(super) fn meant(yaml: &str, services: &[(String, Yaml)]) -> IndexSet<String> {
    let name = |text: &str| -> String {
        text.chars().take_while(|c| c.is_ascii_alphanumeric() || *c == '_').collect()
    };
    let referred = yaml.split('$').skip(1).map(|text| name(text.strip_prefix('{').unwrap_or(text)));
    let passed = services
        .iter()
        .filter_map(|(_, service)| service.get("environment"))
        .flat_map(entries)
        .filter_map(|(_, key, value)| value.is_none().then_some(key));
    referred.chain(passed).filter(|name| !name.is_empty()).collect()
}

/// The entries of an `environment`, a map or a list of `KEY=value`.
pub(super) fn entries(node: &Yaml) -> Vec<(u64, String, Option<String>)> {
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
    /// The environment of a service, as TOML entries. Where it `listens`, it is told its port.
    pub(super) fn environment(&mut self, service: &str, node: &Yaml, listens: bool) -> Vec<(String, String)> {
        let mut env = Vec::new();
        let all = entries(node);
        let keys: Vec<&str> = all.iter().map(|(_, key, _)| key.as_str()).collect();
        let value_of = |key: &str| all.iter().find(|(_, other, _)| other == key)?.2.clone();
        for (line, key, value) in &all {
            if listens && key == "PORT" {
                continue;
            }
            let place = self.env_files.place(service, key);
            let origin = self.env_files.origin(service, key);
            if !is_env_name(key) {
                self.note(*line, place, "cannot be the name of an environment variable");
                continue;
            }
            let value = value.as_deref();
            if value.is_some_and(|value| value.contains('\0')) {
                self.note(*line, place, "has a NUL character, which no environment can hold");
                continue;
            }
            if self.of_secret(*line, service, (key, value), value_of) {
                continue;
            }
            let reference = value.and_then(|value| self.resources.reference(key, value));
            if let Some(reference) = reference {
                put(&mut env, key, &reference.text);
                reference.notes.into_iter().for_each(|message| self.note(*line, place.clone(), message));
                if let Some(beside) = self.resources.missing(key, value.unwrap_or_default(), &keys) {
                    beside.added.iter().for_each(|(key, value)| put(&mut env, key, value));
                    self.note(*line, place, beside.note);
                }
                continue;
            }
            if let Some(reference) = self.resources.beside(key, value_of) {
                put(&mut env, key, &reference);
                continue;
            }
            let Some(value) = value else {
                // Passed on from the environment of whoever starts it, as every setting is.
                self.variables.passed(key);
                continue;
            };
            self.other_host(*line, &place, key, value);
            let is_secret = holds_secret(key, value) || origin == Some(Origin::Secret);
            if origin == Some(Origin::Own) {
                // Its value stays where it is.
                match is_secret {
                    true => self.variables.secret(key),
                    false => self.variables.passed(key),
                }
                continue;
            }
            // Git may keep the file from those who read the manifest.
            let is_doubtful = origin == Some(Origin::File) && !is_harmless(key, value);
            if is_secret || is_doubtful {
                let setting = self.kept_out(service, key, value);
                let is = if is_secret { "is a secret and" } else { "may be a secret and is" };
                let message = format!(
                    "{is} not carried over, because the manifest is for all to read: put {setting}=... into \
                     .env, which git must not keep"
                );
                self.note(*line, place, message);
                if setting != *key {
                    put(&mut env, key, &format!("{{settings.{setting}}}"));
                }
                continue;
            }
            let filled = match sounds_secret(key) {
                true => self.variables.secret_template(value),
                false => self.variables.template(value),
            };
            self.tell_lost(*line, &place);
            self.in_volume(*line, &place, value);
            // A setting of the same name arrives by itself.
            if filled != format!("{{settings.{key}}}") {
                put(&mut env, key, &filled);
            }
        }
        env
    }

    /// The setting that has the place of the secret `value`: its variable's name, unless another service has another
    /// value for that, or the file means something else by it.
    pub(super) fn kept_out(&mut self, service: &str, key: &str, value: &str) -> String {
        let own = |import: &Self, setting: &str| match import.kept_out.get(setting) {
            Some(known) => known == value,
            None => !import.variables.knows(setting) && !import.meant.contains(setting),
        };
        let named = service.rsplit('.').next().unwrap_or_default();
        let named: String = named
            .chars()
            .map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_uppercase() } else { '_' })
            .collect();
        let setting = if own(self, key) { key.to_owned() } else { format!("{key}_OF_{named}") };
        self.variables.secret(&setting);
        self.kept_out.insert(setting.clone(), value.to_owned());
        setting
    }

    /// A path below a volume's place in the container is no path here.
    fn in_volume(&mut self, line: u64, place: &str, value: &str) {
        let value = by_default(value, "$");
        let is_below = |target: &&String| {
            value.strip_prefix(target.as_str()).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        };
        let Some(target) = self.targets.iter().find(is_below) else { return };
        let message = format!(
            "leads to {target}, where the container has a volume and there is nothing here: write where that is now, such as a \
             path below {{shared}}"
        );
        self.note(line, place, message);
    }

    /// Containers call each other by the names of their services; processes share one machine.
    pub(super) fn other_host(&mut self, line: u64, place: &str, key: &str, value: &str) {
        let value = by_default(value, "$");
        let host = host(&value);
        if value.len() == host.len() && !is_host(key) {
            return;
        }
        let message = if let Some(facts) = self.resources.facts(host) {
            format!("no host is called {host:?} here: put it together from {facts}")
        } else if self.left_out.iter().any(|key| key == host) {
            format!("{host:?} was left out: write where it is")
        } else if let Some((_, name)) = self.names.iter().find(|(key, _)| key == host) {
            match value.split_once("://") {
                Some(("http" | "https" | "ws" | "wss", _)) => format!(
                    "no host is called {host:?} here: call it through the proxy, which knows its copies: give it [[routes]] \
                     with path = \"/internal/{name}\", service = \"{name}\", strip_prefix = true and \
                     allow = [\"127.0.0.0/8\"] (with a proxy on this machine, set listen.trusted_proxies first), and write \
                     http://127.0.0.1:PORT/internal/{name}, with the port of [listen]"
                ),
                _ => format!(
                    "no host is called {host:?} here: write 127.0.0.1 and a fixed port, or the address of a route"
                ),
            }
        } else {
            return;
        };
        self.note(line, place, message);
    }
}

/// Sets a variable; the last word about it holds.
fn put(env: &mut Vec<(String, String)>, key: &str, template: &str) {
    env.retain(|(other, _)| other != key);
    env.push((key.to_owned(), draft::text(template)));
}
