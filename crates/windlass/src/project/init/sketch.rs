//! A manifest in the making, from which a commented text is written.

use windlass_core::manifest::compose::Build;
use windlass_core::manifest::draft::{self, Draft, Section};
use windlass_core::name::Name;

use super::Proposal;
use super::files::Files;
use super::port::{BESIDE, PROXY};

/// What a detector found out.
pub(in crate::project) struct Sketch {
    kind: String,
    notes: Vec<Note>,
    steps: Vec<String>,
    /// What a reader of the steps should know.
    about_steps: Vec<String>,
    cache: Vec<String>,
    shared: Vec<String>,
    exclude: Vec<String>,
    env: Vec<(String, String)>,
    build_env: Vec<(String, String)>,
    /// What is declared, and what is only suggested; the values are TOML.
    settings: Vec<(String, String, Declared)>,
    body: Draft,
    resources: Draft,
    routes: Draft,
    production: Draft,
}

/// What a person should look at.
struct Note {
    text: String,
    /// It is about how the services were thought to be run.
    of_services: bool,
}

#[derive(Clone, Copy)]
enum Declared {
    Now,
    /// As a comment.
    Perhaps,
}

impl Sketch {
    pub(super) fn new(kind: &str) -> Self {
        Self {
            kind: kind.to_owned(),
            notes: vec![],
            steps: vec![],
            about_steps: vec![],
            cache: vec![],
            shared: vec![],
            exclude: vec![],
            env: vec![],
            build_env: vec![],
            settings: vec![],
            body: Draft::default(),
            resources: Draft::default(),
            routes: Draft::default(),
            production: Draft::default(),
        }
    }

    pub(in crate::project) fn note(&mut self, note: impl Into<String>) {
        self.notes.push(Note { text: note.into(), of_services: false });
    }

    /// A note that means nothing where somebody else says how the services are run.
    pub(super) fn note_of_services(&mut self, note: impl Into<String>) {
        self.notes.push(Note { text: note.into(), of_services: true });
    }

    /// Another says what runs: takes the services away, and what leads to them alone. What they were is
    /// answered.
    pub(super) fn without_services(&mut self, by: &str) -> Draft {
        self.kind = format!("{}, run as {by} says", self.kind);
        self.notes.retain(|note| !note.of_services);
        let services = self.body.clone();
        self.body.retain(|section| !section.header().starts_with("[services."));
        services
    }

    /// Takes the jobs away.
    pub(super) fn without_jobs(&mut self) {
        self.body.retain(|section| !section.header().starts_with("[jobs."));
    }

    /// Lets requests reach the service `web`, if it `runs`: it answers what else only files would.
    pub(super) fn route_to_web(&mut self, runs: bool) {
        let is_of_web = |section: &Section| section.value("service") == Some("\"web\"");
        let is_site = !self.routes.sections().any(is_of_web);
        self.routes.retain(|section| if runs { !is_site } else { !is_of_web(section) });
    }

    /// A build step: words.
    pub(super) fn step<T: AsRef<str>>(&mut self, words: &[T]) {
        self.steps.push(draft::command(words));
    }

    /// What a reader of the steps should know, in a sentence.
    pub(super) fn explain_steps(&mut self, text: impl Into<String>) {
        self.about_steps.push(text.into());
    }

    /// A directory that the build makes, and that the next one begins with.
    pub(super) fn cache(&mut self, directory: &str) {
        self.cache.push(directory.to_owned());
        self.exclude(&format!("{directory}/"));
    }

    /// Whether the build does not take this from the source.
    pub(super) fn excludes(&self, pattern: &str) -> bool {
        self.exclude.iter().any(|other| other == pattern)
    }

    /// Environment of all that runs; the value is TOML.
    pub(super) fn env(&mut self, key: &str, value: String) {
        self.env.push((key.to_owned(), value));
    }

    /// A setting; the value is TOML.
    pub(super) fn setting(&mut self, key: &str, value: &str) {
        self.settings.push((key.to_owned(), value.to_owned(), Declared::Now));
    }

    /// A setting that need not be declared.
    pub(super) fn suggest_setting(&mut self, key: &str, value: String) {
        self.settings.push((key.to_owned(), value, Declared::Perhaps));
    }

    /// Whether the environment has the variable already.
    pub(super) fn sets(&self, key: &str) -> bool {
        self.env.iter().any(|(known, _)| known == key) || self.settings.iter().any(|(known, ..)| known == key)
    }

    /// Whether nothing runs without a value of the variable: `None` where it is not declared, which what is only
    /// suggested is not.
    pub(super) fn is_required(&self, key: &str) -> Option<bool> {
        if self.env.iter().any(|(known, _)| known == key) {
            return Some(true);
        }
        self.settings.iter().find_map(|(known, value, declared)| {
            let is_now = known == key && matches!(declared, Declared::Now);
            is_now.then(|| !value.contains("required = false"))
        })
    }

    /// The value of a variable of all that runs, which is TOML.
    pub(super) fn env_value(&self, key: &str) -> Option<&str> {
        self.env.iter().find(|(known, _)| known == key).map(|(_, value)| value.as_str())
    }

    /// What stands in the build for a variable of what runs; the value is TOML.
    pub(super) fn build_env(&mut self, key: &str, value: String) {
        self.build_env.push((key.to_owned(), value));
    }

    pub(super) fn has_env(&self) -> bool {
        !self.env.is_empty()
    }

