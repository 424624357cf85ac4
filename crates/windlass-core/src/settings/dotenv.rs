//! Reading `.env` files, as docker compose reads them.
//!
//! ```text
//! # a comment
//! PLAIN=value with ${OTHER:-references}   # a comment after white space
//! export SINGLE='literally $this, over
//! several lines'
//! DOUBLE="\tescapes, \"quotes\" and ${REFERENCES}"
//! COLON: value
//! FROM_THE_ENVIRONMENT
//! ```
//!
//! Where a name stands twice the last one holds, with a warning.

use std::collections::HashMap;

use foldhash::fast::RandomState;

use super::growing::{self, Growing};
use super::interpolate::Interpolation;
use super::{Fault, Lost, Secret, is_setting_name};

/// What a file says.
#[derive(Debug, Default)]
pub struct Parsed {
    /// The settings, each once, in the order of their first lines.
    pub entries: Vec<Entry>,
    /// What is wrong; not empty means that `entries` is not whole.
    pub faults: Vec<Fault>,
    /// The settings of the lines that are wrong.
    pub lost: Lost,
    /// What is allowed and yet seldom meant.
    pub warnings: Vec<Fault>,
    /// Lines whose names are right for docker compose, and which no setting can have.
    pub unfit: Vec<Fault>,
    /// Names that stand by themselves, to be taken from the environment, which does not have them.
    pub bare: Vec<Fault>,
}

/// One setting.
#[derive(Debug, Clone)]
pub struct Entry {
    /// Its name.
    pub name: String,
    /// Its value, with all references filled.
    pub value: Secret,
    /// The line of its name, from 1.
    pub line: u32,
    /// The line on which its value ends.
    pub end: u32,
    /// The names of the references that were filled.
    pub made_of: Vec<String>,
}

/// What a name stands for, if anything.
pub type Lookup<'a> = &'a dyn Fn(&str) -> Option<String>;

/// Reads `text`, the content of the file that messages call `file`. A reference such as `${NAME}`
/// is answered by `environment`, then by the lines above it, then by `base`: the files that this
/// one overlays.
#[must_use]
pub fn parse(file: &str, text: &str, environment: Lookup<'_>, base: Lookup<'_>) -> Parsed {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    // Line ends are normalised first, in quoted values too: a file that was edited on Windows is
    // to give the same values.
    let normal = text.contains("\r\n").then(|| growing::replaced(text, "\r\n", "\n"));
    let text = normal.as_ref().map_or(text, Growing::as_str);
    let mut parser = Parser {
        file,
        text,
        at: 0,
        line: 1,
        environment,
        base,
        parsed: Parsed::default(),
        places: HashMap::default(),
    };
    while parser.at < text.len() {
        parser.statement();
    }
    parser.parsed
}

struct Parser<'a> {
    file: &'a str,
    text: &'a str,
    /// The byte that is read next; always the beginning of a line when a statement begins.
    at: usize,
    line: u32,
    environment: Lookup<'a>,
    base: Lookup<'a>,
    parsed: Parsed,
    /// Where in it each name stands.
    places: HashMap<&'a str, usize, RandomState>,
}

/// What a value refers to.
#[derive(Default)]
struct Named {
    unset: Vec<(String, usize)>,
    used: Vec<String>,
    /// The byte of the last reference that was looked at: of the one that is wrong, where one is.
    last: usize,
}

