//! The variables of a process to be: there are secrets in them.

use std::ffi::OsString;

use indexmap::IndexMap;
use windlass_core::protocol::Values;
use zeroize::Zeroize as _;

/// Names with their values, in order. Never printed; wiped from memory when dropped, and where one takes another's
/// place.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Variables(IndexMap<String, String>);

impl Variables {
    /// Gives a variable this value, also where it has one.
    pub fn set(&mut self, name: impl Into<String>, value: impl Into<String>) {
        if let Some(mut before) = self.0.insert(name.into(), value.into()) {
            before.zeroize();
        }
    }

    /// Takes a variable away.
    pub fn remove(&mut self, name: &str) {
        if let Some(mut before) = self.0.shift_remove(name) {
            before.zeroize();
        }
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// To be sent to whoever starts the process.
    #[must_use]
    pub fn into_values(mut self) -> Values {
        Values(std::mem::take(&mut self.0))
    }

    /// As the system has them, in the same places in memory: to be wiped by who takes them.
    pub(crate) fn into_system(mut self) -> Vec<(OsString, OsString)> {
        std::mem::take(&mut self.0).into_iter().map(|(name, value)| (name.into(), value.into())).collect()
    }
}

impl Drop for Variables {
    fn drop(&mut self) {
        self.0.values_mut().for_each(zeroize::Zeroize::zeroize);
    }
}

impl std::fmt::Debug for Variables {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.0.keys()).finish()
    }
}

impl FromIterator<(String, String)> for Variables {
    fn from_iter<I: IntoIterator<Item = (String, String)>>(variables: I) -> Self {
        let mut all = Self::default();
        variables.into_iter().for_each(|(name, value)| all.set(name, value));
        all
    }
}

impl From<Vec<(String, String)>> for Variables {
    fn from(variables: Vec<(String, String)>) -> Self {
        variables.into_iter().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_value_of_a_variable_counts_and_none_is_shown() {
        let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        let mut variables = Variables::from(vec![pair("A", "first"), pair("B", "b"), pair("A", "hunter2")]);
        assert_eq!(variables.iter().collect::<Vec<_>>(), [("A", "hunter2"), ("B", "b")]);
        assert_eq!(format!("{variables:?}"), r#"["A", "B"]"#);
        variables.remove("A");
        variables.set("C", "c");
        assert_eq!(variables.clone().into_values().0, IndexMap::from([pair("B", "b"), pair("C", "c")]));
        assert_eq!(variables.into_system(), [("B".into(), "b".into()), ("C".into(), "c".into())]);
    }
}
