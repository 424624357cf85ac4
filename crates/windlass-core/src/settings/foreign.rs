//! Values from other tools' files: one level of names with texts, whole numbers and booleans, in
//! JSON or YAML. What is more than that is named, and not guessed at.

use std::fmt;

use indexmap::IndexMap;
use serde::de::{Deserialize, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};

use super::{Secret, is_setting_name};

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
    let pairs: Pairs = serde_json::from_str(text)
        .map_err(|error| format!("it is not an object of JSON (line {})", error.line()))?;
    Ok(pairs.sorted_out())
}

/// Reads a mapping of YAML.
///
/// # Errors
/// What is wrong with the text; never shows a value.
pub fn yaml(text: &str) -> Result<Foreign, String> {
    let pairs: Pairs = serde_saphyr::from_str(text).map_err(|error| {
        let line = error.location().map_or(1, |location| location.line());
        format!("it is not a mapping of YAML (line {line})")
    })?;
    Ok(pairs.sorted_out())
}

/// Whether sops has encrypted a text.
#[must_use]
pub fn is_sops(text: &str) -> bool {
    text.contains("ENC[AES256_GCM,data:")
}

/// Names and values, doubles included.
struct Pairs(Vec<(String, Scalar)>);

enum Scalar {
    Text(Secret),
    /// It has this, and no text that is sure to be what was typed.
    Not(&'static str),
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
                Scalar::Text(_) if foreign.values.contains_key(&name) => {
                    foreign.not_read.push(format!("{name}: it stands there twice; the first was taken"));
                }
                Scalar::Text(secret) => drop(foreign.values.insert(name, secret)),
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
        Ok(Scalar::Text(Secret::new(value.to_string())))
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<Scalar, E> {
        Ok(Scalar::Text(Secret::new(value.to_string())))
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<Scalar, E> {
        Ok(Scalar::Text(Secret::new(value.to_string())))
    }

    fn visit_f64<E: Error>(self, _: f64) -> Result<Scalar, E> {
        Ok(Scalar::Not("it is a number with a fraction, whose digits are not kept: put it in quotes"))
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
        assert_eq!(shown(&yaml), ["DB_PASSWORD=p:w # x", "PORT=5432", "DEBUG=false", "CERT=one\ntwo\n"]);
        assert_eq!(
            yaml.not_read,
            [
                "RATIO: it is a number with a fraction, whose digits are not kept: put it in quotes",
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
    fn what_is_wrong_is_told_without_a_value() {
        assert_eq!(json("{\"A\": \"hunter2\"").unwrap_err(), "it is not an object of JSON (line 1)");
        assert_eq!(json("[1]").unwrap_err(), "it is not an object of JSON (line 1)");
        assert!(yaml("A: [hunter2\n").unwrap_err().starts_with("it is not a mapping of YAML"));
    }

    #[test]
    fn what_sops_has_encrypted_is_known() {
        assert!(is_sops("DB: ENC[AES256_GCM,data:3Jx=,iv:x,tag:y,type:str]\nsops:\n  mac: ENC[...]\n"));
        assert!(!is_sops("DB: plain\n"));
    }
}
