//! A database of SQLite that lies in the release, and begins anew with each: what a project's files say of it.

use std::path::Path;

use windlass_core::manifest::draft;
use windlass_core::settings::dotenv;
use windlass_core::spec::Spec;

use super::django::{self, Module, Place, Sources};
use super::init::files::Files;
use super::init::sketch::Sketch;
use super::python::{arguments, assigned, end_of_call, keyword, literal, statements, stripped, texts};

/// Sources beyond these are not read.
const MOST: usize = 400;

/// Brackets of an expression are looked into so deep, and so many at each depth.
const DEEPEST: u32 = 12;
const MOST_BRACKETS: usize = 200;

/// What settings of Django say of another database, which then is the one that is used.
const OTHERS: [&str; 3] = ["postgresql", "mysql", "oracle"];

/// The same by `DATABASE_URL`, where that has a value.
const BY_URL: [&str; 2] = ["dj_database_url", "env.db("];

/// A database that lies in the release.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::project) struct Kept {
    /// The file that says so.
    pub(in crate::project) by: String,
    /// Where it lies.
    pub(in crate::project) path: String,
}

impl Kept {
    /// The directory that can be shared for it alone.
    pub(in crate::project) fn directory(&self, files: &Files) -> Option<&str> {
        let (directory, _) = self.path.rsplit_once('/')?;
        let beginning = format!("{directory}/");
        let has_sources = ["py", "js", "ts", "prisma", "sql"]
            .iter()
            .any(|ending| files.ending(ending).any(|path| path.starts_with(&beginning)));
        (!has_sources).then_some(directory)
    }

    /// What is wrong with it, and what to do, where `shared` is shared already.
    pub(in crate::project) fn told(&self, files: &Files, shared: &[String]) -> String {
        let Self { by, path } = self;
        let name = path.rsplit('/').next().unwrap_or(path);
        let (place, directory) = match self.directory(files) {
            Some(directory) => (String::new(), directory),
            None => (format!("let it be data/{name}, and "), "data"),
        };
        let mut all = shared.to_vec();
        all.extend((!shared.iter().any(|shared| shared == directory)).then(|| directory.to_owned()));
        format!(
            "{by} has the database, SQLite, inside the release ({path}), so that every release begins with an empty one: \
             {place}write shared = {} in [build], or use PostgreSQL ([resources.db])",
            draft::texts(&all)
        )
    }
}

/// Has releases share what they can of it; of the rest it is told.
pub(in crate::project) fn share(files: &Files, sketch: &mut Sketch, kept: &[Kept]) {
    for kept in kept {
        match kept.directory(files) {
            Some(directory) => {
                sketch.share(files, directory);
            }
            None => sketch.note(kept.told(files, sketch.shared())),
        }
    }
}

/// What is wrong with where a project has its database, as far as its files say it.
#[must_use]
pub fn emptied(spec: &Spec, directory: &Path) -> Vec<String> {
    let Ok(files) = Files::of(directory, |_| false) else { return vec![] };
    let kept = match files.has("manage.py") {
        true => django::of_spec(spec, directory, of_django).unwrap_or_default(),
        false => {
            let envs: Vec<_> = spec.services.values().map(|service| &service.env).collect();
            let is_given = |name: &str| envs.iter().any(|env| env.contains_key(name));
            let mut kept = of_sources(&files, &is_given);
            kept.extend(of_values(&files, spec.environment.as_str(), &is_given));
            kept
        }
    };
    let is_shared =
        |kept: &Kept| spec.build.shared.iter().any(|shared| Path::new(&kept.path).starts_with(shared));
    kept.iter().filter(|kept| !is_shared(kept)).map(|kept| kept.told(&files, &spec.build.shared)).collect()
}

