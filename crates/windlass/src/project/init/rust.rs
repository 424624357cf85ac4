//! Rust.

use windlass_core::manifest::draft;

use super::files::{Files, health_path};
use super::port::{self, Listens};
use super::sketch::Sketch;

/// How it would be told its port.
const VARIABLE: &str = "$PORT";

pub(super) fn sketch(files: &Files) -> Option<Sketch> {
    let document: toml_edit::DocumentMut = files.read("Cargo.toml")?.parse().ok()?;
    let binary = binary(files, &document)?;
    let mut sketch = Sketch::new("Rust");
    let mut build = vec!["cargo", "build", "--release"];
    // Entries of a Procfile may run others of its programs.
    if !files.has("Procfile") {
        build.extend(["--bin", &binary]);
    }
    if files.has("Cargo.lock") {
        build.push("--locked");
    }
    sketch.step(&build);
    sketch.cache("target");
    let sources: Vec<String> = files.sources(".rs").take(200).map(|(_, source)| source).collect();
    let source = sources.concat();
    let reads_port = source.contains("\"PORT\"");
    let is_rocket = !reads_port && is_rocket(&source);
    let listens = if is_rocket { Listens::Told } else { port::of_rust(&sources) };
    let mut command = vec![format!("target/release/{binary}")];
    if source.contains("--port") && !reads_port && !is_rocket {
        command.extend(["--port".to_owned(), "{port}".to_owned()]);
    }
    if let Some(word) = serving_word(&source) {
        command.push(word.to_owned());
        sketch.note_of_services(format!(
            "{binary} has several commands; `{word}` was taken for the one that serves. Add services and jobs for others"
        ));
    }
    let service = sketch.service("web");
    service.set("command", draft::command(&command));
    match is_rocket {
        true => drop(service.set("port", "\"auto\"").because("told by $ROCKET_PORT")),
        false => listens.write(service, VARIABLE),
    }
    super::python::readiness(service, health_path(&source).map_or("", |_| source.as_str()));
    if is_rocket {
        service.set("env", "{ ROCKET_PORT = \"{port}\", ROCKET_ADDRESS = \"127.0.0.1\" }");
    }
    if has_word(&source, "migrate") {
        let job = sketch.job("migrate");
        job.comment("Before any new copy starts.");
        job.set("command", draft::command(&[command[0].as_str(), "migrate"]));
        job.set("when", "\"before-start\"");
        job.set("undo", "\"compatible\"")
            .because("the old release must work with the new schema while both run");
    }
    listens.note(&mut sketch, VARIABLE);
    Some(sketch)
}

/// The command that serves, of a program that tells its commands apart by their first word.
fn serving_word(source: &str) -> Option<&'static str> {
    ["serve", "server", "web"].into_iter().find(|word| has_word(source, word))
}

/// Whether the program's first argument may be this word.
fn has_word(source: &str, word: &str) -> bool {
    source.contains("env::args()") && source.contains(&format!("\"{word}\" =>"))
}

/// The name of the program.
fn binary(files: &Files, document: &toml_edit::DocumentMut) -> Option<String> {
    let text = |item: Option<&toml_edit::Item>| item.and_then(toml_edit::Item::as_str).map(str::to_owned);
    if let Some(package) = document.get("package") {
        let bins = document.get("bin").and_then(toml_edit::Item::as_array_of_tables);
        let first = bins.and_then(|bins| text(bins.iter().next()?.get("name")));
        return text(package.get("default-run")).or(first).or_else(|| text(package.get("name")));
    }
    // A workspace: the first member with a program.
    let main = files.ending("/src/main.rs").next()?;
    let member = main.strip_suffix("/src/main.rs")?;
    let document: toml_edit::DocumentMut = files.read(&format!("{member}/Cargo.toml"))?.parse().ok()?;
    binary(files, &document).filter(|_| document.get("package").is_some())
}

/// Whether the program is one of Rocket, which reads its port itself.
fn is_rocket(source: &str) -> bool {
    ["rocket::build(", "#[launch]", "#[rocket::main]"].iter().any(|begin| source.contains(begin))
}
