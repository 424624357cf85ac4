//! Changing a file: lines that are not touched stay as they are, byte for byte.

use std::fmt;

use indexmap::IndexMap;
use jiff::civil::Date;

use super::document::{Document, Entry, Label};
use super::key::{PublicKey, Stretch};
use super::open::{Opened, Value, seal};
use super::parse::{is_name, is_recipient_name};
use super::version::{Version, Write, followed};
use super::{FileKey, LARGEST_VALUE, MOST_PASSPHRASES, MOST_RECIPIENTS, MOST_VALUES, Random, value, wrap};
use crate::settings::Secret;

/// A file that is being changed.
#[derive(Clone)]
pub struct Editing {
    document: Document,
    key: FileKey,
    values: IndexMap<Label, Value>,
    changed: bool,
}

/// Why a change is not made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    /// What is wrong.
    pub message: String,
    /// What to do.
    pub help: String,
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}; {}", self.message, self.help)
    }
}

impl std::error::Error for Refused {}

fn refused<T>(message: impl Into<String>, help: impl Into<String>) -> Result<T, Refused> {
    Err(Refused { message: message.into(), help: help.into() })
}

/// Which of two values of a setting holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Settled {
    /// The one that was pending: it is the one in force now.
    New,
    /// The one in force: what was pending is gone.
    Old,
    /// Neither is what runs, so that both are left.
    Neither,
}

impl Opened {
    /// Begins to change the file.
    ///
    /// # Errors
    /// When something in it is damaged: writing it again would put a good seal on that.
    pub fn edit(self) -> Result<Editing, Refused> {
        match self.damaged.first() {
            None => {
                let Self { document, key, values, .. } = self;
                Ok(Editing { document, key, values, changed: false })
            }
            Some(damaged) => refused(
                format!("the file is damaged, so nothing is written to it: {}", damaged.fault),
                "see all of it with `windlass secrets list`",
            ),
        }
    }

    /// Takes what is sound, to be written again; everything that is not is left out. The recipients
    /// that are left are told apart from those that somebody added without knowing the file key. Whoever
    /// opened the file stays, be their line damaged or not: it opened.
    #[must_use]
    pub fn repair(self) -> Editing {
        let Self { mut document, key, mut values, by, .. } = self;
        // Where only the seal's own line was hurt, this is what stood there, and what releases know it by.
        document.seal = Some(seal(&document, &key));
        if let Some(at) = document.recipients.iter().position(|recipient| recipient.name == by) {
            document.recipients[at].tag = wrap::tag(&document, &key, &document.recipients[at]);
        }
        let genuine: Vec<bool> = document
            .recipients
            .iter()
            .map(|recipient| wrap::is_genuine(&document, &key, recipient))
            .collect();
        let mut genuine = genuine.into_iter();
        document.recipients.retain(|_| genuine.next().unwrap_or(false));
        // A pending value stands below the one it is to replace, or nowhere.
        let orphans: Vec<Label> = values
            .keys()
            .filter(|label| label.pending && !values.contains_key(&Label::in_force(&label.name)))
            .cloned()
            .collect();
        values.retain(|label, _| !orphans.contains(label));
        document.entries.retain(|entry| values.contains_key(&entry.label));
        Editing { document, key, values, changed: true }
    }
}

impl Editing {
    /// A new file.
    #[must_use]
    pub fn new(environment: &str, random: &mut Random) -> Self {
        let key = FileKey::new(random);
        let document = Document {
            id: key.id(),
            environment: environment.to_owned(),
            epoch: 0,
            follows: vec![],
            recipients: vec![],
            entries: vec![],
            seal: None,
        };
        Self { document, key, values: IndexMap::new(), changed: true }
    }

    /// Claims to be the next write of another file.
    #[cfg(test)]
    pub(super) fn impersonate(&mut self, other: &Document) {
        self.document = Document { recipients: vec![], entries: vec![], ..other.clone() };
    }

    /// What it is so far.
    #[must_use]
    pub fn document(&self) -> &Document {
        &self.document
    }

    /// The values so far.
    #[must_use]
    pub fn values(&self) -> &IndexMap<Label, Value> {
        &self.values
    }

    /// Whether there is anything to write.
    #[must_use]
    pub fn is_changed(&self) -> bool {
        self.changed
    }

    /// Gives a setting a value; says whether that is another one than it had. What somebody says now is
    /// meant, whatever a rotation that was interrupted left to decide: a pending value is dropped.
    ///
    /// # Errors
    /// When it is no name, or the value is too large or holds a NUL.
    pub fn set(
        &mut self,
        name: &str,
        secret: &Secret,
        date: Date,
        random: &mut Random,
    ) -> Result<bool, Refused> {
        let is_other = self.put(Label::in_force(name), secret, date, random)?;
        self.drop_pending(name);
        Ok(is_other)
    }

