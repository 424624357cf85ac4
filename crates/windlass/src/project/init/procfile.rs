//! Procfiles: what runs is said already; how it is built, and what it needs, the framework says.

use windlass_core::manifest::draft::{self, Draft};
use windlass_core::manifest::venv::{self, MODULES};
use windlass_core::manifest::{roles, words};
use windlass_core::name::Name;
use windlass_core::spec::Template;

use super::files::Files;
use super::packages::Packages;
use super::python::{ANSWERS, LISTENS};
use super::sketch::Sketch;
use super::{env_files, node, python};

/// Programs of the machine, which find what they start by themselves.
const RUNTIMES: [&str; 7] = ["node", "npm", "npx", "pnpm", "yarn", "bun", "cargo"];

/// An entry: its name and its line.
pub(super) type Entry = (String, String);

/// What the Procfile says, where there is one with something in it.
pub(super) fn entries(files: &Files) -> Option<Vec<Entry>> {
    let text = files.read("Procfile")?;
    let entries: Vec<Entry> = text
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
        .filter_map(|line| line.split_once(':'))
        .map(|(name, command)| (name.trim().to_owned(), command.trim().to_owned()))
        .filter(|(_, command)| !command.is_empty() && !command.chars().any(char::is_control))
        .collect();
    (!entries.is_empty()).then_some(entries)
}

/// The sketch of the `framework`, where one was recognised, run as the entries say.
pub(super) fn sketch(files: &Files, entries: &[Entry], framework: Option<Sketch>) -> Sketch {
    let (mut sketch, services) = match framework {
        Some(mut sketch) => {
            let services = sketch.without_services("the Procfile");
            (sketch, services)
        }
        None => (Sketch::new("Procfile"), Draft::default()),
    };
    let is_python = ["requirements.txt", "pyproject.toml", "setup.py"].iter().any(|file| files.has(file))
        || Packages::of(files).is_some();
    // A program of one language may have parts of the other.
    if is_python && !sketch.excludes(".venv/") {
        python::environment(files, &mut sketch, &[]);
    }
    let is_node = files.has("package.json");
    if is_node && !sketch.excludes("node_modules/") {
        node::build(files, &mut sketch);
    }
    let installed = [(is_python, venv::PROGRAMS), (is_node, "node_modules/.bin")];
    let installed: Vec<&str> =
        installed.into_iter().filter_map(|(is_there, directory)| is_there.then_some(directory)).collect();
    if entries.iter().any(|(name, _)| name == "release") {
        sketch.without_jobs();
    }
    sketch.route_to_web(entries.iter().any(|(name, _)| name == "web"));
    let mut names: Vec<Name> = Vec::new();
    for (typed, command) in entries {
        let made = Name::new(typed).or_else(|refused| Name::new(refused.suggestion.unwrap_or_default()));
        let Some(name) = made.ok().filter(|name| !names.contains(name) && !RESERVED.contains(&name.as_str()))
        else {
            sketch.note(format!("the entry {typed:?} of the Procfile was left out: its name cannot be used"));
            continue;
        };
        names.push(name.clone());
        let of_framework = services.find(&format!("[services.{name}]"));
        let line = match of_framework.is_some_and(|known| known.value("readiness") == Some(LISTENS)) {
            true => preloaded(command),
            false => command.clone(),
        };
        let line = match name.as_str() == "web" && !files.has("gunicorn.conf.py") {
            true => bound(line),
            false => line,
        };
        let line = line.as_str();
        let words: Vec<&str> = line.split_whitespace().collect();
        if line.contains("--env-file") {
            sketch.note(format!("{name} has --env-file: {}", env_files::INSTEAD));
        }
        let command = of_line(line, is_python, &name);
        let command = match calls_others(files, line) {
            true => with_path(line, &installed).unwrap_or(command),
            false => command,
        };
        if !command.starts_with('{') && roles::is_unkept_beat(&words) {
            sketch.share(files, roles::BEAT);
        }
        // Where a shell is needed, nothing can be added to the line.
        if command.starts_with('{') && roles::is_nameless_worker(&words) {
            sketch.note(format!(
                "{name}: old and new workers of Celery run side by side in a deploy and need names of their own: add \
                 `-n $WINDLASS_INSTANCE@%h` to the worker's options"
            ));
        }
        if name.as_str() == "release" {
            let job = sketch.job("release");
            job.comment("Before any new copy starts.");
            job.set("command", command).set("when", "\"before-start\"").set("undo", "\"compatible\"");
            continue;
        }
        let service = sketch.service(name.as_str());
        service.set("command", command);
        match name.as_str() {
            "web" => {
                match of_framework.filter(|web| web.value("port") != Some("\"auto\"") && !names_port(line)) {
                    Some(web) => drop(service.carry("port", web).carry("strategy", web)),
                    None => drop(service.set("port", "\"auto\"").because("told by $PORT")),
                }
                if let Some(web) =
                    of_framework.filter(|web| web.value("readiness") != Some(LISTENS) || listens_late(&words))
                {
                    service.carry("readiness", web);
                }
                if !service.has("readiness") {
                    service.set("readiness", ANSWERS).because("better: a path that answers 200");
                }
            }
            name if roles::is_clock(name, &words) => {
                service.set("singleton", "true").because("never two of it");
            }
            _ => {}
        }
        if let Some(known) = of_framework {
            service.carry("stop", known).carry("env", known);
        }
    }
    sketch
}

