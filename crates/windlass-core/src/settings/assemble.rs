//! Laying the layers upon each other.

use indexmap::IndexMap;

use super::{Declared, Fault, Layers, Provenance, Secret};
use crate::spec::Template;

/// All settings of an environment.
#[derive(Debug, Default)]
pub struct Assembled {
    /// The settings that some layer has, by name: the declared ones first, then what else stands in
    /// the files and the encrypted file.
    pub settings: IndexMap<String, Resolved>,
    /// What is allowed and yet seldom meant.
    pub warnings: Vec<Fault>,
}

/// A setting and what the layers have for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resolved {
    /// What holds.
    pub value: Value,
    /// What the layers below have, the uppermost first.
    pub overruled: Vec<Value>,
}

/// What a layer has for a setting.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Value {
    /// The text.
    pub text: Text,
    /// Where it came from.
    pub provenance: Provenance,
}

/// The text of a setting.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Text {
    /// It is known.
    Known(Secret),
    /// It is put together where a process starts.
    Composed(Template),
}

impl Text {
    /// The text, where it is known.
    #[must_use]
    pub fn known(&self) -> Option<&Secret> {
        match self {
            Self::Known(secret) => Some(secret),
            Self::Composed(_) => None,
        }
    }
}

impl Assembled {
    /// The value of `name`, where it is known.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Secret> {
        self.settings.get(name).and_then(|setting| setting.value.text.known())
    }

    /// Whether `name` has a value, be it one that is put together later.
    #[must_use]
    pub fn has(&self, name: &str) -> bool {
        self.settings.contains_key(name)
    }
}

/// For each name the value of the first layer that has it: environment, `.env.ENVIRONMENT`, `.env`,
/// encrypted file, external store, composition or default.
#[must_use]
pub fn assemble(declared: &IndexMap<String, Declared>, layers: Layers<'_>) -> Assembled {
    let Layers { environment, files, sealed, stores, unanswered } = layers;
    let mut found: IndexMap<String, Vec<Value>> =
        declared.keys().map(|name| (name.clone(), vec![])).collect();
    let known = |secret, provenance| Value { text: Text::Known(secret), provenance };
    for (name, values) in &mut found {
        if let Some(text) = environment.and_then(|environment| environment(name)) {
            values.push(known(Secret::new(text), Provenance::Environment));
        }
    }
    for file in files {
        for entry in file.entries {
            let provenance = Provenance::File { name: file.name.clone(), line: entry.line };
            found.entry(entry.name).or_default().push(known(entry.value, provenance));
        }
    }
    let mut warnings = vec![];
    if let Some(sealed) = sealed {
        warnings.extend(sealed.warnings);
        for (name, (value, line)) in sealed.entries {
            let values = found.entry(name.clone()).or_default();
            if let Some(Value { provenance: Provenance::Environment, .. }) = values.first() {
                warnings.push(Fault {
                    file: sealed.file.clone(),
                    line,
                    column: 0,
                    message: format!("the environment has another {name}, which holds"),
                    help: format!("unset {name} if the encrypted value is meant"),
                });
            }
            values.push(known(value, Provenance::Sealed { file: sealed.file.clone(), line }));
        }
    }
    for (name, (value, place)) in stores {
        found.entry(name).or_default().push(known(value, Provenance::Store { place }));
    }
    for (name, setting) in declared {
        let values = found.entry(name.clone()).or_default();
        if let Some(template) = &setting.composed {
            values.push(Value { text: Text::Composed(template.clone()), provenance: Provenance::Composed });
        }
        if let Some(text) = setting.default.as_ref().filter(|_| !unanswered.contains(name)) {
            values.push(known(Secret::new(text.clone()), Provenance::Default));
        }
    }
    let settings = found
        .into_iter()
        .filter_map(|(name, values)| {
            let mut values = values.into_iter();
            let value = values.next()?;
            Some((name, Resolved { value, overruled: values.collect() }))
        })
        .collect();
    Assembled { settings, warnings }
}

#[cfg(test)]
mod tests;
