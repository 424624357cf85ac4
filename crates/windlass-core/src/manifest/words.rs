//! Splitting a command into words the way people expect, and refusing what only a shell could do.

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

    proptest! {
        #[test]
        fn quoted_words_come_back(words in proptest::collection::vec(any::<String>(), 1..5)) {
            let words: Vec<String> = std::iter::once("run".to_owned()).chain(words).collect();
            let line: Vec<String> = words.iter().map(|word| quote(word)).collect();
            prop_assert_eq!(split(&line.join(" ")), Ok(words));
        }
    }
}
