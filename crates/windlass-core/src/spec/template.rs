//! Text with references: `postgres://{resources.db.host}/shop`.

use std::fmt;

use serde::{Deserialize, Serialize};

use zeroize::Zeroizing;

use super::Encoding;
use crate::settings::Growing;

/// Text in which `{port}`, `{settings.KEY}` or `{resources.db.url}` stand for values that are
/// known only when a process starts. What is put in can be encoded: `{settings.KEY|url}`. `{{port}}` stands for the text `{port}`; a brace that does not
/// open a reference (such as JSON's) is itself. Serialises as the text it was parsed from.
#[derive(Clone, PartialEq, Eq, Hash, Default)]
pub struct Template {
    parts: Vec<Part>,
}

/// A piece of a [`Template`].
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Part {
    /// Itself.
    Text(String),
    /// A value to be put in.
    Reference(Reference, Encoding),
}

/// A value that a template asks for.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Reference {
    /// `{port}`: the port this instance is to listen on.
    Port,
    /// `{replica}`: which copy this is, from 1.
    Replica,
    /// `{release}`: the release, such as `r12`.
    Release,
    /// `{app}`: the application's name.
    App,
    /// `{environment}`: the environment's name.
    Environment,
    /// `{shared}`: the directory that all releases share.
    Shared,
    /// `{settings.KEY}`: a setting's value.
    Setting(String),
    /// `{settings.KEY.file}`: the path of the file that holds a setting's value.
    SettingFile(String),
    /// `{resources.db.url}`: a fact about a resource.
    Resource {
        /// The resource.
        name: String,
        /// Which fact: `url`, `host`, `port`, `user`, `password`, `name`, ...
        field: String,
    },
}

/// Why a text is not a template.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnknownReference {
    /// What stands between the braces.
    pub reference: String,
}

impl Template {
    /// A template that is `text` itself, whatever braces it has.
    #[must_use]
    pub fn literal(text: impl Into<String>) -> Self {
        let text = text.into();
        Self { parts: if text.is_empty() { vec![] } else { vec![Part::Text(text)] } }
    }

    /// A template that is one reference.
    #[must_use]
    pub fn of(reference: Reference) -> Self {
        Self { parts: vec![Part::Reference(reference, Encoding::Plain)] }
    }

    /// A template of these pieces.
    #[must_use]
    pub fn of_parts(parts: Vec<Part>) -> Self {
        let mut template = Self::default();
        for part in parts {
            match (template.parts.last_mut(), part) {
                (_, Part::Text(text)) if text.is_empty() => {}
                // Neighbours become one: it is compared and written as if it had been read.
                (Some(Part::Text(before)), Part::Text(text)) => before.push_str(&text),
                (_, part) => template.parts.push(part),
            }
        }
        template
    }

    /// Reads a template.
    ///
    /// # Errors
    /// [`UnknownReference`] when braces hold what looks like a reference (lower-case words joined
    /// by dots) but is none.
    pub fn parse(text: &str) -> Result<Self, UnknownReference> {
        let (template, unknown) = Self::read(text);
        unknown.into_iter().next().map_or(Ok(template), Err)
    }

    /// All that looks like a reference in `text` and is none.
    #[must_use]
    pub fn unknown(text: &str) -> Vec<UnknownReference> {
        Self::read(text).1
    }

    fn read(text: &str) -> (Self, Vec<UnknownReference>) {
        if let Some(key) = lone_setting(text) {
            return (Self::of(Reference::Setting(key.to_owned())), Vec::new());
        }
        // Most have one part, and there are as many of them as settings in the environment of each service.
        let mut parts = Vec::with_capacity(1);
        let mut unknown = Vec::new();
        let mut plain = String::new();
        let mut rest = text;
        while let Some(at) = rest.bytes().position(|b| b == b'{') {
            plain.push_str(&rest[..at]);
            rest = &rest[at..];
            if let Some((inside, tail)) = escape_at(rest) {
                plain.push_str(&format!("{{{inside}}}"));
                rest = tail;
            } else if let Some((inside, tail)) = reference_at(rest) {
                match part_of(inside) {
                    Some((reference, encoding)) => {
                        if !plain.is_empty() {
                            parts.push(Part::Text(std::mem::take(&mut plain)));
                        }
                        parts.push(Part::Reference(reference, encoding));
                    }
                    None => unknown.push(UnknownReference { reference: inside.to_owned() }),
                }
                rest = tail;
            } else {
                plain.push_str(&rest[..1]);
                rest = &rest[1..];
            }
        }
        plain.push_str(rest);
        if !plain.is_empty() {
            parts.push(Part::Text(plain));
        }
        (Self { parts }, unknown)
    }

