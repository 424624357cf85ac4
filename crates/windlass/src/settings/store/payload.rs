//! What a store holds at a path, and the one value of it that is wanted.

use std::fmt;

use indexmap::IndexMap;
use serde::de::{Deserialize, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use windlass_core::settings::Secret;
use zeroize::Zeroize;

use crate::observe::printable;
use crate::trouble::{Trouble, Whose};
use crate::wiped::to_json;

/// How many names of fields a message lists.
const LISTED: usize = 12;

/// What was found at a path.
pub(super) enum Payload {
    /// A text, which may be a JSON object.
    Text(Secret),
    /// Values by name.
    Fields(Fields),
}

/// The fields of a JSON object, in its order.
pub(super) type Fields = IndexMap<String, Value>;

/// A value of JSON as the text that a setting is.
#[derive(Default)]
pub(super) struct Value(pub(super) Option<Secret>);

/// A text of an answer that is wiped when it is dropped.
pub(super) struct Text(pub(super) Secret);

impl<'de> Deserialize<'de> for Text {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(|text| Self(Secret::new(text)))
    }
}

impl Payload {
    /// The value that `field` names, or the whole text. `path` is for messages.
    pub(super) fn value(&self, path: &str, field: Option<&str>) -> Result<Secret, Trouble> {
        let value = match (self, field) {
            (Self::Text(text), None) => text.clone(),
            (Self::Text(text), Some(field)) => {
                let fields: Fields = serde_json::from_str(text.expose()).map_err(|_| {
                    let what = format!("holds at {path} no JSON object, so it has no field {field:?}");
                    Trouble::new(Whose::Manifest, what, format!("take #{field} away to get the whole text"))
                })?;
                pick(&fields, path, field)?
            }
            (Self::Fields(fields), Some(field)) => pick(fields, path, field)?,
            (Self::Fields(fields), None) => {
                let what = format!("holds several fields at {path}: {}", listed(fields));
                return Err(Trouble::new(
                    Whose::Manifest,
                    what,
                    "name one of them with #FIELD after the path",
                ));
            }
        };
        if value.expose().contains('\0') {
            let what = format!("holds at {path} a value with a NUL character");
            return Err(Trouble::new(
                Whose::Server,
                what,
                "no process can be handed such a value; store it as text",
            ));
        }
        Ok(value)
    }
}

fn pick(fields: &Fields, path: &str, field: &str) -> Result<Secret, Trouble> {
    match fields.get(field) {
        Some(Value(Some(value))) => Ok(value.clone()),
        Some(Value(None)) => {
            let what = format!("holds at {path} a field {field:?} that is null");
            Err(Trouble::new(Whose::Server, what, "store a value there"))
        }
        None => {
            let what = format!("holds at {path} no field {field:?}");
            let hint = match fields.is_empty() {
                true => "there is no field at all; store one".to_owned(),
                false => format!("there is {}", listed(fields)),
            };
            Err(Trouble::new(Whose::Manifest, what, hint).absent_if(true))
        }
    }
}

fn listed(fields: &Fields) -> String {
    let mut names: Vec<String> =
        fields.keys().take(LISTED).map(|name| printable(name).chars().take(60).collect()).collect();
    if fields.len() > LISTED {
        names.push(format!("{} more", fields.len() - LISTED));
    }
    names.join(", ")
}

impl<'de> Deserialize<'de> for Value {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(AsText)
    }
}

struct AsText;

impl<'de> Visitor<'de> for AsText {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Value, E> {
        Ok(Value(Some(Secret::new(text))))
    }

    fn visit_string<E: Error>(self, text: String) -> Result<Value, E> {
        Ok(Value(Some(Secret::new(text))))
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<Value, E> {
        Ok(Value(Some(Secret::new(value.to_string()))))
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<Value, E> {
        Ok(Value(Some(Secret::new(value.to_string()))))
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<Value, E> {
        Ok(Value(Some(Secret::new(value.to_string()))))
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Value, E> {
        Ok(Value(Some(Secret::new(value.to_string()))))
    }

    fn visit_unit<E: Error>(self) -> Result<Value, E> {
        Ok(Value(None))
    }

    // What has parts stays JSON: a setting of the type `json` can be that.
    fn visit_seq<A: SeqAccess<'de>>(self, items: A) -> Result<Value, A::Error> {
        as_json(Deserialize::deserialize(serde::de::value::SeqAccessDeserializer::new(items))?)
    }

    fn visit_map<A: MapAccess<'de>>(self, entries: A) -> Result<Value, A::Error> {
        as_json(Deserialize::deserialize(serde::de::value::MapAccessDeserializer::new(entries))?)
    }
}

fn as_json<E: Error>(mut value: serde_json::Value) -> Result<Value, E> {
    let json = to_json(&value);
    wipe(&mut value);
    let json = json.map_err(E::custom)?;
    let text = std::str::from_utf8(&json).map_err(E::custom)?;
    Ok(Value(Some(Secret::new(text))))
}

fn wipe(value: &mut serde_json::Value) {
    match value {
        serde_json::Value::String(text) => text.zeroize(),
        serde_json::Value::Array(items) => items.iter_mut().for_each(wipe),
        serde_json::Value::Object(entries) => entries.values_mut().for_each(wipe),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(payload: &Payload, field: Option<&str>) -> String {
        match payload.value("shop/db", field) {
            Ok(value) => value.expose().to_owned(),
            Err(trouble) => format!("{}; {}", trouble.what, trouble.hint),
        }
    }

    #[test]
    fn a_field_is_the_text_that_it_holds() {
        let json =
            r#"{"user":"ada","port":5432,"ratio":0.5,"tls":true,"hosts":["a",{"b":"\u00e9"}],"none":null}"#;
        for payload in
            [Payload::Text(Secret::new(json)), Payload::Fields(serde_json::from_str(json).unwrap())]
        {
            for (field, value) in [
                ("user", "ada"),
                ("port", "5432"),
                ("ratio", "0.5"),
                ("tls", "true"),
                ("hosts", "[\"a\",{\"b\":\"é\"}]"),
            ] {
                assert_eq!(text(&payload, Some(field)), value);
            }
            assert_eq!(
                text(&payload, Some("none")),
                "holds at shop/db a field \"none\" that is null; store a value there"
            );
            assert_eq!(
                text(&payload, Some("pasword")),
                "holds at shop/db no field \"pasword\"; there is user, port, ratio, tls, hosts, none"
            );
        }
    }

    #[test]
    fn a_text_is_taken_whole_and_never_shown() {
        let payload = Payload::Text(Secret::new("hunter2\n"));
        assert_eq!(text(&payload, None), "hunter2\n");
        assert_eq!(
            text(&payload, Some("password")),
            "holds at shop/db no JSON object, so it has no field \"password\"; take #password away to get the whole text"
        );
        let fault = text(&Payload::Text(Secret::new("hunter2\0")), None);
        assert!(fault.contains("NUL") && !fault.contains("hunter2"), "{fault}");
    }

    #[test]
    fn of_several_fields_one_must_be_named() {
        let fields: Fields = serde_json::from_str(r#"{"a":"hunter2","b":"x"}"#).unwrap();
        assert_eq!(
            text(&Payload::Fields(fields), None),
            "holds several fields at shop/db: a, b; name one of them with #FIELD after the path"
        );
    }
}