/// What the settings of a Django project say.
pub(in crate::project) fn of_django(sources: &Sources<'_>, modules: &[Module]) -> Vec<Kept> {
    let by_url = BY_URL.iter().filter(|_| (sources.is_given)("DATABASE_URL"));
    let others: Vec<&str> = OTHERS.iter().chain(by_url).copied().collect();
    let sources_of: Vec<String> = modules.iter().map(|module| stripped(&module.text)).collect();
    if sources_of.iter().any(|text| others.iter().any(|other| text.contains(other))) {
        return vec![];
    }
    // Others have names as well.
    let is_file = |value: &str| ["sqlite", ".db"].iter().any(|part| value.contains(part));
    let mut kept = vec![];
    for (module, text) in modules.iter().zip(&sources_of).filter(|(_, text)| text.contains("sqlite3")) {
        for quote in ['"', '\''] {
            for (_, rest) in text
                .match_indices(&format!("{quote}NAME{quote}:"))
                .map(|(at, key)| text.split_at(at + key.len()))
            {
                let value = arguments(&rest[..end_of_call(rest)]).into_iter().next().unwrap_or_default();
                keep(&mut kept, module, sources.place(module, value).filter(|_| is_file(value)));
            }
        }
    }
    for (module, text) in modules.iter().zip(&sources_of) {
        of_urls(sources, module, text, |place, _| place, &mut kept);
    }
    kept
}

/// What the sources of another Python project, and its Prisma schema, say.
pub(in crate::project) fn of_sources(files: &Files, is_given: &dyn Fn(&str) -> bool) -> Vec<Kept> {
    let read = |path: &str| files.read(path);
    let sources = Sources { read: &read, is_given };
    let mut kept = vec![];
    let all: Vec<Module> = files
        .sources(".py")
        .take(MOST)
        .filter(|(path, _)| !is_test(path))
        .map(|(path, text)| Module { path: path.to_owned(), text })
        .collect();
    let by_flask = all.iter().any(|module| module.text.contains("flask_sqlalchemy"));
    let instance = instance(files, &all);
    // What is relative goes there.
    let placed = |place, value: &str| match place {
        Place::Within(path) if by_flask && texts(value).into_iter().any(is_relative) => {
            Place::Within(format!("{instance}/{path}"))
        }
        place => place,
    };
    for module in all.iter().filter(|module| module.text.contains("sqlite")) {
        let text = stripped(&module.text);
        of_urls(&sources, module, &text, placed, &mut kept);
        for statement in statements(&text).into_iter().filter(|statement| statement.contains("instance_path"))
        {
            let is_file =
                |text: &&str| [".sqlite", ".sqlite3", ".db"].iter().any(|ending| text.ends_with(ending));
            let file = texts(statement).into_iter().find(is_file);
            keep(&mut kept, module, file.map(|file| Place::Within(format!("{instance}/{file}"))));
        }
    }
    kept.extend(of_prisma(files));
    kept
}

/// Where Flask, and Flask-SQLAlchemy, have what is written at run time: beside the package, or the module, that makes the
/// application.
fn instance(files: &Files, all: &[Module]) -> String {
    let made = all.iter().find(|module| module.text.contains("Flask(")).map_or("", |module| &module.path);
    let above = |path: &str| path.rsplit_once('/').map_or(String::new(), |(above, _)| above.to_owned());
    let mut directory = above(made);
    while !directory.is_empty() && files.has(&format!("{directory}/__init__.py")) {
        directory = above(&directory);
    }
    [directory.as_str(), "instance"].into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join("/")
}

/// Whether it is the URL of a file that is not named from the root of the machine.
fn is_relative(text: &str) -> bool {
    is_of_url(text)
        && text.split_once(":///").is_some_and(|(_, path)| !path.is_empty() && !path.starts_with('/'))
}

fn is_test(path: &str) -> bool {
    let name = path.rsplit('/').next().unwrap_or(path);
    path.split('/').any(|part| part == "tests") || name.starts_with("test_") || name == "conftest.py"
}

/// The URLs of databases in the source of a module.
fn of_urls(
    sources: &Sources<'_>,
    module: &Module,
    text: &str,
    placed: impl Fn(Place, &str) -> Place,
    kept: &mut Vec<Kept>,
) {
    for statement in statements(text).into_iter().filter(|statement| is_of_url(statement)) {
        let field = statement.trim_start().split([':', '=', ' ']).next().unwrap_or_default();
        let by_url = BY_URL.iter().any(|by| statement.contains(by)) && (sources.is_given)("DATABASE_URL");
        if by_url || sources.is_given(statement) || (sources.is_given)(&field.to_uppercase()) {
            continue;
        }
        let value = assigned(statement, field).unwrap_or_else(|| statement.trim());
        keep(kept, module, place_in(sources, module, value, DEEPEST).map(|place| placed(place, value)));
    }
}

