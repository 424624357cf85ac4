//! Rust.

use windlass_core::manifest::draft;

use super::files::{Files, health_path};
use super::sketch::Sketch;

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
    let source: String = files.sources(".rs").take(200).map(|(_, source)| source).collect();
    let reads_port = source.contains("\"PORT\"");
    let takes_port = source.contains("--port");
    let mut command = vec![format!("target/release/{binary}")];
    if takes_port && !reads_port {
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
    match fixed_port(&source).filter(|_| !reads_port && !takes_port) {
        Some(port) => {
            service.set("port", port.to_string()).because("\"auto\" once it listens on $PORT");
            service.set("strategy", "\"recreate\"").because("old and new cannot share the port");
        }
        None => {
            service.set("port", "\"auto\"").because("told by $PORT");
        }
    }
    super::python::readiness(service, health_path(&source).map_or("", |_| source.as_str()));
    if has_word(&source, "migrate") {
        let job = sketch.job("migrate");
        job.comment("Before any new copy starts.");
        job.set("command", draft::command(&[command[0].as_str(), "migrate"]));
        job.set("when", "\"before-start\"");
        job.set("undo", "\"compatible\"")
            .because("the old release must work with the new schema while both run");
    }
    if !reads_port && !takes_port {
        sketch.note_of_services("the sources do not read the variable PORT: let the program listen on it, so that old and new can run side by side");
    }
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

/// The port in `"0.0.0.0:3000"` or `([127, 0, 0, 1], 3000)`.
fn fixed_port(source: &str) -> Option<u16> {
    let after = ["0.0.0.0:", "127.0.0.1:", "0, 0, 0, 0], ", "127, 0, 0, 1], "]
        .into_iter()
        .find_map(|address| source.split_once(address))?
        .1;
    let digits: String = after.chars().take_while(char::is_ascii_digit).collect();
    digits.parse().ok().filter(|port| *port > 0 && *port != 8080)
}