/// A value as it stands in the file.
enum Raw<'a> {
    Plain(&'a str),
    Single(Growing),
    Double(&'a str),
}

impl<'a> Parser<'a> {
    /// Reads one line, or as many as a quoted value takes. Whatever is wrong with it, what follows
    /// begins on the next line.
    fn statement(&mut self) {
        let line = self.rest_of_line();
        let trimmed = line.trim_start();
        if trimmed.is_empty() || trimmed.starts_with('#') {
            self.skip(line.len());
            return self.end_line();
        }
        let start = self.at;
        self.skip(line.len() - trimmed.len());
        let without = trimmed.strip_prefix("export").filter(|rest| rest.starts_with([' ', '\t']));
        if let Some(rest) = without {
            self.skip(trimmed.len() - rest.trim_start().len());
        }
        let column = self.column(start, self.at);
        let assignment = self.rest_of_line();
        // A URL on a line of its own assigns nothing to its scheme.
        let end = assignment.find(['=', ':']).filter(|at| !assignment[*at..].starts_with("://"));
        let name = &assignment[..end.unwrap_or(assignment.len())];
        let name_written = name.trim_end();
        let is_bare = name.len() == assignment.len();
        if !is_name(name_written) {
            let (message, help) = if is_bare {
                ("there is no = in this line", "write NAME=value, or # before a comment")
            } else {
                (
                    "the text before = is not a name",
                    "write letters, digits and _, not beginning with a digit, such as DATABASE_URL",
                )
            };
            self.fault(column, message, help);
            self.parsed.lost.name(name_written);
            if let Some(first) = name_written.split_whitespace().next().filter(|_| is_bare) {
                self.parsed.lost.name(first);
            }
            self.skip(assignment.len());
            return self.end_line();
        }
        let first_line = self.line;
        if is_bare {
            self.bare(name_written, column);
            self.skip(assignment.len());
            return self.end_line();
        }
        let value = &assignment[name.len() + 1..];
        let padding = value.len() - value.trim_start_matches([' ', '\t']).len();
        self.skip(name.len() + 1 + padding);
        let value_column = self.column(start, self.at);
        let Some(raw) = self.raw_value(value_column) else {
            self.parsed.lost.name(name_written);
            return self.end_line();
        };
        if is_setting_name(name_written) {
            self.entry(name_written, raw, first_line, value_column);
        } else {
            self.unfit(first_line, column);
        }
        self.end_line();
    }

    /// A name by itself: whatever the environment has for it.
    fn bare(&mut self, name: &'a str, column: u32) {
        if !is_setting_name(name) {
            return self.unfit(self.line, column);
        }
        if let Some(value) = (self.environment)(name) {
            return self.keep(name, (Secret::new(value), vec![]), self.line, column);
        }
        self.parsed.bare.push(Fault {
            file: self.file.to_owned(),
            line: self.line,
            column,
            // It may as well be a piece of a value: it is not shown.
            message: "there is no = in this line, and the environment has nothing of this name".to_owned(),
            help: "write NAME=value, or # before a comment".to_owned(),
        });
    }

    fn unfit(&mut self, line: u32, column: u32) {
        self.parsed.unfit.push(Fault {
            file: self.file.to_owned(),
            line,
            column,
            message: "no setting can have the name in this line, which is passed over".to_owned(),
            help: "write letters, digits and _, not beginning with a digit, such as DATABASE_URL".to_owned(),
        });
    }

    /// The value as written. `None` when it is faulty; then the rest of the line is skipped.
    fn raw_value(&mut self, column: u32) -> Option<Raw<'a>> {
        let rest = &self.text[self.at..];
        let quote = match rest.as_bytes().first() {
            Some(&quote @ (b'\'' | b'"')) => quote,
            _ => {
                let start = self.at;
                let line = self.rest_of_line();
                self.skip(line.len());
                let spaced = self.text[..start].ends_with([' ', '\t']);
                return Some(Raw::Plain(without_comment(line, spaced)));
            }
        };
        let Some(length) = quoted_length(&rest[1..], quote) else {
            let mark = char::from(quote);
            let help = format!(
                "close it with {mark}, or put the other kind of quotes around a value with {mark} in it"
            );
            self.fault(column, "the quotes are not closed", &help);
            let line = self.rest_of_line();
            self.skip(line.len());
            return None;
        };
        let inside = &rest[1..=length];
        let newlines = inside.bytes().filter(|&b| b == b'\n').count();
        self.skip(length + 2);
        self.line += u32::try_from(newlines).unwrap_or(u32::MAX);
        let tail = self.rest_of_line();
        let after = tail.trim();
        if !after.is_empty() && !after.starts_with('#') {
            let line_start = self.text[..self.at].rfind('\n').map_or(0, |at| at + 1);
            let column = self.column(line_start, self.at + (tail.len() - tail.trim_start().len()));
            self.fault(
                column,
                "text stands after the closing quote",
                "put all of the value between the quotes",
            );
            self.skip(tail.len());
            return None;
        }
        self.skip(tail.len());
        let raw = if quote == b'"' {
            Raw::Double(inside)
        } else {
            Raw::Single(growing::replaced(inside, "\\'", "'"))
        };
        Some(raw)
    }

    fn entry(&mut self, name: &'a str, raw: Raw<'_>, line: u32, column: u32) {
        let written = match raw {
            Raw::Plain(text) | Raw::Double(text) => text,
            Raw::Single(_) => "",
        };
        let (filled, Named { unset, used, last }) = match raw {
            Raw::Single(text) => (Ok(text), Named::default()),
            Raw::Plain(text) => self.interpolate(text, false),
            Raw::Double(text) => self.interpolate(text, true),
        };
        // Of a value over several lines each has its own.
        let place = |at: usize| match written[..at].rsplit_once('\n') {
            None => (line, column),
            Some((before, own)) => {
                let passed = before.matches('\n').count() + 1;
                let passed = u32::try_from(passed).unwrap_or(u32::MAX);
                (line.saturating_add(passed), u32::try_from(own.chars().count() + 1).unwrap_or(u32::MAX))
            }
        };
        let fault = |at: usize, message: String, help: String| {
            let (line, column) = place(at);
            Fault { file: self.file.to_owned(), line, column, message, help }
        };
        // What it is made of is wrong, and told.
        if unset.iter().any(|(unset, _)| self.parsed.lost.has(unset)) {
            return self.parsed.lost.name(name);
        }
        for (unset, at) in unset {
            self.parsed.warnings.push(fault(
                at,
                format!("{name} refers to {unset}, which is not set, and gets nothing in its place"),
                format!("set {unset} above, write ${{{unset}:-default}}, or $$ for a dollar sign"),
            ));
        }
        let value = match filled {
            Ok(value) if value.as_str().contains('\0') => {
                let message = format!("the value of {name} holds a NUL byte");
                self.parsed.faults.push(fault(0, message, "remove it: no environment can carry it".into()));
                return self.parsed.lost.name(name);
            }
            Ok(value) => (value.into_secret(), used),
            Err((message, help)) => {
                self.parsed.faults.push(fault(last, message, help));
                return self.parsed.lost.name(name);
            }
        };
        self.keep(name, value, line, column);
    }

    fn keep(&mut self, name: &'a str, (value, made_of): (Secret, Vec<String>), line: u32, column: u32) {
        let entries = &mut self.parsed.entries;
        match self.places.get(name).and_then(|place| entries.get_mut(*place)) {
            Some(earlier) => {
                let message = format!("{name} stands in line {} already; this one holds", earlier.line);
                (earlier.value, earlier.made_of) = (value, made_of);
                (earlier.line, earlier.end) = (line, self.line);
                let (file, help) = (self.file.to_owned(), "remove one of them".to_owned());
                self.parsed.warnings.push(Fault { file, line, column, message, help });
            }
            None => {
                self.places.insert(name, entries.len());
                entries.push(Entry { name: name.to_owned(), value, line, end: self.line, made_of });
            }
        }
    }

    fn interpolate(&self, text: &str, escapes: bool) -> (Result<Growing, (String, String)>, Named) {
        let lookup = |name: &str| {
            let above = || self.parsed.entries.get(*self.places.get(name)?);
            (self.environment)(name)
                .or_else(|| above().map(|entry| entry.value.expose().to_owned()))
                .or_else(|| (self.base)(name))
        };
        let mut interpolation =
            Interpolation { lookup: &lookup, escapes, unset: vec![], at: 0, used: vec![] };
        let filled = interpolation.run(text).map_err(|wrong| (wrong.message, wrong.help));
        let Interpolation { unset, used, at: last, .. } = interpolation;
        (filled, Named { unset, used, last })
    }

    fn rest_of_line(&self) -> &'a str {
        let rest = &self.text[self.at..];
        &rest[..rest.find('\n').unwrap_or(rest.len())]
    }

    fn skip(&mut self, bytes: usize) {
        self.at += bytes;
    }

    /// Steps over the line end, if there is one.
    fn end_line(&mut self) {
        if self.text[self.at..].starts_with('\n') {
            self.at += 1;
            self.line += 1;
        }
    }

    fn column(&self, line_start: usize, at: usize) -> u32 {
        u32::try_from(self.text[line_start..at].chars().count() + 1).unwrap_or(u32::MAX)
    }

    fn fault(&mut self, column: u32, message: &str, help: &str) {
        self.parsed.faults.push(Fault {
            file: self.file.to_owned(),
            line: self.line,
            column,
            message: message.to_owned(),
            help: help.to_owned(),
        });
    }
}

