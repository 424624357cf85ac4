//! What a key may hold. The tables of `fields/` are made of these; the parser checks against them,
//! and the JSON Schema and the reference are printed from them, so that the three cannot differ.

use super::format::Format;

/// A table of the manifest.
#[derive(Debug)]
pub struct Table {
    /// Its name in the schema, such as `service`.
    pub name: &'static str,
    /// How its header is written, such as `[services.NAME]`.
    pub header: &'static str,
    /// What it is for.
    pub help: &'static str,
    /// An example, in TOML; empty where the fields' examples do.
    pub example: &'static str,
    /// Its keys.
    pub fields: &'static [Field],
}

/// A key of a table.
#[derive(Debug)]
pub struct Field {
    /// The key.
    pub key: &'static str,
    /// What it may hold.
    pub kind: Kind,
    /// Whether it must be there.
    pub required: bool,
    /// What holds where it is not there: a value as typed, without quotes.
    pub default: Option<&'static str>,
    /// What holds where it is not there, in words, where that is no plain value.
    pub absent: Option<&'static str>,
    /// What it means.
    pub help: &'static str,
    /// An example of its value, in TOML.
    pub example: Option<&'static str>,
}

/// What a value may be.
#[derive(Debug, Clone, Copy)]
pub enum Kind {
    /// Text of a format.
    Text(Format),
    /// `true` or `false`.
    Bool,
    /// Only `true`.
    True,
    /// A whole number between two others.
    Integer {
        /// The least.
        min: i64,
        /// The greatest.
        max: i64,
    },
    /// Any number between two others.
    Number {
        /// The least.
        min: f64,
        /// The greatest.
        max: f64,
    },
    /// One of these words.
    Choice(&'static [Choice]),
    /// A list.
    List(&'static Kind),
    /// One, or a list.
    OneOrMany(&'static Kind),
    /// A table whose keys are free.
    Map {
        /// What a key must be.
        key: Format,
        /// What a value must be.
        of: &'static Kind,
    },
    /// A table with known keys.
    Table(&'static Table),
    /// A command: text that is split into words, a list of words, or `{ shell = "..." }`.
    Command,
    /// Any of these; each is written differently enough to tell them apart.
    AnyOf(&'static [Kind]),
}

/// A word that may stand for itself.
#[derive(Debug, Clone, Copy)]
pub struct Choice {
    /// The word.
    pub word: &'static str,
    /// What it means.
    pub help: &'static str,
}

/// A word and what it means.
pub(crate) const fn choice(word: &'static str, help: &'static str) -> Choice {
    Choice { word, help }
}

impl Field {
    /// A key that need not be there.
    pub(crate) const fn new(key: &'static str, kind: Kind, help: &'static str) -> Self {
        Self { key, kind, required: false, default: None, absent: None, help, example: None }
    }

    /// It must be there.
    pub(crate) const fn required(mut self) -> Self {
        self.required = true;
        self
    }

    /// What holds where it is not there, as typed.
    pub(crate) const fn default(mut self, default: &'static str) -> Self {
        self.default = Some(default);
        self
    }

    /// What holds where it is not there, in words.
    pub(crate) const fn absent(mut self, absent: &'static str) -> Self {
        self.absent = Some(absent);
        self
    }

    /// An example of its value.
    pub(crate) const fn example(mut self, example: &'static str) -> Self {
        self.example = Some(example);
        self
    }
}

impl Table {
    /// The field of `key`.
    #[must_use]
    pub fn field(&self, key: &str) -> Option<&'static Field> {
        self.fields.iter().find(|field| field.key == key)
    }

    /// All keys.
    pub fn keys(&self) -> impl Iterator<Item = &'static str> {
        self.fields.iter().map(|field| field.key)
    }
}

impl Kind {
    /// What may be written, for messages: `text`, `a list of text`, `"auto" or a port`.
    #[must_use]
    pub fn describe(&self) -> String {
        match self {
            Self::Text(format) => format.describe().to_owned(),
            Self::Bool => "true or false".to_owned(),
            Self::True => "true".to_owned(),
            Self::Integer { min, max } if *max == i64::MAX => format!("a whole number from {min} up"),
            Self::Integer { min, max } => format!("a whole number from {min} to {max}"),
            Self::Number { min, .. } if *min == f64::MIN => "a number".to_owned(),
            Self::Number { min, max } if *max == f64::MAX => format!("a number from {min} up"),
            Self::Number { min, max } => format!("a number from {min} to {max}"),
            Self::Choice(choices) => {
                let words: Vec<String> = choices.iter().map(|choice| format!("{:?}", choice.word)).collect();
                or(&words)
            }
            Self::List(of) => format!("a list, each {}", of.describe()),
            Self::OneOrMany(of) => format!("{}, or a list of such", of.describe()),
            Self::Map { of, .. } => format!("a table of names, each {}", of.describe()),
            Self::Table(table) => format!(
                "a table with {}",
                or(&table.keys().take(4).map(|key| format!("`{key}`")).collect::<Vec<_>>())
            ),
            Self::Command => "a command (text, a list of words, or { shell = \"...\" })".to_owned(),
            Self::AnyOf(kinds) => or(&kinds.iter().map(Self::describe).collect::<Vec<_>>()),
        }
    }
}

/// `a, b or c`.
pub(crate) fn or(words: &[String]) -> String {
    match words {
        [] => String::new(),
        [one] => one.clone(),
        [most @ .., last] => format!("{} or {last}", most.join(", ")),
    }
}
