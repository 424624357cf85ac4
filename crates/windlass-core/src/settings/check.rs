//! Checking values against what is declared of them.

mod format;

use std::collections::HashSet;
use std::fmt;

use super::{Assembled, Bounds, Declared, Fault, Kind, Provenance, Resolved, Secret, Text, Value, is_secret};
use crate::units::{Bytes, Span};

/// Why a value is not what was declared.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Misfit {
    /// What is wrong; shows the value where that was allowed.
    pub message: String,
    /// What to write instead.
    pub help: String,
}

/// Of the items of a list more are not told of, only counted: each would show the whole list.
const MOST_OF_A_LIST: usize = 3;

/// A value as messages call it.
#[derive(Clone, Copy)]
struct Shown<'a> {
    value: &'a str,
    secret: bool,
    /// Which item of a list it is, from 1.
    item: Option<usize>,
}

/// Longer values are not quoted in messages.
const LONGEST_QUOTED: usize = 60;

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.secret || self.value.chars().count() > LONGEST_QUOTED, self.item) {
            (false, _) => write!(f, "{:?}", self.value),
            (true, Some(item)) => write!(f, "item {item}"),
            (true, None) => f.write_str("its value"),
        }
    }
}

/// Faults of the values that were found: those that are empty where they must not be, and those that
/// are not what was declared. What is put together is looked at where all its parts are known, and good.
/// `manifest` is what its file is called.
#[must_use]
pub fn check(
    declared: &indexmap::IndexMap<String, Declared>,
    assembled: &Assembled,
    manifest: &str,
) -> Vec<Fault> {
    let mut faults = vec![];
    let mut wrong: HashSet<&str> = HashSet::new();
    let mut add = |name: &str, (file, line): (String, u32), misfits: Vec<Misfit>| {
        for misfit in misfits {
            let message = format!("{name}: {}", misfit.message);
            faults.push(Fault { file: file.clone(), line, column: 0, message, help: misfit.help });
        }
    };
    for (name, resolved) in &assembled.settings {
        let Some(setting) = declared.get(name) else { continue };
        // What stands in the manifest was checked when that was read.
        if matches!(resolved.value.provenance, Provenance::Default | Provenance::Composed) {
            continue;
        }
        let misfits = setting.misfits_of(&resolved.value);
        if !misfits.is_empty() {
            wrong.insert(name);
            add(name, resolved.value.provenance.place(), misfits);
        }
    }
    let is_composed = |(_, resolved): &(&String, &Resolved)| matches!(resolved.value.text, Text::Composed(_));
    let composed: Vec<_> = assembled.settings.iter().filter(is_composed).collect();
    if composed.is_empty() {
        return faults;
    }
    let is_secret_one =
        |(part, resolved): &(&String, &Resolved)| is_secret(part, declared.get(*part), &resolved.value);
    let secrets = assembled.settings.iter().filter(is_secret_one).map(|(part, _)| part.as_str());
    let of_secrets = assembled.made_of(secrets);
    let of_wrong = assembled.made_of(wrong);
    for (name, _) in composed {
        let Some(setting) = declared.get(name).filter(|_| !of_wrong.contains(name.as_str())) else {
            continue;
        };
        let Some(value) = assembled.whole(name) else { continue };
        let is_secret = || setting.hides(value.expose()) || of_secrets.contains(name.as_str());
        if setting.may_be_composed_empty(value.expose()) {
            continue;
        }
        add(name, (manifest.to_owned(), setting.line), setting.misfits_shown(value.expose(), is_secret));
    }
    faults
}

impl Declared {
    /// Whether `value` is what was declared.
    ///
    /// # Errors
    /// The first [`Misfit`], which shows the value unless it is a secret.
    pub fn check(&self, value: &Secret) -> Result<(), Misfit> {
        self.misfits(value).into_iter().next().map_or(Ok(()), Err)
    }

    /// All that is wrong with `value`, each of which shows it unless it is a secret; of the items of a
    /// list the first few.
    #[must_use]
    pub fn misfits(&self, value: &Secret) -> Vec<Misfit> {
        self.misfits_shown(value.expose(), || self.hides(value.expose()))
    }

    /// The same of what a layer has; nothing where that is not known yet.
    #[must_use]
    pub fn misfits_of(&self, value: &Value) -> Vec<Misfit> {
        let is_excused = |known: &&Secret| {
            value.provenance == Provenance::Composed && self.may_be_composed_empty(known.expose())
        };
        let known = value.text.known().filter(|known| !is_excused(known));
        known.map_or_else(Vec::new, |known| {
            self.misfits_shown(known.expose(), || is_secret("", Some(self), value))
        })
    }

    /// What is put together from others may be as empty as they are, where it is a text. That excuses no other layer's value.
    pub(crate) fn may_be_composed_empty(&self, composed: &str) -> bool {
        composed.is_empty() && self.kind == Kind::String
    }

