//! `${VAR:-default}` and its relatives, as docker compose reads them.

use zeroize::Zeroizing;

use super::growing::Growing;

/// Nesting deeper than this is a fault, not a stack overflow.
const DEEPEST: u32 = 16;

/// No value with references grows longer, in bytes: an environment cannot carry more, and values that refer
/// to each other twice double with each line.
const LONGEST: usize = 128 << 10;

/// What interpolation found wrong; the caller knows the place.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Wrong {
    pub(super) message: String,
    pub(super) help: String,
}

/// Puts values in: text in, text out, and the names that were asked for in vain.
pub(super) struct Interpolation<'a> {
    pub(super) lookup: &'a dyn Fn(&str) -> Option<String>,
    /// Whether backslashes escape: within double quotes.
    pub(super) escapes: bool,
    /// Names that stood for nothing and had no default, each with the byte of the text at which its reference begins.
    pub(super) unset: Vec<(String, usize)>,
    /// The byte of the text at which the last reference begins, in which others may be nested.
    pub(super) at: usize,
    /// Names whose values were put in.
    pub(super) used: Vec<String>,
}

impl Interpolation<'_> {
    pub(super) fn run(&mut self, text: &str) -> Result<Growing, Wrong> {
        self.fill(text, 0)
    }

    fn fill(&mut self, text: &str, depth: u32) -> Result<Growing, Wrong> {
        if depth > DEEPEST {
            return Err(Wrong {
                message: "the defaults are nested too deeply".into(),
                help: format!("nest ${{...}} at most {DEEPEST} times"),
            });
        }
        let mut filled = Growing::with_capacity(text.len());
        let mut rest = text;
        while let Some(at) = rest.find(['$', '\\']) {
            filled.push_str(&rest[..at]);
            if depth == 0 {
                self.at = text.len() - rest.len() + at;
            }
            let tail = &rest[at + 1..];
            rest = if rest.as_bytes()[at] == b'\\' {
                self.escape(tail, &mut filled)
            } else {
                self.dollar(tail, &mut filled, depth)?
            };
            if filled.len() > LONGEST {
                return Err(Wrong {
                    message: format!("the value grows beyond {} KiB by what it refers to", LONGEST >> 10),
                    help: "refer to less: no environment can carry more".into(),
                });
            }
        }
        filled.push_str(rest);
        Ok(filled)
    }

    /// What follows a backslash.
    fn escape<'t>(&self, tail: &'t str, filled: &mut Growing) -> &'t str {
        let next = tail.chars().next();
        let Some(c) = next.filter(|_| self.escapes) else {
            filled.push('\\');
            return tail;
        };
        if let Some(c) = tail.strip_prefix('0').and_then(octal) {
            filled.push(c);
            return &tail[4..];
        }
        match c {
            'n' => filled.push('\n'),
            'r' => filled.push('\r'),
            't' => filled.push('\t'),
            'a' => filled.push('\u{7}'),
            'b' => filled.push('\u{8}'),
            'f' => filled.push('\u{c}'),
            'v' => filled.push('\u{b}'),
            '\\' | '"' | '$' => filled.push(c),
            // Anything else keeps its backslash: "\d+" is a pattern, not a mistake.
            _ => {
                filled.push('\\');
                filled.push(c);
            }
        }
        &tail[c.len_utf8()..]
    }

    /// What follows a dollar sign.
    fn dollar<'t>(&mut self, tail: &'t str, filled: &mut Growing, depth: u32) -> Result<&'t str, Wrong> {
        if let Some(tail) = tail.strip_prefix('$') {
            filled.push('$');
            return Ok(tail);
        }
        if let Some(inside) = tail.strip_prefix('{') {
            let end = closing_brace(inside).ok_or_else(|| Wrong {
                message: "${ is not closed".into(),
                help: "close it with }, or write $$ for a dollar sign".into(),
            })?;
            let value = self.braced(&inside[..end], depth)?;
            filled.push_str(value.as_str());
            return Ok(&inside[end + 1..]);
        }
        let length = name_length(tail);
        if length == 0 {
            filled.push('$');
        } else {
            let value = self.value(&tail[..length]);
            filled.push_str(value.as_str());
        }
        Ok(&tail[length..])
    }

    /// What stands between braces.
    fn braced(&mut self, inside: &str, depth: u32) -> Result<Growing, Wrong> {
        let (name, operator) = inside.split_at(name_length(inside));
        if name.is_empty() {
            return Err(Wrong {
                message: "${ is not followed by a name".into(),
                help: "write ${NAME}, or $$ for a dollar sign".into(),
            });
        }
        let set = self.looked_up(name);
        let is_filled = set.as_ref().is_some_and(|value| value.len() > 0);
        if operator.is_empty() {
            return Ok(self.value(name));
        }
        if let Some(default) = operator.strip_prefix(":-") {
            return self.put_or_fill(name, set.filter(|_| is_filled), default, depth);
        }
        if let Some(default) = operator.strip_prefix('-') {
            return self.put_or_fill(name, set, default, depth);
        }
        if let Some(other) = operator.strip_prefix(":+") {
            return if is_filled { self.fill(other, depth + 1) } else { Ok(Growing::default()) };
        }
        if let Some(other) = operator.strip_prefix('+') {
            return if set.is_some() { self.fill(other, depth + 1) } else { Ok(Growing::default()) };
        }
        if let Some(reason) = operator.strip_prefix(":?") {
            let filled = set.filter(|_| is_filled).ok_or_else(|| required(name, reason));
            return filled.map(|value| self.put(name, value));
        }
        if let Some(reason) = operator.strip_prefix('?') {
            return set.ok_or_else(|| required(name, reason)).map(|value| self.put(name, value));
        }
        Err(Wrong {
            message: format!("${{{name}...}} is not understood"),
            help: "write ${NAME}, ${NAME:-default}, ${NAME-default}, ${NAME:?reason} or ${NAME:+other}"
                .into(),
        })
    }

    fn value(&mut self, name: &str) -> Growing {
        if let Some(value) = self.looked_up(name) {
            return self.put(name, value);
        }
        self.unset.push((name.to_owned(), self.at));
        Growing::default()
    }

    fn put_or_fill(
        &mut self,
        name: &str,
        value: Option<Growing>,
        default: &str,
        depth: u32,
    ) -> Result<Growing, Wrong> {
        match value {
            Some(value) => Ok(self.put(name, value)),
            None => self.fill(default, depth + 1),
        }
    }

    fn put(&mut self, name: &str, value: Growing) -> Growing {
        if !self.used.iter().any(|used| used == name) {
            self.used.push(name.to_owned());
        }
        value
    }

    fn looked_up(&self, name: &str) -> Option<Growing> {
        let value = Zeroizing::new((self.lookup)(name)?);
        let mut text = Growing::with_capacity(value.len());
        text.push_str(&value);
        Some(text)
    }
}

fn required(name: &str, reason: &str) -> Wrong {
    let reason = if reason.is_empty() { String::new() } else { format!(": {reason}") };
    Wrong {
        message: format!("{name} is required{reason}"),
        help: format!("set {name} in the environment or above this line"),
    }
}

/// The character whose number the first three digits of `text` are.
fn octal(text: &str) -> Option<char> {
    let digits = text.get(..3).filter(|digits| digits.bytes().all(|b| b.is_ascii_digit()))?;
    u8::from_str_radix(digits, 8).ok().map(char::from)
}

fn name_length(text: &str) -> usize {
    if !text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_') {
        return 0;
    }
    text.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(text.len())
}

/// Where the brace is that closes the one before `text`.
fn closing_brace(text: &str) -> Option<usize> {
    let bytes = text.as_bytes();
    let mut open = 0_usize;
    for (at, &b) in bytes.iter().enumerate() {
        match b {
            b'{' if at > 0 && bytes[at - 1] == b'$' => open += 1,
            b'}' if open == 0 => return Some(at),
            b'}' => open -= 1,
            _ => {}
        }
    }
    None
}
