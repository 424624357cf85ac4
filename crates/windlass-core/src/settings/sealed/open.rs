//! What can be read of a file, and whether it is as it was written.

use indexmap::IndexMap;
use jiff::civil::Date;

use super::derive::{self, Purpose};
use super::document::{Document, Label};
use super::key::{Identity, PublicKey};
use super::{FileKey, Version, value, wrap};
use crate::settings::{Fault, Secret};

/// An opened file.
pub struct Opened {
    pub(super) document: Document,
    pub(super) key: FileKey,
    /// The values that could be opened, in the order of the file.
    pub values: IndexMap<Label, Value>,
    /// What could not.
    pub damaged: Vec<Damaged>,
    /// Who opened it: the name of the recipient.
    pub by: String,
}

/// A value.
#[derive(Debug, Clone)]
pub struct Value {
    /// The value.
    pub secret: Secret,
    /// When it was given.
    pub date: Date,
    /// The line that it stands in.
    pub line: u32,
}

/// Something in a file that is not as it was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Damaged {
    /// The name of the value or the recipient; `None` for a line that shows none, and for the seal.
    pub name: Option<String>,
    /// What is wrong, and where.
    pub fault: Fault,
}

/// Why a file cannot be opened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NotOpened {
    /// None of the keys is a recipient's.
    NoKey,
    /// A recipient's line is for this key, and it cannot be opened: it was damaged, or it comes from
    /// another file.
    DamagedRecipient {
        /// Whose.
        name: String,
        /// Where.
        line: u32,
    },
    /// A recipient's line opens with this key, and whoever wrote it does not know what the id stands for:
    /// the file was made by somebody who could not read the one in whose place it is.
    Forged {
        /// Whose.
        name: String,
        /// Where.
        line: u32,
    },
}

/// Opens a document that was read, with these `faults`, from the file that messages call `file`, by
/// one of `keys`. Whatever is damaged is left out of the values and named.
///
/// # Errors
/// When nothing of it can be opened.
pub fn open(
    file: &str,
    document: Document,
    faults: Vec<Fault>,
    keys: &[Identity],
) -> Result<Opened, NotOpened> {
    let (key, by) = file_key(&document, keys)?;
    let whole = faults.is_empty();
    let mut damaged: Vec<Damaged> = faults.into_iter().map(|fault| Damaged { name: None, fault }).collect();
    let mut tell = |name: Option<&str>, line: u32, message: String, help: &str| {
        let fault = Fault { file: file.to_owned(), line, column: 0, message, help: help.to_owned() };
        damaged.push(Damaged { name: name.map(str::to_owned), fault });
    };
    for recipient in &document.recipients {
        if !wrap::is_genuine(&document, &key, recipient) {
            let message = format!(
                "the recipient {} was changed, or added by somebody who cannot open the file",
                recipient.name
            );
            let help = "see who changed the line (git log -p); `windlass secrets repair` removes it";
            tell(Some(&recipient.name), recipient.line, message, help);
        }
    }
    let mut values = IndexMap::with_capacity(document.entries.len());
    let root = value::root(&document, &key);
    for entry in &document.entries {
        match value::open(&document, &root, entry) {
            Ok(secret) => {
                values.insert(entry.label.clone(), Value { secret, date: entry.date, line: entry.line });
            }
            Err(why) => {
                let label = entry.label.to_string();
                let help = "take the line from an earlier version of the file (git log -p), or run `windlass \
                            secrets repair` and set it again";
                tell(Some(&label), entry.line, format!("{label} cannot be opened: {why}"), help);
            }
        }
    }
    if whole && !document.seal.is_some_and(|seal| is_seal(&document, &key, &seal)) {
        let message = "the seal does not hold: lines were changed, added, removed or put into another order since \
                       windlass wrote the file";
        let help = "compare it with an earlier version (git log -p) and restore that; `windlass secrets repair` \
                    seals what can be opened";
        let line = document.to_string().lines().count();
        tell(None, u32::try_from(line).unwrap_or(u32::MAX), message.into(), help);
    }
    damaged.sort_by_key(|damaged| damaged.fault.line);
    Ok(Opened { document, key, values, damaged, by })
}

fn file_key(document: &Document, keys: &[Identity]) -> Result<(FileKey, String), NotOpened> {
    let publics: Vec<PublicKey> = keys.iter().map(Identity::public).collect();
    let mut not = NotOpened::NoKey;
    for recipient in &document.recipients {
        let Some(at) = publics.iter().position(|public| *public == recipient.public) else { continue };
        let (name, line) = (recipient.name.clone(), recipient.line);
        not = match wrap::unwrap(document, recipient, &keys[at]) {
            Some(key) if key.id() == document.id => return Ok((key, name)),
            Some(_) => NotOpened::Forged { name, line },
            None => NotOpened::DamagedRecipient { name, line },
        };
    }
    Err(not)
}

/// The seal of a document.
pub(super) fn seal(document: &Document, key: &FileKey) -> [u8; 32] {
    derive::tag(&sealing_key(document, key), document.body().as_bytes())
}

fn is_seal(document: &Document, key: &FileKey, seal: &[u8; 32]) -> bool {
    derive::is_tag(&sealing_key(document, key), document.body().as_bytes(), seal)
}

fn sealing_key(document: &Document, key: &FileKey) -> zeroize::Zeroizing<[u8; 32]> {
    derive::key(key.bytes(), document.id.as_bytes(), &document.environment, &Purpose::Seal)
}

impl Opened {
    /// Whether all of it is as it was written.
    #[must_use]
    pub fn is_sound(&self) -> bool {
        self.damaged.is_empty()
    }

    /// What was read.
    #[must_use]
    pub fn document(&self) -> &Document {
        &self.document
    }

    /// Which file it is, and which write.
    #[must_use]
    pub fn version(&self) -> Version {
        self.document.version()
    }

    /// The key by which whoever can read the file shows fingerprints of values: the same for all of them, and of no use
    /// to anybody else. It is another one after a rekey.
    #[must_use]
    pub fn fingerprint_key(&self) -> zeroize::Zeroizing<[u8; 32]> {
        let document = &self.document;
        derive::key(self.key.bytes(), document.id.as_bytes(), &document.environment, &Purpose::Fingerprints)
    }

    /// The public key of whoever opened it.
    pub(super) fn own_key(&self) -> Option<PublicKey> {
        let own = self.document.recipients.iter().find(|recipient| recipient.name == self.by);
        own.map(|recipient| recipient.public)
    }

    /// The value in force of a setting.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Value> {
        self.values.get(&Label::in_force(name))
    }

    /// The value that is to follow it.
    #[must_use]
    pub fn pending(&self, name: &str) -> Option<&Value> {
        self.values.get(&Label::pending(name))
    }

    /// The values in force, by name.
    pub fn in_force(&self) -> impl Iterator<Item = (&str, &Value)> {
        self.values
            .iter()
            .filter(|(label, _)| !label.pending)
            .map(|(label, value)| (label.name.as_str(), value))
    }
}
