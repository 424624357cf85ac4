//! Django, with Celery where it is used.

use windlass_core::manifest::draft;

use super::celery;
use super::environ;
use super::files::Files;
use super::frontend;
use super::hosts::Hosts;
use super::packages::Packages;
use super::production::{Production, note_development};
use super::python::{ANSWERS, LISTENS, PYTHON, dependencies, depends_on, environment};
use super::servers::{self, Program};
use super::sketch::Sketch;
use crate::project::django::{MODULE, Module, Place, Sources, settings_module};
use crate::project::sqlite;

pub(super) fn sketch(files: &Files) -> Option<Sketch> {
    let manage = files.read("manage.py").filter(|text| text.contains("django"))?;
    let dependencies = dependencies(files);
    let read = |path: &str| files.read(path);
    let sources = Sources { read: &read, is_given: &|_| false };
    let settings_module = settings_module(&manage).or_else(|| only_settings(files));
    let mut modules = settings(&sources, settings_module.as_deref());
    let texts: Vec<String> = modules.iter().map(|module| module.text.clone()).collect();
    let settings = texts.concat();
    let other = settings_module.as_deref().and_then(|module| Entry::of_others(files, module));
    let of_entry = other.as_ref().map(|other| other.module.as_str());
    let production =
        settings_module.as_deref().and_then(|module| Production::beside(files, &sources, module, of_entry));
    let own = modules.clone();
    for module in production.iter().flat_map(|production| &production.modules) {
        if modules.iter().all(|known| known.path != module.path) {
            modules.push(module.clone());
        }
    }
    let package = settings_module.as_deref().and_then(|module| module.split('.').next()).map(str::to_owned);
    let server = Server::of(&dependencies);
    let mut sketch = Sketch::new("Django");
    // Where nobody says what the project depends on, that much is certain.
    let needed = if Packages::of(files).is_some() { vec![] } else { vec!["django"] };
    environment(files, &mut sketch, &[&needed[..], server.packages()].concat());

    frontend::note(files, &mut sketch);

    let entry = if server == Server::Gunicorn { "wsgi" } else { "asgi" };
    let file = files
        .ending(&format!("{entry}.py"))
        .find(|path| package.as_ref().is_none_or(|package| path.starts_with(&format!("{package}/"))))
        .map(|path| path.trim_end_matches(".py").replace('/', "."));
    let module = file.or_else(|| package.as_ref().map(|package| format!("{package}.{entry}")))?;

    let all = format!("{settings}\n{}", production.as_ref().map_or("", Production::text));
    resources(&mut sketch, &all, &dependencies);
    environ::declare(&mut sketch, &settings);
    let hosts = Hosts::of(texts.iter().map(String::as_str));
    let there = production.as_ref().map(Production::hosts);
    // What a Procfile says of what runs is the same everywhere.
    let is_answered = |there: &Hosts| check(there).is_some() && (*there == hosts || !files.has("Procfile"));
    let asked = check(&hosts).is_some() && there.as_ref().is_none_or(is_answered);
    web(&mut sketch, &module, server, asked.then_some(&hosts));
    if depends_on(&dependencies, "celery") {
        celery(files, &mut sketch, package.as_deref());
    }
    let job = sketch.job("migrate");
    job.comment("Before any new copy starts.");
    job.set("command", draft::command(&[PYTHON, "manage.py", "migrate", "--noinput"]));
    job.set("when", "\"before-start\"");
    job.set("undo", "\"compatible\"").because("the old release must work with the new schema while both run");
    let collects = files_of(files, &mut sketch, &sources, &modules);
    if collects {
        placeholders(&mut sketch, &all);
    }
    let has_database = sketch.has_env();
    if let (Some(Entry { path, module }), Some(own)) = (&other, &settings_module) {
        sketch.env(MODULE, draft::text(own));
        sketch.note(format!(
            "{path} names the settings {module} where the environment names none, and manage.py {own}: [env] names {own} for \
             all that runs"
        ));
    }
    match (&production, &settings_module) {
        (Some(production), Some(module)) => {
            let check = there.filter(|there| *there != hosts && asked).and_then(|there| check(&there));
            production.declare(&mut sketch, module, collects, check);
        }
        _ => note_development(&mut sketch, &settings),
    }
    let kept = {
        let is_given = |name: &str| sketch.env_value(name).is_some();
        sqlite::of_django(&Sources { read: &read, is_given: &is_given }, &own)
    };
    sqlite::share(files, &mut sketch, &kept);
    if settings.contains("sqlite3") && !has_database && kept.is_empty() {
        sketch.note(
            "the database is SQLite inside the release: every release begins with an empty one. \
             Put the file into a directory of build.shared, or use PostgreSQL ([resources.db])",
        );
    }
    Some(sketch)
}

/// What answers requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Server {
    Gunicorn,
    /// Gunicorn with workers of uvicorn.
    Uvicorn,
    Daphne,
}

