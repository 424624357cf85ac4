//! Databases, caches and brokers: the variables by which programs learn where they are.

use windlass_core::manifest::draft;

use super::sketch::Sketch;

/// A kind of server, with the variables that usually say where one is.
pub(super) struct Kind {
    engine: &'static str,
    /// The name of the resource.
    pub(super) name: &'static str,
    urls: &'static [&'static str],
    facts: &'static [(&'static str, &'static [&'static str])],
}

pub(super) const POSTGRES: Kind = Kind {
    engine: "postgres",
    name: "db",
    urls: &["DATABASE_URL", "POSTGRES_URL", "PG_URL", "DB_URL"],
    facts: &[
        ("host", &["POSTGRES_HOST", "DB_HOST", "PGHOST", "DATABASE_HOST"]),
        ("port", &["POSTGRES_PORT", "DB_PORT", "PGPORT", "DATABASE_PORT"]),
        ("user", &["POSTGRES_USER", "DB_USER", "DB_USERNAME", "PGUSER", "DATABASE_USER"]),
        ("password", &["POSTGRES_PASSWORD", "DB_PASSWORD", "DB_PASS", "PGPASSWORD", "DATABASE_PASSWORD"]),
        ("database", &["POSTGRES_DB", "DB_NAME", "DB_DATABASE", "PGDATABASE", "DATABASE_NAME"]),
    ],
};

pub(super) const REDIS: Kind = Kind {
    engine: "redis",
    name: "redis",
    urls: &["REDIS_URL", "REDIS_URI", "CACHE_URL"],
    facts: &[
        ("host", &["REDIS_HOST"]),
        ("port", &["REDIS_PORT"]),
        ("password", &["REDIS_PASSWORD", "REDIS_PASS"]),
    ],
};

pub(super) const RABBITMQ: Kind = Kind {
    engine: "rabbitmq",
    name: "broker",
    urls: &["RABBITMQ_URL", "AMQP_URL", "CLOUDAMQP_URL", "RABBIT_URL"],
    facts: &[
        ("host", &["RABBITMQ_HOST", "RABBIT_HOST"]),
        ("port", &["RABBITMQ_PORT", "RABBIT_PORT"]),
        ("user", &["RABBITMQ_USER", "RABBIT_USER"]),
        ("password", &["RABBITMQ_PASSWORD", "RABBITMQ_PASS", "RABBIT_PASSWORD"]),
        ("vhost", &["RABBITMQ_VHOST", "RABBIT_VHOST"]),
    ],
};

impl Kind {
    /// Adds such a resource, and hands over what of it the program `reads`: its address, or else its facts one by
    /// one. `false`, and nothing is added, where it reads none of them.
    pub(super) fn refer(&self, sketch: &mut Sketch, reads: &dyn Fn(&str) -> bool) -> bool {
        let urls = self.urls.iter().map(|name| ("url", *name)).filter(|(_, name)| reads(name));
        let mut found: Vec<_> = urls.collect();
        if found.is_empty() {
            let all =
                self.facts.iter().flat_map(|(fact, names)| names.iter().map(move |name| (*fact, *name)));
            found.extend(all.filter(|(_, name)| reads(name)));
        }
        for (fact, name) in &found {
            sketch.env(name, draft::text(&format!("{{resources.{}.{fact}}}", self.name)));
        }
        if !found.is_empty() {
            sketch.resource(self.name, self.engine);
        }
        !found.is_empty()
    }
}
