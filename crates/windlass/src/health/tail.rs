//! The last bytes of an output, however long it is.

use std::collections::VecDeque;

/// How much is kept, in bytes.
const KEPT: usize = 4096;

/// Keeps the last 4 KiB of what is put in.
#[derive(Debug, Default)]
pub(super) struct Tail(VecDeque<u8>);

impl Tail {
    pub(super) fn push(&mut self, bytes: &[u8]) {
        let bytes = &bytes[bytes.len().saturating_sub(KEPT)..];
        let excess = (self.0.len() + bytes.len()).saturating_sub(KEPT);
        self.0.drain(..excess);
        self.0.extend(bytes);
    }

    /// The text, with what is not UTF-8 or not printable replaced, beginning on a new line.
    pub(super) fn text(&self) -> String {
        let bytes: Vec<u8> = self.0.iter().copied().collect();
        String::from_utf8_lossy(&bytes)
            .trim()
            .chars()
            .map(|c| if c.is_control() && c != '\n' && c != '\t' { '\u{fffd}' } else { c })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_end_is_kept() {
        let mut tail = Tail::default();
        tail.push(&[b'a'; 5000]);
        tail.push(b"the \x1b[31mend\n");
        let text = tail.text();
        assert!(text.ends_with("athe \u{fffd}[31mend"), "{text}");
        assert_eq!(tail.0.len(), KEPT);
    }
}
