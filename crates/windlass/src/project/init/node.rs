//! Node: servers, Next.js, and sites that are built into static files.

mod beside;
mod config;
mod framework;
mod scripts;
mod site;
mod variables;

use serde_json::Value;
use windlass_core::manifest::draft;
use windlass_core::manifest::words;

use super::env_files;
use super::files::{Files, health_path};
use super::port;
use super::sketch::Sketch;
use scripts::For;
use site::Site;

pub(super) fn sketch(files: &Files) -> Option<Sketch> {
    let json: Value = serde_json::from_str(&files.read("package.json")?).ok()?;
    let package = Package { json: &json, tool: tool(files).0 };
    if let Some(sketch) = framework::sketch(files, &package) {
        return Some(sketch);
    }
    if let Some((name, line)) = scripts::production(&package) {
        return Some(server(files, &package, (name, line)));
    }
    if let Some(site) = Site::of(files, "", &package) {
        return Some(site.sketch(files));
    }
    let start = package.script("start");
    if let Some(command) = start.and_then(|line| unwatched(files, &package, line)) {
        return Some(server(files, &package, ("", &command)));
    }
    let main = json["main"].as_str().unwrap_or("index.js");
    let main = [main, "server.js", "app.js", "src/index.js", "src/server.js"]
        .into_iter()
        .find(|path| files.has(path));
    // What belongs to pages only, such as the configuration of their builder, is no server.
    let serves = main.filter(|_| start.is_none_or(|line| scripts::purpose(&package, line) != For::Pages));
    if let Some(main) = serves {
        return Some(server(files, &package, ("", &format!("node {main}"))));
    }
    let line = start.filter(|line| scripts::purpose(&package, line) == For::Changes)?;
    let mut sketch = server(files, &package, ("start", line));
    sketch.note_of_services(format!(
        "the script `start` ({line}) is for whoever writes the program: write a script `start:prod` that starts what the build \
         makes, and run `windlass init --force`"
    ));
    Some(sketch)
}

/// The program itself, of a line that starts it anew with every change.
fn unwatched(files: &Files, package: &Package<'_>, line: &str) -> Option<String> {
    if scripts::purpose(package, line) != For::Changes {
        return None;
    }
    if package.uses("@nestjs/core") && package.script("build").is_some() {
        return Some("node dist/main".to_owned());
    }
    let words =
        scripts::started(line).filter(|word| [".js", ".mjs", ".cjs"].iter().any(|end| word.ends_with(end)));
    let path = words.into_iter().find(|path| files.has(path.trim_start_matches("./")))?;
    Some(format!("node {path}"))
}

/// What a service of Node has in its environment.
const PRODUCTION: &str = "{ NODE_ENV = \"production\" }";

/// A package.json, and the tool that installs what it asks for.
struct Package<'package> {
    json: &'package Value,
    tool: &'static str,
}

impl<'package> Package<'package> {
    fn uses(&self, name: &str) -> bool {
        ["dependencies", "devDependencies"].iter().any(|kind| !self.json[*kind][name].is_null())
    }

    fn script(&self, name: &str) -> Option<&'package str> {
        self.json["scripts"][name].as_str()
    }
}

/// Whether `source` reads this variable.
pub(super) fn reads(source: &str, name: &str) -> bool {
    variables::reads(source).iter().any(|read| read.name == name)
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
    if let Some(start) = package["scripts"]["start"].as_str() {
        return Some(format!(
            "package.json says nothing of how it runs in production: its script `start` ({start}) is for whoever writes it; \
             write [build] steps, and what they make: a command, or a route with files = \"DIRECTORY\""
        ));
    }
    Some(format!(
        "package.json says nothing of how it is started: it has no script `start`, and {main}; write \
         \"scripts\": {{ \"start\": \"node server.js\" }} into it, and run `windlass init --force`"
    ))
}

