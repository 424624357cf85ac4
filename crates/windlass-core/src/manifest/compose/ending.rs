//! Commands that are known to do something once, and to end: migrations, seed data.

use crate::manifest::words;

/// Programs of which the next word says that they do something once: the program, and these words.
const ENDING: [(&str, &[&str]); 20] = [
    ("manage.py", &["migrate", "collectstatic", "loaddata", "createcachetable", "compilemessages"]),
    ("django-admin", &["migrate", "collectstatic", "loaddata", "createcachetable", "compilemessages"]),
    ("alembic", &["upgrade"]),
    ("flask", &["db upgrade"]),
    ("rails", &["db:migrate", "db:prepare", "db:setup", "db:seed", "db:schema:load", "assets:precompile"]),
    ("rake", &["db:migrate", "db:prepare", "db:setup", "db:seed", "db:schema:load", "assets:precompile"]),
    ("artisan", &["migrate", "db:seed"]),
    ("prisma", &["migrate", "db push", "db seed"]),
    ("knex", &["migrate:latest", "seed:run"]),
    ("sequelize", &["db:migrate", "db:seed:all"]),
    ("sequelize-cli", &["db:migrate", "db:seed:all"]),
    ("typeorm", &["migration:run"]),
    ("drizzle-kit", &["migrate", "push"]),
    ("node-pg-migrate", &["up"]),
    ("diesel", &["migration"]),
    ("sqlx", &["migrate"]),
    ("goose", &["up"]),
    ("dbmate", &["up", "migrate"]),
    ("flyway", &["migrate"]),
    ("mix", &["ecto.migrate", "ecto.setup"]),
];

/// Names of scripts that do something once.
const SCRIPTS: [&str; 9] = [
    "migrate",
    "migrate:deploy",
    "migrate:latest",
    "migrate:prod",
    "migrate:up",
    "db:migrate",
    "db:seed",
    "migration:run",
    "migrations:run",
];

/// What only starts the words behind it.
const STARTERS: [&[&str]; 13] = [
    &["exec"],
    &["python"],
    &["python3"],
    &["python", "-m"],
    &["python3", "-m"],
    &["php"],
    &["npx"],
    &["bunx"],
    &["pnpm", "exec"],
    &["bundle", "exec"],
    &["poetry", "run"],
    &["pipenv", "run"],
    &["uv", "run"],
];

/// Options whose value is a word of its own.
const WITH_VALUE: [&str; 4] = ["-c", "--config", "--settings", "--app"];

/// Whether all that these words start is known to end, and something of it does what is done once.
pub(super) fn ends_by_itself(words: &[String]) -> bool {
    let Some((program, rest)) = words.split_first() else { return false };
    let is_shell = ["sh", "bash", "ash", "dash"].contains(&name(program));
    let is_option = |word: &&String| word.starts_with('-') && !word.ends_with('c');
    if is_shell {
        let mut rest = rest.iter().skip_while(is_option);
        return match (rest.next().is_some_and(|word| word.starts_with('-')), rest.next(), rest.next()) {
            (true, Some(line), None) => line_ends(line),
            _ => false,
        };
    }
    let is_line = |word: &String| word.contains(SEPARATORS);
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    !words.iter().any(|word| is_line(&(*word).to_owned())) && does_once(&words)
}

/// What stands between the commands of a line.
const SEPARATORS: [char; 4] = ['&', '|', ';', '\n'];

/// Each command of a line for the shell must end, the first ones too: what is behind them may be what serves.
fn line_ends(line: &str) -> bool {
    let parts: Vec<_> =
        line.split(SEPARATORS).filter(|part| !part.trim().is_empty()).map(words::split).collect();
    let does = |part: &Result<Vec<String>, _>| {
        part.as_ref().is_ok_and(|words| does_once(&words.iter().map(String::as_str).collect::<Vec<_>>()))
    };
    let is_quick = |part: &Result<Vec<String>, _>| {
        let first = part.as_ref().ok().and_then(|words| words.first()).map(String::as_str);
        matches!(first, Some("cd" | "echo" | "export" | "mkdir" | "set" | "sleep" | "true"))
    };
    parts.iter().any(does) && parts.iter().all(|part| does(part) || is_quick(part))
}

/// Whether one command does something once.
fn does_once(words: &[&str]) -> bool {
    if words.iter().any(|word| word.contains("watch")) {
        return false;
    }
    let is_starter = |starter: &&&[&str]| words.starts_with(starter);
    if let Some(starter) = STARTERS.iter().filter(is_starter).max_by_key(|starter| starter.len()) {
        return does_once(&words[starter.len()..]);
    }
    let Some((program, rest)) = words.split_first() else { return false };
    let mut told = Vec::new();
    let mut rest = rest.iter();
    while let Some(word) = rest.next() {
        if WITH_VALUE.contains(word) {
            rest.next();
        } else if !word.starts_with('-') {
            told.push(*word);
        }
    }
    if ["npm", "pnpm", "yarn", "bun"].contains(&name(program)) {
        return told.iter().find(|word| **word != "run").is_some_and(|script| SCRIPTS.contains(script));
    }
    let told = told.join(" ");
    let is_told =
        |verb: &str| told.strip_prefix(verb).is_some_and(|rest| rest.is_empty() || rest.starts_with(' '));
    ENDING.iter().any(|(ending, verbs)| name(program) == *ending && verbs.iter().any(|verb| is_told(verb)))
}

/// A program without the directory that it lies in.
fn name(program: &str) -> &str {
    program.rsplit('/').next().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_migrates_ends_by_itself() {
        for (line, ends) in [
            ("python manage.py migrate --noinput", true),
            ("/app/.venv/bin/alembic upgrade head", true),
            ("alembic -c db/alembic.ini upgrade head", true),
            ("uv run flask --app shop db upgrade", true),
            ("bundle exec bin/rails db:prepare", true),
            ("npx prisma migrate deploy", true),
            ("npm run migrate", true),
            ("yarn db:migrate", true),
            ("pnpm run -s migration:run", true),
            ("php artisan migrate --force", true),
            ("sh -c 'python manage.py migrate && python manage.py collectstatic --noinput'", true),
            ("sh -ec 'cd app; alembic upgrade head;'", true),
            ("npm start", false),
            ("npm run migrator", false),
            ("npm run start:migrate:watch", false),
            ("npm run dev migrate", false),
            ("npx prisma studio db", false),
            ("drizzle-kit push --watch", false),
            ("watchexec alembic upgrade head", false),
            ("python manage.py runserver", false),
            ("python manage.py runqueue migrate", false),
            ("rails server", false),
            ("alembic", false),
            ("", false),
            ("./migrate-and-serve", false),
            ("sh migrate.sh", false),
            ("sh -c 'python manage.py migrate; python manage.py runqueue'", false),
            ("sh -c 'python manage.py runqueue & python manage.py migrate'", false),
            ("sh -c 'python manage.py migrate ; celery -A shop worker'", false),
            ("sh -c 'python manage.py migrate\npython manage.py runserver'", false),
            ("sh -c 'alembic upgrade head;uvicorn app:app'", false),
            ("sh -c 'sleep 1'", false),
            ("alembic upgrade head; uvicorn app:app", false),
            ("bash -c 'alembic upgrade head' -- x", false),
        ] {
            assert_eq!(ends_by_itself(&words::split_verbatim(line).unwrap_or_default()), ends, "{line}");
        }
    }
}