    /// Puts a value beside the one in force, to replace it later.
    ///
    /// # Errors
    /// As [`set`](Self::set), and when there is none in force.
    pub fn set_pending(
        &mut self,
        name: &str,
        secret: &Secret,
        date: Date,
        random: &mut Random,
    ) -> Result<bool, Refused> {
        if !self.values.contains_key(&Label::in_force(name)) {
            return refused(
                format!("{name} is not in the encrypted file"),
                format!("set it first: windlass secrets set {name}"),
            );
        }
        self.put(Label::pending(name), secret, date, random)
    }

    /// Makes the pending value the one in force.
    ///
    /// # Errors
    /// When there is none.
    pub fn promote(&mut self, name: &str, date: Date, random: &mut Random) -> Result<(), Refused> {
        let Some(pending) = self.values.get(&Label::pending(name)).map(|value| value.secret.clone()) else {
            return refused(format!("{name} has no pending value"), "see windlass secrets list");
        };
        self.put(Label::in_force(name), &pending, date, random)?;
        self.drop_pending(name);
        Ok(())
    }

    /// Ends what a rotation left: of the two values of a setting the one holds that has the fingerprint
    /// `running`, with this key. Doing it again changes nothing.
    ///
    /// # Errors
    /// As [`set`](Self::set).
    pub fn settle(
        &mut self,
        name: &str,
        running: Option<&str>,
        key: &[u8; 32],
        date: Date,
        random: &mut Random,
    ) -> Result<Settled, Refused> {
        let runs = |label: &Label| {
            let fingerprint = self.values.get(label).map(|value| value.secret.fingerprint(key));
            running.is_some() && fingerprint.as_deref() == running
        };
        match (runs(&Label::pending(name)), runs(&Label::in_force(name))) {
            (true, _) => self.promote(name, date, random).map(|()| Settled::New),
            (false, true) => {
                self.drop_pending(name);
                Ok(Settled::Old)
            }
            (false, false) => Ok(Settled::Neither),
        }
    }

    /// Removes the pending value; says whether there was one.
    pub fn drop_pending(&mut self, name: &str) -> bool {
        self.take(&Label::pending(name))
    }

    /// Removes a setting; says whether there was one.
    pub fn unset(&mut self, name: &str) -> bool {
        self.drop_pending(name);
        self.take(&Label::in_force(name))
    }

    /// Lets somebody open the file, who has this key (or knows the passphrase that it was stretched
    /// from).
    ///
    /// # Errors
    /// When it is no name, the name or the key is one of the recipients already, or there are too many.
    pub fn add(
        &mut self,
        name: &str,
        public: PublicKey,
        stretch: Option<Stretch>,
        date: Date,
        random: &mut Random,
    ) -> Result<(), Refused> {
        if !is_recipient_name(name) {
            return refused(
                format!("{name:?} cannot be the name of a recipient"),
                "use up to 64 letters, digits and . _ @ + -, beginning with a letter or digit",
            );
        }
        let recipients = &self.document.recipients;
        if recipients.iter().any(|recipient| recipient.name == name) {
            return refused(
                format!("{name} is a recipient already"),
                "remove them first, or use another name",
            );
        }
        if let Some(same) = recipients.iter().find(|recipient| recipient.public == public) {
            return refused(format!("this key is that of {} already", same.name), "nothing is to be done");
        }
        let passphrases = recipients.iter().filter(|recipient| recipient.stretch.is_some()).count();
        if recipients.len() >= MOST_RECIPIENTS || (stretch.is_some() && passphrases >= MOST_PASSPHRASES) {
            return refused(
                format!(
                    "a file has at most {MOST_RECIPIENTS} recipients, {MOST_PASSPHRASES} of them passphrases"
                ),
                "remove one first",
            );
        }
        let line = wrap::wrap(&self.document, &self.key, name, date, stretch, public, random);
        let Some(line) = line else {
            return refused("nothing can be encrypted for this key", "make another: windlass secrets keygen");
        };
        self.document.recipients.push(line);
        self.changed = true;
        Ok(())
    }

    /// Keeps somebody from opening the file as it is written from now on: with a new file key.
    ///
    /// # Errors
    /// When there is no such recipient, or it is the last one.
    pub fn remove(&mut self, name: &str, random: &mut Random) -> Result<(), Refused> {
        let Some(at) = self.document.recipients.iter().position(|recipient| recipient.name == name) else {
            let known: Vec<&str> =
                self.document.recipients.iter().map(|recipient| recipient.name.as_str()).collect();
            return refused(
                format!("there is no recipient {name}"),
                format!("there is {}", known.join(", ")),
            );
        };
        if self.document.recipients.len() == 1 {
            return refused(
                format!("{name} is the only recipient: nobody could open the file any more"),
                "add another one first",
            );
        }
        self.document.recipients.remove(at);
        self.rekey(random)
    }

