//! What a Node server has beside itself: databases, migrations, workers, settings.

use super::Package;
use super::variables;
use crate::project::init::environ::{self, Absent, Read};
use crate::project::init::files::Files;
use crate::project::init::sketch::Sketch;
use crate::project::init::{data, example, python};

/// Sources beyond these are not read.
const MOST: usize = 400;
/// What a bundler writes into the pages while they are built: no variable of what runs.
const OF_PAGES: [&str; 4] = ["NEXT_PUBLIC_", "REACT_APP_", "VITE_", "PUBLIC_"];
pub(super) const SCHEMA: &str = "prisma/schema.prisma";

/// Adds all of it.
pub(super) fn add(files: &Files, package: &Package<'_>, sketch: &mut Sketch) {
    let schema = files.read(SCHEMA).unwrap_or_default();
    let mut reads = variables::reads_of_prisma(&schema);
    let is_test = |path: &str| [".test.", ".spec."].iter().any(|mark| path.contains(mark));
    let sources =
        [".js", ".ts", ".mjs", ".cjs", ".tsx", ".jsx"].into_iter().flat_map(|end| files.sources(end));
    for (_, source) in sources.filter(|(path, _)| !is_test(path)).take(MOST) {
        reads.extend(variables::reads(&source));
    }
    let is_of_pages = |name: &str| OF_PAGES.iter().any(|prefix| name.starts_with(prefix));
    if let Some(read) = reads.iter().find(|read| is_of_pages(&read.name)) {
        sketch.note(format!(
            "{} is written into the pages while they are built: give it, and what begins like it, under [build.env]",
            read.name
        ));
    }
    reads.retain(|read| !is_of_pages(&read.name));
    servers(package, sketch, &schema, &reads);
    migrations(files, package, sketch, &schema);
    workers(package, sketch);
    settings(files, sketch, reads);
}

/// The servers that the program asks, as far as its packages and its variables tell.
fn servers(package: &Package<'_>, sketch: &mut Sketch, schema: &str, reads: &[Read]) {
    let is_read = |name: &str| reads.iter().any(|read| read.name == name);
    let uses = |names: &[&str]| names.iter().any(|name| package.uses(name));
    let has_provider = |name: &str| schema.contains(&format!("\"{name}\""));
    let by_libpq = uses(&["pg", "pg-promise", "postgres"]);
    if (by_libpq || has_provider("postgresql"))
        && !data::POSTGRES.refer(sketch, &is_read)
        // These packages read them by themselves, as PostgreSQL's own programs do, where they are not told otherwise.
        && !(by_libpq
            && !data::POSTGRES.is_read_beside("PG", &is_read)
            && data::POSTGRES.refer(sketch, &|name| name.starts_with("PG") && name != "PG_URL"))
    {
        data::POSTGRES.note_unread(sketch);
    }
    if uses(&["redis", "ioredis", "bullmq", "bull", "connect-redis"]) && !data::REDIS.refer(sketch, &is_read)
    {
        data::REDIS.note_unread(sketch);
    }
    if uses(&["amqplib", "amqp-connection-manager"]) && !data::RABBITMQ.refer(sketch, &is_read) {
        data::RABBITMQ.note_unread(sketch);
    }
    if has_provider("sqlite") || uses(&["better-sqlite3", "sqlite3"]) {
        sketch.note(
            "the database is SQLite: a file inside the release is empty in every new one. Put it into a directory of \
             build.shared, or use PostgreSQL ([resources.db])",
        );
    }
}

