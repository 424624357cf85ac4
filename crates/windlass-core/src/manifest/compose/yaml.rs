//! A YAML document as a tree whose every value knows its line.

use std::fmt;

use serde::de::{Deserialize, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_saphyr::{NonFiniteFloatPolicy, Options, Spanned};

/// A value and its line, from 1.
#[derive(Debug, Clone)]
pub(super) struct Yaml {
    pub(super) line: u64,
    pub(super) value: Value,
}

#[derive(Debug, Clone)]
pub(super) enum Value {
    Null,
    /// Text, and numbers and booleans as typed.
    Scalar(String),
    List(Vec<Yaml>),
    Map(Vec<(String, Yaml)>),
}

impl Yaml {
    /// Reads a document.
    pub(super) fn parse(text: &str) -> Result<Self, (u64, String)> {
        serde_saphyr::from_str_with_options::<Spanned<Value>>(text, dialect()).map(Self::from).map_err(
            |error| {
                let line = error.location().map_or(1, |location| location.line());
                let message = error.without_snippet().to_string();
                (line, message.lines().next().unwrap_or("this is not YAML").to_owned())
            },
        )
    }

    pub(super) fn get(&self, key: &str) -> Option<&Self> {
        self.map().iter().find(|(name, _)| name == key).map(|(_, value)| value)
    }

    pub(super) fn map(&self) -> &[(String, Self)] {
        match &self.value {
            Value::Map(entries) => entries,
            _ => &[],
        }
    }

    pub(super) fn get_mut(&mut self, key: &str) -> Option<&mut Self> {
        self.map_mut().iter_mut().find(|(name, _)| name == key).map(|(_, value)| value)
    }

    pub(super) fn map_mut(&mut self) -> &mut [(String, Self)] {
        match &mut self.value {
            Value::Map(entries) => entries,
            _ => &mut [],
        }
    }

    pub(super) fn text(&self) -> Option<&str> {
        match &self.value {
            Value::Scalar(text) => Some(text),
            _ => None,
        }
    }

    /// Whether it says yes. Where compose wants a yes or a no, it takes the words of YAML 1.1 too.
    pub(super) fn is_true(&self) -> bool {
        let word = self.text().unwrap_or_default().to_ascii_lowercase();
        matches!(word.as_str(), "true" | "yes" | "y" | "on" | "1")
    }

    /// The items of a list; the one value where it is none.
    pub(super) fn items(&self) -> &[Self] {
        match &self.value {
            Value::List(items) => items,
            Value::Null => &[],
            _ => std::slice::from_ref(self),
        }
    }
}

/// YAML as compose reads it: `yes`, `no`, `on` and `off` are text, `017` is fifteen.
fn dialect() -> Options {
    serde_saphyr::options! {
        strict_booleans: true,
        legacy_octal_numbers: true,
        non_finite_float_policy: NonFiniteFloatPolicy::AsString,
    }
}

/// A number with a fraction or an exponent as compose hands it to a process: Go writes the digits that
/// are needed, with an exponent where they would be many.
fn fraction(value: f64) -> String {
    let shortest = format!("{value:e}");
    let Some((digits, exponent)) = shortest.split_once('e') else { return value.to_string() };
    match exponent.parse::<i32>() {
        Ok(exponent) if !(-4..6).contains(&exponent) => {
            let sign = if exponent < 0 { '-' } else { '+' };
            format!("{digits}e{sign}{:02}", exponent.unsigned_abs())
        }
        _ => value.to_string(),
    }
}

impl From<Spanned<Value>> for Yaml {
    fn from(spanned: Spanned<Value>) -> Self {
        Self { line: spanned.referenced.line(), value: spanned.value }
    }
}

impl<'de> Deserialize<'de> for Value {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Tree)
    }
}

struct Tree;

impl<'de> Visitor<'de> for Tree {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("YAML")
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Scalar(value.to_string()))
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<Value, E> {
        Ok(Value::Scalar(value.to_string()))
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<Value, E> {
        Ok(Value::Scalar(value.to_string()))
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Value, E> {
        Ok(Value::Scalar(fraction(value)))
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<Value, E> {
        Ok(Value::Scalar(value.to_owned()))
    }

    fn visit_unit<E: Error>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_none<E: Error>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> Result<Value, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = access.next_element::<Spanned<Value>>()? {
            items.push(item.into());
        }
        Ok(Value::List(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Value, A::Error> {
        let mut entries: Vec<(String, Yaml)> = Vec::new();
        while let Some(key) = access.next_key::<Spanned<String>>()? {
            let value = access.next_value::<Spanned<Value>>()?;
            // The line of the key: that of an empty or a block value is another.
            entries.push((key.value.clone(), Yaml { line: key.referenced.line(), value: value.value }));
        }
        Ok(Value::Map(entries))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_and_numbers_are_those_of_compose() {
        let text = |value: &str| {
            let yaml = Yaml::parse(&format!("off: {value}")).unwrap();
            yaml.get("off").unwrap().text().map(str::to_owned)
        };
        for word in ["yes", "no", "on", "off", "y", "n", "YES", "2001-01-01", "22:22", "0x"] {
            assert_eq!(text(word).as_deref(), Some(word));
        }
        // What hardly anybody means as a number stays text as well: compose reads +Inf, NaN and 10.
        for word in [".inf", ".nan", "1__0"] {
            assert_eq!(text(word).as_deref(), Some(word));
        }
        for (written, read) in [
            ("True", "true"),
            ("\"no\"", "no"),
            ("017", "15"),
            ("0o17", "15"),
            ("1.10", "1.1"),
            ("08", "8"),
            ("1_000", "1000"),
            ("0_1", "1"),
            ("0x1F", "31"),
            ("0b11", "3"),
            ("+7", "7"),
            ("-017", "-15"),
            ("1e3", "1000"),
            ("1e21", "1e+21"),
            ("1.5e6", "1.5e+06"),
            ("12345678.5", "1.23456785e+07"),
            ("0.00001", "1e-05"),
            ("0.0001", "0.0001"),
            ("99999999999999999999", "1e+20"),
            ("\"1e21\"", "1e21"),
            ("\"{${A}}\"", "{${A}}"),
        ] {
            assert_eq!(text(written).as_deref(), Some(read), "{written}");
        }
        assert_eq!(text("~"), None);
        // Braces without quotes are a table, here as for compose.
        assert!(Yaml::parse("off: {${A}}").is_err());
    }

    #[test]
    fn values_know_their_lines() {
        let yaml =
            Yaml::parse("services:\n  web:\n    ports:\n      - \"80:80\"\n      - 8000\n    x: null\n")
                .unwrap();
        let web = yaml.get("services").unwrap().get("web").unwrap();
        assert_eq!(web.line, 2);
        let ports = web.get("ports").unwrap();
        assert_eq!((ports.line, ports.items()[1].line), (3, 5));
        assert_eq!(ports.items()[1].text(), Some("8000"));
        assert!(Yaml::parse("a: [1\nb: 2").is_err());
    }
}
