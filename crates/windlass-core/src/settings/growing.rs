//! A secret text that is being put together.

use zeroize::Zeroizing;

use super::Secret;

/// A text that leaves nothing of itself behind while it grows: a `String` that needs a larger place
/// leaves what it was in the old one.
#[derive(Default)]
pub struct Growing(Zeroizing<String>);

impl Growing {
    /// With a place for so many bytes.
    #[must_use]
    pub fn with_capacity(bytes: usize) -> Self {
        Self(Zeroizing::new(String::with_capacity(bytes)))
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    /// Puts this to its end.
    pub fn push_str(&mut self, text: &str) {
        let needed = self.0.len() + text.len();
        if needed > self.0.capacity() {
            let mut larger = Self::with_capacity(needed.max(2 * self.0.capacity()));
            larger.0.push_str(&self.0);
            // The old one is wiped.
            *self = larger;
        }
        self.0.push_str(text);
    }

    /// The same of one character.
    pub fn push(&mut self, letter: char) {
        self.push_str(letter.encode_utf8(&mut [0; 4]));
    }

    /// What there is so far.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The text, which is wiped when it is dropped.
    #[must_use]
    pub fn finish(self) -> Zeroizing<String> {
        self.0
    }

    pub(super) fn into_secret(mut self) -> Secret {
        Secret::new(std::mem::take(&mut *self.0))
    }
}

/// `text` with another text in the place of each `from`, which is not shorter.
pub(super) fn replaced(text: &str, from: &str, to: &str) -> Growing {
    let mut made = Growing::with_capacity(text.len());
    for (at, part) in text.split(from).enumerate() {
        if at > 0 {
            made.push_str(to);
        }
        made.push_str(part);
    }
    made
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_grows_as_any_other() {
        let mut text = Growing::default();
        for _ in 0..100 {
            text.push('é');
            text.push_str("ab");
        }
        assert_eq!(text.len(), 400);
        assert_eq!(text.into_secret().expose(), "éab".repeat(100));
        assert_eq!(replaced("a\r\nb\r\n", "\r\n", "\n").as_str(), "a\nb\n");
    }
}