/// Brings the schema up to date before a new copy starts.
fn migrations(files: &Files, package: &Package<'_>, sketch: &mut Sketch, schema: &str) {
    let by_prisma = !schema.is_empty() && package.uses("prisma");
    let binary = |name: &str| format!("node_modules/.bin/{name}");
    let script = ["migrate", "db:migrate", "migrate:deploy", "migration:run", "migrations:run"]
        .into_iter()
        .find(|name| package.script(name).is_some_and(|script| !is_for_empty_databases(script)));
    let words: Vec<String> = if by_prisma && files.has_directory("prisma/migrations") {
        vec![binary("prisma"), "migrate".into(), "deploy".into()]
    } else if let Some(script) = script {
        vec![package.tool.into(), "run".into(), script.into()]
    } else if package.uses("knex")
        && !package.uses("prisma")
        && (files.has("knexfile.js") || files.has("knexfile.ts"))
    {
        vec![binary("knex"), "migrate:latest".into()]
    } else if package.uses("sequelize-cli") {
        vec![binary("sequelize-cli"), "db:migrate".into()]
    } else if package.uses("drizzle-kit") && files.has("drizzle.config.ts") {
        vec![binary("drizzle-kit"), "migrate".into()]
    } else {
        return;
    };
    // Knex and Sequelize have a configuration for each NODE_ENV.
    python::migrate(sketch, &words.iter().map(String::as_str).collect::<Vec<_>>())
        .set("env", super::PRODUCTION);
}

/// Whether a script is for whoever writes the program: it asks, or begins with an empty database. One that only names
/// its tool says nothing of what that does.
fn is_for_empty_databases(script: &str) -> bool {
    const WORDS: [&str; 8] =
        ["migrate dev", "reset", "drop", "fresh", "refresh", "rollback", "--force", "data-loss"];
    WORDS.iter().any(|word| script.contains(word)) || script.trim() == "node-pg-migrate"
}

/// The scripts that run beside the server.
fn workers(package: &Package<'_>, sketch: &mut Sketch) {
    const WORKERS: [&str; 6] = ["worker", "workers", "start:worker", "worker:start", "queue", "start:queue"];
    const CLOCKS: [&str; 5] = ["scheduler", "start:scheduler", "cron", "start:cron", "clock"];
    for (service, names) in [("worker", &WORKERS[..]), ("scheduler", &CLOCKS)] {
        let mut scripts = names.iter().filter_map(|name| Some((*name, package.script(name)?)));
        let Some((name, script)) = scripts.find(|(_, script)| !is_for_development(script)) else {
            continue;
        };
        let (command, note) = super::command(package, script, name);
        let section = sketch.service(service);
        section.set("command", command).because("the script of that name");
        if service == "scheduler" {
            section.set("singleton", "true").because("never two of it, or what it does would be done twice");
        }
        section.set("env", super::PRODUCTION);
        note.into_iter().for_each(|note| sketch.note_of_services(note));
    }
}

/// Whether a script starts something anew with every change of the sources.
fn is_for_development(script: &str) -> bool {
    ["nodemon", "ts-node-dev", "--watch", " watch ", "concurrently"].iter().any(|word| script.contains(word))
}

/// Declares what the program reads. What it has no value for, and its example of a `.env` lists, it needs.
fn settings(files: &Files, sketch: &mut Sketch, mut reads: Vec<Read>) {
    let listed = example::names(files);
    for read in &mut reads {
        if read.absent == Absent::Nothing && listed.contains(&read.name) {
            read.absent = Absent::Fails;
        }
    }
    // Somebody else's configuration, or a package's: whoever knows it takes the comment away.
    let others = listed.into_iter().filter(|name| reads.iter().all(|read| read.name != *name));
    let others: Vec<Read> =
        others.map(|name| Read { name, absent: Absent::Default(None), plain: false }).collect();
    let needed = environ::declare_found(sketch, reads.into_iter().chain(others));
    if !needed.is_empty() {
        sketch.note(format!(
            "a deploy is refused without {}: put NAME=value for each into .env, which git must not keep",
            needed.join(", ")
        ));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_empties_a_database_is_no_migration_of_a_deploy() {
        for (script, is) in [
            ("prisma migrate reset --force", true),
            ("sequelize db:drop && sequelize db:migrate", true),
            ("node-pg-migrate", true),
            ("node-pg-migrate up", false),
            ("knex migrate:latest", false),
        ] {
            assert_eq!(is_for_empty_databases(script), is, "{script}");
        }
    }

    #[test]
    fn what_watches_the_sources_is_no_worker() {
        for (script, is) in [
            ("nodemon worker.js", true),
            ("tsx watch src/worker.ts", true),
            ("node --watch worker.js", true),
            ("node dist/worker.js", false),
            ("tsx src/watchers.ts", false),
        ] {
            assert_eq!(is_for_development(script), is, "{script}");
        }
    }
}
