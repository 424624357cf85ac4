//! What stands in a file, before anything of it is opened.

use std::fmt;

use super::key::{Identity, PublicKey, Stretch};
use super::version::{Version, Write};
use super::{HEADER, base64};
use crate::settings::Secret;
use jiff::civil::Date;

/// What the line begins with that names the writes before.
pub(super) const FOLLOWS: &str = "follows = ";

/// What stands there in a file that was never written before.
pub(super) const NOTHING: &str = "-";

/// A file as it is written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Document {
    /// Which file, of all that were ever made: the text of 128 bits of a hash of 32 random bytes, which only
    /// recipients know. Whoever has not read the file cannot make another one with this id.
    pub id: String,
    /// Of which environment.
    pub environment: String,
    /// Grows with every write.
    pub epoch: u64,
    /// The writes that it has in it, the newest first.
    pub follows: Vec<Write>,
    /// Who can open it.
    pub recipients: Vec<Recipient>,
    /// The values.
    pub entries: Vec<Entry>,
    /// The seal, where there is one that can be read.
    pub seal: Option<[u8; 32]>,
}

/// Somebody who can open the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recipient {
    /// Who, for people.
    pub name: String,
    /// Since when.
    pub date: Date,
    /// How a passphrase becomes the key; `None` for a key of its own.
    pub stretch: Option<Stretch>,
    /// The key that the file key is wrapped for.
    pub public: PublicKey,
    /// The wrapped file key.
    pub(super) wrapped: Wrapped,
    /// Says that whoever wrote the line knew the file key.
    pub(super) tag: [u8; 16],
    /// The line, from 1; 0 when it stands in no file yet.
    pub line: u32,
}

/// A file key and the origin of the file, wrapped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Wrapped {
    pub(super) ephemeral: [u8; 32],
    pub(super) nonce: [u8; 12],
    pub(super) key: [u8; 80],
}

/// An encrypted value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// What stands before its `=`.
    pub label: Label,
    /// When it was last given a value.
    pub date: Date,
    pub(super) nonce: [u8; 12],
    pub(super) ciphertext: Vec<u8>,
    /// The line, from 1; 0 when it stands in no file yet.
    pub line: u32,
}

/// The name of a value, and whether it is the one in force or the one that is to follow it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Label {
    /// The setting.
    pub name: String,
    /// Whether it waits to replace the one in force (`NAME.pending`).
    pub pending: bool,
}

impl Label {
    /// The value in force of a setting.
    #[must_use]
    pub fn in_force(name: &str) -> Self {
        Self { name: name.to_owned(), pending: false }
    }

    /// The value that is to follow it.
    #[must_use]
    pub fn pending(name: &str) -> Self {
        Self { name: name.to_owned(), pending: true }
    }
}

impl fmt::Display for Label {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)?;
        if self.pending { f.write_str(".pending") } else { Ok(()) }
    }
}

impl Document {
    /// Which file it is, and which write.
    #[must_use]
    pub fn version(&self) -> Version {
        Version { id: self.id.clone(), epoch: self.epoch, write: self.write(), follows: self.follows.clone() }
    }

    /// Which write it is, where it has a seal.
    pub(super) fn write(&self) -> Option<Write> {
        self.seal.map(|seal| Write::new(self.epoch, &seal))
    }

    /// Everything above the seal: what it authenticates.
    #[must_use]
    pub(super) fn body(&self) -> String {
        let mut text = format!(
            "{HEADER}\nid = {}\nenvironment = {}\nepoch = {}\n{FOLLOWS}",
            self.id, self.environment, self.epoch
        );
        match self.follows.as_slice() {
            [] => text.push_str(NOTHING),
            some => text.push_str(&some.iter().map(Write::to_string).collect::<Vec<_>>().join(" ")),
        }
        text.push('\n');
        for recipient in &self.recipients {
            text.push_str(&recipient.body());
            text.push_str(&format!(" {}\n", base64::encode(&recipient.tag)));
        }
        for entry in &self.entries {
            let (nonce, ciphertext) = (base64::encode(&entry.nonce), base64::encode(&entry.ciphertext));
            text.push_str(&format!("{} = {} {nonce}.{ciphertext}\n", entry.label, entry.date));
        }
        text
    }
}

impl fmt::Display for Document {
    /// The text of the file.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.body())?;
        match &self.seal {
            Some(seal) => writeln!(f, "seal = {}", base64::encode(seal)),
            None => Ok(()),
        }
    }
}

impl Recipient {
    /// The key of a passphrase, if it is this recipient's. Slow by design.
    ///
    /// # Errors
    /// When there is not the memory for it.
    pub fn answers(&self, passphrase: &Secret) -> Result<Option<Identity>, String> {
        let Some(stretch) = &self.stretch else { return Ok(None) };
        let identity = stretch.identity(passphrase)?;
        Ok((identity.public() == self.public).then_some(identity))
    }

    /// The line but for its tag.
    pub(super) fn body(&self) -> String {
        let how = self.stretch.as_ref().map_or_else(|| "x25519".to_owned(), ToString::to_string);
        let Wrapped { ephemeral, nonce, key } = &self.wrapped;
        format!(
            "recipient = {} {} {how} {} {}.{}.{}",
            self.name,
            self.date,
            self.public,
            base64::encode(ephemeral),
            base64::encode(nonce),
            base64::encode(key)
        )
    }
}
