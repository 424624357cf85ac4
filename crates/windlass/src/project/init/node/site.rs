//! Builders of pages: where they write, and whether what they make is one page or many.

use serde_json::Value;
use windlass_core::manifest::draft;

use super::config::{self, Said};
use super::{Package, install, scripts};
use crate::project::init::angular;
use crate::project::init::files::Files;
use crate::project::init::sketch::Sketch;

/// A tool that builds pages.
struct Builder {
    package: &'static str,
    title: &'static str,
    /// Where it writes unless it is told otherwise.
    output: &'static str,
    /// Whether one page is all of them, as its program shows what the path says.
    is_one_page: bool,
    /// Its configuration, and the key that says where it writes.
    configurations: &'static [&'static str],
    key: &'static str,
    /// Options of its command that do.
    options: &'static [&'static str],
}

const NONE: Builder = Builder {
    package: "",
    title: "static site built by Node",
    output: "dist",
    is_one_page: false,
    configurations: &[],
    key: "",
    options: &[],
};

/// Those that bring another along come first.
const BUILDERS: [Builder; 11] = [
    Builder { package: "@docusaurus/core", output: "build", options: &["--out-dir"], ..NONE },
    Builder { package: "gatsby", output: "public", ..NONE },
    Builder {
        package: "@11ty/eleventy",
        output: "_site",
        configurations: &["eleventy.config.js", "eleventy.config.mjs", "eleventy.config.cjs", ".eleventy.js"],
        key: "output",
        options: &["--output"],
        ..NONE
    },
    Builder {
        package: "astro",
        configurations: &["astro.config.mjs", "astro.config.js", "astro.config.ts"],
        key: "outDir",
        options: &["--outDir"],
        ..NONE
    },
    Builder {
        package: "@vue/cli-service",
        is_one_page: true,
        configurations: &["vue.config.js", "vue.config.cjs"],
        key: "outputDir",
        options: &["--dest"],
        ..NONE
    },
    Builder { package: "react-scripts", output: "build", is_one_page: true, ..NONE },
    Builder { package: "@angular/core", is_one_page: true, ..NONE },
    Builder { package: "ember-cli", is_one_page: true, options: &["--output-path", "-o"], ..NONE },
    Builder {
        package: "vite",
        title: "Vite site",
        is_one_page: true,
        configurations: &["vite.config.js", "vite.config.ts", "vite.config.mjs", "vite.config.mts"],
        key: "outDir",
        options: &["--outDir"],
        ..NONE
    },
    Builder { package: "parcel", is_one_page: true, options: &["--dist-dir"], ..NONE },
    Builder {
        package: "html-webpack-plugin",
        is_one_page: true,
        configurations: &["webpack.config.js", "webpack.config.ts", "webpack.common.js", "webpack.prod.js"],
        key: "path",
        options: &["--output-path", "-o"],
        ..NONE
    },
];

/// The pages that a project is built into.
pub(super) struct Site {
    title: &'static str,
    /// The directory with its index.html; none where that is not known.
    output: Option<String>,
    otherwise: &'static str,
    /// The page that is answered for paths that do not exist.
    pub(super) fallback: Option<String>,
    is_angular: bool,
}

/// The page that all of a site is.
const PAGE: &str = "index.html";

impl Site {
    /// What the package in a directory of the project is built into; `prefix` is that directory with its slash.
    pub(super) fn of(files: &Files, prefix: &str, package: &Package<'_>) -> Option<Self> {
        let script = package.script("build")?;
        if let Some(site) = documentation(package, script) {
            return Some(site);
        }
        let builder = BUILDERS.iter().find(|builder| {
            package.uses(builder.package) && (builder.package != "vite" || is_of_vite(files, prefix, package))
        })?;
        let output = match builder.package {
            "@angular/core" => {
                let workspace = files.read(&format!("{prefix}angular.json"));
                angular::output(
                    &workspace.and_then(|text| serde_json::from_str(&text).ok()).unwrap_or(Value::Null),
                )
            }
            _ => builder.output(files, prefix, script),
        };
        Some(Self {
            title: builder.title,
            output: output.map(|output| format!("{prefix}{output}")),
            otherwise: builder.output,
            fallback: builder.is_one_page.then(|| PAGE.to_owned()),
            is_angular: builder.package == "@angular/core",
        })
    }

