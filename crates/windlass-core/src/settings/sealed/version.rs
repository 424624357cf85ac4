//! Which file, as of which write, and whether one write has another in it.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::base64;

/// How many of the writes before it a file names. Whoever has written more often since the last deploy
/// is told only whether the file is older.
pub(super) const MOST_FOLLOWED: usize = 32;

/// One write of a file: its number, and the beginning of its seal, which no two writes have in common.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Write {
    /// Counted from 1. Two people who write at once both count on.
    pub epoch: u64,
    seal: [u8; 12],
}

impl Write {
    pub(super) fn new(epoch: u64, seal: &[u8; 32]) -> Self {
        let mut beginning = [0; 12];
        beginning.copy_from_slice(&seal[..12]);
        Self { epoch, seal: beginning }
    }

    /// From the text that [`Display`](fmt::Display) writes.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let (epoch, seal) = text.split_once('.')?;
        Some(Self { epoch: number(epoch)?, seal: base64::decode_exactly(seal)? })
    }
}

impl fmt::Display for Write {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.epoch, base64::encode(&self.seal))
    }
}

impl fmt::Debug for Write {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

impl From<Write> for String {
    fn from(write: Write) -> Self {
        write.to_string()
    }
}

impl TryFrom<String> for Write {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        Self::parse(&text).ok_or("this is no write of an encrypted file")
    }
}

/// A number from 1, as it is written: without sign or leading zeros.
pub(super) fn number(text: &str) -> Option<u64> {
    let number: u64 = text.parse().ok()?;
    (number > 0 && number < u64::MAX && number.to_string() == text).then_some(number)
}

/// The newest of these writes first, each once, and no more than a file names.
pub(super) fn followed(writes: impl IntoIterator<Item = Write>) -> Vec<Write> {
    let mut writes: Vec<Write> = writes.into_iter().collect();
    writes.sort_by(|a, b| b.cmp(a));
    writes.dedup();
    writes.truncate(MOST_FOLLOWED);
    writes
}

/// Which file a release ran with, and as of which write.
///
/// Two are equal where id and epoch are: that no two writes with one epoch are deployed,
/// [`behind`](Self::behind) sees to, and the write that ends a rotation is deployed before its seal is
/// known.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Version {
    /// The file.
    pub id: String,
    /// The write, counted from 1.
    pub epoch: u64,
    /// The write itself; `None` where it is yet to come.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub write: Option<Write>,
    /// The writes that it has in it, the newest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub follows: Vec<Write>,
}

impl PartialEq for Version {
    fn eq(&self, other: &Self) -> bool {
        (&self.id, self.epoch) == (&other.id, other.epoch)
    }
}

impl Eq for Version {}

impl Version {
    /// The next write, which has this one in it.
    #[must_use]
    pub fn next(self) -> Self {
        let follows = followed(self.write.into_iter().chain(self.follows));
        Self { id: self.id, epoch: self.epoch + 1, write: None, follows }
    }

    /// Why this one must not follow `before` without being asked for: it is older, or has not in it
    /// what `before` has, or it is another file, of which nobody knows whether it is older.
    #[must_use]
    pub fn behind(&self, before: &Self) -> Option<String> {
        if self.id != before.id {
            return Some(format!(
                "the active release ran with another encrypted file ({}, epoch {}) than this one ({})",
                before.id, before.epoch, self.id
            ));
        }
        if self.epoch < before.epoch {
            return Some(format!(
                "the encrypted file is older (epoch {}) than the one of the active release (epoch {})",
                self.epoch, before.epoch
            ));
        }
        // Of a write that was yet to come, the one before it is known.
        let known = before.write.or_else(|| before.follows.first().copied())?;
        (self.write != Some(known) && !self.has(known)).then(|| {
            format!(
                "the encrypted file (epoch {}) was written beside the one of the active release (epoch {}), and has not \
                 in it what that one changed: merge the two (git merge)",
                self.epoch, before.epoch
            )
        })
    }

    /// Whether it has the changes of a write in it, as far as is known.
    fn has(&self, write: Write) -> bool {
        let is_forgotten = || self.follows.len() == MOST_FOLLOWED && self.follows.last() > Some(&write);
        self.follows.contains(&write) || is_forgotten()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(epoch: u64, seal: u8) -> Write {
        Write::new(epoch, &[seal; 32])
    }

    fn version(epoch: u64, seal: u8, follows: &[Write]) -> Version {
        Version {
            id: "x".into(),
            epoch,
            write: Some(write(epoch, seal)),
            follows: followed(follows.iter().copied()),
        }
    }

    #[test]
    fn a_write_follows_what_it_has_in_it_and_nothing_else() {
        let first = version(3, 1, &[write(2, 0), write(1, 0)]);
        let (ada, bob) = (version(4, 2, &[write(3, 1)]), version(4, 3, &[write(3, 1)]));
        assert_eq!(first.behind(&first), None);
        assert_eq!(ada.behind(&first), None);
        assert!(first.behind(&ada).unwrap().contains("older (epoch 3)"));
        assert!(bob.behind(&ada).unwrap().contains("written beside the one of the active release (epoch 4)"));
        // Bob goes on without Ada's change.
        let bobs_next = version(5, 4, &[write(4, 3), write(3, 1)]);
        assert!(bobs_next.behind(&ada).unwrap().contains("merge the two"));
        let merged = version(5, 5, &[write(4, 2), write(4, 3), write(3, 1)]);
        assert_eq!((merged.behind(&ada), merged.behind(&bob)), (None, None));
        let other = Version { id: "y".into(), ..version(9, 1, &[]) };
        assert!(other.behind(&ada).unwrap().contains("another encrypted file"));
    }

    #[test]
    fn a_write_that_is_yet_to_come_is_followed_by_what_has_the_one_before() {
        let pending = version(4, 2, &[write(3, 1)]);
        let promised = pending.clone().next();
        assert_eq!((promised.epoch, promised.write), (5, None));
        let promoted = version(5, 7, &[write(4, 2), write(3, 1)]);
        assert_eq!(promoted, promised, "there is nothing to deploy");
        assert_eq!(promoted.behind(&promised), None);
        assert!(pending.behind(&promised).unwrap().contains("older"));
        assert!(version(5, 8, &[write(4, 3), write(3, 1)]).behind(&promised).is_some());
    }

    #[test]
    fn what_was_forgotten_is_taken_for_known() {
        let long: Vec<Write> = (10..80).map(|epoch| write(epoch, 1)).collect();
        let late = version(80, 1, &long);
        assert_eq!(late.follows.len(), MOST_FOLLOWED);
        assert_eq!(late.behind(&version(20, 9, &[])), None);
        assert!(late.behind(&version(70, 9, &[])).is_some());
    }

    #[test]
    fn a_version_is_kept_and_read_again() {
        let version = version(2, 1, &[write(1, 2)]);
        let text = serde_json::to_string(&version).unwrap();
        assert_eq!(
            text,
            r#"{"id":"x","epoch":2,"write":"2.AQEBAQEBAQEBAQEB","follows":["1.AgICAgICAgICAgIC"]}"#
        );
        let read: Version = serde_json::from_str(&text).unwrap();
        assert_eq!((read.write, read.follows), (version.write, version.follows));
        assert!(
            serde_json::from_str::<Version>(r#"{"id":"x","epoch":2,"write":"02.AQEBAQEBAQEBAQEB"}"#).is_err()
        );
    }
}
