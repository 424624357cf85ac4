//! Which status codes are right.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// One status, or all from one to another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Written", into = "Written")]
pub struct Statuses {
    first: u16,
    last: u16,
}

impl Statuses {
    /// What is healthy where nobody says otherwise.
    pub const HEALTHY: Self = Self { first: 200, last: 399 };

    /// Whether `status` is one of them.
    #[must_use]
    pub const fn contain(self, status: u16) -> bool {
        self.first <= status && status <= self.last
    }
}

impl From<u16> for Statuses {
    fn from(status: u16) -> Self {
        Self { first: status, last: status }
    }
}

impl FromStr for Statuses {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let code =
            |text: &str| text.parse().ok().filter(|code| text.len() == 3 && (100..=599).contains(code));
        let (first, last) = text.split_once('-').unwrap_or((text, text));
        match (code(first), code(last)) {
            (Some(first), Some(last)) if first <= last => Ok(Self { first, last }),
            _ => Err(format!("{text:?} is neither a status from 100 to 599 nor a range of them")),
        }
    }
}

impl fmt::Display for Statuses {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.first == self.last {
            true => write!(f, "{}", self.first),
            false => write!(f, "{}-{}", self.first, self.last),
        }
    }
}

/// One is kept as a number, as it was before there were ranges.
#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum Written {
    One(u16),
    Range(String),
}

impl From<Statuses> for Written {
    fn from(statuses: Statuses) -> Self {
        match statuses.first == statuses.last {
            true => Self::One(statuses.first),
            false => Self::Range(statuses.to_string()),
        }
    }
}

impl TryFrom<Written> for Statuses {
    type Error = String;

    fn try_from(written: Written) -> Result<Self, String> {
        match written {
            Written::One(status) => Ok(status.into()),
            Written::Range(range) => range.parse(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_or_a_range_of_them() {
        for (text, json) in [("204", "204"), ("100-499", "\"100-499\"")] {
            let statuses: Statuses = text.parse().unwrap();
            assert_eq!(statuses.to_string(), text);
            assert_eq!(serde_json::to_string(&statuses).unwrap(), json);
            assert_eq!(serde_json::from_str::<Statuses>(json).unwrap(), statuses);
        }
        let range: Statuses = "200-404".parse().unwrap();
        assert_eq!([199, 200, 404, 405].map(|status| range.contain(status)), [false, true, true, false]);
        for wrong in ["", "20", "2xx", "99-200", "400-200", "200-600", "200-", "+20-300"] {
            assert!(wrong.parse::<Statuses>().is_err(), "{wrong}");
        }
    }
}
