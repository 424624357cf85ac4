//! Frameworks that are built into a server of their own, or into pages: Next.js, SvelteKit, Astro, Nuxt.

use windlass_core::manifest::draft;

use super::config::{self, Said};
use super::site::Site;
use super::{PRODUCTION, Package, beside, generate, install, scripts};
use crate::project::init::files::Files;
use crate::project::init::python;
use crate::project::init::sketch::Sketch;

/// The project as its framework has it; none where there is none, or where it is started in a way of its own.
pub(super) fn sketch(files: &Files, package: &Package<'_>) -> Option<Sketch> {
    if package.uses("next") {
        return Some(next(files, package));
    }
    let built = if package.uses("@sveltejs/kit") {
        svelte_kit(files, package)
    } else if package.uses("astro") {
        astro(files, package)?
    } else if package.uses("nuxt") && package.script("build").is_some() {
        nuxt(package)?
    } else {
        return None;
    };
    match built {
        Built::Pages(site) => Some(site.sketch(files)),
        Built::Server(server) => server.is_started_so(package).then(|| server.sketch(files, package)),
    }
}

/// What a framework makes.
enum Built {
    Pages(Site),
    Server(Server),
}

/// A server that a build makes.
struct Server {
    title: &'static str,
    /// What Node is to run.
    entry: String,
    /// Its environment, as TOML.
    env: &'static str,
    /// What has to be done before it is made.
    lacks: Option<&'static str>,
}

/// Requests come from the proxy on the same machine.
const LOOPBACK: &str = "{ NODE_ENV = \"production\", HOST = \"127.0.0.1\" }";

/// The same, and who asks for what the proxy says: forms are refused where the server takes its address for another.
const BEHIND_PROXY: &str = "{ NODE_ENV = \"production\", HOST = \"127.0.0.1\", PROTOCOL_HEADER = \"x-forwarded-proto\", \
                            HOST_HEADER = \"x-forwarded-host\" }";

impl Server {
    /// Whether no script starts something else.
    fn is_started_so(&self, package: &Package<'_>) -> bool {
        let Some((_, line)) = scripts::production(package) else { return true };
        let words: Vec<&str> = scripts::started(line).collect();
        match words.as_slice() {
            ["node", .., path] => {
                let path = path.trim_start_matches("./").trim_end_matches('/');
                path == self.entry || path.strip_suffix("/index.js") == Some(&self.entry)
            }
            // It answers what was built, to whoever looks at it.
            [program, "preview" | "start", ..] => {
                matches!(*program, "vite" | "astro" | "nuxt" | "nuxi" | "svelte-kit")
            }
            _ => false,
        }
    }

    fn sketch(&self, files: &Files, package: &Package<'_>) -> Sketch {
        let mut sketch = Sketch::new(self.title);
        install(files, &mut sketch);
        generate(files, package, &mut sketch);
        sketch.step(&[package.tool, "run", "build"]);
        let service = sketch.service("web");
        service.set("command", draft::command(&["node", &self.entry]));
        service.set("port", "\"auto\"").because("told by $PORT");
        service.set("readiness", python::ANSWERS).because("better: a path that answers 200");
        service.set("env", self.env);
        if let Some(lacks) = self.lacks {
            sketch.note_of_services(lacks);
        }
        beside::add(files, package, &mut sketch);
        sketch
    }
}

/// The text of the first of these files that is there.
fn configuration(files: &Files, name: &str) -> String {
    let endings = ["js", "mjs", "cjs", "ts", "mts"];
    endings.into_iter().find_map(|ending| files.read(&format!("{name}.{ending}"))).unwrap_or_default()
}

