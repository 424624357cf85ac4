//! Bringing two people's changes together, value by value, as git does line by line. Git cannot do
//! it itself: both sides have a seal and an epoch of their own.

use indexmap::IndexMap;

use super::Random;
use super::document::{Label, Recipient};
use super::edit::{Editing, Refused};
use super::open::{Opened, Value};

/// A merged file.
pub struct Merged {
    /// What to write.
    pub editing: Editing,
    /// What the two sides have changed differently; the merged file has ours.
    pub conflicts: Vec<Conflict>,
}

/// Something that both sides have changed, and not in the same way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Conflict {
    /// A value, by its name.
    Value(String),
    /// A recipient, by name.
    Recipient(String),
}

/// Merges `theirs` into `ours`; `base` is what both come from, if there is that.
///
/// A recipient whom one side has removed does not come back, and the merged file has a new key, as
/// it has whenever the sides' keys differ.
///
/// # Errors
/// When one side is damaged, or they are different files.
pub fn merge(
    base: Option<&Opened>,
    ours: Opened,
    theirs: Opened,
    random: &mut Random,
) -> Result<Merged, Refused> {
    if ours.document.id != theirs.document.id || ours.document.environment != theirs.document.environment {
        return Err(Refused {
            message: "the two sides are different files, each made by `windlass secrets init`".into(),
            help: "keep one of them, and set the values of the other again".into(),
        });
    }
    let base = base.filter(|base| base.document.id == ours.document.id);
    let same_key = ours.key.is(&theirs.key) && base.is_none_or(|base| base.key.is(&ours.key));
    let old = base.map(|base| base.values.clone()).unwrap_or_default();
    let old_recipients = base.map(|base| base.document.recipients.clone()).unwrap_or_default();
    let (their_values, their_document) = (theirs.values.clone(), theirs.document.clone());
    theirs.edit()?;
    let mut editing = ours.edit()?;
    let mut conflicts = vec![];

    merge_recipients(&mut editing, &old_recipients, &their_document.recipients, &mut conflicts, random)?;
    merge_values(&mut editing, &old, &their_values, &mut conflicts, random)?;
    if !same_key {
        editing.rekey(random)?;
    }
    editing.follow_document(&their_document);
    Ok(Merged { editing, conflicts })
}

fn merge_recipients(
    editing: &mut Editing,
    old: &[Recipient],
    theirs: &[Recipient],
    conflicts: &mut Vec<Conflict>,
    random: &mut Random,
) -> Result<(), Refused> {
    let find = |all: &[Recipient], name: &str| all.iter().find(|recipient| recipient.name == name).cloned();
    let ours = editing.document().recipients.clone();
    for their in theirs {
        let public = |recipient: Recipient| recipient.public;
        match (find(old, &their.name).map(public), find(&ours, &their.name).map(public)) {
            (_, Some(our)) if our == their.public => {}
            // Removed or exchanged here, untouched there.
            (Some(old), _) if old == their.public => {}
            (None, None) => {
                editing.add(&their.name, their.public, their.stretch.clone(), their.date, random)?;
            }
            _ => conflicts.push(Conflict::Recipient(their.name.clone())),
        }
    }
    for our in &ours {
        let gone = find(theirs, &our.name).is_none();
        if gone && find(old, &our.name).is_some_and(|old| old.public == our.public) {
            editing.remove(&our.name, random)?;
        }
    }
    Ok(())
}

fn merge_values(
    editing: &mut Editing,
    old: &IndexMap<Label, Value>,
    theirs: &IndexMap<Label, Value>,
    conflicts: &mut Vec<Conflict>,
    random: &mut Random,
) -> Result<(), Refused> {
    let labels: Vec<Label> = editing.values().keys().chain(theirs.keys()).cloned().collect();
    for label in labels {
        let secret = |values: &IndexMap<Label, Value>| values.get(&label).map(|value| value.secret.clone());
        let (old, our, their) = (secret(old), secret(editing.values()), secret(theirs));
        if our == their || their == old {
            continue;
        }
        if our != old {
            let conflict = Conflict::Value(label.to_string());
            if !conflicts.contains(&conflict) {
                conflicts.push(conflict);
            }
            continue;
        }
        let _changed = match theirs.get(&label) {
            Some(value) => editing.put(label, &value.secret, value.date, random)?,
            None => editing.take(&label),
        };
    }
    // A pending value that one side has added below a value that the other has removed.
    let orphans: Vec<Label> = editing.values().keys().filter(|label| label.pending).cloned().collect();
    for orphan in orphans {
        if !editing.values().contains_key(&Label::in_force(&orphan.name)) {
            editing.take(&orphan);
        }
    }
    Ok(())
}