    /// Encrypts everything again under a new file key. Dates stay: no value has changed.
    ///
    /// # Errors
    /// When it cannot be encrypted for one of the recipients.
    pub fn rekey(&mut self, random: &mut Random) -> Result<(), Refused> {
        self.key = self.key.renewed(random);
        self.changed = true;
        let recipients = std::mem::take(&mut self.document.recipients);
        for old in recipients {
            let line =
                wrap::wrap(&self.document, &self.key, &old.name, old.date, old.stretch, old.public, random);
            let Some(line) = line else {
                return refused(
                    format!("nothing can be encrypted for the key of {}", old.name),
                    "remove it first",
                );
            };
            self.document.recipients.push(line);
        }
        let entries = std::mem::take(&mut self.document.entries);
        for old in entries {
            if let Some(value) = self.values.get(&old.label) {
                let entry =
                    value::seal(&self.document, &self.key, old.label, &value.secret, old.date, random);
                self.document.entries.push(entry);
            }
        }
        Ok(())
    }

    /// The text to write, and which version it is.
    #[must_use]
    pub fn finish(mut self) -> (String, Version) {
        self.follow(self.document.write());
        self.document.epoch += 1;
        self.document.seal = Some(seal(&self.document, &self.key));
        (self.document.to_string(), self.document.version())
    }

    /// What is written next has these writes in it too.
    pub(super) fn follow(&mut self, writes: impl IntoIterator<Item = Write>) {
        let all = std::mem::take(&mut self.document.follows).into_iter().chain(writes);
        self.document.follows = followed(all);
    }

    /// What is written next has in it what another document has, and all that that follows.
    pub(super) fn follow_document(&mut self, other: &Document) {
        let ours = self.document.write();
        self.follow(ours.into_iter().chain(other.write()).chain(other.follows.iter().copied()));
        if other.epoch > self.document.epoch {
            self.document.epoch = other.epoch;
            // It is that of the other write, which is among those that are followed by now.
            self.document.seal = other.seal;
        }
    }

    pub(super) fn put(
        &mut self,
        label: Label,
        secret: &Secret,
        date: Date,
        random: &mut Random,
    ) -> Result<bool, Refused> {
        check(&label.name, secret)?;
        // The same value keeps its line, so that a diff shows what has changed.
        if self.values.get(&label).is_some_and(|value| value.secret == *secret) {
            return Ok(false);
        }
        if self.document.entries.len() >= MOST_VALUES && !self.values.contains_key(&label) {
            return refused(format!("a file has at most {MOST_VALUES} values"), "remove some first");
        }
        let entry = value::seal(&self.document, &self.key, label.clone(), secret, date, random);
        self.place(entry);
        self.values.insert(label, Value { secret: secret.clone(), date, line: 0 });
        self.changed = true;
        Ok(true)
    }

    fn place(&mut self, entry: Entry) {
        let entries = &mut self.document.entries;
        let of = |label: &Label| entries.iter().position(|earlier| earlier.label == *label);
        match of(&entry.label) {
            Some(at) => entries[at] = entry,
            None if entry.label.pending => {
                let below = of(&Label::in_force(&entry.label.name)).map_or(entries.len(), |at| at + 1);
                entries.insert(below, entry);
            }
            None => entries.push(entry),
        }
    }

    pub(super) fn take(&mut self, label: &Label) -> bool {
        self.document.entries.retain(|entry| entry.label != *label);
        let was_there = self.values.shift_remove(label).is_some();
        self.changed |= was_there;
        was_there
    }
}

/// Whether a setting can be sealed.
fn check(name: &str, secret: &Secret) -> Result<(), Refused> {
    if !is_name(name) {
        return refused(
            format!("{name:?} cannot be the name of a secret"),
            "use up to 128 letters, digits and _, not beginning with a digit, such as DATABASE_PASSWORD",
        );
    }
    if secret.expose().contains('\0') {
        return refused(
            format!("the value of {name} holds a NUL byte"),
            "remove it: no environment can carry it",
        );
    }
    if secret.expose().len() > LARGEST_VALUE {
        return refused(
            format!(
                "the value of {name} has {} bytes, more than the {LARGEST_VALUE} allowed",
                secret.expose().len()
            ),
            "keep large things in files of their own",
        );
    }
    Ok(())
}
