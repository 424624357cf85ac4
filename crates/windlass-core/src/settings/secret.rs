//! A value that must not be seen.

use std::fmt;

use zeroize::Zeroize;

/// A value that is wiped from memory when it is dropped. It can be neither printed nor
/// serialised: whoever needs the text asks for it by [`expose`](Self::expose), so that every such
/// place can be found.
#[derive(Clone, Default)]
pub struct Secret(String);

impl Secret {
    /// Takes the value.
    #[must_use]
    pub fn new(value: impl Into<String>) -> Self {
        Self(value.into())
    }

    /// The value itself.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// Whether there is nothing in it.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// 16 hexadecimal digits by which a change can be seen, and from which, without `key`, nothing
    /// can be learnt: not even whether the value is one that was guessed.
    #[must_use]
    pub fn fingerprint(&self, key: &[u8; 32]) -> String {
        let hash = blake3::keyed_hash(key, self.0.as_bytes());
        let mut digits = String::with_capacity(16);
        for byte in &hash.as_bytes()[..8] {
            digits.extend(
                [byte >> 4, byte & 15].map(|digit| char::from(b"0123456789abcdef"[usize::from(digit)])),
            );
        }
        digits
    }
}

impl Drop for Secret {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

/// In a time that does not depend on where the values differ.
impl PartialEq for Secret {
    fn eq(&self, other: &Self) -> bool {
        // Comparing `blake3::Hash`es takes constant time.
        blake3::hash(self.0.as_bytes()) == blake3::hash(other.0.as_bytes())
    }
}

impl Eq for Secret {}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

impl From<String> for Secret {
    fn from(value: String) -> Self {
        Self(value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_not_shown() {
        assert_eq!(format!("{:?}", Some(Secret::new("hunter2"))), "Some(***)");
    }

    #[test]
    fn fingerprints_tell_values_and_keys_apart() {
        let secret = Secret::new("hunter2");
        let fingerprint = secret.fingerprint(&[1; 32]);
        assert_eq!(fingerprint.len(), 16);
        assert_eq!(fingerprint, blake3::keyed_hash(&[1; 32], b"hunter2").to_hex()[..16]);
        assert_ne!(fingerprint, Secret::new("hunter3").fingerprint(&[1; 32]));
        assert_ne!(fingerprint, secret.fingerprint(&[2; 32]));
        assert!(secret == Secret::new("hunter2") && secret != Secret::new("hunter"));
    }
}
