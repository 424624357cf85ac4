//! Services that are databases, caches or brokers become resources; what leads to them, references.

use super::image::Image;
use super::interpolate::{by_default, literally};
use super::yaml::Yaml;
use crate::manifest::draft::{self, Draft};
use crate::manifest::hosts::{self, HOSTS, host, is_host};
use crate::name::Name;
use crate::spec::Engine;

/// The resources of a compose file.
pub(super) struct Resources(Vec<Found>);

struct Found {
    key: String,
    /// Its host names in the compose file.
    hosts: Vec<String>,
    name: Name,
    engine: Engine,
    version: Option<u32>,
    extension: Option<&'static str>,
    database: Option<String>,
    /// What of its image is not here.
    note: Option<String>,
}

/// What a value becomes that leads to a resource.
pub(super) struct Reference {
    pub(super) text: String,
    /// What is different from before.
    pub(super) notes: Vec<String>,
}

/// Variables that lie beside one with a resource's host.
pub(super) struct Beside {
    /// Those that were not there, as templates.
    pub(super) added: Vec<(String, String)>,
    /// Why.
    pub(super) note: String,
}

impl Resources {
    pub(super) fn find(services: &[(String, Yaml)], names: &[(String, Name)], left_out: &[String]) -> Self {
        let found =
            services.iter().filter(|(key, _)| !left_out.contains(key)).filter_map(|(key, service)| {
                let Image { engine, version, extension, note } = Image::of(service)?;
                let name = names.iter().find(|(other, _)| other == key)?.1.clone();
                let env = service.get("environment");
                let database = database_of(engine)
                    .and_then(|key| super::env::lookup(env?, key))
                    .map(|database| by_default(&database, "$"))
                    .filter(|database| can_be_called(engine, database));
                let aliases =
                    ["container_name", "hostname"].into_iter().filter_map(|key| service.get(key)?.text());
                let hosts = [key.as_str()].into_iter().chain(aliases).map(str::to_owned).collect();
                Some(Found { key: key.clone(), hosts, name, engine, version, extension, database, note })
            });
        Self(found.collect())
    }

    pub(super) fn contains(&self, key: &str) -> bool {
        self.0.iter().any(|found| found.key == key)
    }

    /// What of the image of the service `key` is not here.
    pub(super) fn note(&self, key: &str) -> Option<&str> {
        self.0.iter().find(|found| found.key == key)?.note.as_deref()
    }

    fn at(&self, host: &str) -> Option<&Found> {
        self.0.iter().find(|found| found.hosts.iter().any(|other| other == host))
    }

    pub(super) fn write(&self, draft: &mut Draft) {
        for found in &self.0 {
            let section = draft.section(format!("[resources.{}]", found.name));
            section.set("engine", draft::text(name_of(found.engine)));
            if let Some(version) = found.version {
                section.suggest("version", version.to_string());
            }
            if let Some(database) = &found.database {
                section.set("database", draft::text(database));
            }
            if let Some(extension) = found.extension {
                section.set("options", draft::inline(&[("extensions".to_owned(), draft::text(extension))]));
            }
        }
    }

    /// The reference for a value that leads to a resource: a URL, a host with its port, or a host alone.
    pub(super) fn reference(&self, key: &str, value: &str) -> Option<Reference> {
        let plain = by_default(value, "$");
        let host = host(&plain);
        let found = self.at(host)?;
        let mut notes = Vec::new();
        let text = if let Some((scheme, rest)) = plain.split_once("://") {
            found.url(scheme, rest, &mut notes)?
        } else if plain == host && is_host(key) {
            found.fact("host")
        } else if plain.strip_prefix(host)?.strip_prefix(':')?.parse::<u16>().is_ok() {
            format!("{}:{}", found.fact("host"), found.fact("port"))
        } else {
            return None;
        };
        let written = literally(value, "$");
        // Databases of Redis are numbers, and which one is meant gets lost.
        if found.engine == Engine::Redis && path_of(&written).is_some_and(|path| path.contains('$')) {
            let number = path_of(&plain).filter(|path| !matches!(*path, "" | "$")).unwrap_or("0");
            notes.push(format!("takes the database {number} always, whatever the variable says"));
        }
        if hosts::host(&written) != host {
            notes.push(format!(
                "leads to {0} always, whatever the variable says; for a server elsewhere write `url` under \
                 [environments.NAME.resources.{0}]",
                found.name
            ));
        }
        Some(Reference { text, notes })
    }

    /// The reference for a variable that stands beside one with a resource's host: `DB_PORT` beside
    /// `DB_HOST = db`.
    pub(super) fn beside(&self, key: &str, value_of: impl Fn(&str) -> Option<String>) -> Option<String> {
        let at_host = |prefix: &str| {
            HOSTS.into_iter().find_map(|suffix| {
                let value = [suffix.to_owned(), suffix.to_ascii_lowercase()]
                    .into_iter()
                    .find_map(|suffix| value_of(&format!("{prefix}{suffix}")))?;
                self.at(host(&by_default(&value, "$")))
            })
        };
        FACTS.into_iter().find_map(|word| {
            let (prefix, last) = cut(key, word)?;
            let found = at_host(prefix)?;
            found.fact_called(last).map(|fact| found.fact(fact))
        })
    }

