//! Quantities as people write them: `30s`, `512MiB`.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// A length of time, kept to the millisecond; written `250ms`, `30s`, `5m`, `2h`, `7d` or as a sum,
/// `1m30s`, with spaces between number and unit where somebody likes them. Serialises as that text.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Span(u64);

impl Span {
    /// No time at all.
    pub const ZERO: Self = Self(0);

    /// From milliseconds.
    #[must_use]
    pub const fn from_millis(millis: u64) -> Self {
        Self(millis)
    }

    /// From seconds.
    #[must_use]
    pub const fn from_secs(secs: u64) -> Self {
        Self(secs * 1000)
    }

    /// In milliseconds.
    #[must_use]
    pub const fn as_millis(self) -> u64 {
        self.0
    }

    /// As the standard library's type.
    #[must_use]
    pub const fn as_duration(self) -> Duration {
        Duration::from_millis(self.0)
    }

    /// As people say how long something took: `215 ms`, `9.7 s`, `3 min 20 s`.
    #[must_use]
    pub fn in_words(self) -> String {
        match self.0 {
            millis @ 0..1000 => format!("{millis} ms"),
            millis @ 1000..120_000 => format!("{}.{} s", millis / 1000, millis % 1000 / 100),
            millis => format!("{} min {} s", millis / 60_000, millis / 1000 % 60),
        }
    }

    /// Whether it is no time at all.
    #[must_use]
    pub const fn is_zero(self) -> bool {
        self.0 == 0
    }
}

const UNITS: [(&str, u64); 5] = [("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1000), ("ms", 1)];

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0 == 0 {
            return f.pad("0s");
        }
        let mut rest = self.0;
        let mut text = String::new();
        for (unit, millis) in UNITS {
            let count = rest / millis;
            rest %= millis;
            if count > 0 {
                text.push_str(&format!("{count}{unit}"));
            }
        }
        f.pad(&text)
    }
}

impl fmt::Debug for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

impl std::str::FromStr for Span {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("{text:?} is not a length of time: write it like 500ms, 30s, 5m, 2h or 1m30s");
        let mut total: u64 = 0;
        let mut rest = text;
        if rest.is_empty() {
            return Err(wrong());
        }
        while !rest.is_empty() {
            let digits = rest.len() - rest.trim_start_matches(|c: char| c.is_ascii_digit()).len();
            let (number, tail) = rest.split_at(digits);
            let tail = tail.trim_start_matches(' ');
            let letters = tail.len() - tail.trim_start_matches(|c: char| c.is_ascii_lowercase()).len();
            let (unit, tail) = tail.split_at(letters);
            let number: u64 = number.parse().map_err(|_| wrong())?;
            let millis = UNITS.iter().find(|(name, _)| *name == unit).ok_or_else(wrong)?.1;
            total = number.checked_mul(millis).and_then(|n| total.checked_add(n)).ok_or_else(wrong)?;
            rest = if tail.trim().is_empty() { tail } else { tail.trim_start_matches(' ') };
        }
        Ok(Self(total))
    }
}

/// A number of bytes, written `512MiB`, `1GiB`, `10MB` or a plain number. Serialises as that text.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Bytes(pub u64);

const SIZES: [(&str, u64); 9] = [
    ("TiB", 1 << 40),
    ("GiB", 1 << 30),
    ("MiB", 1 << 20),
    ("KiB", 1 << 10),
    ("TB", 1_000_000_000_000),
    ("GB", 1_000_000_000),
    ("MB", 1_000_000),
    ("kB", 1000),
    ("B", 1),
];

impl fmt::Display for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (unit, size) = SIZES
            .into_iter()
            .find(|(_, size)| self.0 >= *size && self.0.is_multiple_of(*size))
            .unwrap_or(("B", 1));
        f.pad(&format!("{}{unit}", self.0 / size))
    }
}

impl fmt::Debug for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

impl std::str::FromStr for Bytes {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("{text:?} is not a size: write it like 64KiB, 512MiB, 1GiB or 10MB");
        let digits = text.len() - text.trim_start_matches(|c: char| c.is_ascii_digit()).len();
        let (number, unit) = text.split_at(digits);
        let number: u64 = number.parse().map_err(|_| wrong())?;
        let size = match unit.trim_start() {
            "" => 1,
            unit => SIZES.iter().find(|(name, _)| name.eq_ignore_ascii_case(unit)).ok_or_else(wrong)?.1,
        };
        number.checked_mul(size).map(Self).ok_or_else(wrong)
    }
}

macro_rules! serialise_as_text {
    ($type:ty) => {
        impl Serialize for $type {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $type {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
            }
        }
    };
}

serialise_as_text!(Span);
serialise_as_text!(Bytes);

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn lengths_of_time_read_as_people_write_them() {
        assert_eq!("1m30s".parse(), Ok(Span::from_secs(90)));
        assert_eq!("250ms".parse(), Ok(Span::from_millis(250)));
        assert_eq!("0s".parse(), Ok(Span::ZERO));
        assert_eq!("1 h".parse(), Ok(Span::from_secs(3600)));
        assert_eq!("1h 30 m".parse(), Ok(Span::from_secs(5400)));
        for wrong in ["", "30", "s", "-1s", "1 s ", " 1s", "1 ", "1y", "1s\t2s", "99999999999999999999s"] {
            assert!(wrong.parse::<Span>().is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn sizes_read_as_people_write_them() {
        assert_eq!("512MiB".parse(), Ok(Bytes(512 << 20)));
        assert_eq!("10 mb".parse(), Ok(Bytes(10_000_000)));
        assert_eq!("17".parse(), Ok(Bytes(17)));
        assert!("1.5GiB".parse::<Bytes>().is_err());
    }

    #[test]
    fn how_long_something_took_is_said_as_people_do() {
        let told = [0, 215, 2001, 9749, 119_999, 200_000].map(|millis| Span::from_millis(millis).in_words());
        assert_eq!(told, ["0 ms", "215 ms", "2.0 s", "9.7 s", "119.9 s", "3 min 20 s"]);
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_back(millis in 0..u64::MAX / 2, bytes in any::<u64>()) {
            prop_assert_eq!(Span::from_millis(millis).to_string().parse(), Ok(Span::from_millis(millis)));
            prop_assert_eq!(Bytes(bytes).to_string().parse(), Ok(Bytes(bytes)));
        }
    }
}
