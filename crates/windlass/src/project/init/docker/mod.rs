//! A Dockerfile alone: how what it builds is run is carried over, how it is built is not.
//!
//! What the last stage says of the environment, the directory, the port and the volumes becomes
//! keys of the service; what has no counterpart, or only a person can decide, a comment or a note.

mod file;
mod image;
mod paths;
mod port;
mod shell;
mod words;

use windlass_core::manifest::{Format, draft};
use windlass_core::settings::{password_in, sounds_secret};
use windlass_core::spec::Template;

use super::files::Files;
use super::python::{ANSWERS, LISTENS};
use super::sketch::Sketch;
use file::{BuildStage, Dockerfile};
pub(in crate::project) use image::image;
use paths::Paths;
use port::Port;

/// Ports of web servers and of those that frameworks start.
const HTTP_PORTS: [u16; 10] = [80, 3000, 4000, 5000, 8000, 8001, 8080, 8081, 8888, 9292];

/// Programs, modules and words of commands that answer requests by HTTP.
const HTTP_WORDS: [&str; 23] = [
    "apache2",
    "bun",
    "caddy",
    "daphne",
    "fastapi",
    "flask",
    "gunicorn",
    "http-server",
    "httpd",
    "hypercorn",
    "next",
    "nginx",
    "node",
    "npm",
    "pnpm",
    "puma",
    "rackup",
    "rails",
    "runserver",
    "streamlit",
    "uvicorn",
    "uwsgi",
    "yarn",
];

/// An environment that is longer is a table of its own.
const WIDEST: usize = 100;

pub(super) fn sketch(files: &Files) -> Option<Sketch> {
    let Dockerfile { stage, runs } = Dockerfile::read(&files.read("Dockerfile")?, None);
    let paths = Paths::of(&stage, files);
    let mut port = Port::of(&stage);
    let mut notes = Vec::new();
    let command = started(&stage, &paths, &mut port);
    let env = environment(&stage, &paths, &mut port, &mut notes);
    let directory = directory(&stage, &paths, files, &mut notes);

    let mut sketch = Sketch::new("Dockerfile");
    let (shared, outside) = volumes(&stage, &paths);
    for directory in &shared {
        sketch.share(files, directory);
    }
    let service = sketch.service("web");
    for path in outside {
        service.comment(format!(
            "The image keeps {path} in a volume: name a directory in build.shared, and tell the program {{shared}}/DIRECTORY."
        ));
    }
    if let Some(user) = stage.user.as_deref().filter(|user| !matches!(*user, "root" | "0")) {
        service.comment(format!(
            "The image runs it as {user}: where Windlass runs as root, `user` names the account of this machine."
        ));
    }
    let known = command.is_some();
    service.set("command", command.unwrap_or_else(|| draft::command(&[draft::PLACEHOLDER])));
    if let Some(directory) = directory {
        service.set("directory", draft::text(&directory));
    }
    port.write(service);
    match speaks_http(&stage) {
        true => service.set("readiness", ANSWERS).because("better: a path that answers 200"),
        false => service
            .set("readiness", LISTENS)
            .because("better, where it answers HTTP: a path that answers 200, such as \"/health\""),
    };
    if let Some(signal) = stage.stop_signal.as_deref().filter(|signal| Format::Signal.check(signal).is_ok()) {
        service.set("stop", draft::inline(&[("signal".to_owned(), draft::text(signal))]));
    }
    match draft::inline(&env) {
        _ if env.is_empty() => {}
        line if line.len() <= WIDEST => {
            service.set("env", line);
        }
        _ => {
            let section = sketch.service("web.env");
            for (key, value) in &env {
                section.set(key, value);
            }
        }
    }

    if !known {
        notes.push("the Dockerfile has no CMD: replace the command of services.web".to_owned());
    }
    if stage.has_health {
        notes.push("the HEALTHCHECK was not carried over: say it as `readiness`".to_owned());
    }
    match runs {
        0 => {}
        1 => notes.push("its RUN line was not carried over: write what it does as [build] steps".to_owned()),
        _ => notes
            .push(format!("its {runs} RUN lines were not carried over: write what they do as [build] steps")),
    }
    notes.into_iter().for_each(|note| sketch.note(note));
    Some(sketch)
}

/// Whether what an image says of its program lets one think that it is asked by HTTP.
fn speaks_http(stage: &BuildStage) -> bool {
    let lines = [&stage.entry, &stage.command].into_iter().flatten();
    let mut words =
        lines.flat_map(|line| line.split(|c: char| !(c.is_ascii_alphanumeric() || matches!(c, '-' | '_'))));
    stage.ports.iter().any(|port| HTTP_PORTS.contains(port)) || words.any(|word| HTTP_WORDS.contains(&word))
}

/// The volumes that lie in the project, as its paths, and those that do not, as the image's.
fn volumes<'s>(stage: &'s BuildStage, paths: &Paths) -> (Vec<String>, Vec<&'s str>) {
    let (mut shared, mut outside) = (Vec::new(), Vec::new());
    for path in &stage.volumes {
        match paths.inside(path).filter(|inside| Format::Path.check(inside).is_ok()) {
            Some(inside) if shared.contains(&inside) => {}
            Some(inside) => shared.push(inside),
            None => outside.push(path.as_str()),
        }
    }
    (shared, outside)
}