    /// What the program needs beside the host that `key` has: what a private server has of its own.
    pub(super) fn missing(&self, key: &str, value: &str, keys: &[&str]) -> Option<Beside> {
        let plain = by_default(value, "$");
        let found = self.at(host(&plain)).filter(|_| !plain.contains("://"))?;
        let prefix = beginning(key);
        let is_there = |fact: &str| {
            let others = keys.iter().filter_map(|key| key.strip_prefix(prefix?));
            others.into_iter().any(|last| found.fact_called(last) == Some(fact))
        };
        let lacking: Vec<&str> = ["port", "user", "password", "database", "vhost"]
            .into_iter()
            .filter(|fact| found.engine.facts().contains(fact))
            // A database of Redis is a number, and 0 where none is given; here too.
            .filter(|fact| !(found.engine == Engine::Redis && *fact == "database"))
            .filter(|fact| *fact != "port" || !plain.contains(':'))
            .filter(|fact| !is_there(fact))
            .collect();
        if lacking.is_empty() {
            return None;
        }
        let own = format!("{} has a {} of its own here", found.name, and(&lacking));
        let Some(prefix) = prefix else {
            let facts: Vec<String> = lacking.iter().map(|fact| found.fact(fact)).collect();
            return Some(Beside {
                added: vec![],
                note: format!("{own}: tell the program {} too", and(&facts)),
            });
        };
        let added: Vec<(String, String)> =
            lacking.iter().map(|fact| (variable(prefix, fact), found.fact(fact))).collect();
        let names: Vec<&str> = added.iter().map(|(key, _)| key.as_str()).collect();
        let note = format!(
            "{own}: {} {} added; where the program reads another name, write that",
            and(&names),
            if names.len() == 1 { "was" } else { "were" }
        );
        Some(Beside { added, note })
    }

    /// The references to all facts of the resource that is at `host`.
    pub(super) fn facts(&self, host: &str) -> Option<String> {
        let found = self.at(host)?;
        let facts: Vec<String> = found
            .engine
            .facts()
            .iter()
            .filter(|fact| **fact != "socket")
            .map(|fact| found.fact(fact))
            .collect();
        Some(and(&facts))
    }

    /// Whether a variable speaks to the image of the resource.
    pub(super) fn is_for(&self, key: &str, variable: &str) -> bool {
        let found = self.0.iter().find(|found| found.key == key);
        found.is_some_and(|found| variable.to_ascii_lowercase().starts_with(name_of(found.engine)))
    }

    /// What takes the place of a variable that a resource's image is told. `None` where it is kept.
    pub(super) fn told(&self, key: &str, variable: &str) -> Option<String> {
        let found = self.0.iter().find(|found| found.key == key)?;
        let fact = |fact: &str| found.fact(fact);
        Some(match variable {
            _ if Some(variable) == database_of(found.engine) => {
                if found.database.is_some() {
                    return None;
                }
                format!(
                    "is not kept: {} stands for the name that Windlass takes, the application's; `database` sets another",
                    fact(if found.engine == Engine::Rabbitmq { "vhost" } else { "database" })
                )
            }
            "POSTGRES_USER" | "POSTGRESQL_USERNAME" | "RABBITMQ_DEFAULT_USER" | "RABBITMQ_USERNAME" => {
                format!("is not kept: Windlass names the user, {} stands for it", fact("user"))
            }
            "POSTGRES_PASSWORD"
            | "POSTGRES_PASSWORD_FILE"
            | "POSTGRESQL_PASSWORD"
            | "RABBITMQ_DEFAULT_PASS"
            | "RABBITMQ_PASSWORD"
            | "REDIS_PASSWORD" => {
                format!("is not kept: Windlass makes a password, {} stands for it", fact("password"))
            }
            _ => "is not read: the server's own configuration goes into `options`".to_owned(),
        })
    }
}

impl Found {
    fn fact(&self, fact: &str) -> String {
        format!("{{resources.{}.{fact}}}", self.name)
    }

    /// The fact as a part of a URL.
    fn encoded(&self, fact: &str) -> String {
        format!("{{resources.{}.{fact}|url}}", self.name)
    }