/// The tool whose lock file is there, and how it installs what the project depends on.
fn tool(files: &Files) -> (&'static str, &'static [&'static str]) {
    if files.has("pnpm-lock.yaml") {
        ("pnpm", &["pnpm", "install", "--frozen-lockfile"])
    } else if files.has("yarn.lock") {
        ("yarn", &["yarn", "install", "--frozen-lockfile"])
    } else if files.has("package-lock.json") {
        ("npm", &["npm", "ci", "--no-audit", "--no-fund"])
    } else {
        ("npm", &["npm", "install", "--no-audit", "--no-fund"])
    }
}

/// Installs what the project depends on, and answers by which tool.
fn install(files: &Files, sketch: &mut Sketch) -> &'static str {
    let (tool, words) = tool(files);
    let is_locked = tool != "npm" || files.has("package-lock.json");
    if !is_locked {
        sketch.note("there is no lock file: two builds of the same source can differ");
    }
    sketch.step(words);
    sketch.exclude("node_modules/");
    if tool != "npm" || !is_locked {
        // `npm ci` begins by removing what it finds.
        sketch.cache("node_modules");
    }
    tool
}

/// Whether the project has a script `build`.
pub(super) fn has_build(files: &Files) -> bool {
    let package = files.read("package.json").and_then(|text| serde_json::from_str::<Value>(&text).ok());
    package.is_some_and(|package| package["scripts"]["build"].is_string())
}

/// Installs what the project depends on, and runs its script `build` where it has one.
pub(super) fn build(files: &Files, sketch: &mut Sketch) {
    let tool = install(files, sketch);
    if has_build(files) {
        sketch.step(&[tool, "run", "build"]);
    }
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

/// A server that a script starts, by its name and its line.
fn server(files: &Files, package: &Package<'_>, (name, start): (&str, &str)) -> Sketch {
    let mut sketch = Sketch::new("Node");
    install(files, &mut sketch);
    generate(files, package, &mut sketch);
    if package.script("build").is_some() {
        sketch.step(&[package.tool, "run", "build"]);
    }
    let (command, note) = command(package, start, name);
    note.into_iter().for_each(|note| sketch.note_of_services(note));
    // What is started says more than other files, and may have no ending: `node ./bin/www`.
    let started = words::split(start).unwrap_or_default().into_iter().filter_map(|word| {
        let path = word.trim_start_matches("./");
        files.has(path).then(|| files.read(path)).flatten()
    });
    let named = files.sources(".js").chain(files.sources(".ts")).take(40).map(|(_, source)| source);
    let (started, named): (Vec<String>, Vec<String>) = (started.collect(), named.collect());
    let listens = port::of_script(&started, &named);
    let source = started.concat() + &named.concat();
    let service = sketch.service("web");
    service.set("command", command);
    listens.write(service, "process.env.PORT");
    super::python::readiness(service, health_path(&source).map_or("", |_| source.as_str()));
    service.set("env", PRODUCTION);
    sites(files, package, &source, &mut sketch);
    listens.note(&mut sketch, "process.env.PORT");
    beside::add(files, package, &mut sketch);
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
        let directory = path.strip_suffix("package.json")?;
        // One that serves itself is another server.
        let is_site = scripts::production(&part).is_none() && !part.uses("next");
        Site::of(files, directory, &part).filter(|_| is_site)
    });
    let (Some(built), None) = (built.next(), built.next()) else { return };
    let site = built.directory();
    if package.script("build").is_none() {
        return sketch.note_of_services(format!(
            "nothing builds {site}: let the script `build` of package.json do so (npm run build --workspaces --if-present), and run \
             `windlass init --force`"
        ));
    }
    if !["\"/api", "'/api", "`/api"].iter().any(|path| source.contains(path)) {
        return sketch.note_of_services(format!(
            "the server does not answer the files of {site}: write [[routes]] with files = {site:?}{}, and \
             one with the path of what the server answers and service = \"web\"",
            if built.fallback.is_some() { " and fallback = \"index.html\"" } else { "" }
        ));
    }
    let route = sketch.route();
    route.comment("What the server answers; all else are files of the site that the build makes.");
    route.set("path", "\"/api\"").set("service", "\"web\"");
    let pages = sketch.route().set("files", draft::text(site));
    if let Some(page) = &built.fallback {
        pages.set("fallback", draft::text(page));
    }
}
