//! Reads `${VARIABLE:-default}` as compose does.

use crate::manifest::format::is_env_name;

/// Defaults within defaults are followed so far; nobody writes more.
const DEEPEST: usize = 8;

/// A piece of a value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Piece {
    Text(String),
    Variable(Variable),
}

/// `$A`, or `${A}` with what is to be done where it has no value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Variable {
    pub(super) name: String,
    pub(super) otherwise: Otherwise,
    /// As it was written.
    pub(super) written: String,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Otherwise {
    /// `${A}`, `${A:?message}`.
    Missing,
    /// `${A:-default}`.
    Default(Vec<Piece>),
    /// `${A:+instead}`: this where it has a value, nothing where it has none.
    Instead(Vec<Piece>),
}

/// The pieces of `text`.
pub(super) fn pieces(text: &str) -> Vec<Piece> {
    read(text, DEEPEST)
}

fn read(text: &str, depth: usize) -> Vec<Piece> {
    let mut pieces = Vec::new();
    let mut plain = String::new();
    let mut rest = text;
    while let Some(at) = rest.find('$') {
        plain.push_str(&rest[..at]);
        rest = &rest[at..];
        if let Some(tail) = rest.strip_prefix("$$") {
            plain.push('$');
            rest = tail;
        } else if let Some((variable, tail)) = variable(rest, depth) {
            if !plain.is_empty() {
                pieces.push(Piece::Text(std::mem::take(&mut plain)));
            }
            pieces.push(Piece::Variable(variable));
            rest = tail;
        } else {
            plain.push('$');
            rest = &rest[1..];
        }
    }
    plain.push_str(rest);
    if !plain.is_empty() {
        pieces.push(Piece::Text(plain));
    }
    pieces
}

/// The variable that `text` opens with, and what follows it.
fn variable(text: &str, depth: usize) -> Option<(Variable, &str)> {
    let (inner, tail) = match text.strip_prefix("${") {
        Some(inner) => {
            let end = closing(inner)?;
            (&inner[..end], &inner[end + 1..])
        }
        None => {
            let word = text.strip_prefix('$')?;
            word.split_at(name_length(word))
        }
    };
    let (name, modifier) = inner.split_at(name_length(inner));
    if !is_env_name(name) {
        return None;
    }
    let operator = modifier.strip_prefix(':').unwrap_or(modifier);
    let operand = operator.get(1..).unwrap_or_default();
    let otherwise = match operator.chars().next() {
        Some('-' | '+') if depth == 0 => return None,
        Some('-') => Otherwise::Default(read(operand, depth - 1)),
        Some('+') => Otherwise::Instead(read(operand, depth - 1)),
        _ => Otherwise::Missing,
    };
    let written = text[..text.len() - tail.len()].to_owned();
    Some((Variable { name: name.to_owned(), otherwise, written }, tail))
}

fn name_length(text: &str) -> usize {
    text.len() - text.trim_start_matches(|c: char| c.is_ascii_alphanumeric() || c == '_').len()
}

/// Where the brace that was opened before `text` is closed. Only variables open further ones.
fn closing(text: &str) -> Option<usize> {
    let mut open = 1;
    let mut at = 0;
    while let Some(found) = text[at..].find(['$', '}']) {
        at += found;
        if text[at..].starts_with("${") {
            open += 1;
        } else if text[at..].starts_with('}') {
            open -= 1;
            if open == 0 {
                return Some(at);
            }
        }
        at += 1;
    }
    None
}

/// The text as it is where no variable has a value. `unknown` stands for those without a default.
pub(super) fn by_default(text: &str, unknown: &str) -> String {
    fn fill(pieces: &[Piece], unknown: &str) -> String {
        pieces
            .iter()
            .map(|piece| match piece {
                Piece::Text(text) => text.clone(),
                Piece::Variable(variable) => match &variable.otherwise {
                    Otherwise::Missing => unknown.to_owned(),
                    Otherwise::Default(default) => fill(default, unknown),
                    Otherwise::Instead(_) => String::new(),
                },
            })
            .collect()
    }
    fill(&pieces(text), unknown)
}

/// The text with `value` for the variables that are it by default.
pub(super) fn settled(text: &str, value: &str) -> String {
    pieces(text).iter().fold(text.to_owned(), |text, piece| match piece {
        Piece::Variable(variable) if by_default(&variable.written, "$") == value => {
            text.replace(&variable.written, value)
        }
        _ => text,
    })
}

/// The text as it stands there, with `unknown` for every variable.
pub(super) fn literally(text: &str, unknown: &str) -> String {
    let write = |piece: &Piece| match piece {
        Piece::Text(text) => text.clone(),
        Piece::Variable(_) => unknown.to_owned(),
    };
    pieces(text).iter().map(write).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_variable_may_stand_in_a_default() {
        assert_eq!(by_default("x-${A:-${B-1}}-${C:?no {value}}-$$5-${D:+on}", "?"), "x-1-?}-$5-");
        assert_eq!(by_default("${A:-${B:-${C:-c}b}a}", "?"), "cba");
        assert_eq!(by_default("$A $1 ${1} ${A ${}", "?"), "? $1 ${1} ${A ${}");
        assert_eq!(settled("a:${A:-80} ${B:-81} $$C $80", "80"), "a:80 ${B:-81} $$C $80");
        let deep = "${A:-".repeat(1000) + &"}".repeat(1000);
        assert!(!pieces(&deep).is_empty());
    }
}
