//! Who could read the file once, and what of it they still know.

use std::path::Path;

use windlass_core::settings::sealed::{self, Identity, Label, Opened, Recipient};

use super::git;

/// Somebody who was put out.
pub(super) struct Leaver {
    pub(super) name: String,
    pub(super) public: String,
    /// The values that are as they were when they could last read the file.
    pub(super) known: Vec<String>,
}

/// Who of those that git's history of the file names is no recipient any more; `None` where git has no such history.
pub(super) fn leavers(project: &Path, file: &str, now: &Opened, keys: &[Identity]) -> Option<Vec<Leaver>> {
    let versions = git::versions(project, file);
    if versions.is_empty() {
        return None;
    }
    let mut gone: Vec<Recipient> = vec![];
    let mut leavers = vec![];
    // The newest first: what somebody saw last is what they may use.
    for text in &versions {
        let parsed = sealed::parse(file, text);
        let Some(document) = parsed.document else { continue };
        let is_new = |recipient: &&Recipient| {
            let stays = now.document().recipients.iter().chain(&gone);
            !stays.into_iter().any(|other| other.public == recipient.public)
        };
        let left: Vec<Recipient> = document.recipients.iter().filter(is_new).cloned().collect();
        if left.is_empty() {
            continue;
        }
        let then = sealed::open(file, document.clone(), parsed.faults, keys).ok();
        let is_same = |label: &Label| match (&then, now.values.get(label)) {
            (_, None) => false,
            // Whoever has another key now than then goes by the dates.
            (None, Some(value)) => {
                document.entries.iter().any(|entry| entry.label == *label && entry.date == value.date)
            }
            (Some(then), Some(value)) => {
                then.values.get(label).is_some_and(|before| before.secret == value.secret)
            }
        };
        let entries = document.entries.iter().filter(|entry| is_same(&entry.label));
        let known: Vec<String> = entries.map(|entry| entry.label.to_string()).collect();
        leavers.extend(left.iter().map(|recipient| Leaver {
            name: recipient.name.clone(),
            public: recipient.public.to_string(),
            known: known.clone(),
        }));
        gone.extend(left);
    }
    Some(leavers)
}
