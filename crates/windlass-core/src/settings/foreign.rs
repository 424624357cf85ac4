//! Values from other tools' files: one level of names with texts, numbers and booleans, in JSON or
//! YAML. What is more than that is named, and not guessed at.

use std::fmt;

use indexmap::IndexMap;
use serde::de::{
    Deserialize, DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor,
};
use serde_saphyr::options::NonFiniteFloatPolicy;

use super::{Secret, is_setting_name};

mod sops;

pub use sops::{Decrypted, decrypted, is_sops};

/// What was read.
#[derive(Debug, Default)]
pub struct Foreign {
    /// The values, by name.
    pub values: IndexMap<String, Secret>,
    /// What was not, and why.
    pub not_read: Vec<String>,
}

/// Reads an object of JSON.
///
/// # Errors
/// What is wrong with the text; never shows a value.
pub fn json(text: &str) -> Result<Foreign, String> {
    parsed(text).map(Pairs::sorted_out)
}

fn parsed(text: &str) -> Result<Pairs, String> {
    serde_json::from_str(text).map_err(|error| {
        // Its own words, which hold no value.
        let is_beyond = error.to_string().starts_with("number out of range");
        let what = if is_beyond { "a number in it is out of range" } else { "it is not an object of JSON" };
        format!("{what} (line {})", error.line())
    })
}

/// Reads a mapping of YAML. Of `010`, `yes` and `1.10` the text is taken, whatever YAML has them mean.
///
/// # Errors
/// What is wrong with the text; never shows a value.
pub fn yaml(text: &str) -> Result<Foreign, String> {
    let line = |error: &serde_saphyr::Error| error.location().map_or(1, |location| location.line());
    let options = |undecoded| {
        serde_saphyr::options! {
            non_finite_float_policy: NonFiniteFloatPolicy::PassThrough,
            ignore_binary_tag_for_string: undecoded,
        }
    };
    let Pairs(mut pairs) = serde_saphyr::from_str_with_options(text, options(true))
        .map_err(|error| format!("it is not a mapping of YAML (line {})", line(&error)))?;
    // Tags are told of nowhere; the text of this one becomes another.
    let Pairs(decoded) = serde_saphyr::from_str_with_options(text, options(false))
        .map_err(|error| format!("a value has a tag such as !!binary (line {}): remove it", line(&error)))?;
    let differs = |((_, a), (_, b)): &(&(String, Scalar), &(String, Scalar))| a.text() != b.text();
    if let Some(((name, _), _)) = pairs.iter().zip(&decoded).find(differs) {
        return Err(format!(
            "the value of {name:?} has the tag !!binary: remove it, and put the text itself there"
        ));
    }
    // Only who asks for a text is told how a number is written, and only who does not ask for one what
    // is none.
    let typed = pairs.iter().map(|(_, value)| value.is_typed()).collect();
    let written = serde_saphyr::with_deserializer_from_str_with_options(text, options(true), |yaml| {
        Written(typed).deserialize(yaml)
    });
    let written = written
        .map_err(|error| format!("a value has a tag such as !!int (line {}): remove it", line(&error)))?;
    for ((_, value), written) in pairs.iter_mut().zip(written) {
        if let Some(written) = written {
            *value = Scalar::Text(written);
        }
    }
    Ok(Pairs(pairs).sorted_out())
}

/// Names and values, doubles included.
struct Pairs(Vec<(String, Scalar)>);

enum Scalar {
    Text(Secret),
    /// A number or a boolean, in the writing of whoever read it.
    Typed(Secret),
    /// A number whose digits are not kept.
    Fraction,
    /// It has this, and no text that is sure to be what was typed.
    Not(&'static str),
}

impl Scalar {
    fn text(&self) -> Option<&Secret> {
        match self {
            Self::Text(text) => Some(text),
            _ => None,
        }
    }

    fn is_typed(&self) -> bool {
        matches!(self, Self::Typed(_) | Self::Fraction)
    }
}

impl Pairs {
    fn sorted_out(self) -> Foreign {
        let mut foreign = Foreign::default();
        for (name, value) in self.0 {
            match value {
                // What sops keeps for itself.
                _ if name == "sops" => {}
                _ if !is_setting_name(&name) => {
                    foreign
                        .not_read
                        .push(format!("{name:?}: it is not a name that an environment can carry"));
                }
                Scalar::Not(what) => foreign.not_read.push(format!("{name}: {what}")),
                Scalar::Fraction => foreign.not_read.push(format!(
                    "{name}: it is a number with a fraction, whose digits are not kept: put it in quotes"
                )),
                Scalar::Text(_) | Scalar::Typed(_) if foreign.values.contains_key(&name) => {
                    foreign.not_read.push(format!("{name}: it stands there twice; the first was taken"));
                }
                Scalar::Text(secret) | Scalar::Typed(secret) => drop(foreign.values.insert(name, secret)),
            }
        }
        foreign
    }
}

impl<'de> Deserialize<'de> for Pairs {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Object;
        impl<'de> Visitor<'de> for Object {
            type Value = Pairs;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("names and values")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Pairs, A::Error> {
                let mut pairs = vec![];
                while let Some(pair) = access.next_entry()? {
                    pairs.push(pair);
                }
                Ok(Pairs(pairs))
            }
        }
        deserializer.deserialize_map(Object)
    }
}

/// Reads, of a mapping, the texts of those values for which it says so.
struct Written(Vec<bool>);

