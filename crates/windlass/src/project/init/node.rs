//! Node: servers, Next.js, and sites that are built into static files.

mod beside;
mod variables;

use serde_json::Value;
use windlass_core::manifest::draft;
use windlass_core::manifest::words;

use super::files::{Files, health_path};
use super::sketch::Sketch;
use super::{angular, env_files};

pub(super) fn sketch(files: &Files) -> Option<Sketch> {
    let package: Value = serde_json::from_str(&files.read("package.json")?).ok()?;
    let script = |name: &str| package["scripts"][name].as_str();
    let uses =
        |name: &str| ["dependencies", "devDependencies"].iter().any(|kind| !package[*kind][name].is_null());
    if uses("next") {
        return Some(next(files, &package));
    }
    if let Some(start) = script("start").filter(|start| !is_for_development(start)) {
        return Some(server(files, &package, start));
    }
    let built = [
        ("react-scripts", "build"),
        ("vite", "dist"),
        ("@angular/core", ""),
        ("astro", "dist"),
        ("parcel", "dist"),
    ];
    if let Some((tool, output)) = built.into_iter().find(|(tool, _)| uses(tool))
        && script("build").is_some()
    {
        return Some(match tool {
            "@angular/core" => angular(files),
            _ => site(files, tool, output),
        });
    }
    let main = package["main"].as_str().unwrap_or("index.js");
    let main = [main, "server.js", "app.js", "src/index.js", "src/server.js"]
        .into_iter()
        .find(|path| files.has(path))?;
    Some(server(files, &package, &format!("node {main}")))
}

/// What a service of Node has in its environment.
const PRODUCTION: &str = "{ NODE_ENV = \"production\" }";

/// A package.json, and the tool that installs what it asks for.
struct Package<'package> {
    json: &'package Value,
    tool: &'static str,
}

impl Package<'_> {
    fn uses(&self, name: &str) -> bool {
        ["dependencies", "devDependencies"].iter().any(|kind| !self.json[*kind][name].is_null())
    }

    fn script(&self, name: &str) -> Option<&str> {
        self.json["scripts"][name].as_str()
    }
}

/// The command of the script that is called so, as TOML, and what there is to say of it.
fn command(package: &Package<'_>, script: &str, name: &str) -> (String, Option<String>) {
    // `node server.js` gets signals itself; npm may keep them.
    match words::split(script).ok().filter(|words| words.first().is_some_and(|program| program == "node")) {
        Some(words) => {
            let (words, left_out) = env_files::without(words);
            let note = left_out.map(|left_out| format!("{left_out} was left out: {}", env_files::INSTEAD));
            (draft::command(&words), note)
        }
        None => {
            let note = script
                .contains("--env-file")
                .then(|| format!("the script `{name}` has --env-file: {}", env_files::INSTEAD));
            let run: &[&str] = if name == "start" { &["start"] } else { &["run", name] };
            (draft::command(&[&[package.tool], run].concat()), note)
        }
    }
}

/// Whether the script `start` serves the sources of a site to whoever writes them.
fn is_for_development(start: &str) -> bool {
    let mut words = started(start);
    match (words.next().unwrap_or_default(), words.next().unwrap_or_default()) {
        ("react-scripts" | "react-app-rewired" | "craco" | "ng", _) => true,
        ("vite" | "astro", told) => told != "preview",
        ("parcel", told) => told != "build",
        _ => false,
    }
}

/// The words of a script without what only sets variables before them.
fn started(script: &str) -> impl Iterator<Item = &str> {
    const SETTERS: [&str; 5] = ["cross-env", "cross-env-shell", "env", "env-cmd", "dotenv"];
    /// Options of theirs that a value follows.
    const VALUED: [&str; 8] =
        ["-f", "--file", "-e", "--environments", "-r", "--rc-file", "-v", "--fallback-file"];
    let mut before = "";
    script.split_whitespace().skip_while(move |word| {
        let is_value = VALUED.contains(&std::mem::replace(&mut before, word));
        is_value
            || SETTERS.contains(word)
            || word.starts_with('-')
            || word.contains(".env")
            || word.contains('=')
    })
}

