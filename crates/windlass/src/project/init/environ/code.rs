//! Python's sources, as far as calls that read variables are found in them without understanding the rest.

use super::{Absent, Read};
use crate::project::python::{arguments, end_of_call, keyword, literal, plain_text, stripped};

/// A source without its comments and long texts.
pub(super) struct Code {
    pub(super) text: String,
    /// Whether `env` and `config` are those of the known libraries.
    pub(super) environ: bool,
    decouple: bool,
}

/// How a variable can be read: what stands before its name, and what follows where it is not there.
#[derive(Clone, Copy, PartialEq)]
enum Way {
    /// `os.environ["NAME"]`
    Index,
    /// `os.getenv("NAME")`, with the default behind it.
    Get,
    /// `env("NAME")`, with the default as `default=`.
    Keyword,
}

impl Code {
    pub(super) fn of(source: &str) -> Self {
        let environ = ["import environ", "from environ", "Env("].iter().any(|word| source.contains(word));
        Self { text: stripped(source), environ, decouple: source.contains("decouple") }
    }

    pub(super) fn calls(&self) -> Vec<Read> {
        let scheme = self.scheme();
        let mut calls = Vec::new();
        for (at, _) in self.text.match_indices(['[', '(']) {
            let Some(way) = self.way(&self.text[..at]) else { continue };
            let Some((name, rest)) = literal(self.text[at + 1..].trim_start()) else { continue };
            let Some(prefix) = self.prefix(at, way) else { continue };
            let given = arguments(&rest[..end_of_call(rest)]);
            let in_scheme = scheme.iter().find(|known| known.name == name).filter(|_| way == Way::Keyword);
            let own = default(way, &given).map(|default| Absent::Default(plain_text(default)));
            let absent = match own.or_else(|| in_scheme.map(|known| known.absent.clone())) {
                Some(Absent::Default(default)) => Absent::Default(default),
                // Django cannot be loaded with no key at all.
                _ if way == Way::Get && name != "SECRET_KEY" => Absent::Nothing,
                _ if self.is_guarded(at, name) => Absent::Nothing,
                _ => Absent::Fails,
            };
            let plain = self.is_made_plain(at)
                || in_scheme.is_some_and(|known| known.plain)
                || given.iter().any(|given| PLAIN.contains(&given.strip_prefix("cast=").unwrap_or(given)));
            calls.push(Read { name: format!("{prefix}{name}"), absent, plain });
        }
        calls
    }

    /// What `Env(DEBUG=(bool, False))` says of variables that are read later.
    fn scheme(&self) -> Vec<Read> {
        let mut scheme = vec![];
        let starts = self.text.match_indices("Env(").filter(|_| self.environ);
        for (at, word) in starts {
            let rest = &self.text[at + word.len()..];
            for (name, value) in arguments(&rest[..end_of_call(rest)]).into_iter().filter_map(keyword) {
                let pair = value.strip_prefix('(').and_then(|value| value.strip_suffix(')')).map(arguments);
                let pair = pair.unwrap_or_else(|| vec![value]);
                let absent = pair.get(1).map_or(Absent::Fails, |value| Absent::Default(plain_text(value)));
                let plain = pair.first().is_some_and(|kind| PLAIN.contains(kind));
                scheme.push(Read { name: name.to_owned(), absent, plain });
            }
        }
        scheme
    }

    /// Whether the call whose bracket is at `at` gives a number, or yes or no, or is handed to what
    /// makes one of it.
    fn is_made_plain(&self, at: usize) -> bool {
        let ident = |c: char| c.is_alphanumeric() || matches!(c, '_' | '.');
        let callee = self.text[..at].rsplit(|c| !ident(c)).next().unwrap_or_default();
        let before = self.text[..at - callee.len()].trim_end();
        let around = before.strip_suffix('(').and_then(|before| before.rsplit(|c| !ident(c)).next());
        // `bool(os.environ.get("TOKEN"))` asks whether there is one, and makes nothing of it.
        let around = around.filter(|kind| ["int", "float"].contains(kind));
        callee.strip_prefix("env.").into_iter().chain(around).any(|kind| PLAIN.contains(&kind))
    }

