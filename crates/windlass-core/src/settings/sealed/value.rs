//! Values: padded, encrypted, bound to their place.

use aes_gcm::aead::{Aead, Payload};
use aes_gcm::{Aes256Gcm, KeyInit};
use jiff::civil::Date;
use zeroize::{Zeroize, Zeroizing};

use super::derive::{self, Purpose, Root};
use super::document::{Document, Entry, Label};
use super::{FileKey, Random};
use crate::settings::Secret;

/// Values are filled up to a multiple of this, so that their lengths tell little.
const BUCKET: usize = 32;

/// The largest ciphertext: the largest value, the mark that ends it, filled up, and the tag.
pub(super) const LARGEST: usize = super::LARGEST_VALUE + BUCKET + 16;

/// Encrypts a value for its place in a document.
pub(super) fn seal(
    document: &Document,
    key: &FileKey,
    label: Label,
    secret: &Secret,
    date: Date,
    random: &mut Random,
) -> Entry {
    let name = label.to_string();
    let mut padded = Zeroizing::new(Vec::with_capacity(secret.expose().len() + BUCKET));
    padded.extend_from_slice(secret.expose().as_bytes());
    padded.push(0x80);
    let filled = padded.len().next_multiple_of(BUCKET);
    padded.resize(filled, 0);
    let nonce: [u8; 12] = random.bytes();
    let cipher = cipher(document, &root(document, key), &name);
    let aad = derive::place(&document.id, &document.environment, &name, date);
    let sealed = cipher.encrypt(&nonce.into(), Payload { msg: &padded, aad: &aad });
    debug_assert!(sealed.is_ok(), "AES-GCM takes up to 64 GiB");
    Entry { label, date, nonce, ciphertext: sealed.unwrap_or_default(), line: 0 }
}

/// The value of an entry, or what is wrong with it. `root` is that of the document.
pub(super) fn open(document: &Document, root: &Root, entry: &Entry) -> Result<Secret, &'static str> {
    let name = entry.label.to_string();
    let aad = derive::place(&document.id, &document.environment, &name, entry.date);
    let sealed = Payload { msg: &entry.ciphertext, aad: &aad };
    let mut padded = cipher(document, root, &name)
        .decrypt(&entry.nonce.into(), sealed)
        .map_err(|_| "it was changed, or belongs to another name, environment or file")?;
    let end = padded.iter().rposition(|byte| *byte != 0);
    match end.filter(|end| padded[*end] == 0x80 && padded.len() % BUCKET == 0) {
        Some(end) => padded.truncate(end),
        None => {
            padded.zeroize();
            return Err("it was encrypted by another program, wrongly: its padding is not right");
        }
    }
    String::from_utf8(padded).map(Secret::new).map_err(|error| {
        error.into_bytes().zeroize();
        "it is not UTF-8 text"
    })
}

/// What the keys of all values of a document come from.
pub(super) fn root(document: &Document, key: &FileKey) -> Root {
    Root::of(key.bytes(), document.id.as_bytes())
}

fn cipher(document: &Document, root: &Root, name: &str) -> Aes256Gcm {
    let key = root.key(&document.environment, &Purpose::Value(name));
    Aes256Gcm::new((&*key).into())
}