/// Why a project with a package.json was not recognised, and what to write.
pub(super) fn why_not(files: &Files) -> Option<String> {
    if !files.has("package.json") {
        return None;
    }
    let Some(text) = files.read("package.json") else {
        return Some("package.json cannot be read as text, so that nothing of it was used".to_owned());
    };
    let package: Value = match serde_json::from_str(&text) {
        Ok(package) => package,
        Err(error) => {
            return Some(format!(
                "package.json is not JSON ({error}), so that nothing of it was used: mend it, and run \
                 `windlass init --force`"
            ));
        }
    };
    let main = match package["main"].as_str() {
        Some(main) => format!("its main file {main:?} is not there"),
        None => "it names no main file".to_owned(),
    };
    Some(format!(
        "package.json says nothing of how it is started: it has no script `start`, and {main}; write \
         \"scripts\": {{ \"start\": \"node server.js\" }} into it, and run `windlass init --force`"
    ))
}

/// Installs what the project depends on, by the tool whose lock file is there.
fn install(files: &Files, sketch: &mut Sketch) -> &'static str {
    let (tool, words): (_, &[&str]) = if files.has("pnpm-lock.yaml") {
        ("pnpm", &["pnpm", "install", "--frozen-lockfile"])
    } else if files.has("yarn.lock") {
        ("yarn", &["yarn", "install", "--frozen-lockfile"])
    } else if files.has("package-lock.json") {
        ("npm", &["npm", "ci", "--no-audit", "--no-fund"])
    } else {
        sketch.note("there is no lock file: two builds of the same source can differ");
        ("npm", &["npm", "install", "--no-audit", "--no-fund"])
    };
    sketch.step(words);
    sketch.exclude("node_modules/");
    if tool != "npm" || !files.has("package-lock.json") {
        // `npm ci` begins by removing what it finds.
        sketch.cache("node_modules");
    }
    tool
}

/// Installs what the project depends on, and runs its script `build` where it has one.
pub(super) fn build(files: &Files, sketch: &mut Sketch) {
    let tool = install(files, sketch);
    let package = files.read("package.json").and_then(|text| serde_json::from_str::<Value>(&text).ok());
    if package.is_some_and(|package| package["scripts"]["build"].is_string()) {
        sketch.step(&[tool, "run", "build"]);
    }
}

fn next(files: &Files, json: &Value) -> Sketch {
    let mut sketch = Sketch::new("Next.js");
    let package = Package { json, tool: install(files, &mut sketch) };
    generate(files, &package, &mut sketch);
    sketch.step(&[package.tool, "run", "build"]);
    sketch.cache(".next/cache");
    let service = sketch.service("web");
    service.set(
        "command",
        draft::command(&[
            "node",
            "node_modules/next/dist/bin/next",
            "start",
            "-H",
            "127.0.0.1",
            "-p",
            "{port}",
        ]),
    );
    service
        .set("port", "\"auto\"")
        .set("readiness", super::python::ANSWERS)
        .because("better: a path that answers 200");
    service.set("env", PRODUCTION);
    beside::add(files, &package, &mut sketch);
    sketch
}

/// Makes the client of the database that Prisma's schema describes, where no script of the project does.
fn generate(files: &Files, package: &Package<'_>, sketch: &mut Sketch) {
    let by_itself = ["build", "postinstall", "prebuild"]
        .iter()
        .any(|name| package.script(name).is_some_and(|script| script.contains("prisma generate")));
    if package.uses("prisma") && !by_itself && files.has(beside::SCHEMA) {
        sketch.step(&["node_modules/.bin/prisma", "generate"]);
    }
}

fn server(files: &Files, json: &Value, start: &str) -> Sketch {
    let mut sketch = Sketch::new("Node");
    let package = Package { json, tool: install(files, &mut sketch) };
    generate(files, &package, &mut sketch);
    if package.script("build").is_some() {
        sketch.step(&[package.tool, "run", "build"]);
    }
    let (command, note) = command(&package, start, "start");
    note.into_iter().for_each(|note| sketch.note_of_services(note));
    // What is started may have no ending: `node ./bin/www`.
    let started = words::split(start).unwrap_or_default().into_iter().filter_map(|word| {
        let path = word.trim_start_matches("./");
        let ours = files.has(path) && ![".js", ".ts"].iter().any(|ending| path.ends_with(ending));
        files.read(path).filter(|_| ours)
    });
    let named = files.sources(".js").chain(files.sources(".ts")).take(40).map(|(_, source)| source);
    let source: String = started.chain(named).collect();
    let service = sketch.service("web");
    service.set("command", command);
    match fixed_port(&source).filter(|_| !source.contains("env.PORT")) {
        Some(port) => {
            service.set("port", port.to_string()).because("\"auto\" once it listens on process.env.PORT");
            service.set("strategy", "\"recreate\"").because("old and new cannot share the port");
        }
        None => {
            service.set("port", "\"auto\"").because("told by $PORT");
        }
    }
    super::python::readiness(service, health_path(&source).map_or("", |_| source.as_str()));
    service.set("env", PRODUCTION);
    sites(files, &package, &source, &mut sketch);
    if !source.contains("env.PORT") {
        sketch.note_of_services("the sources do not read process.env.PORT: let the server listen on it, so that old and new can run side by side");
    }
    beside::add(files, &package, &mut sketch);
    sketch
}

