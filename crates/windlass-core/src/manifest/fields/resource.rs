//! Databases, caches and brokers.

use crate::manifest::format::Format;
use crate::manifest::kind::{Field, Kind, Table, choice};

/// A resource.
pub static RESOURCE: Table = Table {
    name: "resource",
    header: "[resources.NAME]",
    help: "A database, a cache or a broker. Without `url` it is private to this environment: Windlass initialises and supervises it from the programs that are installed. With `url` it is somebody else's. `{resources.NAME.url}` and the like give its facts to `env`: postgres has url, host, port, user, password, database and socket; redis has url, host, port, password and database; rabbitmq has url, host, port, user, password and vhost.",
    example: "[resources.db]\nengine = \"postgres\"\nversion = 15\n\n[environments.production.resources.db]\nurl = \"{settings.DATABASE_URL}\"",
    fields: &[
        Field::new(
            "engine",
            Kind::Choice(&[
                choice("postgres", "PostgreSQL"),
                choice("redis", "Redis"),
                choice("rabbitmq", "RabbitMQ"),
            ]),
            "What it is.",
        )
        .required(),
        Field::new(
            "url",
            Kind::Text(Format::Template),
            "Where somebody else's is. The keys below are for private ones only, and do not hold with it.",
        )
        .absent("it is private")
        .example(r#""{settings.DATABASE_URL}""#),
        Field::new(
            "version",
            Kind::Integer { min: 1, max: 999 },
            "The major version that must be installed.",
        )
        .absent("any")
        .example("15"),
        Field::new(
            "database",
            Kind::Text(Format::Any),
            "The database, number (redis) or virtual host (rabbitmq) for the application.",
        )
        .absent("the application's name with `_` for `-`; 0 for redis")
        .example(r#""shop""#),
        Field::new(
            "port",
            Kind::AnyOf(&[
                Kind::Choice(&[choice("auto", "a free one, chosen once and kept")]),
                Kind::Integer { min: 1, max: 65535 },
            ]),
            "Its port on the loopback address.",
        )
        .default("auto"),
        Field::new(
            "options",
            Kind::Map { key: Format::Any, of: &Kind::Text(Format::AnyOrEmpty) },
            "Options of the server's own configuration.",
        )
        .absent("none")
        .example(r#"{ max_connections = "200" }"#),
        Field::new("memory", Kind::Text(Format::PositiveSize), "Memory it is tuned for and limited to.")
            .absent("the server's own defaults")
            .example(r#""512MiB""#),
    ],
};
