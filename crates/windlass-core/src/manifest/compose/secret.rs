//! Secrets of the compose file: a file below `/run/secrets` becomes a setting with `file = true`.

use super::Import;
use super::interpolate::by_default;
use super::yaml::Yaml;
use crate::manifest::format::is_env_name;

/// A secret that a variable of a service leads to.
pub(super) struct Filed {
    /// `services.web`
    place: String,
    secret: String,
    /// The setting that it is, or should be.
    setting: String,
    becomes: Becomes,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Becomes {
    Setting,
    /// Only a person can make it one.
    Noted,
    /// A private server's own password.
    Resources,
}

impl Import {
    /// Whether the variable is taken care of: its value is the path of a secret's file, and Windlass
    /// hands the path over by the same name. `place` is the service's.
    pub(super) fn of_secret(
        &mut self,
        line: u64,
        place: &str,
        (key, value): (&str, Option<&str>),
        value_of: impl Fn(&str) -> Option<String>,
    ) -> bool {
        let value = by_default(value.unwrap_or_default(), "$");
        let Some(secret) = value.strip_prefix("/run/secrets/").filter(|secret| !secret.contains('/')) else {
            return false;
        };
        let at = self.env_files.place(place, key);
        let (setting, becomes) = match key.strip_suffix("_FILE").filter(|name| is_env_name(name)) {
            None => {
                let name = setting_of(secret);
                let message = format!(
                    "there is no /run/secrets here: declare {name} = {{ secret = true, file = true }} under [settings], \
                     and write {{settings.{name}.file}}"
                );
                self.note(line, at, message);
                (name, Becomes::Noted)
            }
            Some(setting) => {
                let becomes = if let Some(reference) = self.resources.beside(setting, value_of) {
                    let message = format!(
                        "is not kept: {reference} is of Windlass's own making; where the program reads only the file, \
                         declare {setting} = {{ value = \"{reference}\", file = true }} under [settings]"
                    );
                    self.note(line, at, message);
                    Becomes::Resources
                } else if setting.eq_ignore_ascii_case(&setting_of(secret)) {
                    self.variables.file(setting);
                    Becomes::Setting
                } else {
                    let message = format!(
                        "there is no /run/secrets here: declare {setting} = {{ secret = true, file = true }} under \
                         [settings], which gives {key}, and take this variable away"
                    );
                    self.note(line, at, message);
                    Becomes::Noted
                };
                (setting.to_owned(), becomes)
            }
        };
        self.filed.push(Filed { place: place.to_owned(), secret: secret.to_owned(), setting, becomes });
        becomes != Becomes::Noted
    }

    /// The secrets of a service.
    pub(super) fn secrets_of(&mut self, place: &str, node: &Yaml) {
        for item in node.items() {
            let Some(secret) = item.text().or_else(|| item.get("source")?.text()) else { continue };
            if self.filed.iter().any(|filed| filed.place == place && filed.secret == secret) {
                continue;
            }
            let name = setting_of(secret);
            let message = format!(
                "{secret}: declare {name} = {{ secret = true, file = true }} under [settings]: the program finds the file's \
                 path in {name}_FILE, and not at /run/secrets/{secret}"
            );
            self.note(item.line, format!("{place}.secrets"), message);
        }
    }

    /// The secrets of the file: where their values go.
    pub(super) fn secrets(&mut self, node: &Yaml, services: &[(String, Yaml)]) {
        for (secret, value) in node.map() {
            let takes = |service: &Yaml| {
                let items = service.get("secrets").map(Yaml::items).unwrap_or_default();
                items
                    .iter()
                    .any(|item| item.text().or_else(|| item.get("source")?.text()) == Some(secret.as_str()))
            };
            let mut takers = services.iter().filter(|(_, service)| takes(service)).peekable();
            let only_resources =
                takers.peek().is_some() && takers.all(|(key, _)| self.resources.contains(key));
            let filed = self.filed.iter().find(|filed| filed.secret == *secret);
            let name = filed.map_or_else(|| setting_of(secret), |filed| filed.setting.clone());
            let put = match value.get("file").and_then(Yaml::text) {
                Some(file) => {
                    format!("put {name}=value into .env, or `windlass secrets set {name} < {file}`")
                }
                None => format!("put {name}=value into .env, or `windlass secrets set {name}`"),
            };
            let message = match filed.map(|filed| filed.becomes) {
                Some(Becomes::Setting) => format!("is the setting {name}: {put}"),
                Some(Becomes::Resources) => RESOURCES.to_owned(),
                None if only_resources => RESOURCES.to_owned(),
                Some(Becomes::Noted) | None => format!("declare it as the setting {name}, and {put}"),
            };
            self.note(value.line, format!("secrets.{secret}"), message);
        }
    }
}

/// For what was the password of a database in a container.
const RESOURCES: &str = "is not needed: Windlass makes the passwords of its resources";

/// The name that a setting has for it.
fn setting_of(secret: &str) -> String {
    secret.to_ascii_uppercase().replace(['-', '.'], "_")
}
