//! The types that a setting can have.

use crate::manifest::kind::{Choice, choice};

/// What a setting's value must be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Kind {
    /// Any text.
    #[default]
    String,
    /// A whole number.
    Integer,
    /// A number.
    Number,
    /// Yes or no.
    Boolean,
    /// One of some words.
    Enum,
    /// A length of time.
    Duration,
    /// A number of bytes.
    Bytes,
    /// A URL.
    Url,
    /// A host name or an address.
    Host,
    /// A port.
    Port,
    /// A path of the file system.
    Path,
    /// An address of mail.
    Email,
    /// Several texts.
    List,
    /// A JSON document.
    Json,
}

impl Kind {
    /// All of them, with the word that the manifest has for each.
    pub const ALL: [(Self, Choice); 14] = [
        (Self::String, choice("string", "any text")),
        (Self::Integer, choice("integer", "a whole number")),
        (Self::Number, choice("number", "a number, such as `0.5`")),
        (Self::Boolean, choice("boolean", "`true`, `false`, `1`, `0`, `yes`, `no`, `on` or `off`")),
        (Self::Enum, choice("enum", "one of `values`")),
        (Self::Duration, choice("duration", "a length of time, such as `30s` or `1h30m`")),
        (Self::Bytes, choice("bytes", "a size, such as `512MiB`")),
        (Self::Url, choice("url", "a URL, where they are given with one of `schemes`")),
        (Self::Host, choice("host", "a host name or an IP address")),
        (Self::Port, choice("port", "a port, 1 to 65535")),
        (Self::Path, choice("path", "a path")),
        (Self::Email, choice("email", "an address such as `ada@example.org`")),
        (Self::List, choice("list", "several texts with `separator` between them")),
        (Self::Json, choice("json", "a JSON document")),
    ];

    /// The type of this word.
    #[must_use]
    pub fn of(word: &str) -> Option<Self> {
        Self::ALL.iter().find(|(_, choice)| choice.word == word).map(|(kind, _)| *kind)
    }

    /// The manifest's word for it.
    #[must_use]
    pub fn word(self) -> &'static str {
        Self::ALL.iter().find(|(kind, _)| *kind == self).map_or("string", |(_, choice)| choice.word)
    }
}
