//! Python: FastAPI, Flask and the like; and what all Python projects have in common.

use windlass_core::manifest::draft;
pub(super) use windlass_core::manifest::roles::{ANSWERS, LISTENS};
pub(super) use windlass_core::manifest::venv::PYTHON;

use super::application::{self, Application};
use super::celery;
use super::environ::{self, Read};
use super::files::{Files, health_path};
use super::frontend;
use super::packages::{Installer, Packages, Tool, listed};
use super::pydantic;
use super::servers::{self, Program};
use super::sketch::Sketch;
use crate::project::sqlite;

/// Sources beyond these are not read.
const MOST: usize = 400;

/// Packages that answer requests for an application.
const SERVERS: [&str; 3] = ["gunicorn", "uvicorn", "daphne"];

/// The lower-case names of what a project depends on, in one text.
pub(super) fn dependencies(files: &Files) -> String {
    let mut all = String::new();
    for file in files.ending(".txt").filter(|path| path.contains("requirements")) {
        all.push_str(&files.read(file).unwrap_or_default());
        all.push('\n');
    }
    for file in ["setup.cfg", "setup.py"] {
        all.push_str(&files.read(file).unwrap_or_default());
        all.push('\n');
    }
    for (file, lists) in
        [("pyproject.toml", &["dependencies", "dependency-groups"][..]), ("Pipfile", &["packages"])]
    {
        let is_it = |path: &&str| path.split('/').next_back() == Some(file) && path.matches('/').count() < 2;
        for path in files.ending(file).filter(is_it) {
            all.push_str(&listed::in_lists(&files.read(path).unwrap_or_default(), lists));
        }
    }
    // What a comment names may be what was done away with.
    let lines = all.lines().map(|line| match line.trim_start().starts_with('#') {
        true => "",
        false => line.split(" #").next().unwrap_or_default(),
    });
    lines.collect::<Vec<_>>().join("\n").to_lowercase()
}