/// Whether a line says where the port goes.
fn names_port(line: &str) -> bool {
    line.contains("PORT")
}

/// The line with Gunicorn loading the application before it listens, where it is Gunicorn's.
fn preloaded(line: &str) -> String {
    let words: Vec<&str> = line.split_whitespace().collect();
    match roles::listens_early(&words) {
        Some("gunicorn") => line.replacen("gunicorn ", "gunicorn --preload ", 1),
        _ => line.to_owned(),
    }
}

/// The line with Gunicorn listening for the proxy alone: where it is not told, it takes `$PORT` of all addresses.
fn bound(line: String) -> String {
    let is_told =
        |word: &&str| ["-b", "--bind", "-c", "--config"].iter().any(|option| word.starts_with(option));
    let words: Vec<&str> = line.split_whitespace().collect();
    let is_plain = words::split(&marked(&line)).is_ok();
    match words.first() {
        Some(&"gunicorn") if is_plain && !words.iter().any(is_told) => {
            format!("{line} --bind 127.0.0.1:$PORT")
        }
        _ => line,
    }
}

/// Whether the words start a server that listens when the application is loaded.
fn listens_late(words: &[&str]) -> bool {
    let is_one = |word: &&str| ["gunicorn", "daphne", "uvicorn"].contains(word);
    words.iter().any(is_one) && roles::listens_early(words).is_none()
}

/// Names that Windlass keeps for itself.
const RESERVED: [&str; 4] = ["access", "build", "host", "proxy"];

/// Whether the line starts programs that are looked for: itself, or a script that it runs.
fn calls_others(files: &Files, line: &str) -> bool {
    let Ok(words) = words::split(&marked(line)) else { return true };
    let program = words.first().map_or("", String::as_str);
    let is_script = || files.read(program).is_some_and(|text| text.starts_with("#!"));
    let is_known = program.starts_with("python") || program == "waitress-serve";
    match program.contains('/') {
        true => is_script(),
        false => !(is_known || MODULES.contains(&program) || RUNTIMES.contains(&program)),
    }
}

/// The line for a shell that looks first into what the build `installed`, as the platforms do that Procfiles
/// come from. `None` where that is nothing.
fn with_path(line: &str, installed: &[&str]) -> Option<String> {
    let directories: String = installed.iter().map(|directory| format!("$PWD/{directory}:")).collect();
    // Signals are for the program.
    let exec = if words::split(&marked(line)).is_ok() { "exec " } else { "" };
    let line = format!("export PATH=\"{directories}$PATH\"; {exec}{}", inward(line));
    (!installed.is_empty()).then(|| draft::shell(&line))
}

/// A character for private use.
const MARK: &str = "\u{e000}";

/// A line of a Procfile, which a shell would run; without one where it does not need it.
fn of_line(line: &str, is_python: bool, name: &Name) -> String {
    // A character that no line has stands for the port until what is text is escaped.
    let marked = marked(line);
    let Ok(words) = words::split(&marked) else { return draft::shell(&inward(line)) };
    let template = |word: &String| Template::literal(inward(word)).to_string().replace(MARK, "{port}");
    let is_node = words.first().is_some_and(|program| program == "node");
    let words = if is_node { env_files::without(words).0 } else { words };
    let nameless = roles::is_nameless_worker(&words);
    let unkept = roles::is_unkept_beat(&words);
    let mut words: Vec<String> = words.iter().map(template).collect();
    if unkept {
        words.extend(["--schedule".to_owned(), roles::beat_schedule()]);
    }
    if nameless {
        words.extend(["-n".to_owned(), roles::node_name(name.as_str())]);
    }
    if is_python {
        words = venv::started_from(words);
    }
    draft::command(&words)
}

