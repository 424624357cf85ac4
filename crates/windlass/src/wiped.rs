//! Bytes that leave nothing of themselves behind: what is secret is serialised and read into these.

use std::io;
use std::ops::{Deref, DerefMut};

use serde::Serialize;
use zeroize::{Zeroizing, optimization_barrier};

/// Bytes that are put together. A `Vec` that needs a larger place leaves what it was in the old one; this wipes
/// that, and itself at the end.
#[derive(Default)]
pub(crate) struct Wiped(Vec<u8>);

impl Wiped {
    /// With a place for so many bytes.
    pub(crate) fn with_capacity(bytes: usize) -> Self {
        Self(Vec::with_capacity(bytes))
    }

    /// So many bytes to read into.
    pub(crate) fn zeros(bytes: usize) -> Self {
        Self(vec![0; bytes])
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

    pub(crate) fn finish(mut self) -> Zeroizing<Vec<u8>> {
        Zeroizing::new(std::mem::take(&mut self.0))
    }
}

impl Drop for Wiped {
    fn drop(&mut self) {
        wipe(&mut self.0);
    }
}

/// Wipes all of the place, at once: byte by byte it took a tenth of the host side's time to answer with a large
/// specification.
fn wipe(bytes: &mut Vec<u8>) {
    bytes.clear();
    bytes.resize(bytes.capacity(), 0);
    // Nobody reads it any more, and it is written all the same.
    optimization_barrier(bytes.as_slice());
}

impl Deref for Wiped {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.0
    }
}

impl DerefMut for Wiped {
    fn deref_mut(&mut self) -> &mut [u8] {
        &mut self.0
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

    #[test]
    fn all_of_the_place_is_wiped() {
        let mut bytes = Vec::with_capacity(8);
        bytes.extend(b"secret");
        bytes.truncate(3);
        wipe(&mut bytes);
        assert!(bytes.len() >= 8 && bytes.iter().all(|byte| *byte == 0), "{bytes:?}");
    }
}