    /// The text that it is read from.
    fn text(&self) -> String {
        let mut text = String::with_capacity(48);
        for part in &self.parts {
            match part {
                Part::Text(plain) => text.push_str(&escaped(plain)),
                // What nearly all are.
                Part::Reference(Reference::Setting(key), Encoding::Plain) => {
                    ["{settings.", key, "}"].iter().for_each(|piece| text.push_str(piece));
                }
                Part::Reference(reference, Encoding::Plain) => text.push_str(&format!("{{{reference}}}")),
                Part::Reference(reference, encoding) => {
                    text.push_str(&format!("{{{reference}|{}}}", encoding.word()));
                }
            }
        }
        text
    }

    /// Its pieces in order.
    #[must_use]
    pub fn parts(&self) -> &[Part] {
        &self.parts
    }

    /// The values it asks for.
    pub fn references(&self) -> impl Iterator<Item = &Reference> {
        #[cfg(test)]
        LOOKS.with(|looks| looks.set(looks.get() + 1));
        self.parts.iter().filter_map(|part| match part {
            Part::Reference(reference, _) => Some(reference),
            Part::Text(_) => None,
        })
    }

    /// The text with every reference replaced by what `value` answers, which may be secret: no copy but the
    /// text itself is left.
    ///
    /// # Errors
    /// The first error that `value` answers.
    pub fn fill<E>(&self, mut value: impl FnMut(&Reference) -> Result<String, E>) -> Result<String, E> {
        let mut text = Growing::default();
        for part in &self.parts {
            match part {
                Part::Text(plain) => text.push_str(plain),
                Part::Reference(reference, encoding) => {
                    let value = Zeroizing::new(value(reference)?);
                    text.push_str(&Zeroizing::new(encoding.encode(&value)));
                }
            }
        }
        Ok(std::mem::take(&mut *text.finish()))
    }
}

/// The key of the setting whose value is all that `text` stands for, as nearly all are.
fn lone_setting(text: &str) -> Option<&str> {
    let key = text.strip_prefix("{settings.")?.strip_suffix('}')?;
    let is_key = !key.is_empty() && key.bytes().all(|b| b.is_ascii_alphanumeric() || b"_-".contains(&b));
    is_key.then_some(key)
}

/// The inside of the reference that `text` (beginning with `{`) opens with, and what follows it: words joined by dots,
/// the first of which begins with a small letter, and behind a bar perhaps one more.
fn reference_at(text: &str) -> Option<(&str, &str)> {
    let text =
        text.strip_prefix('{').filter(|inside| inside.starts_with(|c: char| c.is_ascii_lowercase()))?;
    let (mut before, mut bar) = (b'.', None);
    // Most braces that open none are told by the next character or two.
    for (at, byte) in text.bytes().enumerate() {
        let ends_word = !matches!(before, b'.' | b'|');
        match byte {
            b'_' | b'-' => {}
            byte if byte.is_ascii_alphanumeric() => {}
            b'.' if ends_word && bar.is_none() => {}
            b'|' if ends_word && bar.is_none() => bar = Some(at),
            b'}' if ends_word => {
                // `{a|b}` in a pattern is itself.
                let reads = bar.is_none_or(|bar| Reference::parse(&text[..bar]).is_some());
                return reads.then_some((&text[..at], &text[at + 1..]));
            }
            _ => return None,
        }
        before = byte;
    }
    None
}

/// What stands between the braces of a reference.
fn part_of(inside: &str) -> Option<(Reference, Encoding)> {
    match inside.bytes().position(|b| b == b'|') {
        None => Some((Reference::parse(inside)?, Encoding::Plain)),
        Some(bar) => {
            let (reference, word) = (&inside[..bar], &inside[bar + 1..]);
            let (_, encoding) = Encoding::WORDS.into_iter().find(|(known, _)| *known == word)?;
            Some((Reference::parse(reference)?, encoding))
        }
    }
}

/// The inside of the escaped reference, `{{word}}`, that `text` opens with, and what follows it.
fn escape_at(text: &str) -> Option<(&str, &str)> {
    let (inside, tail) = reference_at(text.strip_prefix('{')?)?;
    Some((inside, tail.strip_prefix('}')?))
}

/// The template's text for `plain`, which is to stand for itself.
fn escaped(plain: &str) -> String {
    let mut text = String::new();
    let mut rest = plain;
    while let Some(at) = rest.find('{') {
        text.push_str(&rest[..at]);
        rest = &rest[at..];
        if let Some((inside, tail)) = reference_at(rest) {
            text.push_str(&format!("{{{{{inside}}}}}"));
            rest = tail;
        } else {
            text.push('{');
            rest = &rest[1..];
        }
    }
    text.push_str(rest);
    text
}

