//! How a value is written into the text around it.

use zeroize::Zeroizing;

/// The encoding of what a template puts in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Encoding {
    /// As it is.
    #[default]
    Plain,
    /// `|url`: percent-encoded but for what RFC 3986 calls unreserved.
    Url,
    /// `|json`: as the inside of a JSON string.
    Json,
    /// `|host`: an IPv6 address in brackets, the path of a unix socket percent-encoded, all else as it is.
    Host,
    /// `|schema`: names of PostgreSQL's schemas between quotes, in the options of a URL.
    Schema,
}

impl Encoding {
    /// The encodings with a word, which stands behind a reference after `|`.
    pub const WORDS: [(&'static str, Self); 4] =
        [("url", Self::Url), ("json", Self::Json), ("host", Self::Host), ("schema", Self::Schema)];

    /// Its word; empty for [`Plain`](Self::Plain).
    #[must_use]
    pub fn word(self) -> &'static str {
        Self::WORDS.iter().find(|(_, encoding)| *encoding == self).map_or("", |(word, _)| word)
    }

    /// `value` so encoded.
    #[must_use]
    pub fn encode(self, value: &str) -> String {
        match self {
            Self::Plain => value.to_owned(),
            Self::Url => percent(value),
            Self::Json => {
                // As large as it can become: a larger place would leave a copy in the old one.
                let mut quoted = Zeroizing::new(Vec::with_capacity(6 * value.len() + 2));
                let _into_memory = serde_json::to_writer(&mut *quoted, value);
                let inside = quoted.get(1..quoted.len().saturating_sub(1)).unwrap_or_default();
                String::from_utf8_lossy(inside).into_owned()
            }
            Self::Host if value.parse::<std::net::Ipv6Addr>().is_ok() => format!("[{value}]"),
            Self::Host if value.starts_with('/') => percent(value),
            Self::Host => value.to_owned(),
            Self::Schema => super::search_path::between_quotes(value),
        }
    }
}

fn percent(value: &str) -> String {
    let mut text = String::with_capacity(3 * value.len());
    for b in value.bytes() {
        if b.is_ascii_alphanumeric() || b"-._~".contains(&b) {
            text.push(char::from(b));
        } else {
            text.push_str(&format!("%{b:02X}"));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_encoding_writes_what_its_reader_reads_back() {
        assert_eq!(Encoding::Url.encode("a b/ä:@%~"), "a%20b%2F%C3%A4%3A%40%25~");
        assert_eq!(Encoding::Json.encode("a\"\\\n\u{1}"), r#"a\"\\\n\u0001"#);
        assert_eq!(Encoding::Host.encode("::1"), "[::1]");
        assert_eq!(Encoding::Host.encode("db.internal"), "db.internal");
        assert_eq!(Encoding::Host.encode("/run/db 1"), "%2Frun%2Fdb%201");
        assert_eq!(Encoding::Plain.encode("a b"), "a b");
    }
}
