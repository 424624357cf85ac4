//! Names and identifiers: small checked strings, so that whatever holds one can be put in a path,
//! a label or a log line without another look.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A name of an application, environment, service, job, resource: 1 to 40 of `a-z`, `0-9` and `-`,
/// beginning with a letter and not ending in `-`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct Name(String);

/// Why a text is not a [`Name`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NotAName {
    /// The text that was refused.
    pub text: String,
    /// A name made from it, where one can be made.
    pub suggestion: Option<String>,
}

impl Name {
    /// The longest name, in bytes: with a release and a replica it still fits a DNS label.
    pub const MAX: usize = 40;

    /// Checks `text`.
    ///
    /// # Errors
    /// [`NotAName`], with a suggestion, when the text breaks the rule.
    pub fn new(text: impl Into<String>) -> Result<Self, NotAName> {
        let text = text.into();
        if is_name(&text) {
            Ok(Self(text))
        } else {
            let suggestion = suggest(&text);
            Err(NotAName { text, suggestion })
        }
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

fn is_name(text: &str) -> bool {
    let bytes = text.as_bytes();
    matches!(bytes.first(), Some(b'a'..=b'z'))
        && bytes.len() <= Name::MAX
        && bytes.last() != Some(&b'-')
        && bytes.iter().all(|b| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'-'))
}

fn suggest(text: &str) -> Option<String> {
    let mut made = String::new();
    for c in text.to_lowercase().chars() {
        match c {
            'a'..='z' => made.push(c),
            '0'..='9' if !made.is_empty() => made.push(c),
            _ if !made.is_empty() && !made.ends_with('-') => made.push('-'),
            _ => {}
        }
    }
    made.truncate(Name::MAX);
    let made = made.trim_end_matches('-').to_owned();
    is_name(&made).then_some(made)
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl fmt::Debug for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.0)
    }
}

impl AsRef<str> for Name {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

impl std::borrow::Borrow<str> for Name {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl<'de> Deserialize<'de> for Name {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::new(text).map_err(serde::de::Error::custom)
    }
}

impl fmt::Display for NotAName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{:?} is not a name: use 1 to {} of a-z, 0-9 and -, beginning with a letter",
            self.text,
            Name::MAX
        )
    }
}

impl std::error::Error for NotAName {}

/// A release: the number of the deploy that made it, written `r12`. Numbers only grow, so order
/// never depends on a clock.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ReleaseId(pub u64);

impl fmt::Display for ReleaseId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&format!("r{}", self.0))
    }
}

impl fmt::Debug for ReleaseId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "r{}", self.0)
    }
}

impl std::str::FromStr for ReleaseId {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        text.strip_prefix('r')
            .unwrap_or(text)
            .parse()
            .map(Self)
            .map_err(|_| format!("{text:?} is not a release: write r and its number, such as r12"))
    }
}

impl Serialize for ReleaseId {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for ReleaseId {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

/// One running copy of a service: `web.r12.1` is the first copy that release r12 started. A copy
/// that a later release leaves running keeps its name.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct InstanceId {
    /// The service, or the resource.
    pub service: Name,
    /// The release that started it.
    pub release: ReleaseId,
    /// Which copy, from 1.
    pub replica: u32,
}

impl fmt::Display for InstanceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&format!("{}.{}.{}", self.service, self.release, self.replica))
    }
}

impl fmt::Debug for InstanceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

impl std::str::FromStr for InstanceId {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("{text:?} is not an instance: write service.release.copy, such as web.r12.1");
        let mut parts = text.split('.');
        let (Some(service), Some(release), Some(replica), None) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(wrong());
        };
        Ok(Self {
            service: Name::new(service).map_err(|_| wrong())?,
            release: release.parse().map_err(|_| wrong())?,
            replica: replica.parse().map_err(|_| wrong())?,
        })
    }
}

impl Serialize for InstanceId {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for InstanceId {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refused_name_comes_with_one_that_would_do() {
        let refused = Name::new("My App_2!").unwrap_err();
        assert_eq!(refused.suggestion.as_deref(), Some("my-app-2"));
        assert_eq!(Name::new("../etc").unwrap_err().suggestion.as_deref(), Some("etc"));
        assert_eq!(Name::new("").unwrap_err().suggestion, None);
        assert!(Name::new("a".repeat(41)).is_err());
    }

    #[test]
    fn identifiers_read_back_as_written() {
        let id: InstanceId = "web.r12.1".parse().unwrap();
        assert_eq!(id.to_string(), "web.r12.1");
        assert_eq!(id.release, ReleaseId(12));
        assert!("web.r12".parse::<InstanceId>().is_err());
        assert!("web.r12.1.4".parse::<InstanceId>().is_err());
    }
}