    /// What is wrong. Whether it may be shown takes longer to find out, and is asked only where something is.
    fn misfits_shown(&self, value: &str, is_secret: impl FnOnce() -> bool) -> Vec<Misfit> {
        let hidden = self.misfits_told(value, true);
        if hidden.is_empty() || is_secret() { hidden } else { self.misfits_told(value, false) }
    }

    fn misfits_told(&self, value: &str, secret: bool) -> Vec<Misfit> {
        if value.is_empty() {
            // An empty text is a value of the types that are text, where nothing is said against it.
            let may_be_empty = !self.required && (self.default.is_none() || self.kind == Kind::String);
            return if may_be_empty { self.of_empty() } else { vec![self.empty()] };
        }
        let shown = Shown { value, secret, item: None };
        if self.kind != Kind::List {
            return self.of_one(shown);
        }
        let items: Vec<&str> = self.bounds.items(value).collect();
        let mut found = vec![];
        let mut more = 0_usize;
        for (at, item) in items.iter().enumerate() {
            let shown = Shown { value: item, secret, item: Some(at + 1) };
            let wrong = self.of_item(shown, at + 1);
            if found.len() < MOST_OF_A_LIST {
                found.extend(wrong);
            } else {
                more += usize::from(!wrong.is_empty());
            }
        }
        found.truncate(MOST_OF_A_LIST);
        if let Some(last) = found.last_mut().filter(|_| more > 0) {
            let items = if more == 1 { "item" } else { "items" };
            last.message.push_str(&format!(", and {more} more {items}"));
        }
        self.bounds.length(shown, items.len(), "items").into_iter().chain(found).collect()
    }

    fn of_item(&self, shown: Shown<'_>, number: usize) -> Vec<Misfit> {
        if !shown.value.is_empty() {
            return self.bounds.words(shown);
        }
        let help = format!("write something between the two {:?}", self.bounds.separator);
        vec![Misfit { message: format!("item {number} is empty"), help }]
    }

    fn of_empty(&self) -> Vec<Misfit> {
        let shown = Shown { value: "", secret: false, item: None };
        match self.default {
            Some(_) => self.bounds.length(shown, 0, "characters").into_iter().collect(),
            // Declared as optional: no value at all would do, too.
            None => vec![],
        }
    }

    fn empty(&self) -> Misfit {
        let help = match (&self.default, self.required) {
            (Some(_), false) => "give it a value, or remove the line: it has a default",
            _ => "give it a value, or declare it with required = false",
        };
        Misfit { message: "it is empty".to_owned(), help: help.to_owned() }
    }

    fn of_one(&self, shown: Shown<'_>) -> Vec<Misfit> {
        let bounds = &self.bounds;
        let form = match self.kind {
            Kind::String => bounds.length(shown, shown.value.chars().count(), "characters"),
            Kind::Integer | Kind::Number | Kind::Duration | Kind::Bytes | Kind::Port => {
                bounds.check_range(self.kind, shown).err()
            }
            Kind::Boolean => format::boolean(shown).err(),
            Kind::Url => format::url(shown, &bounds.schemes).err(),
            Kind::Host => format::host(shown).err(),
            Kind::Path => format::path(shown).err(),
            Kind::Email => format::email(shown).err(),
            Kind::Json => format::json(shown).err(),
            Kind::Enum | Kind::List => None,
        };
        let words = if self.kind.is_text() { bounds.words(shown) } else { vec![] };
        form.into_iter().chain(words).collect()
    }
}

/// A value that can be compared with others of its type.
#[derive(Debug, Clone, Copy, PartialEq, PartialOrd)]
pub(crate) enum Quantity {
    Whole(i128),
    Fraction(f64),
}

impl Kind {
    /// `text` as a value of this type that can be compared; `None` where it is none.
    pub(crate) fn quantity(self, text: &str) -> Option<Quantity> {
        let whole = |number: i64| Quantity::Whole(number.into());
        match self {
            Self::Integer => text.parse().ok().map(whole),
            Self::Number => {
                text.parse().ok().filter(|number: &f64| number.is_finite()).map(Quantity::Fraction)
            }
            Self::Duration => text.parse::<Span>().ok().map(|span| Quantity::Whole(span.as_millis().into())),
            Self::Bytes => text.parse::<Bytes>().ok().map(|bytes| Quantity::Whole(bytes.0.into())),
            Self::Port => format::port(text).filter(|port| *port > 0).map(|port| whole(port.into())),
            _ => None,
        }
    }

    /// Whether its values can be compared.
    pub(crate) fn has_order(self) -> bool {
        matches!(self, Self::Integer | Self::Number | Self::Duration | Self::Bytes | Self::Port)
    }

