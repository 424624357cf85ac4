//! Settings as the manifest declares them.

pub(crate) mod url;

use std::cell::RefCell;
use std::collections::HashMap;

use indexmap::IndexMap;

use super::node::{Entries, Node, Value};
use crate::settings::{Bounds, Declared, Kind, MadeUp, Pattern, made_of};
use crate::spec::{Engine, Reference, Template};
use crate::store::Place;

/// What a setting is without a table around it: its default. Written out as a table here, so that an
/// environment's value replaces the default and leaves the rest of the declaration.
pub(super) fn normalise(root: &mut Node) {
    let Value::Table(tables) = &mut root.value else { return };
    if let Some(settings) = tables.get_mut("settings") {
        spell_out(settings);
    }
    let Some(Value::Table(environments)) = tables.get_mut("environments").map(|node| &mut node.value) else {
        return;
    };
    for environment in environments.values_mut() {
        if let Value::Table(tables) = &mut environment.value
            && let Some(settings) = tables.get_mut("settings")
        {
            spell_out(settings);
        }
    }
}

fn spell_out(settings: &mut Node) {
    let Value::Table(settings) = &mut settings.value else { return };
    for setting in settings.values_mut() {
        let plain =
            matches!(setting.value, Value::Text(_) | Value::Integer(_) | Value::Float(_) | Value::Bool(_));
        if plain {
            let table = Entries::from_iter([("default".to_owned(), setting.clone())]);
            setting.value = Value::Table(table);
        }
    }
}

/// The ways in which the manifest can give a setting a value.
pub(crate) const SOURCES: [&str; 4] = ["default", "value", "url", "from"];

/// The settings that the checked tree `root` of a manifest declares.
pub(crate) fn declared(root: &Node, common: &Common) -> IndexMap<String, Declared> {
    let declared = root.get("settings").and_then(Node::table);
    let mut settings = IndexMap::with_capacity(declared.map_or(0, Entries::len));
    for (key, node) in declared.into_iter().flatten() {
        if node.value != Value::Invalid {
            settings.insert(key.clone(), setting(node, common));
        }
    }
    keep_to_rotations(root, &mut settings);
    inherit_secrecy(&mut settings);
    settings
}

/// What administers a server is a secret, and given to nobody unless it says to whom.
fn keep_to_rotations(root: &Node, settings: &mut IndexMap<String, Declared>) {
    let declared = root.get("settings").and_then(Node::table).into_iter().flatten();
    for admin in declared.filter_map(|(_, node)| node.at(&["rotate", "admin"]).and_then(Node::text)) {
        if let Some(setting) = settings.get_mut(admin) {
            setting.secret = true;
            setting.services.get_or_insert_with(Vec::new);
        }
    }
}

fn setting(node: &Node, common: &Common) -> Declared {
    let given = |key: &str| node.get(key).filter(|node| node.value != Value::Invalid);
    let truth = |key: &str| match given(key).map(|node| &node.value) {
        Some(Value::Bool(value)) => Some(*value),
        _ => None,
    };
    let owned = |key: &str| given(key).and_then(Node::text).map(str::to_owned);
    let length = |key: &str| match given(key).map(|node| &node.value) {
        Some(Value::Integer(number)) => u64::try_from(*number).ok(),
        _ => None,
    };
    let default = given("default");
    let kind = match given("type").and_then(Node::text).and_then(Kind::of) {
        Some(kind) => kind,
        None => default.map_or(Kind::String, |default| kind_of(&default.value)),
    };
    let composed = match (given("value").and_then(Node::text), given("url")) {
        (Some(text), _) => Template::parse(text).ok(),
        (None, Some(url)) => url::template(url),
        (None, None) => None,
    };
    let from = given("from").and_then(Node::text).and_then(|text| Place::parse(text).ok());
    let source = SOURCES.iter().find_map(|source| given(source));
    let (min_length, max_length) = (length("min_length"), length("max_length"));
    Declared {
        kind,
        bounds: Bounds {
            min: given("min").and_then(plain),
            max: given("max").and_then(plain),
            min_length,
            max_length,
            pattern: given("pattern").and_then(Node::text).map(|text| common.pattern(text)),
            values: given("values").and_then(texts).unwrap_or_default(),
            schemes: given("schemes").and_then(texts).unwrap_or_default(),
            separator: owned("separator").unwrap_or_else(|| ",".to_owned()),
        },
        // What somebody keeps in a store of secrets is one, unless they say otherwise.
        secret: truth("secret").unwrap_or(from.is_some()),
        harmless: truth("secret") == Some(false),
        required: truth("required").unwrap_or(default.is_none()),
        default: default.and_then(plain),
        composed,
        from,
        services: given("services").and_then(texts),
        file: truth("file").unwrap_or_default(),
        rotate: given("rotate").map(|rotate| made_up(rotate, min_length, max_length)),
        account: given("rotate").and_then(account),
        help: owned("help"),
        category: owned("category"),
        line: common.lines.at(source.map_or(node.key_span.start, |node| node.span.start)),
    }
}

