//! Images that are built of the project itself: what it depends on is known, and so are the steps that install it.

use super::Import;
use super::yaml::Yaml;
use crate::manifest::draft::{self, Draft};
use crate::manifest::venv::{PROGRAMS, started_from};

/// How the project beside the compose file is built; the values are TOML.
#[derive(Debug, Clone, Default)]
pub struct Build {
    /// The steps.
    pub steps: Vec<String>,
    /// Directories that the next build gets from the last release.
    pub cache: Vec<String>,
    /// What is not taken from the source.
    pub exclude: Vec<String>,
    /// Environment of all that runs.
    pub env: Vec<(String, String)>,
    /// Whether the steps make an environment of Python.
    pub is_python: bool,
    /// What there is to say about the steps.
    pub notes: Vec<String>,
}

/// Whether the image of the service is built of the directory of the compose file.
pub(super) fn is_here(service: &Yaml) -> bool {
    service.get("build").and_then(context).is_some_and(|context| matches!(context, "." | "./"))
}

/// The directory that an image is built of: that of the compose file where only a Dockerfile is named.
pub(super) fn context(build: &Yaml) -> Option<&str> {
    let own = (!build.map().is_empty() && build.get("context").is_none()).then_some(".");
    own.or_else(|| build.text()).or_else(|| build.get("context")?.text())
}

impl Import {
    /// Whether what the service runs is installed by steps that are known.
    fn is_of_environment(&self) -> bool {
        self.built_here && self.build.as_ref().is_some_and(|build| build.is_python)
    }

    /// The words of the service's command, started from the environment where there is one.
    pub(super) fn started(&self, words: Vec<String>) -> Vec<String> {
        if self.is_of_environment() { started_from(words) } else { words }
    }

    /// The shell's line, which finds its programs in the environment where there is one.
    pub(super) fn looking_there(&self, line: &str) -> String {
        match self.is_of_environment() {
            true => format!("export PATH=\"$PWD/{PROGRAMS}:$PATH\"; {line}"),
            false => line.to_owned(),
        }
    }

    /// What is said of the image that a service is built of; once of those that the steps are for.
    pub(super) fn tell_build(&mut self, place: &str, node: &Yaml) {
        let known = self.build.as_ref().filter(|_| self.built_here);
        let Some(build) = known else {
            let message = "the image is not built: write what its Dockerfile does as [build] steps";
            return self.note(node.line, format!("{place}.build"), message);
        };
        if std::mem::replace(&mut self.told_build, true) {
            return;
        }
        let more: String = build.notes.iter().map(|note| format!("; {note}")).collect();
        let message = format!(
            "the image is not built: [build] installs what the project depends on; what else its Dockerfile does has to be \
             added{more}"
        );
        self.note(node.line, format!("{place}.build"), message);
    }

    /// Writes `[build]` and what goes with it.
    pub(super) fn write_build(&self, draft: &mut Draft) {
        let build = self.build.as_ref().filter(|_| self.told_build);
        let none = Build::default();
        let build = build.unwrap_or(&none);
        if !(build.steps.is_empty() && self.shared.is_empty()) {
            let section = draft.section("[build]");
            if !build.steps.is_empty() {
                section.set("steps", draft::list(&build.steps));
            }
            for (key, values) in
                [("cache", &build.cache), ("shared", &self.shared), ("exclude", &build.exclude)]
            {
                if !values.is_empty() {
                    section.set(key, draft::texts(values));
                }
            }
        }
        if !build.env.is_empty() {
            let section = draft.section("[env]");
            for (key, value) in &build.env {
                section.set(key, value.as_str());
            }
        }
    }
}