/// Whether `dependencies` name the package.
pub(super) fn depends_on(dependencies: &str, package: &str) -> bool {
    dependencies
        .split(|c: char| !(c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.')))
        .any(|word| word.replace('_', "-") == package)
}

/// The steps that make the environment, with `extra` packages that the project does not ask for itself.
pub(super) fn environment(files: &Files, sketch: &mut Sketch, extra: &[&str]) {
    environment_of(files, None, sketch, extra);
}

/// The same for what lies in a directory, which may say itself what it depends on.
fn environment_of(files: &Files, directory: Option<&str>, sketch: &mut Sketch, extra: &[&str]) {
    let packages = Packages::of(files).or_else(|| Packages::below(files, directory?));
    let installed = packages.as_ref().map_or("", |packages| packages.names.as_str());
    // Another server may be what a Procfile starts.
    let procfile = files.read("Procfile");
    let is_run = |package: &str| {
        !SERVERS.contains(&package) || procfile.as_ref().is_none_or(|lines| depends_on(lines, package))
    };
    let lacks = |package: &&str| !depends_on(installed, package) && is_run(package);
    let wanted: Vec<&str> = extra.iter().copied().filter(lacks).collect();
    install(sketch, packages.as_ref(), &wanted);
    if packages.is_some() {
        for package in wanted {
            sketch
                .note(format!("{package} is installed by the build; add it to what the project depends on"));
        }
    } else {
        sketch.note(format!(
            "nothing says what the project depends on (requirements.txt, [project] in pyproject.toml, or a Pipfile): the build installs \
             {} and no more; write it down, as `pip freeze > requirements.txt` does, and run `windlass init --force`",
            if wanted.is_empty() { "nothing".to_owned() } else { wanted.join(" and ") }
        ));
    }
    if let Some(Packages { by, not_built, lacks, index, .. }) = packages {
        if let (Installer::Pip(_), Some(index)) = (&by, index) {
            sketch.note(format!(
                "the Pipfile names {index}, of which pip is to be told: set PIP_EXTRA_INDEX_URL where you deploy, or in [build.env]"
            ));
        }
        if let (Installer::Pip(_), Some(why)) = (&by, &not_built) {
            sketch.note(format!(
                "pip cannot install the project itself: {why}. The build installs what pyproject.toml lists, by name: \
                 change both, or mend that and run `windlass init --force`"
            ));
        }
        // What is not installed is found where it lies.
        if not_built.is_some() && files.has_directory("src") {
            sketch.env("PYTHONPATH", draft::text("src"));
        }
        if let Some(Tool { program, lock }) = lacks {
            sketch.note(format!(
                "{lock} is not used, as {program} is not installed here: pip takes the newest versions that are allowed; \
                 install {program} and run `windlass init --force` for those of {lock}"
            ));
        }
    }
    sketch.cache(".venv");
}

/// The steps themselves.
fn install(sketch: &mut Sketch, packages: Option<&Packages>, wanted: &[&str]) {
    let by_uv =
        packages.is_some_and(|packages| matches!(packages.by, Installer::Tool(Tool { program: "uv", .. })));
    if !by_uv {
        sketch.step(&["python3", "-m", "venv", ".venv"]);
        sketch.note("the build needs python3 with its venv module (on Debian: python3-venv)");
    }
    let mut told: &[String] = &[];
    match packages.map(|packages| (packages, &packages.by)) {
        None => {}
        Some((_, Installer::Pip(words))) => told = words,
        Some((packages, Installer::Tool(tool))) => {
            sketch.explain_steps(format!(
                "{} is installed here, and installs what {} says. Without it: `windlass init --force`.",
                tool.program, tool.lock
            ));
            sketch.step(&locked(*tool, packages));
        }
    }
    let install: &[&str] = match by_uv {
        true => &["uv", "pip", "install", "--quiet", "--python", PYTHON],
        false => &[PYTHON, "-m", "pip", "install", "--disable-pip-version-check", "--quiet"],
    };
    let told: Vec<&str> = told.iter().map(String::as_str).collect();
    if !(told.is_empty() && wanted.is_empty()) {
        sketch.step(&[install, &told, wanted].concat());
    }
}

/// The step of a tool that installs what is locked: into the environment that is there, where it makes none.
fn locked(tool: Tool, packages: &Packages) -> Vec<String> {
    let groups = |option: &str| -> Vec<String> {
        packages.groups.iter().flat_map(|name| [option.to_owned(), name.clone()]).collect()
    };
    let (words, groups, without_project): (&[&str], Vec<String>, &str) = match tool.program {
        "uv" => (&["uv", "sync", "--frozen", "--no-dev"], groups("--group"), "--no-install-project"),
        "poetry" => {
            let only = [&["main".to_owned()][..], &packages.groups].concat().join(",");
            (&["poetry", "install", "--no-interaction", "--only"], vec![only], "--no-root")
        }
        // What is written down is whose environment the developer has. An editable project would be the one of the release
        // that the environment was made for. Groups are those of development to it: none comes that is not asked for.
        "pdm" => {
            let groups =
                if packages.groups.is_empty() { vec!["--prod".to_owned()] } else { groups("--group") };
            (&["env", "PDM_IGNORE_SAVED_PYTHON=1", "pdm", "sync", "--no-editable"], groups, "--no-self")
        }
        // It may have an environment of its own for this directory.
        _ => (&["env", "PIPENV_VENV_IN_PROJECT=1", "pipenv", "sync"], vec![], ""),
    };
    let mut step: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
    step.extend(groups);
    if packages.not_built.is_some() && !without_project.is_empty() {
        step.push(without_project.to_owned());
    }
    step
}

pub(super) fn sketch(files: &Files) -> Option<Sketch> {
    let dependencies = dependencies(files);
    let (kind, application, server) =
        if depends_on(&dependencies, "fastapi") || depends_on(&dependencies, "starlette") {
            let found = application::find(files, "FastAPI", true)
                .or_else(|| application::find(files, "Starlette", true))?;
            ("FastAPI", found, "uvicorn")
        } else if depends_on(&dependencies, "flask") {
            ("Flask", application::find(files, "Flask", true)?, "gunicorn")
        } else {
            return None;
        };
    let mut sketch = Sketch::new(kind);
    let framework =
        ["fastapi", "starlette", "flask"].into_iter().find(|name| depends_on(&dependencies, name));
    let wanted: Vec<&str> = framework.into_iter().chain([server]).collect();
    environment_of(files, application.directory.as_deref(), &mut sketch, &wanted);
    frontend::note(files, &mut sketch);
    let path = if server == "uvicorn" { application.path() } else { application.call() };
    let mut command = vec![PYTHON.to_owned(), "-m".to_owned(), server.to_owned(), path];
    let words: &[&str] = match server {
        "uvicorn" => &["--host", "127.0.0.1", "--port", "{port}", "--proxy-headers"],
        _ => &["--bind", "127.0.0.1:{port}", "--workers", "2"],
    };
    command.extend(words.iter().map(|word| (*word).to_owned()));
    command.extend((application.is_made && server == "uvicorn").then(|| "--factory".to_owned()));
    if let Some(directory) = &application.directory {
        let option = if server == "uvicorn" { "--app-dir" } else { "--chdir" };
        command.extend([option.to_owned(), directory.clone()]);
    }
    let service = sketch.service("web");
    service.set("command", draft::command(&command)).set("port", "\"auto\"").because("also $PORT and {port}");
    readiness(service, &application.source);
    service.suggest("replicas", "2");
    migrations(files, &mut sketch, &dependencies, &application);
    let mut source = application.source;
    if depends_on(&dependencies, "celery") {
        match application::find(files, "Celery", false) {
            Some(celery) => {
                celery::services(files, &mut sketch, &celery.path(), celery.directory.as_deref());
                if celery.source != source {
                    source.push_str(&celery.source);
                }
            }
            None => sketch.note_of_services(
                "the project depends on celery, but no line such as `app = Celery(...)` was found: add [services.worker] \
                 with `-n worker-{release}-{replica}@%h`, so that no two workers have one name",
            ),
        }
    }
    let pydantic::Found { fields, unknown } =
        pydantic::fields(files.sources(".py").map(|(_, source)| source));
    resources(files, &mut sketch, &dependencies, &fields);
    let kept = sqlite::of_sources(files, &|name: &str| sketch.env_value(name).is_some());
    sqlite::share(files, &mut sketch, &kept);
    environ::declare_all(&mut sketch, &source, fields);
    for class in unknown {
        sketch.note(format!(
            "what {class} reads is not declared, as its env_prefix is not written out: add it to [settings]"
        ));
    }
    Some(sketch)
}

/// The servers whose addresses the program reads, in whichever of its modules.
fn resources(files: &Files, sketch: &mut Sketch, dependencies: &str, fields: &[Read]) {
    let is_test =
        |path: &str| path.starts_with("tests/") || path.contains("/tests/") || path.contains("test_");
    let sources =
        || files.sources(".py").filter(|(path, _)| !is_test(path)).take(MOST).map(|(_, source)| source);
    let mut names: Vec<String> = fields.iter().map(|read| read.name.clone()).collect();
    names.extend(sources().flat_map(|source| environ::names(&source)));
    // Settings classes have one before all that they read.
    let prefix = |name: &String| {
        let prefix = ["DATABASE_URL", "REDIS_URL", "CELERY_BROKER_URL"]
            .into_iter()
            .find_map(|usual| name.strip_suffix(usual).filter(|prefix| prefix.ends_with('_')))?;
        fields.iter().all(|read| read.name.starts_with(prefix)).then(|| prefix.to_owned())
    };
    let prefixes: Vec<String> = fields.iter().map(|read| &read.name).find_map(prefix).into_iter().collect();
    // What the program is given is said there, if anywhere.
    let examples = [".env.example", ".env.sample", ".env.template"];
    let texts = examples.into_iter().filter_map(|file| files.read(file)).chain(sources());
    servers::add(
        sketch,
        &Program {
            dependencies,
            reads: &|key| names.iter().any(|name| name == key),
            prefixes: &prefixes,
            names_postgres: false,
            scheme: servers::scheme(dependencies, texts, files.read("alembic.ini")),
        },
    );
}

/// The job that migrates the database with Alembic, which Flask-Migrate calls for the application.
fn migrations(files: &Files, sketch: &mut Sketch, dependencies: &str, application: &Application) {
    let configured = files.has("alembic.ini")
        || files.read("pyproject.toml").is_some_and(|text| text.contains("[tool.alembic]"));
    let by_flask = depends_on(dependencies, "flask-migrate");
    let module = match &application.directory {
        Some(directory) => format!("{directory}/{}", application.call()),
        None => application.call(),
    };
    if by_flask && files.read("migrations/env.py").is_some() {
        migrate(sketch, &[PYTHON, "-m", "flask", "--app", &module, "db", "upgrade"]);
    } else if by_flask {
        sketch.note(
            "the project depends on flask-migrate, but there is no migrations/env.py here: after `flask db init` run \
             `windlass init --force`, or add a job that migrates before-start",
        );
    } else if configured {
        migrate(sketch, &[PYTHON, "-m", "alembic", "upgrade", "head"]);
    } else if depends_on(dependencies, "alembic") {
        sketch.note("the project depends on alembic, but there is no alembic.ini here: add a job that migrates before-start");
    }
}

pub(super) fn migrate<'sketch>(sketch: &'sketch mut Sketch, command: &[&str]) -> &'sketch mut draft::Section {
    let job = sketch.job("migrate");
    job.comment("Before any new copy starts.");
    job.set("command", draft::command(command));
    job.set("when", "\"before-start\"");
    job.set("undo", "\"compatible\"").because("the old release must work with the new schema while both run")
}

