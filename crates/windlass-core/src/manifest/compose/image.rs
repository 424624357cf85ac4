//! Images of databases, caches and brokers, and what one is taken for that is more than that.

use super::interpolate::by_default;
use super::yaml::Yaml;
use crate::spec::Engine;

/// An image of a server that can be a resource.
pub(super) struct Image {
    pub(super) engine: Engine,
    pub(super) version: Option<u32>,
    /// The extension of PostgreSQL that it is for.
    pub(super) extension: Option<&'static str>,
    /// What of it is not here.
    pub(super) note: Option<String>,
}

impl Image {
    pub(super) fn of(service: &Yaml) -> Option<Self> {
        let image = by_default(service.get("image")?.text()?, "$");
        let image = image.split('@').next()?;
        let (directory, last) = image.rsplit_once('/').unwrap_or(("", image));
        let (name, tag) = last.split_once(':').unwrap_or((last, ""));
        let path = if directory.is_empty() { name.to_owned() } else { format!("{directory}/{name}") };
        let digits = tag.trim_start_matches("pg").chars().take_while(char::is_ascii_digit);
        let version: Option<u32> = digits.collect::<String>().parse().ok();
        let major = version.map_or_else(|| "VERSION".to_owned(), |version| version.to_string());
        // A registry, and its folder for what everybody uses.
        let is_plain = directory.is_empty()
            || directory == "library"
            || directory.ends_with("/library")
            || (!directory.contains('/') && directory.contains(['.', ':']));
        let (engine, extension, note) = match name {
            "postgis" => {
                (Engine::Postgres, Some("postgis"), Some(of_extension("postgis", &major, "postgis-3")))
            }
            "pgvector" => {
                (Engine::Postgres, Some("vector"), Some(of_extension("vector", &major, "pgvector")))
            }
            "postgres" | "postgresql" => (Engine::Postgres, None, None),
            "redis" | "valkey" => (Engine::Redis, None, None),
            "rabbitmq" => (Engine::Rabbitmq, None, None),
            _ => return None,
        };
        let note = note.or_else(|| match (name, is_plain) {
            ("valkey", _) => Some(
                "is taken for Redis, whose server has to be installed; what only Valkey knows is not there"
                    .to_owned(),
            ),
            ("rabbitmq", _) if tag.contains("management") => {
                Some("its management pages and their port are not here: the server has no plugins".to_owned())
            }
            ("postgres" | "redis" | "rabbitmq", true) => None,
            _ => Some(format!(
                "{path} is taken for plain {}: what this image adds to it is not here",
                called(engine)
            )),
        });
        Some(Self { engine, version: version.filter(|_| name != "valkey"), extension, note })
    }
}

/// Servers of which Windlass runs none: what their images are called, and they.
const FOREIGN: [(&str, &str); 15] = [
    ("cassandra", "Cassandra"),
    ("clickhouse", "ClickHouse"),
    ("clickhouse-server", "ClickHouse"),
    ("couchdb", "CouchDB"),
    ("elasticsearch", "Elasticsearch"),
    ("influxdb", "InfluxDB"),
    ("mariadb", "MariaDB"),
    ("mongo", "MongoDB"),
    ("mongodb", "MongoDB"),
    ("mssql", "SQL Server"),
    ("mysql", "MySQL"),
    ("mysql-server", "MySQL"),
    ("neo4j", "Neo4j"),
    ("opensearch", "OpenSearch"),
    ("percona", "MySQL"),
];

/// What the service is where it is a database of a kind that Windlass does not run.
pub(super) fn foreign(service: &Yaml) -> Option<&'static str> {
    let image = by_default(service.get("image").filter(|_| service.get("build").is_none())?.text()?, "$");
    let last = image.split('@').next()?.rsplit('/').next()?;
    let name = last.split(':').next()?;
    FOREIGN.iter().find(|(image, _)| *image == name).map(|(_, called)| *called)
}

fn of_extension(extension: &str, major: &str, package: &str) -> String {
    format!(
        "is PostgreSQL with the extension {extension} here, which has to be installed for that server: on Debian as the \
         package postgresql-{major}-{package}"
    )
}

fn called(engine: Engine) -> &'static str {
    match engine {
        Engine::Postgres => "PostgreSQL",
        Engine::Redis => "Redis",
        Engine::Rabbitmq => "RabbitMQ",
    }
}