impl<'de> DeserializeSeed<'de> for Written {
    type Value = Vec<Option<Secret>>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Written {
    type Value = Vec<Option<Secret>>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("names and values")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Self::Value, A::Error> {
        let mut texts = vec![];
        for is_wanted in self.0 {
            access.next_key::<IgnoredAny>()?;
            texts.push(match is_wanted {
                true => Some(Secret::new(access.next_value::<String>()?)),
                false => access.next_value::<IgnoredAny>().map(|_| None)?,
            });
        }
        Ok(texts)
    }
}

impl<'de> Deserialize<'de> for Scalar {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(AnyScalar)
    }
}

struct AnyScalar;

impl<'de> Visitor<'de> for AnyScalar {
    type Value = Scalar;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<Scalar, E> {
        Ok(match value.contains('\0') {
            true => Scalar::Not("it holds a NUL byte"),
            false => Scalar::Text(Secret::new(value)),
        })
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<Scalar, E> {
        Ok(Scalar::Typed(Secret::new(value.to_string())))
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<Scalar, E> {
        Ok(Scalar::Typed(Secret::new(value.to_string())))
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<Scalar, E> {
        Ok(Scalar::Typed(Secret::new(value.to_string())))
    }

    fn visit_f64<E: Error>(self, _: f64) -> Result<Scalar, E> {
        Ok(Scalar::Fraction)
    }

    fn visit_unit<E: Error>(self) -> Result<Scalar, E> {
        Ok(Scalar::Not("it has no value"))
    }

    fn visit_none<E: Error>(self) -> Result<Scalar, E> {
        self.visit_unit()
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Scalar, D::Error> {
        deserializer.deserialize_any(self)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> Result<Scalar, A::Error> {
        while access.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Scalar::Not("it is a list"))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Scalar, A::Error> {
        while access.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(Scalar::Not("it has names below it; settings are one level of names"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(foreign: &Foreign) -> Vec<String> {
        foreign.values.iter().map(|(name, value)| format!("{name}={}", value.expose())).collect()
    }

    #[test]
    fn what_is_simple_is_read_and_the_rest_is_named() {
        let yaml = yaml(
            "DB_PASSWORD: \"p:w # x\"\nPORT: 5432\nDEBUG: false\nRATIO: 1.10\nEMPTY:\nHOSTS: [a, b]\ndb:\n  user: x\n\
             api-key: y\nCERT: |\n  one\n  two\nsops:\n  version: 3.9.0\n",
        )
        .unwrap();
        assert_eq!(
            shown(&yaml),
            ["DB_PASSWORD=p:w # x", "PORT=5432", "DEBUG=false", "RATIO=1.10", "CERT=one\ntwo\n"]
        );
        assert_eq!(
            yaml.not_read,
            [
                "EMPTY: it has no value",
                "HOSTS: it is a list",
                "db: it has names below it; settings are one level of names",
                "\"api-key\": it is not a name that an environment can carry",
            ]
        );
        let json =
            json("{\"A\": \"\\u003cb\\u003e \\ud83d\\ude00\", \"A\": \"second\", \"N\": -7, \"T\": true}")
                .unwrap();
        assert_eq!(shown(&json), ["A=<b> \u{1f600}", "N=-7", "T=true"]);
        assert_eq!(json.not_read, ["A: it stands there twice; the first was taken"]);
    }

    #[test]
    fn scalars_of_yaml_are_taken_as_they_are_written() {
        let words = [
            "0x1F",
            "0o17",
            "010",
            "1_000",
            "+7",
            "-0",
            "1.10",
            "1e3",
            ".5",
            ".inf",
            "NaN",
            "yes",
            "No",
            "on",
            "TRUE",
            "y",
            "99999999999999999999",
            "2026-11-29",
            "12:30:45",
            "1.2.3",
        ];
        let lines = words.iter().enumerate().map(|(n, word)| format!("K{n}: {word} # why\n"));
        let expected: Vec<String> =
            words.iter().enumerate().map(|(n, word)| format!("K{n}={word}")).collect();
        assert_eq!(shown(&yaml(&lines.collect::<String>()).unwrap()), expected);

        let more = "A: &port 0x10\nB: *port\nC: !!str 010\nD: {x: 010}\n010: x\nE: 007\n";
        let read = yaml(more).unwrap();
        assert_eq!(shown(&read), ["A=0x10", "B=0x10", "C=010", "E=007"], "{:?}", read.not_read);
        let nested = yaml("A: x\nlimits: {max: .inf}\n").unwrap();
        assert_eq!((shown(&nested), nested.not_read.len()), (vec!["A=x".to_owned()], 1));
        let tagged = "A: 1\nB: !!int 10\n";
        assert_eq!(yaml(tagged).unwrap_err(), "a value has a tag such as !!int (line 2): remove it");
        let said = yaml("A: 1\nB: !!binary aHVudGVyMg==\n").unwrap_err();
        assert_eq!(said, "the value of \"B\" has the tag !!binary: remove it, and put the text itself there");
        let said = yaml("A: 1\nB: !!binary /w==\n").unwrap_err();
        assert_eq!(said, "a value has a tag such as !!binary (line 2): remove it");
    }

    #[test]
    fn what_is_wrong_is_told_without_a_value() {
        assert_eq!(json("{\"A\": \"hunter2\"").unwrap_err(), "it is not an object of JSON (line 1)");
        assert_eq!(json("[1]").unwrap_err(), "it is not an object of JSON (line 1)");
        assert_eq!(json("{\n\"A\": 1e400}").unwrap_err(), "a number in it is out of range (line 2)");
        assert!(yaml("A: [hunter2\n").unwrap_err().starts_with("it is not a mapping of YAML"));
    }
}