impl Server {
    fn of(dependencies: &str) -> Self {
        match ["uvicorn", "channels", "daphne"].map(|package| depends_on(dependencies, package)) {
            [true, ..] => Self::Uvicorn,
            [_, false, false] => Self::Gunicorn,
            _ => Self::Daphne,
        }
    }

    /// The packages that the build has to install.
    fn packages(self) -> &'static [&'static str] {
        match self {
            Self::Gunicorn => &["gunicorn"],
            Self::Uvicorn => &["gunicorn", "uvicorn"],
            Self::Daphne => &["daphne"],
        }
    }
}

/// What is started beside manage.py, and names other settings than that does.
struct Entry {
    path: String,
    module: String,
}

impl Entry {
    fn of_others(files: &Files, own: &str) -> Option<Self> {
        let entries = ["wsgi.py", "asgi.py", "celery.py", "celery_app.py"];
        let sources = entries.iter().flat_map(|entry| files.sources(entry));
        let mut named = sources.filter_map(|(path, text)| Some((path, settings_module(&text)?)));
        let (path, module) = named.find(|(_, module)| module != own)?;
        Some(Self { path: path.to_owned(), module })
    }
}

/// The module `settings` of the project, where manage.py takes its name from elsewhere.
fn only_settings(files: &Files) -> Option<String> {
    let mut found = files.ending("/settings.py");
    let only = found.next().filter(|_| found.next().is_none())?;
    only.strip_suffix(".py").map(|path| path.replace('/', "."))
}

/// The modules of the settings, all of them where they are a package; first the one that has the last word.
fn settings(sources: &Sources<'_>, module: Option<&str>) -> Vec<Module> {
    let Some(module) = module else { return Vec::new() };
    let mut modules = sources.modules(module);
    let path = module.replace('.', "/");
    let package = path.rsplit_once('/').map_or(path.as_str(), |(package, _)| package);
    for base in [format!("{path}/base"), format!("{package}/base")] {
        let base = sources.module(&base);
        modules.extend(base.filter(|base| modules.iter().all(|module| module.path != base.path)));
    }
    modules
}

/// How the service is asked whether it is ready, with these hosts. `None` where it would not be answered, and tell its
/// people so each time.
fn check(hosts: &Hosts) -> Option<String> {
    match hosts {
        Hosts::Any => Some(ANSWERS.to_owned()),
        Hosts::One(host) => {
            Some(format!("{{ http = \"/\", status = \"200-499\", host = {} }}", draft::text(host)))
        }
        Hosts::Unknown => None,
    }
}

/// `hosts` are those that are asked for, where some are known everywhere.
fn web(sketch: &mut Sketch, module: &str, server: Server, hosts: Option<&Hosts>) {
    let application = format!("{module}:application");
    let gunicorn = [PYTHON, "-m", "gunicorn", module, "--bind", "127.0.0.1:{port}", "--workers", "2"];
    let mut command = match server {
        Server::Gunicorn => gunicorn.to_vec(),
        Server::Uvicorn => [&gunicorn[..], &["--worker-class", "uvicorn.workers.UvicornWorker"]].concat(),
        Server::Daphne => vec![PYTHON, "-m", "daphne", "-b", "127.0.0.1", "-p", "{port}", &application],
    };
    let asked = hosts.and_then(check);
    // Daphne does so anyway.
    let preloads = asked.is_none() && server != Server::Daphne;
    command.extend(preloads.then_some("--preload"));
    let service = sketch.service("web");
    service.set("command", draft::command(&command)).set("port", "\"auto\"").because("also $PORT and {port}");
    match asked {
        Some(check) => {
            let why = match hosts {
                Some(Hosts::One(_)) => "the host is one of ALLOWED_HOSTS",
                _ => "any answer but a server's error",
            };
            service.set("readiness", check).because(why);
        }
        None => {
            let why = match preloads {
                true => {
                    "with --preload it listens when the application is loaded; better: http, and a host of ALLOWED_HOSTS"
                }
                false => {
                    "it listens when the application is loaded; better: http, and a host of ALLOWED_HOSTS"
                }
            };
            service.set("readiness", LISTENS).because(why);
        }
    }
    service.suggest("replicas", "2");
}

/// The servers whose addresses the settings read.
fn resources(sketch: &mut Sketch, settings: &str, dependencies: &str) {
    let reads =
        |key: &str| settings.contains(&format!("\"{key}\"")) || settings.contains(&format!("'{key}'"));
    // Both read it by themselves.
    let by_url = settings.contains("dj_database_url") || settings.contains("env.db(");
    servers::add(
        sketch,
        &Program {
            dependencies,
            reads: &|key| reads(key) || (by_url && key == "DATABASE_URL"),
            prefixes: &[],
            names_postgres: settings.contains("postgresql"),
            scheme: None,
        },
    );
}

