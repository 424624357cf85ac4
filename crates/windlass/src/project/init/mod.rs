//! Proposing a manifest for a project that has none.
//!
//! Each file of this folder knows one kind of project. The first that recognises it writes a
//! [`Sketch`]: build steps, services, jobs, resources, routes, and notes on what a person should
//! look at. A Procfile says what runs, and nothing else: its entries take the place of the
//! framework's services. A framework says more than a Dockerfile or a compose file, which describe
//! containers.

mod angular;
mod application;
mod celery;
mod data;
mod django;
pub(in crate::project) mod docker;
mod env_files;
mod environ;
mod example;
pub(in crate::project) mod files;
mod frontend;
mod hosts;
mod node;
mod packages;
mod port;
mod procfile;
mod production;
mod pydantic;
mod python;
mod rust;
mod servers;
pub(in crate::project) mod sketch;
mod website;

use std::io;
use std::path::Path;

use files::Files;
use packages::Packages;
use sketch::Sketch;
use windlass_core::manifest::compose::Build;
use windlass_core::manifest::draft;

use crate::project::adopt::convert;

/// A manifest that was proposed.
#[derive(Debug, Clone)]
pub struct Proposal {
    /// What the project was taken for, such as `Django`.
    pub kind: String,
    /// The manifest.
    pub text: String,
    /// What a person should look at.
    pub notes: Vec<String>,
}

/// How the project in `directory` is built, where its files say what it depends on: what it is, and what of it runs, is
/// said elsewhere.
///
/// # Errors
/// When the directory cannot be read.
pub(crate) fn build(directory: &Path, is_installed: fn(&str) -> bool) -> io::Result<Option<Build>> {
    let files = Files::of(directory, is_installed)?;
    let mut sketch = Sketch::new("");
    let is_python = Packages::of(&files).is_some();
    if is_python {
        python::environment(&files, &mut sketch, &[]);
    }
    if files.has("package.json") {
        node::build(&files, &mut sketch);
    }
    Ok(sketch.into_build(is_python))
}

/// The names of compose files, the preferred one first.
pub(crate) const COMPOSE: [&str; 4] =
    ["compose.yaml", "compose.yml", "docker-compose.yml", "docker-compose.yaml"];

/// Looks at the project in `directory` and proposes a manifest. Nothing is written, nothing is run.
/// `is_installed` says which programs the machine has, `as_root` that what is deployed runs as root unless it is
/// told otherwise.
///
/// # Errors
/// When the directory cannot be read.
pub fn propose(directory: &Path, is_installed: fn(&str) -> bool, as_root: bool) -> io::Result<Proposal> {
    let finish = |mut sketch: Sketch, files: &Files| {
        if as_root {
            sketch.suggest_user();
        }
        sketch.finish(files)
    };
    let files = Files::of(directory, is_installed)?;
    let detectors: [fn(&Files) -> Option<Sketch>; 4] =
        [django::sketch, python::sketch, node::sketch, rust::sketch];
    let framework = detectors.iter().find_map(|detect| detect(&files));
    let sketch = match procfile::entries(&files) {
        Some(entries) => Some(procfile::sketch(&files, &entries, framework)),
        None => framework.or_else(|| website::sketch(&files)),
    };
    if let Some(mut sketch) = sketch {
        note_containers(&files, &mut sketch);
        return Ok(finish(sketch, &files));
    }
    let (of_compose, fault) = match of_compose(&files) {
        Some(Ok(proposal)) => (Some(proposal), None),
        Some(Err(fault)) => (None, Some(fault)),
        None => (None, None),
    };
    let containers = of_compose.or_else(|| Some(finish(docker::sketch(&files)?, &files)));
    if let Some(mut proposal) = containers {
        proposal.notes.extend(fault);
        return Ok(proposal);
    }
    let mut proposal = finish(empty(&files), &files);
    if let Some(fault) = fault {
        proposal.notes = vec![fault];
        return Ok(proposal);
    }
    // Another kind of project may well have one for its tools; here nothing else was recognised.
    proposal.notes.extend(other_language(&files).or_else(|| node::why_not(&files)));
    Ok(proposal)
}

/// What is there beside that says how the project is run.
fn note_containers(files: &Files, sketch: &mut Sketch) {
    if let Some(name) = COMPOSE.iter().find(|name| files.has(name)) {
        sketch.note(format!(
            "{name} was not used; `windlass import compose {name} --force` makes a manifest of it instead of this one"
        ));
    } else if files.has("Dockerfile") {
        sketch.note(
            "the Dockerfile was not used: see whether its ENV, RUN and CMD lines say more than what was found in the sources",
        );
    }
}

/// As `windlass import compose` makes it; or what is wrong with the file.
fn of_compose(files: &Files) -> Option<Result<Proposal, String>> {
    let name = COMPOSE.iter().find(|name| files.has(name))?;
    let imported = convert(&files.path(name))
        .map_err(|fault| format!("{name} was not used: {fault}. Mend it, and run `windlass init --force`"));
    Some(imported.map(|(_, imported)| {
        let notes = imported.notes.iter().map(|note| format!("{name}, {note}")).collect();
        Proposal { kind: "compose file".to_owned(), text: imported.annotated(), notes }
    }))
}

/// That the project is written in a language that is not known here.
fn other_language(files: &Files) -> Option<String> {
    let (file, language, install) = [
        ("composer.json", "PHP", "composer install --no-dev"),
        ("Gemfile", "Ruby", "bundle install"),
        ("go.mod", "Go", "go build -o bin/web ."),
    ]
    .into_iter()
    .find(|(file, ..)| files.has(file))?;
    Some(format!(
        "{file} is of {language}, of which init knows nothing: write [build] steps, such as {install:?}, and the command of \
         what answers HTTP on $PORT"
    ))
}

/// For a project of no kind that is known.
fn empty(files: &Files) -> Sketch {
    let mut sketch = Sketch::new("unknown");
    let service = sketch.service("web");
    service.comment("What runs all the time. Replace the command by yours, which listens on $PORT.");
    service.set("command", draft::command(&[draft::PLACEHOLDER]));
    service.set("port", "\"auto\"").set("readiness", python::ANSWERS);
    sketch.note(format!("nothing in {} is known to init: replace the command of services.web", files.name()));
    sketch
}
