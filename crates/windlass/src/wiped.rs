//! Bytes that leave nothing of themselves behind: what is secret is serialised and read into these.

use std::io;

use serde::Serialize;
use zeroize::Zeroizing;

/// Bytes that are put together. A `Vec` that needs a larger place leaves what it was in the old one; this wipes
/// that, and itself at the end.
#[derive(Default)]
pub(crate) struct Wiped(Zeroizing<Vec<u8>>);

impl Wiped {
    /// With a place for so many bytes.
    pub(crate) fn with_capacity(bytes: usize) -> Self {
        Self(Zeroizing::new(Vec::with_capacity(bytes)))
    }

    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    pub(crate) fn push(&mut self, bytes: &[u8]) {
        let needed = self.0.len() + bytes.len();
        if needed > self.0.capacity() {
            let mut larger = Self::with_capacity(needed.max(2 * self.0.capacity()));
            larger.0.extend_from_slice(&self.0);
            // The old one is wiped.
            *self = larger;
        }
        self.0.extend_from_slice(bytes);
    }

    pub(crate) fn finish(self) -> Zeroizing<Vec<u8>> {
        self.0
    }
}

impl io::Write for Wiped {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.push(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// `value` as JSON.
///
/// # Errors
/// When it cannot be JSON.
pub(crate) fn to_json(value: &(impl Serialize + ?Sized)) -> serde_json::Result<Zeroizing<Vec<u8>>> {
    let mut bytes = Wiped::default();
    serde_json::to_writer(&mut bytes, value)?;
    Ok(bytes.finish())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_grow_as_any_others() {
        let mut bytes = Wiped::with_capacity(3);
        (0..100).for_each(|_| bytes.push(b"abcd"));
        assert_eq!((bytes.len(), &*bytes.finish()), (400, &b"abcd".repeat(100)));
        assert_eq!(*to_json(&["a\"b"]).unwrap(), br#"["a\"b"]"#);
    }
}
