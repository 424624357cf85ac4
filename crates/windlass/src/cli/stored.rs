//! What external stores have for a project's settings. Each place is asked for once in a call of the
//! program, however often the settings are put together.

use std::cell::RefCell;
use std::collections::HashMap;

use indexmap::IndexMap;
use windlass_core::settings::{Declared, Fault, Secret};
use windlass_core::store::Place;

use super::project::Project;
use crate::settings::store::{Fetched, StoreFault, Surroundings, Whose, fetch};
use crate::settings::{Answers, Unstored};

type Known = HashMap<Place, Result<Secret, StoreFault>>;

/// What was asked already, and what came of it.
#[derive(Default)]
pub(super) struct Stored {
    offline: bool,
    /// By environment, too: a store may be another one there.
    answers: RefCell<HashMap<String, Known>>,
}

impl Stored {
    /// `offline`: nothing is asked at all.
    pub(super) fn new(offline: bool) -> Self {
        Self { offline, answers: RefCell::default() }
    }

    /// What the stores have for the settings `wanted`; `unstored` is told of those without a value.
    pub(super) fn values(
        &self,
        project: &Project,
        environment: &str,
        declared: &IndexMap<String, Declared>,
        wanted: &[(&str, &Place)],
        unstored: &RefCell<Unstored>,
    ) -> Answers {
        let mut unstored = unstored.borrow_mut();
        if self.offline {
            unstored.left_out = wanted.iter().map(|(name, _)| (*name).to_owned()).collect();
            return Answers::default();
        }
        self.ask(project, environment, wanted);
        let answers = self.answers.borrow();
        let known = answers.get(environment);
        let mut found = Answers::default();
        let mut faults: Vec<(&StoreFault, Vec<&str>)> = Vec::new();
        for (name, place) in wanted {
            match known.and_then(|known| known.get(*place)) {
                Some(Ok(value)) => {
                    found.values.insert((*name).to_owned(), (value.clone(), place.to_string()));
                }
                Some(Err(fault)) if fault.absent && has_default(declared, name) => {
                    found.absent.push((*name).to_owned());
                    unstored.defaulted.insert((*name).to_owned(), fault.message.clone());
                }
                Some(Err(fault)) => {
                    unstored.missing.insert((*name).to_owned(), fault.message.clone());
                    match faults.iter_mut().find(|(other, _)| *other == fault) {
                        Some((_, names)) => names.push(name),
                        None => faults.push((fault, vec![name])),
                    }
                }
                // A store that is not declared is told of as a fault of the manifest.
                None => {}
            }
        }
        unstored.of_manifest |= faults.iter().any(|(fault, _)| fault.whose == Whose::Manifest);
        unstored.faults.extend(faults.iter().map(|(fault, names)| told(project, declared, fault, names)));
        found
    }

    fn ask(&self, project: &Project, environment: &str, wanted: &[(&str, &Place)]) {
        let mut answers = self.answers.borrow_mut();
        let answers = answers.entry(environment.to_owned()).or_default();
        let mut new: Vec<Place> = Vec::new();
        for (_, place) in wanted {
            if !answers.contains_key(*place) && !new.contains(place) {
                new.push((*place).clone());
            }
        }
        let around = Surroundings::of_process(&project.directory);
        let Fetched { values, faults } = fetch(&project.manifest.stores(environment), &new, &around);
        answers.extend(values.into_iter().map(|(place, value)| (place, Ok(value))));
        for fault in faults {
            answers.extend(fault.places.iter().map(|place| (place.clone(), Err(fault.clone()))));
        }
    }
}

fn has_default(declared: &IndexMap<String, Declared>, name: &str) -> bool {
    declared.get(name).is_some_and(|setting| setting.default.is_some())
}

/// A fault at the line of the first setting that has no value because of it.
fn told(
    project: &Project,
    declared: &IndexMap<String, Declared>,
    fault: &StoreFault,
    names: &[&str],
) -> Fault {
    let first = names.first().and_then(|name| declared.get(*name));
    let names = match names {
        [one] => (*one).to_owned(),
        [most @ .., last] => format!("{} and {last}", most.join(", ")),
        [] => String::new(),
    };
    Fault {
        file: project.file.clone(),
        line: first.map_or(0, |setting| setting.line),
        column: 0,
        message: format!("no value for {names}: {}", fault.message),
        help: fault.hint.clone(),
    }
}
