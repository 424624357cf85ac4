//! What templates refer to, through the settings that are put together from others.

use std::collections::HashSet;

use foldhash::fast::RandomState;
use indexmap::{IndexMap, IndexSet};

use crate::settings::made_of;
use crate::spec::{Reference, Setting, Template};

/// References, each once. Nobody but whoever writes the manifest chooses them: they need no slower hash.
pub(super) type References<'a> = IndexSet<&'a Reference, RandomState>;

/// All that `templates` refer to, each once: what a setting is put together from, too.
pub(super) fn references<'a>(
    templates: impl IntoIterator<Item = &'a Template>,
    settings: &'a IndexMap<String, Setting>,
) -> References<'a> {
    // Most often all settings are among them.
    let mut found = References::with_capacity_and_hasher(settings.len(), RandomState::default());
    found.extend(templates.into_iter().flat_map(Template::references));
    let mut at = 0;
    while let Some(reference) = found.get_index(at).copied() {
        at += 1;
        if let Some(template) = setting_of(reference).and_then(|key| settings.get(key)?.composed.as_ref()) {
            found.extend(template.references());
        }
    }
    found
}

/// The setting that a reference asks for, be it its value or its file.
#[must_use]
pub fn setting_of(reference: &Reference) -> Option<&str> {
    match reference {
        Reference::Setting(key) | Reference::SettingFile(key) => Some(key),
        _ => None,
    }
}

/// The settings that can only be put together where a resource is known, over any number of steps.
pub(super) fn needing_resources(settings: &IndexMap<String, Setting>) -> HashSet<&str> {
    let mut needing: HashSet<&str> = HashSet::new();
    for (key, setting) in settings {
        let mut references = setting.composed.iter().flat_map(Template::references);
        if references.any(|reference| matches!(reference, Reference::Resource { .. })) {
            needing.insert(key);
        }
    }
    let others = made_of(uses(settings, setting_of), needing.iter().copied());
    needing.extend(others);
    needing
}

/// What is put together from a value that turned out to be a secret is one, over any number of steps.
pub(super) fn inherit_secrecy(settings: &mut IndexMap<String, Setting>) {
    let secrets = settings.iter().filter(|(_, setting)| setting.secret).map(|(key, _)| key.as_str());
    let uses = uses(settings, |reference| match reference {
        Reference::Setting(key) => Some(key),
        _ => None,
    });
    let found: Vec<String> = made_of(uses, secrets).into_iter().map(str::to_owned).collect();
    for key in found {
        if let Some(setting) = settings.get_mut(&key) {
            setting.secret = true;
        }
    }
}

/// Leaves out the settings that need not be there and refer to one that is not.
pub(super) fn leave_out_incomplete(
    settings: &mut IndexMap<String, Setting>,
    is_required: impl Fn(&str) -> bool,
) {
    let uses: Vec<(&str, &str)> = uses(settings, setting_of).filter(|(key, _)| !is_required(key)).collect();
    let absent = uses.iter().map(|(_, part)| *part).filter(|part| !settings.contains_key(*part));
    let left_out = made_of(uses.iter().copied(), absent);
    if !left_out.is_empty() {
        let left_out: HashSet<String> = left_out.into_iter().map(str::to_owned).collect();
        settings.retain(|key, _| !left_out.contains(key));
    }
}

/// Each setting with each of those that it is put together from, which `part` finds in a reference.
fn uses<'a>(
    settings: &'a IndexMap<String, Setting>,
    part: impl Fn(&'a Reference) -> Option<&'a str> + Copy,
) -> impl Iterator<Item = (&'a str, &'a str)> {
    settings.iter().flat_map(move |(key, setting)| {
        let references = setting.composed.iter().flat_map(Template::references);
        references.filter_map(part).map(move |part| (key.as_str(), part))
    })
}
