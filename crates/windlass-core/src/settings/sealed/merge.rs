//! Bringing two people's changes together, value by value, as git does line by line. Git cannot do
//! it itself: both sides have a seal and an epoch of their own.

use indexmap::IndexMap;

use super::Random;
use super::document::{Label, Recipient};
use super::edit::{Editing, Refused};
use super::key::PublicKey;
use super::open::{Opened, Value};

/// A merged file.
pub struct Merged {
    /// What to write.
    pub editing: Editing,
    /// What the two sides have changed differently; the merged file has ours.
    pub conflicts: Vec<Conflict>,
    /// The recipients of the merged file whom one of the sides has not.
    pub added: Vec<Recipient>,
}

/// Something that both sides have changed, and not in the same way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Conflict {
    /// A value, by its name.
    Value(String),
    /// A recipient, by name.
    Recipient(String),
    /// A recipient, by name, whom one side has while the other has a new key, made perhaps to keep
    /// somebody out who could still write the first: the merged file is not for them.
    Added(String),
}

/// Merges `theirs` into `ours`; `base` is what both come from, if there is that.
///
/// A recipient whom one side has removed does not come back, and the merged file has a new key, as
/// it has whenever the sides' keys differ. It is not encrypted for whom one side alone has added then,
/// unless it is whoever merges.
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
    let our_document = ours.document.clone();
    let own = [ours.own_key(), theirs.own_key()].into_iter().flatten().collect();
    theirs.edit()?;
    let mut editing = ours.edit()?;
    let mut conflicts = vec![];

    let (ours, theirs) = (&our_document.recipients, &their_document.recipients);
    let sides = Sides { old: &old_recipients, ours, theirs, same_key, own };
    merge_recipients(&mut editing, &sides, &mut conflicts, random)?;
    merge_values(&mut editing, &old, &their_values, &mut conflicts, random)?;
    if !same_key {
        editing.rekey(random)?;
    }
    editing.follow_document(&their_document);
    let is_new = |recipient: &&Recipient| !has(ours, recipient) || !has(theirs, recipient);
    let added = editing.document().recipients.iter().filter(is_new).cloned().collect();
    Ok(Merged { editing, conflicts, added })
}

/// The recipients of all sides.
struct Sides<'a> {
    old: &'a [Recipient],
    ours: &'a [Recipient],
    theirs: &'a [Recipient],
    /// Whether nobody has made a new file key.
    same_key: bool,
    /// The keys of whoever merges.
    own: Vec<PublicKey>,
}

fn named<'r>(all: &'r [Recipient], name: &str) -> Option<&'r Recipient> {
    all.iter().find(|recipient| recipient.name == name)
}

/// Whether somebody is among them, with this key.
fn has(all: &[Recipient], recipient: &Recipient) -> bool {
    named(all, &recipient.name).is_some_and(|same| same.public == recipient.public)
}

impl Sides<'_> {
    /// Whether whom one side alone has added may be believed to be meant. Somebody who was put out, and
    /// still has the old key, may have written that side.
    fn may_add(&self, recipient: &Recipient) -> bool {
        self.same_key || self.own.contains(&recipient.public)
    }
}

fn merge_recipients(
    editing: &mut Editing,
    sides: &Sides<'_>,
    conflicts: &mut Vec<Conflict>,
    random: &mut Random,
) -> Result<(), Refused> {
    let &Sides { old, ours, theirs, .. } = sides;
    for their in theirs {
        if has(ours, their) || has(old, their) {
            // The same here, or removed or exchanged here and untouched there.
        } else if named(old, &their.name).is_some() || named(ours, &their.name).is_some() {
            conflicts.push(Conflict::Recipient(their.name.clone()));
        } else if sides.may_add(their) {
            editing.add(&their.name, their.public, their.stretch.clone(), their.date, random)?;
        } else {
            conflicts.push(Conflict::Added(their.name.clone()));
        }
    }
    for our in ours {
        if has(theirs, our) {
            continue;
        }
        if has(old, our) && named(theirs, &our.name).is_none() {
            editing.remove(&our.name, random)?;
        } else if !has(old, our) && !sides.may_add(our) {
            conflicts.push(Conflict::Added(our.name.clone()));
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