/// The readiness check for a program with this source.
pub(super) fn readiness(service: &mut draft::Section, source: &str) {
    match health_path(source) {
        Some(path) => service.set("readiness", draft::text(path)),
        None => service
            .set("readiness", ANSWERS)
            .because("better: a path that answers 200 when the program can work, such as \"/health\""),
    };
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::project::init::packages::TOOLS;

    #[test]
    fn each_tool_installs_what_production_needs() {
        let step = |name: &str, groups: &[&str], not_built: Option<&str>| {
            let tool = TOOLS.into_iter().find(|tool| tool.program == name).unwrap();
            let packages = Packages {
                by: Installer::Tool(tool),
                names: String::new(),
                not_built: not_built.map(str::to_owned),
                lacks: None,
                groups: groups.iter().map(|group| (*group).to_owned()).collect(),
                index: None,
            };
            locked(tool, &packages).join(" ")
        };
        for (name, groups, not_built, expected) in [
            ("uv", &[][..], None, "uv sync --frozen --no-dev"),
            ("uv", &["prod"], Some("why"), "uv sync --frozen --no-dev --group prod --no-install-project"),
            ("poetry", &["prod"], None, "poetry install --no-interaction --only main,prod"),
            (
                "pdm",
                &[],
                Some("why"),
                "env PDM_IGNORE_SAVED_PYTHON=1 pdm sync --no-editable --prod --no-self",
            ),
            ("pdm", &["prod"], None, "env PDM_IGNORE_SAVED_PYTHON=1 pdm sync --no-editable --group prod"),
            ("pipenv", &[], None, "env PIPENV_VENV_IN_PROJECT=1 pipenv sync"),
        ] {
            assert_eq!(step(name, groups, not_built), expected);
        }
    }
}
