//! Reading code without knowing its language: its words, expressions, and what names were declared as.

use std::collections::HashSet;

/// An expression that is longer says no port.
const LONGEST: usize = 2000;

/// How many names of a file are looked for. Each costs a look through all of it.
const NAMES: usize = 40;

/// What makes a number of a text.
const MAKERS: [&str; 5] = ["Number", "parseInt", "normalizePort", "as", "number"];

/// A file's code. Each name is looked for once, and few are at all: what is not found then is not known.
pub(super) struct Code {
    text: String,
    keywords: &'static [&'static str],
    seen: HashSet<String>,
}

impl Code {
    /// Of JavaScript or TypeScript.
    pub(super) fn of_script(source: &str) -> Self {
        let text = without_remarks(source, &['"', '\'', '`']);
        Self { text, keywords: &["const", "let", "var"], seen: HashSet::new() }
    }

    /// Of Rust, where an apostrophe may begin a lifetime.
    pub(super) fn of_rust(source: &str) -> Self {
        let text = without_remarks(source, &['"']);
        Self { text, keywords: &["const", "static", "let", "mut"], seen: HashSet::new() }
    }

    /// Whether these words are in it.
    pub(super) fn has(&self, part: &str) -> bool {
        words(&self.text, part).next().is_some()
    }

    /// The first argument of each call of `name`, and what stands before the name.
    pub(super) fn calls(&self, name: &str) -> Vec<(String, String)> {
        let call = |(before, behind): (&str, &str)| {
            Some((last(before).to_owned(), expression(behind.strip_prefix('(')?).to_owned()))
        };
        words(&self.text, name).filter_map(call).collect()
    }

    /// What a name was declared as, where that happens once, and it is never given anything else.
    pub(super) fn declared(&mut self, name: &str) -> Option<String> {
        if self.seen.len() == NAMES || !self.seen.insert(name.to_owned()) {
            return None;
        }
        let mut found = None;
        for (before, behind) in words(&self.text, name) {
            let behind = behind.trim_start();
            let is_declared = self.keywords.iter().any(|keyword| {
                before.trim_end().strip_suffix(keyword).is_some_and(|before| !before.ends_with(is_part))
            });
            let value = match behind.strip_prefix(':').filter(|_| is_declared) {
                // Its type stands between.
                Some(rest) => {
                    expression(rest).split_once('=').map(|(kind, _)| &rest.trim_start()[kind.len() + 1..])
                }
                None => behind.strip_prefix('='),
            };
            let is_changed = behind.starts_with("+=") || behind.starts_with("++");
            match value.filter(|value| !value.starts_with(['=', '>'])) {
                Some(value) if is_declared && found.is_none() => found = Some(expression(value).to_owned()),
                Some(_) => return None,
                None if is_changed => return None,
                None => {}
            }
        }
        found
    }

    /// The port that an expression stands for: a number, one that stands in for a variable of the environment that is
    /// not set, or a name's. `None` for everything else: a wrong one is worse.
    pub(super) fn number(&mut self, expression: &str) -> Option<u16> {
        // One of two, and who knows which.
        if expression.contains('?') {
            return None;
        }
        // That is the base of a number.
        let expression = expression.replace(", 10)", ")");
        let is_part = |c: char| is_part(c) || matches!(c, '.' | '-');
        let parts = expression.split(|c: char| !is_part(c)).filter(|part| !part.is_empty());
        let of_part = |part: &str| part.trim_end_matches("_u16").trim_end_matches("u16").parse::<u16>().ok();
        let (numbers, names): (Vec<&str>, Vec<&str>) =
            parts.filter(|part| !MAKERS.contains(part)).partition(|part| of_part(part).is_some());
        match (numbers.as_slice(), names.as_slice()) {
            ([number], names) if names.iter().all(|name| name.starts_with("process.env.")) => of_part(number),
            ([], [name]) => match name.split_once('.') {
                None => self.declared(name).and_then(|value| self.number(&value)),
                Some((object, key)) => {
                    let value = self.declared(object)?;
                    self.property(value.trim_start().strip_prefix('{')?, key)
                }
            },
            _ => None,
        }
    }

    /// The number that a key has in an object, whose text begins behind its brace.
    pub(super) fn property(&mut self, object: &str, key: &str) -> Option<u16> {
        let mut found = None;
        for entry in entries(object) {
            // What it spreads may have the key too.
            if entry.starts_with("...") {
                return None;
            }
            match entry.split_once(':') {
                Some((name, value)) if name.trim().trim_matches(['"', '\'']) == key => found = Some(value),
                None if entry.trim_end() == key => found = Some(entry),
                _ => {}
            }
        }
        self.number(found?)
    }
}

/// The entries of an object, whose text begins behind its brace.
fn entries(object: &str) -> Vec<&str> {
    let mut found = Vec::new();
    let mut rest = object;
    loop {
        rest = rest.trim_start_matches(|c: char| c.is_whitespace() || matches!(c, ',' | ';'));
        let entry = expression(rest);
        if entry.is_empty() {
            return found;
        }
        found.push(entry);
        rest = &rest[entry.len()..];
    }
}

/// The code without its remarks. A text ends with its line at the latest, so that a mistaken one spoils no more.
fn without_remarks(source: &str, quotes: &[char]) -> String {
    let mut text = String::with_capacity(source.len());
    let mut rest = source;
    let mut within = None;
    while let Some(c) = rest.chars().next() {
        let mut length = c.len_utf8();
        match within {
            Some(_) if c == '\\' => {
                length += rest[length..].chars().next().map_or(0, char::len_utf8);
                text.push_str(&rest[..length]);
            }
            Some(quote) => {
                within = Some(quote).filter(|quote| c != *quote && (c != '\n' || *quote == '`'));
                text.push(c);
            }
            None if rest.starts_with("//") => length = rest.find('\n').unwrap_or(rest.len()),
            None if rest.starts_with("/*") => {
                length = rest.find("*/").map_or(rest.len(), |end| end + 2);
                text.push(' ');
            }
            None => {
                within = Some(c).filter(|c| quotes.contains(c));
                text.push(c);
            }
        }
        rest = &rest[length..];
    }
    text
}

fn is_part(c: char) -> bool {
    c.is_alphanumeric() || c == '_' || c == '$'
}

/// What stands before each `word` of the code, and behind it.
fn words<'s>(text: &'s str, word: &str) -> impl Iterator<Item = (&'s str, &'s str)> {
    text.match_indices(word).filter_map(move |(at, word)| {
        let (before, behind) = (&text[..at], &text[at + word.len()..]);
        (!before.ends_with(is_part) && !behind.starts_with(is_part)).then_some((before, behind))
    })
}

/// The path that ends here: `tokio::net::TcpListener::`.
fn last(before: &str) -> &str {
    let is_path = |c: char| is_part(c) || matches!(c, ':' | '.');
    before.rfind(|c| !is_path(c)).map_or(before, |at| before[at..].trim_start_matches(|c| !is_path(c)))
}

/// The text up to the end of the expression that it begins with.
pub(super) fn expression(text: &str) -> &str {
    let text = text.trim_start();
    let mut depth = 0_usize;
    for (at, c) in text.char_indices() {
        match c {
            _ if at > LONGEST => return &text[..at],
            '(' | '[' | '{' => depth += 1,
            ')' | ']' | '}' if depth == 0 => return &text[..at],
            ')' | ']' | '}' => depth -= 1,
            ',' | ';' | '\n' if depth == 0 && at > 0 => return &text[..at],
            _ => {}
        }
    }
    text
}
