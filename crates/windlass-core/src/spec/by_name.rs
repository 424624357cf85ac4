//! Values by name, shared by all who have the same.

use std::fmt;
use std::ops::{Deref, DerefMut};
use std::sync::Arc;

use foldhash::fast::RandomState;
use indexmap::IndexMap;
use serde::{Deserialize, Serialize};

use super::Template;

/// The environment of a process.
pub type Env = ByName<Template>;

/// Values by name, in their order. A specification is copied whenever something is to be different in it, and seldom is
/// it this, of which an application may have a thousand for each of its services: a copy shares it with the first until
/// one of them is changed. Whoever writes a manifest need not be kept from choosing names that are slow to find.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent, bound(deserialize = "T: Deserialize<'de>"))]
pub struct ByName<T>(Arc<IndexMap<String, T, RandomState>>);

impl<T> Default for ByName<T> {
    fn default() -> Self {
        Self(Arc::default())
    }
}

impl<T: fmt::Debug> fmt::Debug for ByName<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl<T> Deref for ByName<T> {
    type Target = IndexMap<String, T, RandomState>;

    fn deref(&self) -> &Self::Target {
        &self.0
    }
}

/// From here on it is its own.
impl<T: Clone> DerefMut for ByName<T> {
    fn deref_mut(&mut self) -> &mut Self::Target {
        Arc::make_mut(&mut self.0)
    }
}

impl<T> FromIterator<(String, T)> for ByName<T> {
    fn from_iter<I: IntoIterator<Item = (String, T)>>(entries: I) -> Self {
        Self(Arc::new(entries.into_iter().collect()))
    }
}

impl<T: Clone> Extend<(String, T)> for ByName<T> {
    fn extend<I: IntoIterator<Item = (String, T)>>(&mut self, entries: I) {
        let mut entries = entries.into_iter().peekable();
        // Most often there are none, and it stays shared.
        if entries.peek().is_some() {
            Arc::make_mut(&mut self.0).extend(entries);
        }
    }
}

impl<T> IntoIterator for ByName<T>
where
    T: Clone,
{
    type Item = (String, T);
    type IntoIter = indexmap::map::IntoIter<String, T>;

    fn into_iter(self) -> Self::IntoIter {
        Arc::unwrap_or_clone(self.0).into_iter()
    }
}

impl<'a, T> IntoIterator for &'a ByName<T> {
    type Item = (&'a String, &'a T);
    type IntoIter = indexmap::map::Iter<'a, String, T>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(value: u8) -> ByName<u8> {
        ByName::from_iter([("A".to_owned(), value)])
    }

    #[test]
    fn a_copy_is_shared_until_one_of_them_is_changed() {
        let first = one(1);
        let mut second = first.clone();
        second.extend([]);
        assert!(Arc::ptr_eq(&first.0, &second.0));
        second.insert("A".to_owned(), 2);
        assert_eq!((first, second), (one(1), one(2)));
    }

    #[test]
    fn it_is_written_as_any_map() {
        let text = r#"{"B":1,"A":2}"#;
        let read: ByName<u8> = serde_json::from_str(text).unwrap();
        assert_eq!(read.keys().collect::<Vec<_>>(), ["B", "A"]);
        assert_eq!(serde_json::to_string(&read).unwrap(), text);
    }
}
