//! Every place of the manifest that holds text, read from the manifest's own tables.

use std::fmt;

use windlass_core::manifest::fields::ROOT;
use windlass_core::manifest::kind::{Kind, Table};

/// A place: the keys that lead to it.
pub(super) struct Place {
    path: Vec<Key>,
}

#[derive(Clone)]
enum Key {
    /// A key with this name.
    Named(&'static str),
    /// A key that may have any name: an example.
    Free,
    /// The first of a list.
    First,
    /// What must be there beside what comes next, in TOML.
    Beside(Vec<(&'static str, &'static str)>),
    /// The name of a key is the text.
    Name,
}

/// All of them.
pub(super) fn all() -> Vec<Place> {
    let mut places = Vec::new();
    table(&ROOT, &[], &mut places);
    assert!(places.len() > 100, "only {} places", places.len());
    places
}

fn table(table: &'static Table, path: &[Key], places: &mut Vec<Place>) {
    let is_overlay = |key: &Key| matches!(key, Key::Named("environments"));
    for field in table.fields {
        if field.key == "environments" && path.iter().any(is_overlay) {
            continue;
        }
        let others = table.fields.iter().filter(|other| other.required && other.key != field.key);
        let beside = others.filter_map(|other| Some((other.key, other.example?))).collect();
        let path = [path, &[Key::Beside(beside), Key::Named(field.key)]].concat();
        kind_of(&field.kind, &path, places);
    }
}

fn kind_of(kind: &'static Kind, path: &[Key], places: &mut Vec<Place>) {
    let with = |key: Key| [path, &[key]].concat();
    match kind {
        Kind::Text(_) | Kind::Choice(_) => places.push(Place { path: path.to_vec() }),
        Kind::Command => {
            places.push(Place { path: path.to_vec() });
            places.push(Place { path: with(Key::First) });
        }
        Kind::List(of) => kind_of(of, &with(Key::First), places),
        Kind::OneOrMany(of) => {
            kind_of(of, path, places);
            kind_of(of, &with(Key::First), places);
        }
        Kind::Map { of, .. } => {
            places.push(Place { path: with(Key::Name) });
            kind_of(of, &with(Key::Free), places);
        }
        Kind::Table(inside) => table(inside, path, places),
        Kind::AnyOf(kinds) => kinds.iter().for_each(|kind| kind_of(kind, path, places)),
        Kind::Bool | Kind::True | Kind::Integer { .. } | Kind::Number { .. } => {}
    }
}

impl Place {
    /// Whether a text stands here in `manifest` of which this is so.
    pub(super) fn holds(&self, manifest: &toml::Value, is: impl Fn(&str) -> bool + Copy) -> bool {
        holds(manifest, &self.path, is)
    }

    /// A manifest with this text in the place, which is whole but for that.
    pub(super) fn with(&self, text: &str) -> String {
        let manifest: toml::Table = toml::from_str(
            "[app]\nname = \"fixture\"\n[services.web]\ncommand = [\"true\"]\nport = \"auto\"\n",
        )
        .unwrap();
        let mut root = toml::Value::Table(manifest);
        put(&mut root, &self.path, text);
        toml::to_string(&root).unwrap()
    }
}

fn holds(at: &toml::Value, path: &[Key], is: impl Fn(&str) -> bool + Copy) -> bool {
    let Some((key, rest)) = path.split_first() else { return at.as_str().is_some_and(is) };
    let inside = || at.as_table().into_iter().flatten();
    match key {
        Key::First => at.as_array().into_iter().flatten().any(|item| holds(item, rest, is)),
        Key::Beside(_) => holds(at, rest, is),
        Key::Named(name) => at.get(name).is_some_and(|value| holds(value, rest, is)),
        Key::Free => inside().any(|(_, value)| holds(value, rest, is)),
        Key::Name => inside().any(|(name, _)| is(name)),
    }
}

fn put(at: &mut toml::Value, path: &[Key], text: &str) {
    let Some((key, rest)) = path.split_first() else {
        *at = toml::Value::String(text.to_owned());
        return;
    };
    match key {
        Key::First => {
            *at = toml::Value::Array(vec![toml::Value::Boolean(false)]);
            put(&mut at.as_array_mut().unwrap()[0], rest, text);
        }
        Key::Beside(others) => {
            let inside = as_table(at);
            for (name, example) in others {
                let parsed: toml::Table = toml::from_str(&format!("x = {example}")).unwrap();
                inside.entry(*name).or_insert_with(|| parsed["x"].clone());
            }
            put(at, rest, text);
        }
        Key::Named(name) => put(as_table(at).entry(*name).or_insert(toml::Value::Boolean(false)), rest, text),
        // No two things may have one name.
        Key::Free => {
            let inside = as_table(at);
            let name = if inside.contains_key("web") { "web" } else { "other" };
            put(inside.entry(name).or_insert(toml::Value::Boolean(false)), rest, text);
        }
        Key::Name => drop(as_table(at).insert(text.to_owned(), toml::Value::String("x".to_owned()))),
    }
}

fn as_table(at: &mut toml::Value) -> &mut toml::Table {
    if !at.is_table() {
        *at = toml::Value::Table(toml::Table::new());
    }
    at.as_table_mut().unwrap()
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let words = self.path.iter().filter_map(|key| match key {
            Key::Named(name) => Some(*name),
            Key::Free => Some("*"),
            Key::First => Some("[]"),
            Key::Name => Some("NAME"),
            Key::Beside(_) => None,
        });
        f.write_str(&words.collect::<Vec<_>>().join("."))
    }
}