fn next(files: &Files, package: &Package<'_>) -> Sketch {
    let text = configuration(files, "next.config");
    if config::said(&text, "output") == Said::Plain("export".to_owned()) {
        // `next start` refuses to serve it.
        let output = match config::said(&text, "distDir") {
            Said::Nothing => Some("out".to_owned()),
            Said::Plain(directory) => config::path(&directory),
            Said::Otherwise => None,
        };
        return Site::told("Next.js site", output, None).sketch(files);
    }
    let mut sketch = Sketch::new("Next.js");
    install(files, &mut sketch);
    generate(files, package, &mut sketch);
    sketch.step(&[package.tool, "run", "build"]);
    sketch.cache(".next/cache");
    let service = sketch.service("web");
    let words = ["node", "node_modules/next/dist/bin/next", "start", "-H", "127.0.0.1", "-p", "{port}"];
    service.set("command", draft::command(&words));
    service
        .set("port", "\"auto\"")
        .set("readiness", python::ANSWERS)
        .because("better: a path that answers 200");
    service.set("env", PRODUCTION);
    beside::add(files, package, &mut sketch);
    sketch
}

/// Its adapter says what the build makes.
fn svelte_kit(files: &Files, package: &Package<'_>) -> Built {
    let text = configuration(files, "svelte.config");
    let directory = |key: &str| match config::said(&text, key) {
        Said::Nothing => Some("build".to_owned()),
        Said::Plain(directory) => config::path(&directory),
        Said::Otherwise => None,
    };
    if package.uses("@sveltejs/adapter-static") && !package.uses("@sveltejs/adapter-node") {
        let fallback = match config::said(&text, "fallback") {
            Said::Plain(page) => config::path(&page),
            _ => None,
        };
        return Built::Pages(Site::told("SvelteKit site", directory("pages"), fallback));
    }
    let lacks = (!package.uses("@sveltejs/adapter-node")).then_some(
        "the adapter of svelte.config.js makes no server that runs here: install @sveltejs/adapter-node, import it there in \
         place of the other one, and `npm run build` makes what `node build` runs",
    );
    let entry = directory("out").unwrap_or_else(|| "build".to_owned());
    Built::Server(Server { title: "SvelteKit", entry, env: BEHIND_PROXY, lacks })
}

/// A server where it has an adapter or says so; pages are built as by any other builder.
fn astro(files: &Files, package: &Package<'_>) -> Option<Built> {
    let text = configuration(files, "astro.config");
    let says_server = matches!(config::said(&text, "output"), Said::Plain(output) if output == "server" || output == "hybrid");
    let has_adapter = package.uses("@astrojs/node");
    if !(says_server || has_adapter) {
        return None;
    }
    let lacks = if !has_adapter {
        Some(
            "astro.config says output: \"server\", and no adapter of it makes a server that runs here: install @astrojs/node, \
             and write adapter: node({ mode: \"standalone\" })",
        )
    } else if config::said(&text, "mode") == Said::Plain("middleware".to_owned()) {
        Some(
            "the adapter makes a middleware, which is no server by itself: write adapter: node({ mode: \"standalone\" })",
        )
    } else {
        None
    };
    let output = match config::said(&text, "outDir") {
        Said::Plain(directory) => config::path(&directory),
        _ => None,
    };
    let entry = format!("{}/server/entry.mjs", output.as_deref().unwrap_or("dist"));
    Some(Built::Server(Server { title: "Astro", entry, env: LOOPBACK, lacks }))
}

/// Since version 3 it brings its server along.
fn nuxt(package: &Package<'_>) -> Option<Built> {
    let version =
        ["dependencies", "devDependencies"].into_iter().find_map(|kind| package.json[kind]["nuxt"].as_str());
    let digits = version?.trim_start_matches(|c: char| !c.is_ascii_digit());
    if digits.split('.').next().is_some_and(|major| major == "2") {
        return None;
    }
    if package.script("build").is_some_and(|script| script.contains("generate")) {
        return Some(Built::Pages(Site::told("Nuxt site", Some(".output/public".to_owned()), None)));
    }
    let entry = ".output/server/index.mjs".to_owned();
    Some(Built::Server(Server { title: "Nuxt", entry, env: LOOPBACK, lacks: None }))
}