    /// Has releases share a directory. Not one with sources: what is shared takes its place in every release, and new
    /// sources would not come. Whether it is shared.
    pub(in crate::project) fn share(&mut self, files: &Files, directory: &str) -> bool {
        let beginning = format!("{}/", directory.trim_end_matches('/'));
        let endings = [".py", ".js", ".ts", ".html"];
        let source =
            endings.iter().find_map(|ending| files.ending(ending).find(|path| path.starts_with(&beginning)));
        match source {
            Some(source) => self.note(format!(
                "{directory} is not shared between releases, as it has sources ({source}): let what is written at run \
                 time go into another directory, and name that in build.shared"
            )),
            None if self.shared.iter().any(|other| other == directory) => {}
            None => self.shared.push(directory.to_owned()),
        }
        source.is_none()
    }

    /// What releases share.
    pub(in crate::project) fn shared(&self) -> &[String] {
        &self.shared
    }

    pub(super) fn exclude(&mut self, pattern: &str) {
        if !self.excludes(pattern) {
            self.exclude.push(pattern.to_owned());
        }
    }

    pub(super) fn service(&mut self, name: &str) -> &mut Section {
        self.body.section(format!("[services.{name}]"))
    }

    pub(super) fn job(&mut self, name: &str) -> &mut Section {
        self.body.section(format!("[jobs.{name}]"))
    }

    pub(super) fn resource(&mut self, name: &str, engine: &str) -> &mut Section {
        let section = self.resources.section(format!("[resources.{name}]"));
        section.set("engine", draft::text(engine))
    }

    pub(super) fn route(&mut self) -> &mut Section {
        self.routes.section("[[routes]]")
    }

    /// An account for all that runs, for where it would be root.
    pub(super) fn suggest_user(&mut self) {
        for section in self.body.sections_mut() {
            // Not for a table within a service.
            let why = match section.header() {
                _ if !section.has("command") => continue,
                header if header.starts_with("[services.") => {
                    "it runs as root otherwise; an account of this machine that gets at its programs"
                }
                header if header.starts_with("[jobs.") || header.starts_with("[cron.") => {
                    "the account of the services, which go on with the files that it makes"
                }
                _ => continue,
            };
            section.suggest("user", "\"www-data\"").because(why);
        }
    }

    /// What is different in production.
    pub(super) fn production(&mut self) -> &mut Section {
        self.production.section("[environments.production]")
    }

    /// Only how it is built; nothing where there are no steps.
    pub(super) fn into_build(self, is_python: bool) -> Option<Build> {
        let Self { steps, cache, exclude, env, notes, .. } = self;
        let notes = notes.into_iter().map(|note| note.text).collect();
        (!steps.is_empty()).then_some(Build { steps, cache, exclude, env, is_python, notes })
    }

    pub(super) fn finish(self, files: &Files) -> Proposal {
        let mut out = Draft::default();
        out.preface = vec![
            format!(
                "What is deployed, and how. Proposed by `windlass init` for a project of the kind: {}.",
                self.kind
            ),
            "`windlass check` tells what is wrong with it, `windlass plan` what a deploy would do."
                .to_owned(),
        ];
        let name =
            Name::new(files.name()).map_or_else(|refused| refused.suggestion, |name| Some(name.to_string()));
        out.section("[app]").set("name", draft::text(&name.unwrap_or_else(|| "app".to_owned())));
        let at_proxys = |section: &Section| section.value("port") == Some(PROXY.to_string().as_str());
        if self.body.sections().any(at_proxys) {
            let section = out.section("[listen]");
            let address = draft::text(&format!("127.0.0.1:{BESIDE}"));
            section
                .set("http", address)
                .because(format!("the program insists on {PROXY}, where the proxy would listen"));
        }
        if !(self.steps.is_empty() && self.shared.is_empty() && self.exclude.is_empty()) {
            let section = out.section("[build]");
            section.comment("How a release is made: the files that git does not ignore, then these steps.");
            for line in self.about_steps {
                section.comment(line);
            }
            if !self.steps.is_empty() {
                section.set("steps", draft::list(&self.steps));
            }
            for (key, values, why) in [
                ("cache", &self.cache, "kept from one build to the next"),
                ("shared", &self.shared, "one directory for all releases"),
                ("exclude", &self.exclude, "not taken from the source"),
            ] {
                if !values.is_empty() {
                    section.set(key, draft::texts(values)).because(why);
                }
            }
        }
        if !self.build_env.is_empty() {
            let section = out.section("[build.env]");
            section.comment(
                "Placeholders, so that the build can load the settings: [env] below is for what runs, and not for the steps.",
            );
            for (key, value) in self.build_env {
                section.set(&key, value);
            }
        }
        if !self.env.is_empty() {
            let section = out.section("[env]");
            section.comment("For all that runs. What refers to a resource is started after it.");
            for (key, value) in self.env {
                section.set(&key, value);
            }
        }
        if !self.settings.is_empty() {
            let section = out.section("[settings]");
            section.comment("What the program reads of its environment. Values are put into .env, which is not committed.");
            for (key, value, declared) in self.settings {
                match declared {
                    Declared::Now => section.set(&key, value),
                    Declared::Perhaps => section.suggest(&key, value),
                };
            }
        }
        out.append(self.body);
        out.append(self.resources);
        out.append(self.routes);
        out.append(self.production);
        let notes = self.notes.into_iter().map(|note| note.text).collect();
        Proposal { kind: self.kind, text: out.render(), notes }
    }
}
