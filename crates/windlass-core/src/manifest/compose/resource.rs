//! Services that are databases, caches or brokers become resources; what leads to them, references.

use super::yaml::Yaml;
use crate::manifest::draft::{self, Draft};
use crate::name::Name;
use crate::spec::Engine;

/// The resources of a compose file.
pub(super) struct Resources(Vec<Found>);

struct Found {
    /// Its host name in the compose file.
    key: String,
    name: Name,
    engine: Engine,
    version: Option<u32>,
    database: Option<String>,
}

impl Resources {
    pub(super) fn find(services: &[(String, Yaml)], names: &[(String, Name)]) -> Self {
        let found = services.iter().filter_map(|(key, service)| {
            let image = service.get("image")?.text()?;
            let (engine, version) = engine(image)?;
            let name = names.iter().find(|(other, _)| other == key)?.1.clone();
            let env = service.get("environment");
            let database = ["POSTGRES_DB", "RABBITMQ_DEFAULT_VHOST"]
                .into_iter()
                .find_map(|key| super::env::lookup(env?, key))
                .filter(|database| !database.contains('$'));
            Some(Found { key: key.clone(), name, engine, version, database })
        });
        Self(found.collect())
    }

    pub(super) fn contains(&self, key: &str) -> bool {
        self.get(key).is_some()
    }

    fn get(&self, key: &str) -> Option<&Found> {
        self.0.iter().find(|found| found.key == key)
    }

    pub(super) fn write(&self, draft: &mut Draft) {
        for found in &self.0 {
            let section = draft.section(format!("[resources.{}]", found.name));
            let engine = match found.engine {
                Engine::Postgres => "postgres",
                Engine::Redis => "redis",
                Engine::Rabbitmq => "rabbitmq",
            };
            section.set("engine", draft::text(engine));
            if let Some(version) = found.version {
                section.suggest("version", version.to_string());
            }
            if let Some(database) = &found.database {
                section.set("database", draft::text(database));
            }
        }
    }

    /// The reference for a value that leads to a resource: a URL with its host, or its host alone.
    pub(super) fn reference(&self, key: &str, value: &str) -> Option<String> {
        if let Some((scheme, rest)) = value.split_once("://") {
            let authority = rest.split(['/', '?']).next().unwrap_or_default();
            let host = authority.rsplit('@').next().unwrap_or_default().split(':').next().unwrap_or_default();
            let found = self.get(host)?;
            let scheme = scheme.split('+').next().unwrap_or_default();
            let same = match found.engine {
                Engine::Postgres => matches!(scheme, "postgres" | "postgresql" | "postgis"),
                Engine::Redis => matches!(scheme, "redis" | "rediss"),
                Engine::Rabbitmq => matches!(scheme, "amqp" | "amqps" | "pyamqp"),
            };
            return same.then(|| format!("{{resources.{}.url}}", found.name));
        }
        let host = key.to_ascii_uppercase();
        (host.ends_with("HOST") || host.ends_with("SERVER") || host.ends_with("HOSTNAME"))
            .then(|| self.get(value).map(|found| format!("{{resources.{}.host}}", found.name)))?
    }

    /// The reference for a variable that stands beside one with a resource's host: `DB_PORT` beside
    /// `DB_HOST = db`.
    pub(super) fn beside(&self, key: &str, host_of: impl Fn(&str) -> Option<String>) -> Option<String> {
        let (prefix, last) = key.rsplit_once('_')?;
        let found = ["HOST", "SERVER", "HOSTNAME"]
            .into_iter()
            .find_map(|suffix| self.get(&host_of(&format!("{prefix}_{suffix}"))?))?;
        let fact = match last.to_ascii_uppercase().as_str() {
            "PORT" => "port",
            "USER" | "USERNAME" => "user",
            "PASSWORD" | "PASS" | "PASSWD" => "password",
            "NAME" | "DB" | "DATABASE" | "DBNAME" => "database",
            "VHOST" => "vhost",
            _ => return None,
        };
        found.engine.facts().contains(&fact).then(|| format!("{{resources.{}.{fact}}}", found.name))
    }
}

/// The engine and major version of an image.
fn engine(image: &str) -> Option<(Engine, Option<u32>)> {
    let image = image.split('@').next()?;
    let last = image.rsplit('/').next()?;
    let (name, tag) = last.split_once(':').unwrap_or((last, ""));
    let engine = match name {
        "postgres" | "postgresql" | "postgis" => Engine::Postgres,
        "redis" | "valkey" => Engine::Redis,
        "rabbitmq" => Engine::Rabbitmq,
        _ => return None,
    };
    let digits: String = tag.chars().take_while(char::is_ascii_digit).collect();
    Some((engine, digits.parse().ok()))
}
