//! What of the process that asks a store may be looked at.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

/// Environment variables, and the project's directory. Its values are never shown.
pub struct Surroundings {
    env: BTreeMap<String, Zeroizing<String>>,
    project: PathBuf,
}

impl Surroundings {
    /// With these variables.
    #[must_use]
    pub fn new(project: &Path, env: impl IntoIterator<Item = (String, String)>) -> Self {
        Self {
            env: env.into_iter().map(|(name, value)| (name, Zeroizing::new(value))).collect(),
            project: project.to_owned(),
        }
    }

    /// Those of this process. What is not UTF-8 is nothing that a store asks for.
    #[must_use]
    pub fn of_process(project: &Path) -> Self {
        let text = |(name, value): (std::ffi::OsString, std::ffi::OsString)| {
            Some((name.into_string().ok()?, value.into_string().ok()?))
        };
        Self::new(project, std::env::vars_os().filter_map(text))
    }

    /// The variable, unless it is empty.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.env.get(name).map(|value| value.as_str()).filter(|value| !value.is_empty())
    }

    /// The first of these variables that is not empty.
    pub(super) fn first(&self, names: &[&str]) -> Option<&str> {
        names.iter().find_map(|name| self.get(name))
    }

    pub(super) fn all(&self) -> impl Iterator<Item = (&str, &str)> {
        self.env.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// A path below the home directory.
    pub(super) fn at_home(&self, path: &str) -> Option<PathBuf> {
        Some(Path::new(self.get("HOME")?).join(path))
    }

    pub(super) fn project(&self) -> &Path {
        &self.project
    }
}
