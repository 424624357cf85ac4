//! The servers that a Python program asks, as far as its packages and the variables that it reads tell.

use windlass_core::manifest::draft;

use super::data;
use super::python::depends_on;
use super::sketch::Sketch;
use crate::project::python::literal;

/// What is known of a program.
pub(super) struct Program<'a> {
    /// What it depends on, as [`super::python::dependencies`] has it.
    pub(super) dependencies: &'a str,
    /// Whether it reads a variable.
    pub(super) reads: &'a dyn Fn(&str) -> bool,
    /// What stands before the names that it reads, perhaps.
    pub(super) prefixes: &'a [String],
    /// Whether it says otherwise that its database is PostgreSQL.
    pub(super) names_postgres: bool,
    /// With what the address of PostgreSQL has to begin, where that is not for the driver alone.
    pub(super) scheme: Option<String>,
}

const POSTGRES: [&str; 6] = ["psycopg2", "psycopg2-binary", "psycopg", "psycopg-binary", "asyncpg", "pg8000"];
const REDIS: [&str; 2] = ["redis", "aioredis"];
const RABBITMQ: [&str; 3] = ["pika", "aio-pika", "amqp"];

impl Program<'_> {
    fn uses(&self, packages: &[&str]) -> bool {
        packages.iter().any(|package| depends_on(self.dependencies, package))
    }

    /// The address of PostgreSQL.
    fn address(&self) -> String {
        match &self.scheme {
            None => "{resources.db.url}".to_owned(),
            Some(scheme) => format!(
                "{scheme}://{{resources.db.user|url}}:{{resources.db.password|url}}@{{resources.db.host}}:\
                 {{resources.db.port}}/{{resources.db.database|url}}"
            ),
        }
    }
}

/// Adds them, and the environment that says where they are.
pub(super) fn add(sketch: &mut Sketch, program: &Program<'_>) {
    let (reads, prefixes) = (program.reads, program.prefixes);
    let uses_postgres = program.names_postgres || program.uses(&POSTGRES);
    if uses_postgres && !data::POSTGRES.refer_as(sketch, &program.address(), prefixes, reads) {
        data::POSTGRES.note_unread(sketch);
    }
    let refer = |sketch: &mut Sketch, kind: &data::Kind| {
        kind.refer_as(sketch, &format!("{{resources.{}.url}}", kind.name), prefixes, reads)
    };
    let mut redis = refer(sketch, &data::REDIS);
    let mut rabbitmq = refer(sketch, &data::RABBITMQ);
    let by_redis = program.uses(&REDIS) || program.dependencies.contains("celery[redis]");
    let all = prefixes.iter().map(String::as_str).chain([""]);
    let brokers =
        all.flat_map(|prefix| ["CELERY_BROKER_URL", "BROKER_URL"].map(|key| format!("{prefix}{key}")));
    if let Some(key) = brokers.into_iter().find(|key| reads(key)) {
        let (kind, is_there) = match by_redis {
            true => (&data::REDIS, &mut redis),
            false => (&data::RABBITMQ, &mut rabbitmq),
        };
        sketch.env(&key, draft::text(&format!("{{resources.{}.url}}", kind.name)));
        if !std::mem::replace(is_there, true) {
            kind.add(sketch);
            if let Some(host) = kind.host_read(prefixes, reads) {
                kind.note_half_read(sketch, &host);
            }
        }
    }
    for (kind, packages, is_there) in
        [(&data::REDIS, &REDIS[..], redis), (&data::RABBITMQ, &RABBITMQ[..], rabbitmq)]
    {
        if program.uses(packages) && !is_there {
            kind.note_unread(sketch);
        }
    }
}

/// With what SQLAlchemy wants the address of PostgreSQL to begin, where a program has that: as the first of the `texts`
/// that tells writes it, else as its engine needs it, as `alembic` has it, or for the driver that it depends on.
pub(super) fn scheme(
    dependencies: &str,
    texts: impl Iterator<Item = String>,
    alembic: Option<String>,
) -> Option<String> {
    let uses = |package: &str| depends_on(dependencies, package);
    if !["sqlalchemy", "sqlmodel", "flask-sqlalchemy", "databases"].into_iter().any(uses) {
        return None;
    }
    let (mut is_async, mut is_changed) = (false, false);
    for text in texts {
        if let Some(written) = written(&text) {
            return Some(written);
        }
        is_async |= text.contains("create_async_engine");
        is_changed |= adds_driver(&text);
    }
    if is_changed {
        return Some("postgresql".to_owned());
    }
    let is_async = is_async && uses("asyncpg");
    alembic.filter(|_| !is_async).and_then(|text| written(&text)).or_else(|| {
        let of_driver = match () {
            () if is_async => "postgresql+asyncpg",
            () if uses("psycopg2") || uses("psycopg2-binary") => "postgresql",
            () if uses("psycopg") || uses("psycopg-binary") => "postgresql+psycopg",
            () if uses("pg8000") => "postgresql+pg8000",
            () if uses("asyncpg") => "postgresql+asyncpg",
            () => "postgresql",
        };
        Some(of_driver.to_owned())
    })
}

const REPLACE: &str = ".replace(";

