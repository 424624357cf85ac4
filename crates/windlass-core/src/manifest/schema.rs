//! The JSON Schema of the manifest, for editors. Printed from `fields/`.
//!
//! It is looser than the parser where a schema cannot say it (references, needs, ports).

use serde_json::{Map, Value as Json, json};

use super::fields::ROOT;
use super::format::{Format, SIGNALS};
use super::kind::{Field, Kind, Table};
use crate::name::Name;

/// The schema, draft 2020-12.
#[must_use]
pub fn json_schema() -> Json {
    let mut definitions = Map::new();
    define(&ROOT, false, &mut definitions);
    let mut schema = Map::new();
    schema.insert("$schema".to_owned(), json!("https://json-schema.org/draft/2020-12/schema"));
    schema.insert("title".to_owned(), json!("Windlass manifest"));
    if let Some(Json::Object(root)) = definitions.shift_remove(&definition_name(&ROOT, false)) {
        schema.extend(root);
    }
    definitions.sort_keys();
    schema.insert("$defs".to_owned(), Json::Object(definitions));
    Json::Object(schema)
}

/// A table of an environment may leave out what the rest of the manifest says, so each table is
/// defined twice.
fn definition_name(table: &Table, partial: bool) -> String {
    format!("{}{}", table.name, if partial { "_of_environment" } else { "" })
}

fn define(table: &Table, partial: bool, definitions: &mut Map<String, Json>) -> Json {
    let name = definition_name(table, partial);
    let reference = json!({ "$ref": format!("#/$defs/{name}") });
    if definitions.contains_key(&name) {
        return reference;
    }
    // A placeholder first: tables refer to each other.
    definitions.insert(name.clone(), Json::Null);
    let partial_inside = partial || table.name == "overlay";
    let properties: Map<String, Json> = table
        .fields
        .iter()
        .map(|field| (field.key.to_owned(), property(field, partial_inside, definitions)))
        .collect();
    let required: Vec<&str> =
        table.fields.iter().filter(|field| field.required && !partial).map(|field| field.key).collect();
    let mut schema = json!({
        "type": "object",
        "description": table.help,
        "additionalProperties": false,
        "properties": properties,
    });
    if !required.is_empty() {
        schema["required"] = json!(required);
    }
    definitions.insert(name, schema);
    reference
}

fn property(field: &Field, partial: bool, definitions: &mut Map<String, Json>) -> Json {
    let mut schema = of_kind(&field.kind, partial, definitions);
    schema["description"] = json!(field.help);
    if let Some(default) = field.default {
        schema["default"] = match (&field.kind, default.parse::<f64>()) {
            (Kind::Integer { .. } | Kind::AnyOf([Kind::Integer { .. }, ..]), Ok(_)) => {
                json!(default.parse::<i64>().unwrap_or_default())
            }
            (Kind::Number { .. }, Ok(number)) => json!(number),
            (Kind::Bool, _) => json!(default == "true"),
            _ => json!(default),
        };
    }
    schema
}

fn of_kind(kind: &Kind, partial: bool, definitions: &mut Map<String, Json>) -> Json {
    match kind {
        Kind::Text(format) => of_format(*format),
        Kind::Bool => json!({ "type": "boolean" }),
        Kind::True => json!({ "const": true }),
        Kind::Integer { min, max } if *max == i64::MAX => json!({ "type": "integer", "minimum": min }),
        Kind::Integer { min, max } => json!({ "type": "integer", "minimum": min, "maximum": max }),
        Kind::Number { min, .. } if *min == f64::MIN => json!({ "type": "number" }),
        Kind::Number { min, max } if *max == f64::MAX => json!({ "type": "number", "minimum": min }),
        Kind::Number { min, max } => json!({ "type": "number", "minimum": min, "maximum": max }),
        Kind::Choice(choices) => {
            let words: Vec<Json> = choices
                .iter()
                .map(|choice| json!({ "const": choice.word, "description": choice.help }))
                .collect();
            json!({ "oneOf": words })
        }
        Kind::List(of) => json!({ "type": "array", "items": of_kind(of, partial, definitions) }),
        Kind::OneOrMany(of) => {
            let one = of_kind(of, partial, definitions);
            json!({ "anyOf": [one.clone(), { "type": "array", "items": one }] })
        }
        Kind::Map { key, of } => json!({
            "type": "object",
            "propertyNames": of_format(*key),
            "additionalProperties": of_kind(of, partial, definitions),
        }),
        Kind::Table(table) => define(table, partial, definitions),
        Kind::Command => {
            definitions.entry("command").or_insert_with(command);
            json!({ "$ref": "#/$defs/command" })
        }
        Kind::AnyOf(kinds) => {
            let any: Vec<Json> = kinds.iter().map(|kind| of_kind(kind, partial, definitions)).collect();
            json!({ "anyOf": any })
        }
    }
}

fn command() -> Json {
    json!({
        "description": "A command: text that is split into words, a list of words, or a line for the shell.",
        "anyOf": [
            { "type": "string", "minLength": 1 },
            { "type": "array", "items": { "type": "string" }, "minItems": 1 },
            {
                "type": "object",
                "properties": { "shell": { "type": "string", "minLength": 1 } },
                "required": ["shell"],
                "additionalProperties": false,
            },
        ],
    })
}

fn of_format(format: Format) -> Json {
    let pattern = |pattern: &str| json!({ "type": "string", "pattern": pattern });
    match format {
        Format::Any | Format::Pattern => json!({ "type": "string", "minLength": 1 }),
        Format::Span | Format::PositiveSpan => pattern("^[0-9]+ *(ms|s|m|h|d)( *[0-9]+ *(ms|s|m|h|d))*$"),
        Format::Size => pattern("^[0-9]+ *([kKmMgGtT][iI]?)?[bB]?$"),
        Format::PositiveSize => pattern("^0*[1-9][0-9]* *([kKmMgGtT][iI]?)?[bB]?$"),
        Format::Name => pattern(&format!("^(?=.{{1,{}}}$)[a-z]([a-z0-9-]*[a-z0-9])?$", Name::MAX)),
        Format::Scheme => pattern("^[a-z][a-z0-9+.-]*$"),
        Format::EnvName => pattern("^[A-Za-z_][A-Za-z0-9_]*$"),
        Format::Path => pattern("^(?!/)(?!.*(^|/)\\.\\.(/|$)).+$"),
        Format::Root => pattern("^(?!/)(?!.*(^|/|:)\\.\\.(/|$)).+$"),
        Format::AbsolutePath | Format::UrlPath => pattern("^/"),
        Format::Target => pattern("^(https?://|/)"),
        Format::Statuses => pattern("^[1-5][0-9]{2}(-[1-5][0-9]{2})?$"),
        Format::Signal => {
            let words: Vec<String> =
                SIGNALS.iter().flat_map(|name| [(*name).to_owned(), format!("SIG{name}")]).collect();
            json!({ "enum": words })
        }
        Format::HeaderName => pattern("^[!#$%&'*+.^_`|~0-9A-Za-z-]+$"),
        Format::StoreAddress => pattern("^https?://"),
        Format::Place => pattern("^[a-z][a-z0-9-]*:.+$"),
        Format::User => pattern("^[a-z_][a-z0-9_-]*$"),
        Format::AnyOrEmpty
        | Format::Template
        | Format::Network
        | Format::ProxyNetwork
        | Format::Schedule
        | Format::TimeZone
        | Format::HostPattern
        | Format::Address
        | Format::HeaderValue => json!({ "type": "string" }),
    }
}