    /// Pages of a builder that is told where it writes.
    pub(super) fn told(title: &'static str, output: Option<String>, fallback: Option<String>) -> Self {
        Self { title, output, otherwise: NONE.output, fallback, is_angular: false }
    }

    /// Where it is, as far as is known.
    pub(super) fn directory(&self) -> &str {
        self.output.as_deref().unwrap_or(self.otherwise)
    }

    /// The sketch of a project that is these pages and nothing else.
    pub(super) fn sketch(&self, files: &Files) -> Sketch {
        let mut sketch = Sketch::new(self.title);
        let npm = install(files, &mut sketch);
        sketch.step(&[npm, "run", "build"]);
        let route = sketch.route();
        route.comment("The files that the build makes, answered by the proxy.");
        route.set("files", draft::text(self.directory()));
        match self.fallback.as_deref() {
            Some(PAGE) => {
                route
                    .set("fallback", draft::text(PAGE))
                    .because("pages of the program itself; take it away for a site of many files");
            }
            Some(page) => drop(route.set("fallback", draft::text(page))),
            None => {}
        }
        if self.output.is_none() {
            sketch.note_of_services(match self.is_angular {
                true => {
                    "where `ng build` writes is not known: write the directory with its index.html as `files`, which is below \
                     outputPath of angular.json"
                }
                false => {
                    "where `npm run build` writes is not known: write the directory with its index.html as `files`"
                }
            });
        }
        sketch
    }
}

impl Builder {
    /// Where it writes; none where that is worked out.
    fn output(&self, files: &Files, prefix: &str, script: &str) -> Option<String> {
        let words: Vec<&str> = script.split_whitespace().collect();
        for (at, word) in words.iter().enumerate() {
            let (option, value) = match word.split_once('=') {
                Some((option, value)) => (option, Some(value)),
                None => (*word, words.get(at + 1).copied()),
            };
            if let Some(value) = value.filter(|_| self.options.contains(&option)) {
                return config::path(value.trim_matches(['"', '\'']));
            }
        }
        let text = self.configurations.iter().find_map(|name| files.read(&format!("{prefix}{name}")));
        match text.map_or(Said::Nothing, |text| config::said(&text, self.key)) {
            Said::Nothing => Some(self.output.to_owned()),
            Said::Plain(output) => config::path(&output),
            Said::Otherwise => None,
        }
    }
}

/// Whether Vite builds pages of its own there, and not only what another program's pages are made of.
fn is_of_vite(files: &Files, prefix: &str, package: &Package<'_>) -> bool {
    let has = |name: &str| files.has(&format!("{prefix}{name}"));
    let is_of_another = ["@sveltejs/kit", "laravel-vite-plugin", "vite-plugin-ruby"]
        .into_iter()
        .any(|name| package.uses(name))
        || ["composer.json", "Gemfile"].into_iter().any(has);
    has(PAGE) && !is_of_another
}

/// Builders of documentation write below the directory that they are told: `vitepress build docs`.
fn documentation(package: &Package<'_>, script: &str) -> Option<Site> {
    let (tool, place) = [("vitepress", ".vitepress/dist"), ("vuepress", ".vuepress/dist")]
        .into_iter()
        .find(|(tool, _)| package.uses(tool))?;
    let words: Vec<&str> = scripts::started(script).collect();
    let output = match words.as_slice() {
        [program, "build"] if *program == tool => Some(place.to_owned()),
        [program, "build", directory] if *program == tool => {
            config::path(directory).map(|directory| format!("{directory}/{place}"))
        }
        _ => None,
    };
    Some(Site::told(NONE.title, output, None))
}
