//! The servers that a Python program asks, as far as its packages and the variables that it reads tell.

use windlass_core::manifest::draft;

use super::data;
use super::python::depends_on;
use super::sketch::Sketch;

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

/// With what SQLAlchemy wants the address of PostgreSQL to begin, where a program has that: as some text of the project
/// writes it, else for the driver that it depends on.
pub(super) fn scheme(dependencies: &str, texts: impl Iterator<Item = String>) -> Option<String> {
    let uses = |package: &str| depends_on(dependencies, package);
    if !["sqlalchemy", "sqlmodel", "flask-sqlalchemy", "databases"].into_iter().any(uses) {
        return None;
    }
    let written = texts.filter_map(|text| {
        let at = text.find("postgresql+")?;
        let scheme = text[at..].split_once("://")?.0;
        scheme.chars().all(|c| c.is_ascii_alphanumeric() || c == '+').then(|| scheme.to_owned())
    });
    let mut written = written;
    written.next().or_else(|| {
        let of_driver = match () {
            () if uses("psycopg2") || uses("psycopg2-binary") => "postgresql",
            () if uses("asyncpg") => "postgresql+asyncpg",
            () if uses("psycopg") => "postgresql+psycopg",
            () if uses("pg8000") => "postgresql+pg8000",
            () => "postgresql",
        };
        Some(of_driver.to_owned())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_begins_as_sqlalchemy_wants_it() {
        let of = |dependencies: &str, text: &str| scheme(dependencies, [text.to_owned()].into_iter());
        assert_eq!(of("asyncpg", "postgresql+asyncpg://"), None, "the driver alone takes it as it is");
        for (dependencies, text, expected) in [
            ("sqlalchemy psycopg2-binary", "", "postgresql"),
            ("sqlalchemy[asyncio] asyncpg alembic", "", "postgresql+asyncpg"),
            ("sqlmodel psycopg[binary]", "", "postgresql+psycopg"),
            ("sqlalchemy asyncpg psycopg2", "URL = 'postgresql+asyncpg://u@h/d'", "postgresql+asyncpg"),
            ("sqlalchemy pg8000", "postgresql+{driver}://", "postgresql+pg8000"),
        ] {
            assert_eq!(of(dependencies, text).as_deref(), Some(expected), "{dependencies}");
        }
    }
}
