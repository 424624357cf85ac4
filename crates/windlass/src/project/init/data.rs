//! Databases, caches and brokers: the variables by which programs learn where they are.

use windlass_core::manifest::draft;

use super::sketch::Sketch;

/// A kind of server, with the variables that usually say where one is.
pub(super) struct Kind {
    engine: &'static str,
    title: &'static str,
    /// The name of the resource.
    pub(super) name: &'static str,
    urls: &'static [&'static str],
    facts: &'static [(&'static str, &'static [&'static str])],
}

pub(super) const POSTGRES: Kind = Kind {
    engine: "postgres",
    title: "PostgreSQL",
    name: "db",
    urls: &["DATABASE_URL", "POSTGRES_URL", "PG_URL", "DB_URL", "DATABASE_URI", "SQLALCHEMY_DATABASE_URI"],
    facts: &[
        ("host", &["POSTGRES_HOST", "POSTGRES_SERVER", "DB_HOST", "DB_SERVER", "PGHOST", "DATABASE_HOST"]),
        ("port", &["POSTGRES_PORT", "DB_PORT", "PGPORT", "DATABASE_PORT"]),
        ("user", &["POSTGRES_USER", "DB_USER", "DB_USERNAME", "PGUSER", "DATABASE_USER"]),
        ("password", &["POSTGRES_PASSWORD", "DB_PASSWORD", "DB_PASS", "PGPASSWORD", "DATABASE_PASSWORD"]),
        ("database", &["POSTGRES_DB", "DB_NAME", "DB_DATABASE", "PGDATABASE", "DATABASE_NAME"]),
    ],
};

pub(super) const REDIS: Kind = Kind {
    engine: "redis",
    title: "Redis",
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
    title: "RabbitMQ",
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
    /// one. `false`, and nothing is added, where it reads neither the address nor both host and password: half of the
    /// facts lead to a server that refuses it.
    pub(super) fn refer(&self, sketch: &mut Sketch, reads: &dyn Fn(&str) -> bool) -> bool {
        self.refer_as(sketch, &self.fact("url"), &[], reads)
    }

    /// The same with what is handed over as the address; where nothing is read, and one of the prefixes stands before
    /// all that is read, those names with it.
    pub(super) fn refer_as(
        &self,
        sketch: &mut Sketch,
        url: &str,
        prefixes: &[String],
        reads: &dyn Fn(&str) -> bool,
    ) -> bool {
        let found = |prefix: &str| {
            let read = |name: &&&str| reads(&format!("{prefix}{name}"));
            let urls = self.urls.iter().filter(read).map(|name| (format!("{prefix}{name}"), url.to_owned()));
            let urls: Vec<_> = urls.collect();
            if !urls.is_empty() {
                return urls;
            }
            let is_read = |wanted: &str| {
                self.facts.iter().any(|(fact, names)| *fact == wanted && names.iter().any(|name| read(&name)))
            };
            if !(is_read("host") && is_read("password")) {
                return vec![];
            }
            let facts = self.facts.iter().flat_map(|(fact, names)| {
                let names = names.iter().filter(read);
                names.map(|name| (format!("{prefix}{name}"), self.fact(fact)))
            });
            facts.collect()
        };
        let all = std::iter::once("").chain(prefixes.iter().map(String::as_str));
        let Some(found) = all.map(found).find(|found| !found.is_empty()) else { return false };
        for (name, value) in &found {
            sketch.env(name, draft::text(value));
        }
        self.add(sketch);
        true
    }

    /// By which name the program reads its host, with one of these prefixes or none.
    pub(super) fn host_read(&self, prefixes: &[String], reads: &dyn Fn(&str) -> bool) -> Option<String> {
        let (_, names) = self.facts.iter().find(|(fact, _)| *fact == "host")?;
        let all = std::iter::once("").chain(prefixes.iter().map(String::as_str));
        all.flat_map(|prefix| names.iter().map(move |name| format!("{prefix}{name}")))
            .find(|name| reads(name))
    }

    /// Whether any of its facts is read by a name that does not begin so.
    pub(super) fn is_read_beside(&self, prefix: &str, reads: &dyn Fn(&str) -> bool) -> bool {
        self.facts.iter().flat_map(|(_, names)| *names).any(|name| !name.starts_with(prefix) && reads(name))
    }

    /// Adds such a resource.
    pub(super) fn add(&self, sketch: &mut Sketch) {
        sketch.resource(self.name, self.engine);
    }

    fn fact(&self, fact: &str) -> String {
        format!("{{resources.{}.{fact}}}", self.name)
    }

    /// Tells of a server that the program uses, and does not say how.
    pub(super) fn note_unread(&self, sketch: &mut Sketch) {
        sketch.note(format!(
            "the project uses {}, but reads neither its address nor both its host and its password under a name that is \
             known; add [resources.{}] and hand its facts over in env",
            self.title, self.name
        ));
    }

    /// Tells of a server that the program is given for something else, and whose host it reads besides.
    pub(super) fn note_half_read(&self, sketch: &mut Sketch, host: &str) {
        sketch.note(format!(
            "the project reads {host}, but no password of {} under a name that is known, without which [resources.{}] \
             refuses it; have it read one, and hand its facts over in env",
            self.title, self.name
        ));
    }
}
