//! Laying the layers upon each other.

use std::collections::HashSet;

use foldhash::fast::RandomState;
use indexmap::IndexMap;

use super::password::may_hold_password;
use super::secrecy::speaks_of_secret;
use super::{Declared, Fault, Layers, Provenance, Secret, is_secret, made_of};
use crate::spec::{Reference, Template};

/// Compositions nested deeper than this are a circle, which is told of elsewhere.
const DEEPEST: u32 = 32;

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
    /// Whether a secret was put into it where it was read.
    pub of_secret: bool,
}

impl Value {
    /// One into which nothing was put.
    #[must_use]
    pub fn new(text: Text, provenance: Provenance) -> Self {
        Self { text, provenance, of_secret: false }
    }
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

    /// The value of `name`, put together where all that it is made of is known.
    #[must_use]
    pub fn whole(&self, name: &str) -> Option<Secret> {
        self.nested(name, 0)
    }

    fn nested(&self, name: &str, depth: u32) -> Option<Secret> {
        let template = match &self.settings.get(name)?.value.text {
            Text::Known(secret) => return Some(secret.clone()),
            Text::Composed(template) => template,
        };
        let part = |reference: &Reference| match reference {
            Reference::Setting(part) if depth < DEEPEST => {
                self.nested(part, depth + 1).map(|part| part.expose().to_owned()).ok_or(())
            }
            _ => Err(()),
        };
        template.fill(part).ok().map(Secret::new)
    }

    /// All that one of `parts` is put into, be it over others.
    pub(super) fn made_of<'a>(&'a self, parts: impl IntoIterator<Item = &'a str>) -> HashSet<&'a str> {
        let uses = self.settings.iter().flat_map(|(name, setting)| {
            let template = match &setting.value.text {
                Text::Composed(template) => Some(template),
                Text::Known(_) => None,
            };
            let references = template.into_iter().flat_map(Template::references);
            references.filter_map(move |reference| match reference {
                Reference::Setting(part) => Some((name.as_str(), part.as_str())),
                _ => None,
            })
        });
        made_of(uses, parts)
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
    let unanswered: HashSet<String> = unanswered.into_iter().collect();
    let mut found: Values = declared.keys().map(|name| (name.clone(), vec![])).collect();
    let known = |secret, provenance| Value::new(Text::Known(secret), provenance);
    for (name, values) in &mut found {
        if let Some(text) = environment.and_then(|environment| environment(name)) {
            values.push(known(Secret::new(text), Provenance::Environment));
        }
    }
    let mut made = vec![];
    for file in files {
        for entry in file.entries {
            let provenance = Provenance::File { name: file.name.clone(), line: entry.line };
            let values = found.entry(entry.name.clone()).or_default();
            if !entry.made_of.is_empty() {
                made.push(Made { name: entry.name, at: values.len(), of: entry.made_of });
            }
            values.push(known(entry.value, provenance));
        }
    }
    let mut warnings = vec![];
    if let Some(sealed) = sealed {
        warnings.extend(sealed.warnings);
        for (name, (value, line)) in sealed.entries {
            let provenance = Provenance::Sealed { file: sealed.file.clone(), line };
            found.entry(name).or_default().push(known(value, provenance));
        }
    }
    for (name, (value, place)) in stores {
        found.entry(name).or_default().push(known(value, Provenance::Store { place }));
    }
    for (name, setting) in declared {
        let values = found.entry(name.clone()).or_default();
        if let Some(constant) = setting.constant() {
            values.push(known(Secret::new(constant), Provenance::Composed));
        } else if let Some(template) = &setting.composed {
            values.push(Value::new(Text::Composed(template.clone()), Provenance::Composed));
        }
        if let Some(text) = setting.default.as_ref().filter(|_| !unanswered.contains(name)) {
            values.push(known(Secret::new(text.clone()), Provenance::Default));
        }
    }
    inherit_secrecy(declared, &mut found, &made);
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

/// What all layers have, by name. Whoever writes a manifest and its files need not be kept from names that are slow to find.
type Values = IndexMap<String, Vec<Value>, RandomState>;

/// A value of a file that has references: whose it is, which of its values, and the names that were filled in.
struct Made {
    name: String,
    at: usize,
    of: Vec<String>,
}

/// What is put together from a secret is one, over any number of steps, unless it is declared to be harmless. What nobody
/// declared is judged by its name and what stands in it, as what only the environment has is by its name: nobody
/// declares `HOME`, and few the `DOMAIN` that is a part of three others.
fn inherit_secrecy(declared: &IndexMap<String, Declared>, found: &mut Values, made: &[Made]) {
    if made.is_empty() {
        return;
    }
    let is_undeclared_one = |name: &str, value: &Value| {
        // What stands in a file that is encrypted, or with others in a store, is kept secret by somebody.
        let is_plain = matches!(value.provenance, Provenance::File { .. });
        !is_plain
            || speaks_of_secret(name)
            || value.text.known().is_some_and(|text| may_hold_password(text.expose()))
    };
    let is_one = |(name, values): &(&String, &Vec<Value>)| match declared.get(*name) {
        Some(setting) => setting.secret || values.iter().any(|value| is_secret(name, Some(setting), value)),
        None => values.iter().any(|value| is_undeclared_one(name, value)),
    };
    let mut secrets: HashSet<String> = found.iter().filter(is_one).map(|(name, _)| name.clone()).collect();
    let is_one_by_name = |part: &&String| !declared.contains_key(*part) && speaks_of_secret(part);
    secrets.extend(made.iter().flat_map(|made| &made.of).filter(is_one_by_name).cloned());
    // What says that it is harmless hands nothing on, unless one of its values is a secret all the same.
    let is_harmless =
        |part: &str| declared.get(part).is_some_and(|setting| setting.harmless) && !secrets.contains(part);
    let uses = made.iter().flat_map(|made| made.of.iter().map(|part| (made.name.as_str(), part.as_str())));
    let of_secrets: HashSet<String> =
        made_of(uses.filter(|(_, part)| !is_harmless(part)), secrets.iter().map(String::as_str))
            .into_iter()
            .map(str::to_owned)
            .collect();
    let is_part = |part: &String| secrets.contains(part) || (of_secrets.contains(part) && !is_harmless(part));
    for Made { name, at, of } in made {
        if of.iter().any(is_part)
            && let Some(value) = found.get_mut(name).and_then(|values| values.get_mut(*at))
        {
            value.of_secret = true;
        }
    }
}

#[cfg(test)]
mod tests;
