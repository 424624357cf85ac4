//! Randomness as an argument.

use blake3::OutputReader;
use zeroize::Zeroize;

/// As many random bytes as are asked for, all of them from one seed: whoever draws a fresh seed from
/// the system gets fresh keys and nonces, and a test gets the same ones again.
pub struct Random(OutputReader);

impl Random {
    /// From a seed that is never used twice.
    #[must_use]
    pub fn from_seed(seed: &[u8; 32]) -> Self {
        let mut hasher = blake3::Hasher::new_keyed(seed);
        hasher.update(b"windlass-secrets 1 random");
        let reader = hasher.finalize_xof();
        hasher.zeroize();
        Self(reader)
    }

    /// Fresh bytes.
    pub(super) fn bytes<const N: usize>(&mut self) -> [u8; N] {
        let mut bytes = [0; N];
        self.0.fill(&mut bytes);
        bytes
    }

    /// A fresh number.
    pub fn number(&mut self) -> u32 {
        u32::from_le_bytes(self.bytes())
    }

    /// A fresh text of `length` letters and digits, for a value that is made up.
    pub fn text(&mut self, length: usize) -> super::super::Secret {
        const LETTERS: &[u8; 62] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
        let mut text = String::with_capacity(length);
        while text.len() < length {
            // 248 is the largest multiple of 62: what is above it would make some letters likelier.
            let [byte] = self.bytes();
            if byte < 248 {
                text.push(char::from(LETTERS[usize::from(byte % 62)]));
            }
        }
        super::super::Secret::new(text)
    }
}

impl Drop for Random {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_gives_the_same_bytes_again_and_another_one_others() {
        let [mut a, mut b, mut c] = [[1; 32], [1; 32], [2; 32]].map(|seed| Random::from_seed(&seed));
        let first: [u8; 32] = a.bytes();
        assert_eq!(first, b.bytes());
        assert_ne!(first, a.bytes());
        assert_ne!(first, c.bytes());
        let text = a.text(500);
        assert_eq!(text.expose().len(), 500);
        assert!(text.expose().bytes().all(|b| b.is_ascii_alphanumeric()));
        assert!(('a'..='z').chain('A'..='Z').chain('0'..='9').all(|c| text.expose().contains(c)));
    }
}