    /// Whether its values, or of a list each item, can be words, or match a pattern.
    pub(crate) fn is_text(self) -> bool {
        matches!(
            self,
            Self::String | Self::List | Self::Enum | Self::Url | Self::Host | Self::Path | Self::Email
        )
    }

    /// What a value looks like, for messages: `a whole number`.
    pub(crate) fn describe(self) -> &'static str {
        match self {
            Self::String => "text",
            Self::Integer => "a whole number",
            Self::Number => "a number",
            Self::Boolean => "true or false",
            Self::Enum => "one of its words",
            Self::Duration => "a length of time such as 30s or 1h30m",
            Self::Bytes => "a size such as 512MiB",
            Self::Url => "a URL",
            Self::Host => "a host name or an address",
            Self::Port => "a port, 1 to 65535",
            Self::Path => "a path",
            Self::Email => "an address such as ada@example.org",
            Self::List => "a list",
            Self::Json => "a JSON document",
        }
    }
}

impl Bounds {
    /// The items of a list, without the white space around them.
    pub fn items<'v>(&'v self, value: &'v str) -> impl Iterator<Item = &'v str> {
        value.split(self.separator.as_str()).map(str::trim)
    }

    fn check_range(&self, kind: Kind, shown: Shown<'_>) -> Result<(), Misfit> {
        let Some(quantity) = kind.quantity(shown.value) else {
            if let Some(beyond) = self.beyond_all(kind, shown) {
                return Err(beyond);
            }
            return Err(Misfit {
                message: format!("{shown} is not {}", kind.describe()),
                help: match self.range() {
                    Some(range) => format!("write {}, {range}", kind.describe()),
                    None => format!("write {}", kind.describe()),
                },
            });
        };
        let beyond = |bound: &Option<String>, wrong: std::cmp::Ordering| {
            let bound = bound.as_ref().and_then(|bound| kind.quantity(bound));
            bound.is_some_and(|bound| quantity.partial_cmp(&bound) == Some(wrong))
        };
        if beyond(&self.min, std::cmp::Ordering::Less) || beyond(&self.max, std::cmp::Ordering::Greater) {
            let range = self.range().unwrap_or_default();
            return Err(Misfit {
                message: format!("{shown} is out of range"),
                help: format!("write {}, {range}", kind.describe()),
            });
        }
        Ok(())
    }

    /// What is wrong with a whole number that is beyond what a program can count with.
    fn beyond_all(&self, kind: Kind, shown: Shown<'_>) -> Option<Misfit> {
        let digits = shown.value.strip_prefix(['-', '+']).unwrap_or(shown.value);
        if kind != Kind::Integer || digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
            return None;
        }
        let size = if shown.value.starts_with('-') { "small" } else { "large" };
        let min = self.min.clone().unwrap_or_else(|| i64::MIN.to_string());
        let max = self.max.clone().unwrap_or_else(|| i64::MAX.to_string());
        Some(Misfit {
            message: format!("{shown} is too {size}"),
            help: format!("write {}, from {min} to {max}", kind.describe()),
        })
    }

    /// The range in words: `from 1 to 64`.
    #[must_use]
    pub fn range(&self) -> Option<String> {
        match (&self.min, &self.max) {
            (None, None) => None,
            (Some(min), None) => Some(format!("at least {min}")),
            (None, Some(max)) => Some(format!("at most {max}")),
            (Some(min), Some(max)) => Some(format!("from {min} to {max}")),
        }
    }

    fn length(&self, shown: Shown<'_>, length: usize, of: &str) -> Option<Misfit> {
        let length = length as u64;
        let (message, help) = match (self.min_length, self.max_length) {
            (Some(min), _) if length < min => {
                (format!("{shown} is too short: {length} {of}"), format!("it needs at least {min}"))
            }
            (_, Some(max)) if length > max => {
                (format!("{shown} is too long: {length} {of}"), format!("it may have at most {max}"))
            }
            _ => return None,
        };
        Some(Misfit { message, help })
    }

    fn words(&self, shown: Shown<'_>) -> Vec<Misfit> {
        let stranger = !self.values.is_empty() && !self.values.iter().any(|word| word == shown.value);
        let stranger = stranger.then(|| Misfit {
            message: format!("{shown} is not one of its values"),
            help: format!("write {}", crate::manifest::kind::or(&self.values)),
        });
        let pattern = self.pattern.as_ref().and_then(|pattern| match pattern.matches(shown.value) {
            Ok(true) => None,
            Ok(false) => Some(Misfit {
                message: format!("{shown} does not match its pattern"),
                help: format!("write what matches all of {pattern}"),
            }),
            // Found when the manifest is read already.
            Err(why) => Some(Misfit { message: format!("its pattern is none: {why}"), help: String::new() }),
        });
        stranger.into_iter().chain(pattern).collect()
    }
}

#[cfg(test)]
mod tests;
