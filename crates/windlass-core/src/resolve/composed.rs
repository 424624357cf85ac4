//! What templates refer to, through the settings that are put together from others.

use indexmap::{IndexMap, IndexSet};

use crate::spec::{Reference, Setting, Template};

/// All that `templates` refer to, each once: what a setting is put together from, too.
pub(super) fn references<'a>(
    templates: impl IntoIterator<Item = &'a Template>,
    settings: &'a IndexMap<String, Setting>,
) -> IndexSet<&'a Reference> {
    let mut found: IndexSet<&Reference> = templates.into_iter().flat_map(Template::references).collect();
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

/// Whether `setting` can only be put together where a resource is known.
pub(super) fn needs_resource(setting: &Setting, settings: &IndexMap<String, Setting>) -> bool {
    references(&setting.composed, settings)
        .into_iter()
        .any(|reference| matches!(reference, Reference::Resource { .. }))
}

/// What is put together from a value that turned out to be a secret is one, over any number of steps.
pub(super) fn inherit_secrecy(settings: &mut IndexMap<String, Setting>) {
    loop {
        let is_secret = |reference: &Reference| match reference {
            Reference::Setting(key) => settings.get(key).is_some_and(|setting| setting.secret),
            _ => false,
        };
        let found = settings.values().position(|setting| {
            !setting.secret && setting.composed.iter().flat_map(Template::references).any(is_secret)
        });
        match found.and_then(|at| settings.get_index_mut(at)) {
            Some((_, setting)) => setting.secret = true,
            None => return,
        }
    }
}

/// Leaves out the settings that need not be there and refer to one that is not.
pub(super) fn leave_out_incomplete(
    settings: &mut IndexMap<String, Setting>,
    is_required: impl Fn(&str) -> bool,
) {
    loop {
        let lacks = |setting: &Setting| {
            let mut wanted = setting.composed.iter().flat_map(Template::references).filter_map(setting_of);
            wanted.any(|key| !settings.contains_key(key))
        };
        let found = settings.iter().find(|(key, setting)| !is_required(key) && lacks(setting));
        let Some(key) = found.map(|(key, _)| key.clone()) else { return };
        settings.shift_remove(&key);
    }
}