/// The Celery application: the package that has a `celery.py`.
fn celery(files: &Files, sketch: &mut Sketch, package: Option<&str>) {
    let module = files.ending("celery.py").next().and_then(|path| path.strip_suffix("/celery.py"));
    let module = module.map(|path| path.replace('/', ".")).or_else(|| package.map(str::to_owned));
    if let Some(module) = module {
        celery::services(files, sketch, &module, None);
    }
}

/// The path below which the settings have files asked for.
fn url(sources: &Sources<'_>, modules: &[Module], key: &str, without: &str) -> String {
    let is_plain = |url: &String| {
        !url.is_empty()
            && url.chars().all(|c| c.is_ascii_alphanumeric() || "-_./".contains(c))
            && !url.contains("..")
    };
    let url = sources.text(modules, key).map(|url| url.trim_matches('/').to_owned());
    url.filter(is_plain).unwrap_or_else(|| without.to_owned())
}

/// Static files and uploads. Whether the build collects static files.
fn files_of(files: &Files, sketch: &mut Sketch, sources: &Sources<'_>, modules: &[Module]) -> bool {
    let collects = static_files(sketch, sources, modules);
    let is_routed = uploads(files, sketch, sources, modules);
    if collects || is_routed {
        sketch.route().set("service", "\"web\"");
    }
    collects
}

/// Whether the build collects static files.
fn static_files(sketch: &mut Sketch, sources: &Sources<'_>, modules: &[Module]) -> bool {
    let url = url(sources, modules, "STATIC_URL", "static");
    let note = match sources.places(modules, "STATIC_ROOT").into_iter().next() {
        Some(Place::Within(root)) => {
            sketch.step(&[PYTHON, "manage.py", "collectstatic", "--noinput"]);
            let route = sketch.route();
            route.comment("Static files are answered by the proxy.");
            route.set("path", draft::text(&format!("/{url}"))).set("files", draft::text(&root));
            return true;
        }
        Some(Place::Outside(root)) => format!(
            "STATIC_ROOT is {root}, which is not in the release: static files are neither collected nor served. Let it be \
             BASE_DIR / \"static\", and run `windlass init --force`"
        ),
        Some(Place::Unknown(expression)) => format!(
            "which directory STATIC_ROOT is ({expression}) is not known to init, so static files are neither collected nor \
             served: add \"{PYTHON} manage.py collectstatic --noinput\" to the steps of [build], and a route with path = \
             \"/{url}\" and files = the directory, relative to this one"
        ),
        None if modules.iter().any(|module| module.text.contains("staticfiles")) => {
            "STATIC_ROOT is not set, so static files are not collected and not served".to_owned()
        }
        None => return false,
    };
    sketch.note(note);
    false
}

/// Whether there is a route to uploads.
fn uploads(files: &Files, sketch: &mut Sketch, sources: &Sources<'_>, modules: &[Module]) -> bool {
    let url = url(sources, modules, "MEDIA_URL", "media");
    let mut is_routed = false;
    for place in sources.places(modules, "MEDIA_ROOT") {
        match place {
            // Which of several is in force, nobody knows: none is lost.
            Place::Within(root) => {
                if sketch.share(files, &root) && !is_routed {
                    let root = format!("shared:{root}");
                    let route = sketch.route();
                    route.set("path", draft::text(&format!("/{url}"))).set("files", draft::text(&root));
                    is_routed = true;
                }
            }
            Place::Outside(root) => sketch.note(format!(
                "MEDIA_ROOT is {root}, which is not in the release: the program's account must be able to write there, and the \
                 proxy does not serve it. Let it be BASE_DIR / \"media\" for a directory of build.shared with a route, and run \
                 `windlass init --force`"
            )),
            Place::Unknown(expression) => sketch.note(format!(
                "which directory MEDIA_ROOT is ({expression}) is not known to init: if it lies in the release, uploads are lost \
                 with the next one. Name it in build.shared, relative to this directory, and add a route with path = \
                 \"/{url}\" and files = \"shared:\" and the same"
            )),
        }
    }
    is_routed
}

/// What the settings ask for, and only what runs gets, for the build: it loads them and connects to
/// nothing.
fn placeholders(sketch: &mut Sketch, settings: &str) {
    for name in environ::asked_for(settings) {
        let Some(reference) = sketch.env_value(&name) else { continue };
        let placeholder = match reference.trim_matches(['"', '{', '}']) {
            "resources.db.url" => "postgres://localhost/build",
            "resources.redis.url" => "redis://localhost:6379/0",
            "resources.broker.url" => "amqp://localhost//",
            "resources.db.host" => "localhost",
            "resources.db.port" => "5432",
            // A user, a password, a database: whichever, as no secret stands in a manifest.
            _ => "{app}",
        };
        sketch.build_env(&name, draft::text(placeholder));
    }
}