fn is_of_url(text: &str) -> bool {
    text.contains("sqlite") && text.contains(":///")
}

/// Where what stands in an expression leads, by the argument or the value of a key that is such a URL.
fn place_in(sources: &Sources<'_>, module: &Module, expression: &str, depth: u32) -> Option<Place> {
    let depth = depth.checked_sub(1)?;
    if let Some(place) = sources.place(module, expression) {
        return Some(place);
    }
    let brackets = expression.match_indices(['(', '[', '{']).take(MOST_BRACKETS);
    let brackets = brackets.map(|(at, _)| &expression[at + 1..]);
    let mut inside = brackets.map(|rest| &rest[..end_of_call(rest)]);
    let Some(inside) = inside.find(|inside| is_of_url(inside)) else {
        // `app.config["SQLALCHEMY_DATABASE_URI"] = ...`
        let (_, value) = expression.split_once('=').filter(|(key, _)| !is_of_url(key))?;
        return sources.place(module, value.trim());
    };
    let argument = arguments(inside).into_iter().find(|argument| is_of_url(argument))?;
    let keyed = literal(argument).and_then(|(_, rest)| rest.trim_start().strip_prefix(':'));
    let value = keyword(argument).map(|(_, value)| value).or(keyed);
    place_in(sources, module, value.unwrap_or(argument).trim(), depth)
}

fn keep(kept: &mut Vec<Kept>, module: &Module, place: Option<Place>) {
    if let Some(Place::Within(path)) = place
        && kept.iter().all(|known| known.path != path)
    {
        kept.push(Kept { by: module.path.clone(), path });
    }
}

/// The file of a Prisma schema, which is relative to it.
fn of_prisma(files: &Files) -> Vec<Kept> {
    let mut kept = vec![];
    for (path, schema) in files.sources("schema.prisma") {
        let url =
            schema.lines().filter_map(|line| line.trim().strip_prefix("url")?.trim_start().strip_prefix('='));
        for url in url {
            let file = url.trim().trim_matches('"');
            kept.extend(of_file(path, file).map(|file| Kept { by: path.to_owned(), path: file }));
        }
    }
    kept
}

/// The path that `file:./dev.db` is in a schema.
fn of_file(schema: &str, url: &str) -> Option<String> {
    let file = url.strip_prefix("file:")?.split('?').next().filter(|file| !file.starts_with('/'))?;
    let mut parts: Vec<&str> = schema.split('/').collect();
    parts.pop();
    for part in file.split('/') {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()?),
            part => parts.push(part),
        }
    }
    Some(parts.join("/"))
}

/// What the values of variables in `.env` say that are given to what runs.
fn of_values(files: &Files, environment: &str, is_given: &dyn Fn(&str) -> bool) -> Vec<Kept> {
    let schema = files.ending("schema.prisma").next().unwrap_or_default().to_owned();
    let mut kept: Vec<Kept> = vec![];
    for by in [".env".to_owned(), format!(".env.{environment}")] {
        let parsed = dotenv::parse(&by, &files.read(&by).unwrap_or_default(), &|_| None, &|_| None);
        for entry in parsed.entries.iter().filter(|entry| is_given(&entry.name)) {
            let read = |_: &str| None;
            let sources = Sources { read: &read, is_given: &|_| false };
            let module = Module { path: by.clone(), text: String::new() };
            let value = entry.value.expose();
            let of_url = is_of_url(value).then(|| sources.place(&module, &format!("'{value}'"))).flatten();
            let path = match of_url {
                Some(Place::Within(path)) => Some(path),
                _ if schema.is_empty() => None,
                _ => of_file(&schema, value),
            };
            kept.extend(path.map(|path| Kept { by: by.clone(), path }));
        }
    }
    kept
}

#[cfg(test)]
mod tests;