/// Whether docker compose takes `text` for a name.
fn is_name(text: &str) -> bool {
    !text.is_empty() && text.chars().all(|c| c.is_alphabetic() || c.is_numeric() || "_.-[]".contains(c))
}

/// The value of an unquoted line: a `#` after white space begins a comment, which may stand before
/// the line. One at once is a part of the value, as in `COLOUR=#ff0000`.
fn without_comment(line: &str, spaced: bool) -> &str {
    let bytes = line.as_bytes();
    let comment = bytes.iter().enumerate().find(|&(at, &b)| {
        b == b'#' && (if at == 0 { spaced } else { matches!(bytes[at - 1], b' ' | b'\t') })
    });
    line[..comment.map_or(line.len(), |(at, _)| at)].trim_end()
}

/// How many bytes stand before the closing quote.
fn quoted_length(text: &str, quote: u8) -> Option<usize> {
    let mut escaped = false;
    for (at, &b) in text.as_bytes().iter().enumerate() {
        match b {
            _ if escaped => escaped = false,
            // Within single quotes a backslash is itself, unless a single quote follows.
            b'\\' if quote == b'"' || text.as_bytes().get(at + 1) == Some(&quote) => escaped = true,
            _ if b == quote => return Some(at),
            _ => {}
        }
    }
    None
}

#[cfg(test)]
mod tests;
