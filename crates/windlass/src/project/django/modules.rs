//! Modules of settings, and those that they begin with: `from .base import *`.

use super::Sources;
use crate::project::python::{statements, stripped};

/// No settings begin with more modules than this.
const MOST: usize = 20;

/// A module of the settings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::project) struct Module {
    /// Where it lies in the project.
    pub(in crate::project) path: String,
    pub(in crate::project) text: String,
}

impl Sources<'_> {
    /// The module that lies at a path without its ending.
    pub(in crate::project) fn module(&self, path: &str) -> Option<Module> {
        let files = [format!("{path}.py"), format!("{path}/__init__.py")];
        files.into_iter().find_map(|path| Some(Module { text: (self.read)(&path)?, path }))
    }

    /// The module of this name, and all that it imports as a whole: first the one that has the last word.
    pub(in crate::project) fn modules(&self, name: &str) -> Vec<Module> {
        let mut found: Vec<Module> = self.module(&name.replace('.', "/")).into_iter().collect();
        let mut at = 0;
        while at < found.len() && found.len() < MOST {
            for import in found[at].imports().into_iter().filter(|import| import.names == ["*"]) {
                let module = self.module(&import.path);
                found.extend(module.filter(|module| found.iter().all(|known| known.path != module.path)));
            }
            at += 1;
        }
        found
    }
}

/// `from path import names`
pub(super) struct Import {
    /// Where the module lies, without its ending.
    pub(super) path: String,
    /// As written, each with the name that it gets here: `a as b`.
    pub(super) names: Vec<String>,
}

impl Import {
    /// What a name of the importing module is called in the imported one.
    pub(super) fn original<'n>(&'n self, name: &'n str) -> Option<&'n str> {
        self.names.iter().find_map(|imported| match imported.split_once(" as ") {
            Some((original, own)) => (own.trim() == name).then(|| original.trim()),
            None => (imported == name || imported == "*").then_some(name),
        })
    }
}

impl Module {
    /// What it imports from modules by name, the last first: that has the last word.
    pub(super) fn imports(&self) -> Vec<Import> {
        let text = stripped(&self.text);
        let mut imports: Vec<Import> = statements(&text).into_iter().filter_map(|s| self.import(s)).collect();
        imports.reverse();
        imports
    }

    fn import(&self, statement: &str) -> Option<Import> {
        let (module, names) = statement.trim().strip_prefix("from ")?.split_once(" import")?;
        let module = module.trim();
        let name = module.trim_start_matches('.');
        let path = match module.len() - name.len() {
            0 => name.replace('.', "/"),
            dots => {
                let mut above: Vec<&str> = self.path.split('/').collect();
                above.truncate(above.len().checked_sub(dots)?);
                above.extend(name.split('.').filter(|part| !part.is_empty()));
                above.join("/")
            }
        };
        let names = names.trim().trim_start_matches('(').trim_end_matches(')').split(',');
        let names = names.map(|name| name.trim().to_owned()).filter(|name| !name.is_empty());
        Some(Import { path, names: names.collect() })
    }
}
