//! Keys from keys, and what binds a ciphertext to its place.

use hkdf::Hkdf;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use zeroize::Zeroizing;

use super::HEADER;

/// What a derived key is for. No two can give the same key.
pub(super) enum Purpose<'a> {
    /// A value, by the text before its `=`.
    Value(&'a str),
    /// The tags of the recipients' lines.
    Recipients,
    /// The seal.
    Seal,
    /// Wrapping the file key for a recipient.
    Wrap,
    /// Fingerprints of values, which stand nowhere in the file.
    Fingerprints,
}

/// What keys are derived from: the first half of HKDF-SHA256, which is the same for all keys of a file.
pub(super) struct Root(Hkdf<Sha256>);

impl Root {
    /// That of a file with this key and this salt.
    pub(super) fn of(from: &[u8; 32], salt: &[u8]) -> Self {
        Self(Hkdf::new(Some(salt), from))
    }

    /// See [`key()`].
    pub(super) fn key(&self, environment: &str, purpose: &Purpose<'_>) -> Zeroizing<[u8; 32]> {
        let (word, name) = match purpose {
            Purpose::Value(name) => ("value", *name),
            Purpose::Recipients => ("recipients", ""),
            Purpose::Seal => ("seal", ""),
            Purpose::Wrap => ("wrap", ""),
            Purpose::Fingerprints => ("fingerprints", ""),
        };
        let info = [HEADER, "\n", word, "\n", environment, "\n", name, "\n"].map(str::as_bytes);
        let mut key = Zeroizing::new([0; 32]);
        let expanded = self.0.expand_multi_info(&info, key.as_mut());
        debug_assert!(expanded.is_ok(), "HKDF gives up to 8160 bytes");
        key
    }
}

/// A key of 256 bits by HKDF-SHA256. Its info is the format's name, the purpose, the environment and
/// the name, with a line end after each: none of them can hold one.
pub(super) fn key(
    from: &[u8; 32],
    salt: &[u8],
    environment: &str,
    purpose: &Purpose<'_>,
) -> Zeroizing<[u8; 32]> {
    Root::of(from, salt).key(environment, purpose)
}

/// What is authenticated beside a ciphertext: the file, the environment, the name and the date, with
/// a line end after each.
pub(super) fn place(id: &str, environment: &str, name: &str, date: jiff::civil::Date) -> Vec<u8> {
    format!("{id}\n{environment}\n{name}\n{date}\n").into_bytes()
}

/// HMAC-SHA256.
pub(super) fn tag(key: &[u8; 32], text: &[u8]) -> [u8; 32] {
    mac(key, text).finalize().into_bytes().into()
}

/// Whether `tag` is the beginning of the tag of `text`, in a time that does not depend on where they
/// differ.
pub(super) fn is_tag(key: &[u8; 32], text: &[u8], tag: &[u8]) -> bool {
    mac(key, text).verify_truncated_left(tag).is_ok()
}

fn mac(key: &[u8; 32], text: &[u8]) -> Hmac<Sha256> {
    // An HMAC takes keys of any length; this one has that of a block.
    let mut block = Zeroizing::new([0; 64]);
    block[..32].copy_from_slice(key);
    let mut mac = Hmac::<Sha256>::new((&*block).into());
    mac.update(text);
    mac
}