    /// The URL, where the scheme is the engine's. It is put together anew where the resource's own
    /// has another scheme or another number.
    fn url(&self, scheme: &str, rest: &str, notes: &mut Vec<String>) -> Option<String> {
        let family = scheme.split('+').next().unwrap_or_default();
        let (path, query) = rest.split_once('?').unwrap_or((rest, ""));
        let path = path.split_once('/').map_or("", |(_, path)| path);
        let (user, end) = match (self.engine, family) {
            (Engine::Postgres, "postgres" | "postgresql" | "postgis") => {
                (self.encoded("user"), self.encoded("database"))
            }
            (Engine::Redis, "redis" | "rediss" | "valkey") => ("default".to_owned(), path.to_owned()),
            (Engine::Rabbitmq, "amqp" | "amqps" | "pyamqp") => (self.encoded("user"), self.encoded("vhost")),
            _ => return None,
        };
        if !query.is_empty() {
            notes.push("what follows the ? was left out: append it where it is needed".to_owned());
        }
        if let Some(database) = self.database.as_deref().filter(|_| self.engine == Engine::Postgres)
            && !matches!(path, "" | "$")
            && path != database
        {
            notes.push(format!("{} has one database, {database}, and not {path}", self.name));
        }
        let number = path.parse::<u32>().is_ok_and(|number| number > 0);
        let same = scheme == family && family != "postgresql" && family != "postgis";
        if same && !(self.engine == Engine::Redis && number) {
            return Some(self.fact("url"));
        }
        let (password, host, port) = (self.encoded("password"), self.fact("host"), self.fact("port"));
        let scheme = scheme.replace("rediss", "redis").replace("amqps", "amqp");
        Some(format!("{scheme}://{user}:{password}@{host}:{port}/{end}"))
    }

    /// The fact that a variable with this last word has.
    fn fact_called(&self, last: &str) -> Option<&'static str> {
        let fact = match last.to_ascii_uppercase().as_str() {
            "PORT" => "port",
            "USER" | "USERNAME" => "user",
            "PASSWORD" | "PASS" | "PASSWD" => "password",
            // Numbers, which a private server has as well.
            "NAME" | "DB" | "DATABASE" | "DBNAME" if self.engine != Engine::Redis => "database",
            "VHOST" => "vhost",
            _ => return None,
        };
        self.engine.facts().contains(&fact).then_some(fact)
    }
}

/// The path of a URL, if it is one.
fn path_of(url: &str) -> Option<&str> {
    let (_, rest) = url.split_once("://")?;
    Some(rest.split_once('/').map_or("", |(_, path)| path))
}

/// What the last word of a variable may be where its value is a fact of a server.
const FACTS: [&str; 11] =
    ["PORT", "USER", "USERNAME", "PASSWORD", "PASS", "PASSWD", "NAME", "DB", "DATABASE", "DBNAME", "VHOST"];

/// A variable's name, cut before this last word.
fn cut<'k>(key: &'k str, word: &str) -> Option<(&'k str, &'k str)> {
    let at = key.len().checked_sub(word.len()).filter(|at| *at > 0)?;
    key.get(at..).filter(|last| last.eq_ignore_ascii_case(word))?;
    Some(key.split_at(at))
}

/// What the variables begin with that belong to the one with the host: `DB_` for `DB_HOST`, `PG` for `PGHOST`, and
/// `SHOP_DB` for `SHOP_DBHOST`, where `SHOP_PORT` is another matter.
fn beginning(key: &str) -> Option<&str> {
    let longest = HOSTS.into_iter().filter_map(|word| cut(key, word)).min_by_key(|(prefix, _)| prefix.len());
    let before = longest.map(|(prefix, _)| prefix);
    before.or_else(|| key.rfind('_').map(|at| &key[..=at])).or_else(|| key.starts_with("PG").then_some("PG"))
}

/// The variable for a fact among those that begin so.
fn variable(prefix: &str, fact: &str) -> String {
    let word = match (fact, prefix) {
        ("database", "PG") => "DATABASE",
        ("database", "POSTGRES_" | "POSTGRESQL_") => "DB",
        ("database", _) => "NAME",
        ("password", prefix) if prefix.to_ascii_uppercase().ends_with("DB") => "PASS",
        (fact, _) => fact,
    };
    let small = prefix.chars().any(|c| c.is_ascii_lowercase());
    let word = if small { word.to_ascii_lowercase() } else { word.to_ascii_uppercase() };
    format!("{prefix}{word}")
}

/// How a manifest calls it.
fn name_of(engine: Engine) -> &'static str {
    match engine {
        Engine::Postgres => "postgres",
        Engine::Redis => "redis",
        Engine::Rabbitmq => "rabbitmq",
    }
}

/// The variable by which an image is told its database.
fn database_of(engine: Engine) -> Option<&'static str> {
    match engine {
        Engine::Postgres => Some("POSTGRES_DB"),
        Engine::Rabbitmq => Some("RABBITMQ_DEFAULT_VHOST"),
        Engine::Redis => None,
    }
}

/// Whether a private server can have a database of this name.
fn can_be_called(engine: Engine, database: &str) -> bool {
    let taken =
        ["postgres", "template0", "template1", "public"].contains(&database) || database.starts_with("pg_");
    let fits = !database.is_empty() && database.len() <= 63 && !database.chars().any(char::is_control);
    fits && !database.contains('$') && !(engine == Engine::Postgres && taken)
}

/// `a, b and c`.
fn and<T: AsRef<str>>(words: &[T]) -> String {
    let words: Vec<&str> = words.iter().map(AsRef::as_ref).collect();
    match words.split_last() {
        Some((last, [])) => (*last).to_owned(),
        Some((last, rest)) => format!("{} and {last}", rest.join(", ")),
        None => String::new(),
    }
}

/// Whether the service can be a resource.
pub(super) fn is_resource(service: &Yaml) -> bool {
    Image::of(service).is_some()
}