/// The scheme of the first address with a driver. What is put in the place of another one is not what the program is
/// given.
fn written(text: &str) -> Option<String> {
    let is_replaced = |at: usize| {
        text[..at].rsplit_once(REPLACE).is_some_and(|(_, inside)| {
            let mut depth = 1;
            inside.chars().all(|c| {
                depth += i32::from(c == '(') - i32::from(c == ')');
                depth > 0
            })
        })
    };
    let (at, _) = text.match_indices("postgresql+").find(|(at, _)| !is_replaced(*at))?;
    let scheme = text[at..].split_once("://")?.0;
    scheme.chars().all(|c| c.is_ascii_alphanumeric() || c == '+').then(|| scheme.to_owned())
}

/// Whether the program puts the driver into an address without one by itself.
fn adds_driver(text: &str) -> bool {
    text.split(REPLACE).skip(1).any(|call| {
        let plain =
            literal(call.trim_start()).filter(|(from, _)| from.trim_end_matches("://") == "postgresql");
        plain.is_some_and(|(_, rest)| {
            let rest = rest.trim_start_matches([',', ' ', '\n', '\t']);
            literal(rest).is_some_and(|(to, _)| to.starts_with("postgresql+"))
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_broker_whose_host_is_read_without_a_password_is_told_of() {
        let notes = |dependencies: &str, names: &[&str]| {
            let mut sketch = Sketch::new("test");
            let reads = |name: &str| names.contains(&name);
            let (prefixes, scheme) = (&["APP_".to_owned()][..], None);
            let program = Program { dependencies, reads: &reads, prefixes, names_postgres: false, scheme };
            add(&mut sketch, &program);
            let directory = tempfile::tempdir().unwrap();
            sketch.finish(&crate::project::init::Files::of(directory.path(), |_| false).unwrap()).notes
        };
        let half = |name: &str, title: &str, resource: &str| {
            format!(
                "the project reads {name}, but no password of {title} under a name that is known, without which \
                 [resources.{resource}] refuses it; have it read one, and hand its facts over in env"
            )
        };
        let redis = "celery[redis] redis";
        assert!(notes(redis, &["CELERY_BROKER_URL"]).iter().all(|note| !note.contains("password")));
        let said = notes(redis, &["CELERY_BROKER_URL", "REDIS_HOST", "REDIS_PORT"]);
        assert!(said.contains(&half("REDIS_HOST", "Redis", "redis")), "{said:?}");
        let said = notes("celery", &["APP_BROKER_URL", "APP_RABBITMQ_HOST"]);
        assert!(said.contains(&half("APP_RABBITMQ_HOST", "RabbitMQ", "broker")), "{said:?}");
        let said = notes(redis, &["CELERY_BROKER_URL", "REDIS_HOST", "REDIS_PASSWORD"]);
        assert!(said.iter().all(|note| !note.contains("password")), "{said:?}");
    }

    #[test]
    fn an_address_begins_as_sqlalchemy_wants_it() {
        let of = |dependencies: &str, text: &str| scheme(dependencies, [text.to_owned()].into_iter(), None);
        assert_eq!(of("asyncpg", "postgresql+asyncpg://"), None, "the driver alone takes it as it is");
        for (dependencies, text, expected) in [
            ("sqlalchemy psycopg2-binary", "", "postgresql"),
            ("sqlalchemy[asyncio] asyncpg alembic", "", "postgresql+asyncpg"),
            ("sqlmodel psycopg[binary]", "", "postgresql+psycopg"),
            ("sqlalchemy asyncpg psycopg2", "URL = 'postgresql+asyncpg://u@h/d'", "postgresql+asyncpg"),
            ("sqlalchemy pg8000", "postgresql+{driver}://", "postgresql+pg8000"),
            ("sqlalchemy asyncpg psycopg2", "engine = create_async_engine(url)", "postgresql+asyncpg"),
            ("sqlalchemy asyncpg psycopg2", "engine = create_engine(url)", "postgresql"),
            ("sqlalchemy asyncpg psycopg", "engine = create_engine(url)", "postgresql+psycopg"),
            // Of plain ones the program makes its own; alembic takes them as they are.
            (
                "sqlalchemy asyncpg psycopg2",
                "create_async_engine(url.replace('postgresql://', 'postgresql+asyncpg://', 1))",
                "postgresql",
            ),
            (
                "sqlalchemy asyncpg psycopg2",
                "create_engine(str(url).replace(\n  str('postgresql+asyncpg://'), 'postgresql+psycopg2://'))",
                "postgresql",
            ),
            (
                "sqlalchemy asyncpg",
                "u = u.replace('a', f('b'))\nX = 'postgresql+psycopg://'",
                "postgresql+psycopg",
            ),
        ] {
            assert_eq!(of(dependencies, text).as_deref(), Some(expected), "{dependencies}: {text}");
        }
    }

    #[test]
    fn what_alembic_asks_for_itself_is_not_what_the_program_asks_for() {
        let of = |text: &str| {
            let alembic = Some("sqlalchemy.url = postgresql+psycopg2://localhost/x".to_owned());
            scheme("sqlalchemy asyncpg psycopg2", [text.to_owned()].into_iter(), alembic).unwrap()
        };
        assert_eq!(of("DATABASE_URL=postgresql+asyncpg://localhost/x"), "postgresql+asyncpg");
        assert_eq!(of("create_async_engine(url)"), "postgresql+asyncpg");
        assert_eq!(of("create_engine(url)"), "postgresql+psycopg2");
    }
}
