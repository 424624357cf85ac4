//! Reading a checked table: what was typed, else the default that `fields/` names.

use crate::manifest::kind::Table;
use crate::manifest::{Node, Value, words};
use crate::name::Name;
use crate::spec::{Command, Env, Statuses, Template};
use crate::units::{Bytes, Span};

/// A table of the manifest, or its absence.
#[derive(Clone, Copy)]
pub(super) struct Reader<'a> {
    table: &'static Table,
    node: Option<&'a Node>,
}

impl<'a> Reader<'a> {
    pub(super) fn new(table: &'static Table, node: Option<&'a Node>) -> Self {
        Self { table, node }
    }

    /// What was typed, unless it was refused.
    pub(super) fn given(&self, key: &str) -> Option<&'a Node> {
        debug_assert!(self.table.field(key).is_some(), "{} has no {key}", self.table.name);
        self.node?.get(key).filter(|node| node.value != Value::Invalid)
    }

    /// The reader of the table at `key`.
    pub(super) fn inner(&self, table: &'static Table, key: &str) -> Self {
        Self::new(table, self.given(key))
    }

    fn default(&self, key: &str) -> Option<&'static str> {
        self.table.field(key)?.default
    }

    /// Text, given or by default.
    pub(super) fn text(&self, key: &str) -> Option<&'a str> {
        self.given(key).and_then(Node::text).or_else(|| self.default(key))
    }

    pub(super) fn owned(&self, key: &str) -> Option<String> {
        self.text(key).map(str::to_owned)
    }

    /// A length of time.
    pub(super) fn span(&self, key: &str) -> Span {
        self.text(key).and_then(|text| text.parse().ok()).unwrap_or_default()
    }

    /// A size, where there is one.
    pub(super) fn size(&self, key: &str) -> Option<Bytes> {
        self.text(key)?.parse().ok()
    }

    pub(super) fn bool(&self, key: &str) -> bool {
        self.given_bool(key).unwrap_or_else(|| self.default(key) == Some("true"))
    }

    pub(super) fn given_bool(&self, key: &str) -> Option<bool> {
        match self.given(key)?.value {
            Value::Bool(value) => Some(value),
            _ => None,
        }
    }

    /// A whole number, where there is one and it fits.
    pub(super) fn integer<T: TryFrom<i64>>(&self, key: &str) -> Option<T> {
        let number = match self.given(key).map(|node| &node.value) {
            Some(Value::Integer(number)) => *number,
            _ => self.default(key)?.parse().ok()?,
        };
        T::try_from(number).ok()
    }

    /// A status or a range of them, where there is one.
    pub(super) fn statuses(&self, key: &str) -> Option<Statuses> {
        match self.given(key).map(|node| &node.value) {
            Some(Value::Integer(status)) => Some(u16::try_from(*status).ok()?.into()),
            _ => self.text(key)?.parse().ok(),
        }
    }

    /// A number, where there is one.
    pub(super) fn number(&self, key: &str) -> Option<f64> {
        match self.given(key).map(|node| &node.value) {
            // The ranges of `fields/` are far below 2^52.
            #[allow(clippy::cast_precision_loss)]
            Some(Value::Integer(number)) => Some(*number as f64),
            Some(Value::Float(number)) => Some(*number),
            _ => self.default(key)?.parse().ok(),
        }
    }

    /// The items of a list, or the one value that stands for a list of one.
    pub(super) fn items(&self, key: &str) -> Vec<&'a Node> {
        match self.given(key) {
            Some(Node { value: Value::List(items), .. }) => {
                items.iter().filter(|item| item.value != Value::Invalid).collect()
            }
            Some(one) => vec![one],
            None => vec![],
        }
    }

    pub(super) fn texts(&self, key: &str) -> Vec<String> {
        self.items(key).into_iter().filter_map(|node| node.text().map(str::to_owned)).collect()
    }

    pub(super) fn names(&self, key: &str) -> Vec<Name> {
        self.texts(key).into_iter().filter_map(|text| Name::new(text).ok()).collect()
    }

    /// The entries of a table with free keys.
    pub(super) fn entries(&self, key: &str) -> impl Iterator<Item = (&'a String, &'a Node)> + use<'a> {
        let table = self.given(key).and_then(Node::table);
        table.into_iter().flatten().filter(|(_, node)| node.value != Value::Invalid)
    }

    /// The entries whose keys are names.
    pub(super) fn named(&self, key: &str) -> impl Iterator<Item = (Name, &'a Node)> + use<'a> {
        self.entries(key).filter_map(|(key, node)| Some((Name::new(key.as_str()).ok()?, node)))
    }

    pub(super) fn templates(&self, key: &str) -> Env {
        self.entries(key)
            .filter_map(|(key, node)| Some((key.clone(), Template::parse(node.text()?).ok()?)))
            .collect()
    }

    /// The command; an empty one where it is missing or refused, which is reported elsewhere.
    pub(super) fn command(&self, key: &str) -> Command {
        self.given(key).and_then(command).unwrap_or(Command::Argv(vec![]))
    }
}

/// A checked command.
pub(super) fn command(node: &Node) -> Option<Command> {
    let words = match &node.value {
        Value::Text(line) => words::split(line).ok()?,
        Value::List(items) => items.iter().filter_map(|item| item.text().map(str::to_owned)).collect(),
        _ => return Some(Command::Shell(words::shell_line(node.get("shell")?.text()?))),
    };
    words.iter().map(|word| Template::parse(word).ok()).collect::<Option<_>>().map(Command::Argv)
}
