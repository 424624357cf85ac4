//! The manifest as typed: a tree of values, each with its place in the text.

use std::ops::Range;

use foldhash::fast::RandomState;
use indexmap::IndexMap;
use toml::de::{DeTable, DeValue};

/// A value and where it stands.
#[derive(Debug, Clone, PartialEq)]
pub struct Node {
    /// The bytes of the value.
    pub span: Range<usize>,
    /// The bytes of its key; those of the value where it has none.
    pub key_span: Range<usize>,
    /// The value.
    pub value: Value,
}

/// Values by key. All keys of `fields/` are looked up in each table of a manifest, again and again; and whoever writes
/// one need not be kept from writing a slow one.
pub type Entries = IndexMap<String, Node, RandomState>;

/// Of so few entries one is found sooner by looking at each than by its hash.
const FEW: usize = 8;

/// A value as typed.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// Text.
    Text(String),
    /// A whole number.
    Integer(i64),
    /// Another number.
    Float(f64),
    /// `true` or `false`.
    Bool(bool),
    /// Several values.
    List(Vec<Node>),
    /// Values by key, in the order of the text.
    Table(Entries),
    /// A value that was refused; its fault is reported already.
    Invalid,
}

impl Node {
    /// The tree of a whole document.
    pub(crate) fn document(table: &DeTable<'_>, span: Range<usize>) -> Self {
        Self { key_span: span.clone(), value: Value::from_table(table), span }
    }

    fn new(value: &DeValue<'_>, span: Range<usize>, key_span: Range<usize>) -> Self {
        let value = match value {
            DeValue::String(text) => Value::Text(text.clone().into_owned()),
            DeValue::Integer(number) => {
                i64::from_str_radix(number.as_str(), number.radix()).map_or(Value::Invalid, Value::Integer)
            }
            DeValue::Float(number) => number.as_str().parse().map_or(Value::Invalid, Value::Float),
            DeValue::Boolean(value) => Value::Bool(*value),
            // No key takes a date; as text it gets the message of a wrong value.
            DeValue::Datetime(date) => Value::Text(date.to_string()),
            DeValue::Array(items) => Value::List(
                items.iter().map(|item| Self::new(item.get_ref(), item.span(), item.span())).collect(),
            ),
            DeValue::Table(table) => Value::from_table(table),
        };
        Self { span, key_span, value }
    }

    /// The value of `key`, where this is a table that has it.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&Self> {
        let table = self.table()?;
        if table.len() <= FEW {
            return table.iter().find(|(known, _)| *known == key).map(|(_, node)| node);
        }
        table.get(key)
    }

    /// The node at the end of `path`.
    #[must_use]
    pub fn at(&self, path: &[&str]) -> Option<&Self> {
        path.iter().try_fold(self, |node, key| node.step(key))
    }

    /// Where a fault of what stands at `path` is shown: there, or at the nearest place above it.
    #[must_use]
    pub fn span_at(&self, path: &[&str]) -> Range<usize> {
        let mut node = self;
        let mut span = 0..0;
        for key in path {
            match node.step(key) {
                Some(next) => node = next,
                None => break,
            }
            // A table that is spread over several lines is shown by its name.
            span = if matches!(node.value, Value::Table(_)) && !node.key_span.is_empty() {
                node.key_span.clone()
            } else {
                node.span.clone()
            };
        }
        span
    }

    fn step(&self, key: &str) -> Option<&Self> {
        match &self.value {
            Value::Table(table) => table.get(key),
            Value::List(items) => items.get(key.parse::<usize>().ok()?),
            _ => None,
        }
    }

    /// The entries, where this is a table.
    #[must_use]
    pub fn table(&self) -> Option<&Entries> {
        match &self.value {
            Value::Table(table) => Some(table),
            _ => None,
        }
    }

    /// The text, where this is text.
    #[must_use]
    pub fn text(&self) -> Option<&str> {
        self.value.text()
    }

    /// Whether any text in this tree, with the key that it stands under, is what `is` says.
    pub(crate) fn any_text(&self, is: &dyn Fn(&str, &str) -> bool) -> bool {
        self.any_text_under("", is)
    }

    fn any_text_under(&self, key: &str, is: &dyn Fn(&str, &str) -> bool) -> bool {
        match &self.value {
            Value::Text(text) => is(key, text),
            Value::List(items) => items.iter().any(|item| item.any_text_under(key, is)),
            Value::Table(entries) => entries.iter().any(|(key, node)| node.any_text_under(key, is)),
            _ => false,
        }
    }

    /// Adds the places of all keys and values in this tree.
    pub(crate) fn spans(&self, found: &mut Vec<Range<usize>>) {
        found.extend([self.key_span.clone(), self.span.clone()]);
        match &self.value {
            Value::List(items) => items.iter().for_each(|item| item.spans(found)),
            Value::Table(entries) => entries.values().for_each(|node| node.spans(found)),
            _ => {}
        }
    }

    /// Adds all texts in this tree, in their order.
    pub(crate) fn texts(&self, found: &mut Vec<String>) {
        match &self.value {
            Value::Text(text) => found.push(text.clone()),
            Value::List(items) => items.iter().for_each(|item| item.texts(found)),
            Value::Table(entries) => entries.values().for_each(|node| node.texts(found)),
            _ => {}
        }
    }

    /// This tree with `over` laid upon it: tables are merged key by key, all else is replaced.
    #[must_use]
    pub fn overlaid(&self, over: &Self) -> Self {
        match (&self.value, &over.value) {
            (Value::Table(below), Value::Table(above)) => {
                let mut table = below.clone();
                for (key, node) in above {
                    let merged = below.get(key).map_or_else(|| node.clone(), |old| old.overlaid(node));
                    table.insert(key.clone(), merged);
                }
                Self { span: self.span.clone(), key_span: self.key_span.clone(), value: Value::Table(table) }
            }
            _ => over.clone(),
        }
    }
}

impl Value {
    fn from_table(table: &DeTable<'_>) -> Self {
        let mut entries: Vec<_> = table.iter().collect();
        // The parser keeps its keys sorted; the order of the text means something to people.
        entries.sort_by_key(|(key, _)| key.span().start);
        Self::Table(
            entries
                .into_iter()
                .map(|(key, value)| {
                    (key.get_ref().clone().into_owned(), Node::new(value.get_ref(), value.span(), key.span()))
                })
                .collect(),
        )
    }

    /// The text, where it is text.
    #[must_use]
    pub fn text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            _ => None,
        }
    }

    /// What it is, for messages: `text`, `a number`.
    #[must_use]
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Text(_) => "text",
            Self::Integer(_) => "a whole number",
            Self::Float(_) => "a number",
            Self::Bool(_) => "true or false",
            Self::List(_) => "a list",
            Self::Table(_) => "a table",
            Self::Invalid => "something unreadable",
        }
    }
}