/// The text with what listens everywhere listening for the proxy alone: there is no router of a platform between it and the
/// outside. `10.0.0.0/8` is another address, and `0.0.0.0/0` a network; `-b0.0.0.0` is an option with its value.
fn inward(text: &str) -> String {
    let mut pieces = text.split("0.0.0.0");
    let mut out = pieces.next().unwrap_or_default().to_owned();
    for piece in pieces {
        let is_number = |c: char| c.is_ascii_digit() || c == '.';
        let goes_on = |c: char| c.is_ascii_alphanumeric() || c == '.' || c == '/';
        let is_whole = !out.ends_with(is_number) && !piece.starts_with(goes_on);
        out.push_str(if is_whole { "127.0.0.1" } else { "0.0.0.0" });
        out.push_str(piece);
    }
    out
}

/// The line with the mark for its port. `$PORT_ADMIN` is another variable.
fn marked(line: &str) -> String {
    let line = line.replace("${PORT}", MARK);
    let mut pieces = line.split("$PORT");
    let mut out = pieces.next().unwrap_or_default().to_owned();
    for piece in pieces {
        let goes_on = piece.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '_');
        out.push_str(if goes_on { "$PORT" } else { MARK });
        out.push_str(piece);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn programs_are_looked_for_where_the_build_put_them() {
        let directory = tempfile::tempdir().unwrap();
        std::fs::write(directory.path().join("start.sh"), "#!/bin/sh\ngunicorn app:app\n").unwrap();
        let files = Files::of(directory.path(), |_| false).unwrap();
        for line in ["rq worker", "./start.sh", "bash start.sh", "A=1 gunicorn app:app", "gunicorn x && y"] {
            assert!(calls_others(&files, line), "{line}");
        }
        for line in ["gunicorn app:app", "python3 x.py", "node x.js", "npm start", "./target/release/x"] {
            assert!(!calls_others(&files, line), "{line}");
        }
        let both = [".venv/bin", "node_modules/.bin"];
        assert_eq!(
            with_path("serve -h 0.0.0.0 -p $PORT", &both).unwrap(),
            "{ shell = 'export PATH=\"$PWD/.venv/bin:$PWD/node_modules/.bin:$PATH\"; exec serve -h 127.0.0.1 -p $PORT' }"
        );
        assert_eq!(
            with_path("a && b", &both[..1]).unwrap(),
            "{ shell = 'export PATH=\"$PWD/.venv/bin:$PATH\"; a && b' }"
        );
        assert_eq!(
            with_path("A=1 serve -b 0.0.0.0:$PORT --from 10.0.0.0/8", &both[..1]).unwrap(),
            "{ shell = 'export PATH=\"$PWD/.venv/bin:$PATH\"; A=1 serve -b 127.0.0.1:$PORT --from 10.0.0.0/8' }"
        );
        assert_eq!(with_path("a && b", &[]), None);
    }

    #[test]
    fn gunicorn_listens_for_the_proxy_alone() {
        for (line, made) in [
            ("gunicorn shop.wsgi --log-file -", "gunicorn shop.wsgi --log-file - --bind 127.0.0.1:$PORT"),
            ("gunicorn shop.wsgi -b :$PORT", "gunicorn shop.wsgi -b :$PORT"),
            ("gunicorn shop.wsgi -c conf.py", "gunicorn shop.wsgi -c conf.py"),
            ("a && gunicorn shop.wsgi", "a && gunicorn shop.wsgi"),
            ("uvicorn shop:app", "uvicorn shop:app"),
        ] {
            assert_eq!(bound(line.to_owned()), made);
        }
    }

    #[test]
    fn only_the_port_itself_is_the_port() {
        let line = |line: &str| of_line(line, false, &Name::new("web").unwrap());
        assert_eq!(line("serve --on :$PORT/x -p ${PORT} $PORT"), "\"serve --on :{port}/x -p {port} {port}\"");
        assert_eq!(line("serve $PORT $PORT_ADMIN"), "{ shell = \"serve $PORT $PORT_ADMIN\" }");
        assert_eq!(line("serve 0.0.0.0:$PORT --host 0.0.0.0"), "\"serve 127.0.0.1:{port} --host 127.0.0.1\"");
        assert_eq!(line("serve 0.0.0.0:$PORT,10.0.0.0"), "\"serve 127.0.0.1:{port},10.0.0.0\"");
        assert_eq!(line("A=1 serve 0.0.0.0:$PORT"), "{ shell = \"A=1 serve 127.0.0.1:$PORT\" }");
        assert_eq!(line("serve -b0.0.0.0:$PORT"), "\"serve -b127.0.0.1:{port}\"");
        assert_eq!(line("serve 0.0.0.0/0 $PORT"), "\"serve 0.0.0.0/0 {port}\"");
        assert_eq!(line("serve $PORT2"), "{ shell = \"serve $PORT2\" }");
    }
}
