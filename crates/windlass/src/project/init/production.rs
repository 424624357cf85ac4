//! Settings of Django for production, and those that are not for it.

use windlass_core::manifest::draft;

use super::environ;
use super::files::Files;
use super::hosts::Hosts;
use super::sketch::Sketch;
use crate::project::django::{Module, Sources};

/// The settings for production, where manage.py names others.
pub(super) struct Production {
    module: String,
    /// It, and those that it imports as a whole.
    pub(super) modules: Vec<Module>,
}

impl Production {
    /// Those beside `module`, or else those that the server's entry names, where these are others.
    pub(super) fn beside(
        files: &Files,
        sources: &Sources<'_>,
        module: &str,
        of_entry: Option<&str>,
    ) -> Option<Self> {
        const NAMES: [&str; 2] = ["production", "prod"];
        let path = module.replace('.', "/");
        let (package, last) = path.rsplit_once('/').unwrap_or(("", &path));
        if NAMES.contains(&last) {
            return None;
        }
        let beginnings = match files.has(&format!("{path}/__init__.py")) {
            true => vec![format!("{path}/")],
            false if package.is_empty() => vec![format!("{path}_")],
            false => vec![format!("{path}_"), format!("{package}/")],
        };
        let paths = beginnings.iter().flat_map(|begin| NAMES.map(|name| format!("{begin}{name}")));
        let of_entry = of_entry.map(|module| module.replace('.', "/"));
        paths.into_iter().chain(of_entry).find_map(|path| {
            files.read(&format!("{path}.py")).filter(|text| text.contains("import"))?;
            let module = path.replace('/', ".");
            Some(Self { modules: sources.modules(&module), module })
        })
    }

    /// What it says itself.
    pub(super) fn text(&self) -> &str {
        self.modules.first().map_or("", |module| &module.text)
    }

    /// The hosts that are answered there.
    pub(super) fn hosts(&self) -> Hosts {
        Hosts::of(self.modules.iter().map(|module| module.text.as_str()))
    }

    /// Makes them those of the environment `production`, in what runs and, where the build `collects`
    /// static files, there too. manage.py names those of `development`. `check` asks whether the service is ready, where
    /// it is asked otherwise there.
    pub(super) fn declare(
        &self,
        sketch: &mut Sketch,
        development: &str,
        collects: bool,
        check: Option<String>,
    ) {
        let Self { module, modules } = self;
        // What is read by one module's means, such as `env`, another may have set up.
        let all: Vec<&str> = modules.iter().rev().map(|module| module.text.as_str()).collect();
        let needed = environ::needed(sketch, &all.join("\n"));
        let section = sketch.production();
        section.comment(format!(
            "Its settings, for `windlass --env production deploy`. manage.py names {development}."
        ));
        section.set("env.DJANGO_SETTINGS_MODULE", draft::text(module));
        if collects {
            section.set("build.env.DJANGO_SETTINGS_MODULE", draft::text(module));
        }
        if let Some(check) = check {
            section.set("services.web.readiness", check).because("the host is one of its ALLOWED_HOSTS");
        }
        for (name, declaration) in needed {
            section.set(&format!("settings.{name}"), declaration);
        }
        let lacking: Vec<&str> = ["SECRET_KEY", "ALLOWED_HOSTS"]
            .into_iter()
            .filter(|name| !modules.iter().any(|module| assigns(&module.text, name)))
            .collect();
        let lacking = match lacking.is_empty() {
            true => String::new(),
            false => format!(
                "; they set no {}: have them read it from the environment before the first deploy there",
                lacking.join(" and no ")
            ),
        };
        sketch.note(format!(
            "manage.py names the settings {development}, which `windlass deploy` takes; `windlass --env production \
             deploy` takes {module}{lacking}"
        ));
    }
}

/// Whether the source gives the name a value.
fn assigns(source: &str, name: &str) -> bool {
    source.lines().any(|line| {
        let value =
            line.trim_start().strip_prefix(name).map(str::trim_start).and_then(|rest| rest.strip_prefix('='));
        value.is_some_and(|value| value.trim() != "[]")
    })
}

/// Says so where the only settings are those that startproject makes.
pub(super) fn note_development(sketch: &mut Sketch, settings: &str) {
    let mut found = vec![];
    if settings.lines().any(|line| line.replace(' ', "").starts_with("DEBUG=True")) {
        found.push("DEBUG = True, which shows visitors the source and the settings where something fails");
    }
    if settings.contains("django-insecure-") {
        found.push("a SECRET_KEY that everybody who has the source knows");
    }
    if !found.is_empty() {
        sketch.note(format!(
            "the settings are for development: they have {}. Have them read from the environment, such as \
             os.environ[\"SECRET_KEY\"], before others see it",
            found.join(", and ")
        ));
    }
}
