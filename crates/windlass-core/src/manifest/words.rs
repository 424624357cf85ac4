//! Splitting a command into words the way people expect, and refusing what only a shell could do.

use crate::spec::Template;

/// Why a line is not a plain command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NotWords {
    /// It uses this feature of the shell, unquoted.
    Shell(String),
    /// A quote that is not closed.
    OpenQuote(char),
    /// There is no word in it.
    Empty,
}

/// Splits `line` into words at blanks. Quotes and backslashes work as in a shell; what only a shell
/// could carry out is refused, because no shell will see it.
///
/// # Errors
/// [`NotWords`]
pub fn split(line: &str) -> Result<Vec<String>, NotWords> {
    let words = lex(line, true)?;
    match words.first() {
        Some(first) if is_assignment(first) => Err(NotWords::Shell(first.clone())),
        _ => Ok(words),
    }
}

/// Splits `line` like [`split`], and takes what a shell would carry out for itself: the way compose
/// and Procfile runners without a shell do.
///
/// # Errors
/// [`NotWords`], never [`NotWords::Shell`].
pub fn split_verbatim(line: &str) -> Result<Vec<String>, NotWords> {
    lex(line, false)
}

fn lex(line: &str, strict: bool) -> Result<Vec<String>, NotWords> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut chars = line.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            ' ' | '\t' | '\n' | '\r' => words.extend(word.take()),
            '\'' => {
                let word = word.get_or_insert_default();
                loop {
                    match chars.next() {
                        Some('\'') => break,
                        Some(c) => word.push(c),
                        None => return Err(NotWords::OpenQuote('\'')),
                    }
                }
            }
            '"' => double_quoted(&mut chars, word.get_or_insert_default(), strict)?,
            '\\' => match chars.next() {
                Some('\n') => {}
                Some(c) => word.get_or_insert_default().push(c),
                None => return Err(NotWords::OpenQuote('\\')),
            },
            '|' | '&' if strict && chars.peek() == Some(&c) => {
                return Err(NotWords::Shell(format!("{c}{c}")));
            }
            '|' | '&' | ';' | '<' | '>' | '*' | '(' | ')' | '`' if strict => {
                return Err(NotWords::Shell(c.to_string()));
            }
            '$' if strict => return Err(NotWords::Shell(variable(&mut chars))),
            '~' | '#' if strict && word.is_none() => return Err(NotWords::Shell(c.to_string())),
            _ => word.get_or_insert_default().push(c),
        }
    }
    words.extend(word);
    if words.is_empty() { Err(NotWords::Empty) } else { Ok(words) }
}

fn double_quoted(
    chars: &mut std::iter::Peekable<std::str::Chars<'_>>,
    word: &mut String,
    strict: bool,
) -> Result<(), NotWords> {
    loop {
        match chars.next() {
            Some('"') => return Ok(()),
            Some('\\') => match chars.next() {
                Some(c @ ('"' | '\\' | '$' | '`')) => word.push(c),
                Some('\n') => {}
                Some(c) => word.extend(['\\', c]),
                None => return Err(NotWords::OpenQuote('"')),
            },
            Some('`') if strict => return Err(NotWords::Shell("`".to_owned())),
            Some('$')
                if strict
                    && chars
                        .peek()
                        .is_some_and(|c| c.is_ascii_alphabetic() || matches!(c, '_' | '{' | '(')) =>
            {
                return Err(NotWords::Shell(variable(chars)));
            }
            Some(c) => word.push(c),
            None => return Err(NotWords::OpenQuote('"')),
        }
    }
}

/// The variable that follows a `$`, for the message.
fn variable(chars: &mut std::iter::Peekable<std::str::Chars<'_>>) -> String {
    let name: String = chars.take_while(|c| c.is_ascii_alphanumeric() || *c == '_').collect();
    format!("${name}")
}

/// Whether a first word is `NAME=value`, which a shell takes for a variable.
fn is_assignment(word: &str) -> bool {
    word.split_once('=').is_some_and(|(name, _)| super::format::is_env_name(name))
}

/// Quotes `word` so that [`split`] gives it back; as it is where that does.
#[must_use]
pub fn quote(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:=@%+,{}[]?".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', r"'\''"))
}

/// `line` for a shell, written so that [`shell_line`] gives it back: what looks like a reference
/// gets a second pair of braces.
#[must_use]
pub fn escape_shell_line(line: &str) -> String {
    replace_references(line, |reference| format!("{{{reference}}}"))
}