/// The setting with the name of the account, where one has one password: another account takes over then.
fn account(rotate: &Node) -> Option<String> {
    let engine = rotate.get("at").and_then(Node::text).and_then(Engine::of)?;
    let user = rotate.get("user").and_then(Node::text)?;
    (engine != Engine::Redis).then(|| user.to_owned())
}

/// How long a made-up value is: as long as `rotate` says, or as 32 characters as the bounds allow.
fn made_up(rotate: &Node, min: Option<u64>, max: Option<u64>) -> MadeUp {
    let said = match rotate.get("length").map(|node| &node.value) {
        Some(Value::Integer(length)) => u16::try_from(*length).ok(),
        _ => None,
    };
    let bound = |bound: Option<u64>, absent: u16| {
        bound.map_or(absent, |bound| u16::try_from(bound).unwrap_or(u16::MAX))
    };
    MadeUp {
        length: said.unwrap_or_else(|| MADE_UP.max(bound(min, 0)).min(bound(max, u16::MAX))),
        at: rotate.get("at").and_then(Node::text).and_then(Engine::of),
    }
}

/// How long a made-up value is, where nothing is said of it: 190 bits.
const MADE_UP: u16 = 32;

/// The type that a default without a type has.
fn kind_of(value: &Value) -> Kind {
    match value {
        Value::Bool(_) => Kind::Boolean,
        Value::Integer(_) => Kind::Integer,
        Value::Float(_) => Kind::Number,
        _ => Kind::String,
    }
}

/// Text, a number, or yes and no, as an environment variable has it.
fn plain(node: &Node) -> Option<String> {
    match &node.value {
        Value::Text(text) => Some(text.clone()),
        Value::Integer(number) => Some(number.to_string()),
        Value::Float(number) => Some(number.to_string()),
        Value::Bool(value) => Some(value.to_string()),
        _ => None,
    }
}

fn texts(list: &Node) -> Option<Vec<String>> {
    match &list.value {
        Value::List(items) => Some(items.iter().filter_map(|item| item.text().map(str::to_owned)).collect()),
        _ => None,
    }
}

/// What is put together from a secret is a secret, over any number of steps. What nobody declared
/// to be harmless is one.
fn inherit_secrecy(settings: &mut IndexMap<String, Declared>) {
    let is_secret = |(_, setting): &(&String, &Declared)| {
        let mut references = setting.composed.iter().flat_map(Template::references);
        setting.secret
            || references.any(|reference| match reference {
                Reference::Setting(key) => !settings.contains_key(key),
                Reference::Resource { field, .. } => Engine::is_secret(field),
                _ => false,
            })
    };
    let secrets: Vec<&str> = settings.iter().filter(is_secret).map(|(key, _)| key.as_str()).collect();
    let uses = settings.iter().flat_map(|(key, setting)| {
        setting.composed.iter().flat_map(Template::references).filter_map(move |reference| match reference {
            Reference::Setting(part) => Some((key.as_str(), part.as_str())),
            _ => None,
        })
    });
    let found: Vec<String> =
        made_of(uses, secrets.iter().copied()).into_iter().chain(secrets).map(str::to_owned).collect();
    for key in found {
        if let Some(setting) = settings.get_mut(&key) {
            setting.secret = true;
        }
    }
}

/// What the declarations of all environments of a manifest have in common.
pub(crate) struct Common {
    lines: Lines,
    /// Each once, because each is compiled once.
    patterns: RefCell<HashMap<String, Pattern>>,
}

impl Common {
    /// Of the manifest `text`.
    pub(crate) fn of(text: &str) -> Self {
        Self { lines: Lines::of(text), patterns: RefCell::default() }
    }

    fn pattern(&self, text: &str) -> Pattern {
        let mut patterns = self.patterns.borrow_mut();
        patterns.entry(text.to_owned()).or_insert_with(|| Pattern::new(text)).clone()
    }
}

/// Where the lines of a text begin.
struct Lines(Vec<usize>);

impl Lines {
    fn of(text: &str) -> Self {
        Self(text.bytes().enumerate().filter(|(_, b)| *b == b'\n').map(|(at, _)| at).collect())
    }

    /// The line of the byte `at`, from 1.
    fn at(&self, at: usize) -> u32 {
        u32::try_from(self.0.partition_point(|end| *end < at) + 1).unwrap_or(u32::MAX)
    }
}