    /// What `with env.prefixed("APP_"):` around a call puts before its name; `None` where that is not
    /// written out.
    fn prefix(&self, at: usize, way: Way) -> Option<String> {
        let mut prefix = String::new();
        if way != Way::Keyword {
            return Some(prefix);
        }
        let mut outer = usize::MAX;
        for line in self.text[..at].split('\n').rev().filter(|line| !line.trim().is_empty()) {
            let indent = line.len() - line.trim_start().len();
            if indent >= outer {
                continue;
            }
            outer = indent;
            for (_, rest) in
                line.rmatch_indices(".prefixed(").map(|(at, word)| line.split_at(at + word.len()))
            {
                prefix = format!("{}{prefix}", literal(rest.trim_start())?.0);
            }
        }
        Some(prefix)
    }

    /// What the expression that ends `before` a bracket does.
    fn way(&self, before: &str) -> Option<Way> {
        let start = before.rfind(|c: char| !(c.is_alphanumeric() || matches!(c, '_' | '.')));
        let callee =
            &before[start.map_or(0, |at| at + before[at..].chars().next().map_or(1, char::len_utf8))..];
        match callee {
            _ if self.text[before.len()..].starts_with('[') => {
                matches!(callee, "os.environ" | "environ").then_some(Way::Index)
            }
            "os.environ.get" | "environ.get" | "os.getenv" | "getenv" | "os.environ.setdefault" => {
                Some(Way::Get)
            }
            "env" if self.environ => Some(Way::Keyword),
            "config" if self.decouple => Some(Way::Keyword),
            _ => callee
                .strip_prefix("env.")
                .filter(|kind| self.environ && KINDS.contains(kind))
                .map(|_| Way::Keyword),
        }
    }

    /// Whether the statement at `at` need not be carried out: it is part of another one, or somebody
    /// looks first whether the variable is there.
    fn is_guarded(&self, at: usize, name: &str) -> bool {
        let looks = |quote: char| self.text.contains(&format!("{quote}{name}{quote} in os.environ"));
        if looks('"') || looks('\'') {
            return true;
        }
        let mut depth = 0_i32;
        let mut indented = false;
        let mut start = 0;
        let mut end = 0;
        for line in self.text.split('\n') {
            if depth <= 0 {
                if end > at {
                    break;
                }
                indented = line.starts_with([' ', '\t']);
                depth = 0;
                start = end;
            }
            for c in line.chars() {
                depth += i32::from(matches!(c, '(' | '[' | '{')) - i32::from(matches!(c, ')' | ']' | '}'));
            }
            end += line.len() + 1;
        }
        let statement = &self.text[start..end.min(self.text.len())];
        let mut words = statement.split(|c: char| !(c.is_alphanumeric() || c == '_'));
        indented || words.any(|word| matches!(word, "if" | "or" | "and" | "lambda"))
    }
}

/// Types whose values are no secrets.
const PLAIN: [&str; 4] = ["bool", "int", "float", "log_level"];

/// What can stand where others have the default: what the value is made.
const CASTS: [&str; 10] =
    ["str", "bool", "int", "float", "list", "tuple", "dict", "bytes", "Decimal", "Path"];

/// Methods of `env` that read a variable as something.
const KINDS: [&str; 18] = [
    "str",
    "bool",
    "int",
    "float",
    "list",
    "tuple",
    "dict",
    "json",
    "url",
    "path",
    "db",
    "db_url",
    "cache",
    "cache_url",
    "email_url",
    "decimal",
    "bytes",
    "log_level",
];

/// What stands in place of a variable that is not there, where something does, as written. `given` is
/// what follows the name. django-environ has the type before it, environs and decouple do not; of
/// what may be either it is taken for a default: what is wrongly required stops a deploy.
fn default<'a>(way: Way, given: &[&'a str]) -> Option<&'a str> {
    if way == Way::Index {
        return None;
    }
    let named = given.iter().copied().filter_map(keyword).find(|(name, _)| *name == "default");
    let spread = || given.iter().copied().find(|given| given.starts_with('*'));
    let mut placed = given.iter().copied().filter(|given| keyword(given).is_none());
    named.map(|(_, value)| value).or_else(|| placed.find(|given| !CASTS.contains(given))).or_else(spread)
}