/// What a server answers files with, by itself.
const ANSWERS_FILES: [&str; 6] =
    ["express.static", "serve-static", "serveStatic", "@fastify/static", "koa-static", "sendFile("];

/// The site that a workspace of the project is built into, which its server does not answer itself.
fn sites(files: &Files, package: &Package<'_>, source: &str, sketch: &mut Sketch) {
    if package.json["workspaces"].is_null() || ANSWERS_FILES.iter().any(|call| source.contains(call)) {
        return;
    }
    let mut built = files.sources("/package.json").filter_map(|(path, text)| {
        let json: Value = serde_json::from_str(&text).ok()?;
        let part = Package { json: &json, tool: package.tool };
        let output = [("vite", "dist"), ("react-scripts", "build"), ("astro", "dist"), ("parcel", "dist")];
        let (_, output) = output.into_iter().find(|(tool, _)| part.uses(tool))?;
        let directory = path.strip_suffix("/package.json")?;
        // One that serves itself is another server.
        let is_site = part.script("build").is_some() && part.script("start").is_none_or(is_for_development);
        is_site.then(|| format!("{directory}/{output}"))
    });
    let (Some(site), None) = (built.next(), built.next()) else { return };
    if package.script("build").is_none() {
        return sketch.note_of_services(format!(
            "nothing builds {site}: let the script `build` of package.json do so (npm run build --workspaces --if-present), and run \
             `windlass init --force`"
        ));
    }
    if !["\"/api", "'/api", "`/api"].iter().any(|path| source.contains(path)) {
        return sketch.note_of_services(format!(
            "the server does not answer the files of {site}: write [[routes]] with files = {site:?} and fallback = \"index.html\", and \
             one with the path of what the server answers and service = \"web\""
        ));
    }
    let route = sketch.route();
    route.comment("What the server answers; all else are files of the site that the build makes.");
    route.set("path", "\"/api\"").set("service", "\"web\"");
    sketch.route().set("files", draft::text(&site)).set("fallback", "\"index.html\"");
}

/// The port in `listen(3000`.
fn fixed_port(source: &str) -> Option<u16> {
    let digits: String = source.split_once("listen(")?.1.chars().take_while(char::is_ascii_digit).collect();
    digits.parse().ok().filter(|port| *port > 0 && *port != 8080)
}

fn angular(files: &Files) -> Sketch {
    let workspace = files.read("angular.json").and_then(|text| serde_json::from_str(&text).ok());
    let output = workspace.and_then(|workspace: Value| angular::output(&workspace));
    let mut sketch = site(files, "Angular", output.as_deref().unwrap_or("dist"));
    if output.is_none() {
        sketch.note_of_services(
            "where `ng build` writes is not known: write the directory with its index.html as `files`, which is below \
             outputPath of angular.json",
        );
    }
    sketch
}

fn site(files: &Files, tool: &str, output: &str) -> Sketch {
    let mut sketch = Sketch::new(if tool == "vite" { "Vite site" } else { "static site built by Node" });
    let npm = install(files, &mut sketch);
    sketch.step(&[npm, "run", "build"]);
    let route = sketch.route();
    route.comment("The files that the build makes, answered by the proxy.");
    route.set("files", draft::text(output));
    route
        .set("fallback", "\"index.html\"")
        .because("pages of the program itself; take it away for a site of many files");
    sketch
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_serves_sources_is_for_development() {
        for (start, is) in [
            ("ng serve", true),
            ("vite --host", true),
            ("vite preview", false),
            ("node a.js", false),
            ("PORT=3001 react-scripts start", true),
            ("cross-env PORT=3001 BROWSER=none react-scripts start", true),
            ("env-cmd -f .env.local react-scripts start", true),
            ("env-cmd .env.local react-scripts start", true),
            ("dotenv -e .env -- react-scripts start", true),
            ("craco start", true),
            ("react-app-rewired start", true),
            ("cross-env NODE_ENV=production node server.js", false),
            ("./serve --port=80 vite", false),
        ] {
            assert_eq!(is_for_development(start), is, "{start}");
        }
    }
}