impl Reference {
    fn parse(inside: &str) -> Option<Self> {
        // What nearly all are.
        let key = inside.strip_prefix("settings.").filter(|rest| !rest.bytes().any(|b| b == b'.'));
        if let Some(key) = key {
            return Some(Self::Setting(key.to_owned()));
        }
        let mut words = inside.split('.');
        let [first, second, third, more] = std::array::from_fn(|_| words.next());
        Some(match (first?, second, third, more) {
            ("port", None, ..) => Self::Port,
            ("replica", None, ..) => Self::Replica,
            ("release", None, ..) => Self::Release,
            ("app", None, ..) => Self::App,
            ("environment", None, ..) => Self::Environment,
            ("shared", None, ..) => Self::Shared,
            ("settings", Some(key), Some("file"), None) => Self::SettingFile(key.to_owned()),
            ("resources", Some(name), Some(field), None) => {
                Self::Resource { name: name.to_owned(), field: field.to_owned() }
            }
            _ => return None,
        })
    }
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Port => f.write_str("port"),
            Self::Replica => f.write_str("replica"),
            Self::Release => f.write_str("release"),
            Self::App => f.write_str("app"),
            Self::Environment => f.write_str("environment"),
            Self::Shared => f.write_str("shared"),
            Self::Setting(key) => write!(f, "settings.{key}"),
            Self::SettingFile(key) => write!(f, "settings.{key}.file"),
            Self::Resource { name, field } => write!(f, "resources.{name}.{field}"),
        }
    }
}

impl fmt::Display for Template {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text())
    }
}

impl fmt::Debug for Template {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.to_string())
    }
}

impl fmt::Display for UnknownReference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{{{0}}} stands for nothing: use {{port}}, {{replica}}, {{release}}, {{app}}, {{environment}}, \
             {{shared}}, {{settings.KEY}} or {{resources.NAME.FIELD}}, with |url, |json, |host or |schema behind it where it \
             is to be encoded, or write {{{{{0}}}}} for the text itself",
            self.reference
        )
    }
}

impl std::error::Error for UnknownReference {}

impl Serialize for Template {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.text())
    }
}

impl<'de> Deserialize<'de> for Template {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(Text)
    }
}

/// Reads a template from where its text stands, without a copy of that.
struct Text;

impl serde::de::Visitor<'_> for Text {
    type Value = Template;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string")
    }

    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Template, E> {
        Template::parse(text).map_err(E::custom)
    }
}

#[cfg(test)]
thread_local! {
    /// How often this thread asked a template for its references, for tests of growth.
    pub(crate) static LOOKS: std::cell::Cell<u64> = const { std::cell::Cell::new(0) };
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn references_are_told_from_braces() {
        let template =
            Template::parse(r#"--bind=:{port} {"a":{}} {{port}} ${HOME} {settings.API_KEY}"#).unwrap();
        let references: Vec<String> = template.references().map(ToString::to_string).collect();
        assert_eq!(references, ["port", "settings.API_KEY"]);
        let filled = template.fill(|r| Ok::<_, ()>(format!("<{r}>"))).unwrap();
        assert_eq!(filled, r#"--bind=:<port> {"a":{}} {port} ${HOME} <settings.API_KEY>"#);
    }

    #[test]
    fn a_reference_to_nothing_is_an_error_that_says_what_there_is() {
        let error = Template::parse("x {prot}").unwrap_err();
        assert!(error.to_string().starts_with("{prot} stands for nothing: use {port}"), "{error}");
        assert!(error.to_string().ends_with("or write {{prot}} for the text itself"), "{error}");
    }

    #[test]
    fn what_is_put_in_is_encoded_as_it_says() {
        let text = r#"http://{settings.A|url}@{settings.B|host}/{"k":"{settings.C|json}"} {a|b} {x|url}"#;
        let template = Template::parse(text).unwrap();
        assert_eq!(template.to_string(), text);
        let filled = template.fill(|reference| {
            Ok::<_, ()>(match reference.to_string().as_str() {
                "settings.A" => "a/b".to_owned(),
                "settings.B" => "fe80::1".to_owned(),
                _ => "\"".to_owned(),
            })
        });
        assert_eq!(filled.unwrap(), r#"http://a%2Fb@[fe80::1]/{"k":"\""} {a|b} {x|url}"#);
        assert_eq!(Template::parse("{settings.A|rot13}").unwrap_err().reference, "settings.A|rot13");
        let file = Template::parse("{settings.A.file}").unwrap();
        assert_eq!(file.references().next(), Some(&Reference::SettingFile("A".to_owned())));
    }

    proptest! {
        #[test]
        fn what_stands_before_a_reference_changes_nothing_in_it(text in "[{]settings[.][A-z|.{}-]{0,6}[}]") {
            let before = |parts: &[Part]| Template::of_parts([&[Part::Text(".".to_owned())], parts].concat());
            let alone = Template::parse(&text).map(|template| before(template.parts()));
            prop_assert_eq!(alone, Template::parse(&format!(".{text}")));
        }

        #[test]
        fn any_text_survives_as_a_literal(text in "([{}]|port|.){0,12}") {
            let template = Template::literal(text.clone());
            let again = Template::parse(&template.to_string()).unwrap();
            prop_assert_eq!(again.fill(|_| Err(())), Ok(text));
        }
    }
}