/// The directory of the project that the program runs in, where that is not the project's own.
fn directory(stage: &BuildStage, paths: &Paths, files: &Files, notes: &mut Vec<String>) -> Option<String> {
    let path = stage.directory()?;
    match paths.directory.as_deref() {
        Some("") => None,
        Some(inside) if files.has_directory(inside) => Some(inside.to_owned()),
        Some(inside) => {
            notes.push(format!(
                "WORKDIR {path} would be {inside} here, which is not there: write where it runs as `directory`"
            ));
            None
        }
        None if path == "/" => None,
        None => {
            notes.push(format!(
                "WORKDIR {path} was not carried over: it runs in the release; `directory` names one inside"
            ));
            None
        }
    }
}

/// The environment of the last stage, as TOML; that which was not carried over is noted.
fn environment(
    stage: &BuildStage,
    paths: &Paths,
    port: &mut Port,
    notes: &mut Vec<String>,
) -> Vec<(String, String)> {
    let mut env = Vec::new();
    for (key, value) in &stage.env {
        // The copy is told its own.
        if key == "PORT" {
            continue;
        }
        let Some(value) = value else {
            notes.push(format!(
                "ENV {key} was not carried over: its value is made of the image's environment"
            ));
            continue;
        };
        if Format::EnvName.check(key).is_err() || value.chars().any(char::is_control) {
            notes.push(format!("ENV {key:?} was not carried over: no environment can hold it"));
            continue;
        }
        let is_secret = sounds_secret(key) && !value.is_empty();
        if is_secret || password_in(value).is_some() {
            let looks = if is_secret { "it looks like a secret" } else { "a password stands in it" };
            notes.push(format!(
                "ENV {key} was not carried over: {looks}; declare it under [settings] with secret = true"
            ));
            continue;
        }
        let here = moved(value, paths);
        if here != *value {
            notes.push(format!(
                "ENV {key} names a path of the image: it is {here:?} here, from where the service runs"
            ));
        }
        // A number is a port only where the name says so.
        let is_number = here.parse::<u16>().is_ok() && !key.to_ascii_uppercase().ends_with("PORT");
        let template = if is_number { here } else { port.template(&here) };
        env.push((key.clone(), draft::text(&template)));
    }
    env
}

/// The value with its paths of the image as those of the project.
fn moved(value: &str, paths: &Paths) -> String {
    let part = |part: &str| {
        let inside = part.starts_with('/').then(|| paths.seen_from_it(part.trim_end_matches('/')));
        inside.flatten().unwrap_or_else(|| part.to_owned())
    };
    value.split(':').map(part).collect::<Vec<_>>().join(":")
}

/// A word of a shell line; any may be the program, which without a slash is looked for on the PATH.
fn in_line(word: &str, paths: &Paths) -> String {
    let here = moved(word, paths);
    if here != word && !here.contains('/') { format!("./{here}") } else { here }
}

/// ENTRYPOINT and CMD as a command, as TOML.
fn started(stage: &BuildStage, paths: &Paths, port: &mut Port) -> Option<String> {
    let list = |text: &String| serde_json::from_str::<Vec<String>>(text).ok();
    let (entry, command) = (stage.entry.as_ref(), stage.command.as_ref());
    match (entry.map(list), command.map(list)) {
        // The shell form: an ENTRYPOINT takes no CMD then.
        (Some(None), _) => Some(draft::shell(&in_shell(entry?, paths, port))),
        (Some(Some(entry)), Some(None)) if !entry.is_empty() => {
            // What a program does with its words is its own: this line is three of them, as for Docker.
            let mut templates = in_words(&entry, paths, port)?;
            let line = Template::literal(in_shell(command?, paths, port)).to_string();
            templates.extend(shell::words(line));
            Some(draft::command(&templates))
        }
        (_, Some(None)) => Some(draft::shell(&in_shell(command?, paths, port))),
        (entry, command) => {
            let words: Vec<String> = [entry, command].into_iter().flatten().flatten().flatten().collect();
            Some(draft::command(&in_words(&words, paths, port)?))
        }
    }
}

/// The exec form, as templates.
fn in_words(words: &[String], paths: &Paths, port: &mut Port) -> Option<Vec<String>> {
    let first = words.first().filter(|word| !word.is_empty())?;
    if words.iter().any(|word| word.contains('\0')) {
        return None;
    }
    let mut templates: Vec<String> = words.iter().map(|word| port.template(&moved(word, paths))).collect();
    // A program without a slash is looked for on the PATH.
    if first.contains('/') && !templates[0].contains('/') {
        templates[0].insert_str(0, "./");
    }
    Some(templates)
}

/// Whether the words of a line are only words; what a shell makes of the rest is not ours to guess.
fn is_plain(line: &str) -> bool {
    !line.contains(['"', '\'', '\\', '`', '#'])
}

/// The shell form, as a line.
fn in_shell(line: &str, paths: &Paths, port: &mut Port) -> String {
    let line: String = line.chars().filter(|c| !c.is_control()).collect();
    let line = match is_plain(&line) {
        true => line.split(' ').map(|word| in_line(word, paths)).collect::<Vec<_>>().join(" "),
        false => line,
    };
    port.line(&line)
}
