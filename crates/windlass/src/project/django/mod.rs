//! Django's settings, as far as they can be read without running them: which modules they are, and which directories
//! they name.

mod modules;
mod paths;

use std::path::Path;

use windlass_core::spec::{Part, Spec};

use super::init::files::text_of;
use super::python::{literal, texts};
pub(in crate::project) use modules::Module;
pub(in crate::project) use paths::Place;

/// The variable that names the module of the settings.
pub(in crate::project) const MODULE: &str = "DJANGO_SETTINGS_MODULE";

/// A project of Django, with `manage.py` at its top.
pub(in crate::project) struct Sources<'a> {
    /// The text of a file, by its path in the project.
    pub(in crate::project) read: &'a dyn Fn(&str) -> Option<String>,
    /// Whether a variable has a value where the program runs, so that no default of the settings counts.
    pub(in crate::project) is_given: &'a dyn Fn(&str) -> bool,
}

impl Sources<'_> {
    /// Whether an expression names a variable that has a value.
    pub(in crate::project) fn is_given(&self, expression: &str) -> bool {
        texts(expression).into_iter().any(|name| (self.is_given)(name))
    }
}

/// The module that a source such as `manage.py` or `wsgi.py` takes for the settings where the environment names none.
pub(in crate::project) fn settings_module(source: &str) -> Option<String> {
    let rest = source.split_once(MODULE)?.1;
    // What follows is `", "shop.settings"`, or `"] = "shop.settings"`.
    let rest = rest.split_once([',', '='])?.1;
    Some(literal(rest.trim_start())?.0.to_owned()).filter(|module| !module.is_empty())
}

/// What the settings are, in a project that is there, of what `spec` runs: first the module that has the last word.
pub(in crate::project) fn of_spec<T>(
    spec: &Spec,
    directory: &Path,
    look: impl FnOnce(&Sources<'_>, &[Module]) -> T,
) -> Option<T> {
    let read = |path: &str| text_of(&directory.join(path));
    let of_service = spec.services.values().map(|service| &service.env);
    let of_job = spec.jobs.values().map(|job| &job.env);
    let all: Vec<_> = of_service.chain(of_job).collect();
    let is_given = |name: &str| all.iter().any(|env| env.contains_key(name));
    let given = all.iter().find_map(|env| match env.get(MODULE)?.parts() {
        [Part::Text(module)] => Some(module.clone()),
        _ => None,
    });
    let module = given.or_else(|| settings_module(&read("manage.py")?))?;
    let sources = Sources { read: &read, is_given: &is_given };
    let modules = sources.modules(&module);
    Some(look(&sources, &modules))
}