/// The line for a shell that was written as `line`. No reference is replaced in it, so `{port}` is a
/// fault, and `{{port}}` the text `{port}`, as everywhere.
#[must_use]
pub fn shell_line(line: &str) -> String {
    let mut out = String::new();
    let mut rest = line;
    while let Some(at) = rest.find("{{") {
        out.push_str(&rest[..at]);
        rest = &rest[at..];
        match reference_at(&rest[1..]).filter(|reference| rest[1 + reference.len()..].starts_with('}')) {
            Some(reference) => {
                out.push_str(reference);
                rest = &rest[reference.len() + 2..];
            }
            None => {
                out.push('{');
                rest = &rest[1..];
            }
        }
    }
    out + rest
}

/// Every reference within `line`, with its braces, replaced.
fn replace_references(line: &str, with: impl Fn(&str) -> String) -> String {
    let mut out = String::new();
    let mut rest = line;
    while let Some(at) = rest.find('{') {
        out.push_str(&rest[..at]);
        rest = &rest[at..];
        if let Some(reference) = reference_at(rest) {
            out.push_str(&with(reference));
            rest = &rest[reference.len()..];
        } else {
            out.push('{');
            rest = &rest[1..];
        }
    }
    out + rest
}

/// The references within `line` that are no variables of the shell, such as `${port}`, and are not
/// escaped; each with its braces.
pub(crate) fn references_in_shell(line: &str) -> Vec<(usize, &str)> {
    let mut found = Vec::new();
    for (at, _) in line.match_indices('{') {
        let Some(reference) = reference_at(&line[at..]) else { continue };
        let escaped = line[..at].ends_with('{') && line[at + reference.len()..].starts_with('}');
        if !escaped && !line[..at].ends_with('$') {
            found.push((at, reference));
        }
    }
    found
}

/// The reference that `text` opens with, with its braces.
fn reference_at(text: &str) -> Option<&str> {
    let end = text.find('}')? + 1;
    let candidate = &text[..end];
    let template = Template::parse(candidate).ok()?;
    (template.references().count() == 1 && template.parts().len() == 1).then_some(candidate)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn quotes_work_as_in_a_shell() {
        let words =
            split(r#"gunicorn 'shop:create_app()' --bind "127.0.0.1:{port}" a\ b "x\"y" '' é"#).unwrap();
        assert_eq!(
            words,
            ["gunicorn", "shop:create_app()", "--bind", "127.0.0.1:{port}", "a b", "x\"y", "", "é"]
        );
    }

    #[test]
    fn what_only_a_shell_can_do_is_refused() {
        for (line, feature) in [
            ("a && b", "&&"),
            ("a | b", "|"),
            ("a; b", ";"),
            ("a > b", ">"),
            ("echo $HOME", "$HOME"),
            ("echo \"$HOME\"", "$HOME"),
            ("echo `id`", "`"),
            ("ls *.py", "*"),
            ("A=b run", "A=b"),
            ("~/bin/run", "~"),
        ] {
            assert_eq!(split(line), Err(NotWords::Shell(feature.to_owned())), "{line}");
        }
        assert_eq!(split("echo 'x"), Err(NotWords::OpenQuote('\'')));
        assert_eq!(split("  "), Err(NotWords::Empty));
    }

    #[test]
    fn references_in_a_line_for_the_shell_are_found_unless_escaped() {
        let line = "awk '{print}' {port} ${port} {{port}} {settings.A} {a,b}";
        let found: Vec<&str> =
            references_in_shell(line).into_iter().map(|(_, reference)| reference).collect();
        assert_eq!(found, ["{port}", "{settings.A}"]);
        assert_eq!(shell_line("{{port}} {{print}} {{{port}}}"), "{port} {{print}} {{port}}");
    }

    proptest! {
        #[test]
        fn escaped_lines_come_back(line in "([{}$]|port|app| |.){0,12}") {
            let escaped = escape_shell_line(&line);
            prop_assert_eq!(shell_line(&escaped), line);
        }

        #[test]
        fn quoted_words_come_back(words in proptest::collection::vec(any::<String>(), 1..5)) {
            let words: Vec<String> = std::iter::once("run".to_owned()).chain(words).collect();
            let line: Vec<String> = words.iter().map(|word| quote(word)).collect();
            prop_assert_eq!(split(&line.join(" ")), Ok(words));
        }
    }
}
