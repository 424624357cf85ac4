//! Writing `.env` files.
//!
//! There is no form of a value that every reader of such files undoes alike. Most values have one in which all agree:
//! bare, in single quotes with nothing escaped, or in double quotes with nothing to escape. What is left is written
//! as docker compose and we read it, and so that a shell which takes the file for a script runs nothing of a value;
//! [`Reader::carries`](super::Reader::carries) says who then reads something else.

use std::fmt;

use zeroize::Zeroizing;

use super::{Growing, is_setting_name};

/// Why a setting cannot be written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NotWritable {
    /// The setting's name; its value is not shown.
    pub name: String,
}

impl fmt::Display for NotWritable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{:?} cannot be written to a settings file: a name is letters, digits and _, and no value can \
             hold a NUL byte",
            self.name
        )
    }
}

impl std::error::Error for NotWritable {}

/// How a value stands in a `.env` file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    /// As it is.
    Bare,
    /// In single quotes, with nothing escaped: the form in which every reader agrees on the most.
    Single,
    /// In double quotes, with nothing to escape.
    Double,
    /// In double quotes, with escapes, which not all readers undo.
    Escaped,
}

impl Form {
    pub(super) fn of(value: &str) -> Self {
        // Nothing among them means anything to a shell, wherever in a value it stands.
        let is_bare = |b: u8| b.is_ascii_alphanumeric() || b"_-./:@%+,".contains(&b);
        if value.bytes().all(is_bare) {
            Self::Bare
        } else if !value.contains(['\'', '\r']) && !value.ends_with('\\') {
            // Compose takes a backslash before the closing quote for an escape, a shell does not. A carriage return
            // is a line end to some.
            Self::Single
        } else if !value.contains(['\\', '"', '$', '`', '\r']) {
            Self::Double
        } else {
            Self::Escaped
        }
    }
}

/// The text of a `.env` file that holds `settings`, and that [`parse`](super::dotenv::parse) reads
/// back to the very same values.
///
/// # Errors
/// [`NotWritable`] for a name that is none, and for a value with a NUL in it.
pub fn write<'a>(
    settings: impl IntoIterator<Item = (&'a str, &'a str)>,
) -> Result<Zeroizing<String>, NotWritable> {
    let mut text = Growing::default();
    for (name, value) in settings {
        push_name(&mut text, name, value)?;
        match Form::of(value) {
            Form::Bare => text.push_str(value),
            Form::Single => quoted(&mut text, '\'', value),
            Form::Double => quoted(&mut text, '"', value),
            Form::Escaped => push_escaped(&mut text, value, "\n"),
        }
        text.push('\n');
    }
    Ok(text.finish())
}

/// The same of one setting, in a single line whatever its value is, to stand in a comment.
///
/// # Errors
/// As of [`write()`].
pub(super) fn write_in_a_line(name: &str, value: &str) -> Result<Zeroizing<String>, NotWritable> {
    if !value.contains('\n') {
        return write([(name, value)]);
    }
    let mut text = Growing::default();
    push_name(&mut text, name, value)?;
    push_escaped(&mut text, value, "\\n");
    text.push('\n');
    Ok(text.finish())
}

fn push_name(text: &mut Growing, name: &str, value: &str) -> Result<(), NotWritable> {
    if !is_setting_name(name) || value.contains('\0') {
        return Err(NotWritable { name: name.to_owned() });
    }
    text.push_str(name);
    text.push('=');
    Ok(())
}

fn quoted(text: &mut Growing, quote: char, value: &str) {
    text.push(quote);
    text.push_str(value);
    text.push(quote);
}

fn push_escaped(text: &mut Growing, value: &str, line_break: &str) {
    text.push('"');
    for c in value.chars() {
        match c {
            '\\' | '"' | '$' => {
                text.push('\\');
                text.push(c);
            }
            // Compose leaves a backslash before it, and a shell would run what follows it bare.
            '`' => text.push_str("\\0140"),
            '\r' => text.push_str("\\r"),
            '\n' => text.push_str(line_break),
            _ => text.push(c),
        }
    }
    text.push('"');
    // Readers that take the last backslash for the quote's own look for another one, and would go on into the lines
    // of other settings. All others see a comment.
    if value.ends_with('\\') {
        text.push_str(" #\"");
    }
}

/// The text of a script for any POSIX shell that exports `settings`: `eval "$(...)"`, or `. FILE`.
///
/// # Errors
/// As of [`write()`].
pub fn write_shell<'a>(
    settings: impl IntoIterator<Item = (&'a str, &'a str)>,
) -> Result<Zeroizing<String>, NotWritable> {
    let mut text = Growing::default();
    for (name, value) in settings {
        text.push_str("export ");
        push_name(&mut text, name, value)?;
        text.push('\'');
        for (at, part) in value.split('\'').enumerate() {
            text.push_str(if at > 0 { "'\\''" } else { "" });
            text.push_str(part);
        }
        text.push_str("'\n");
    }
    Ok(text.finish())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_means_nothing_to_a_shell() {
        for (value, written) in [
            ("", ""),
            ("postgres://u:p%40@h:1/d,e-f+g", "postgres://u:p%40@h:1/d,e-f+g"),
            ("a&b", "'a&b'"),
            ("~", "'~'"),
            ("a=b", "'a=b'"),
            ("a b", "'a b'"),
            ("`id`", "'`id`'"),
            ("$(id)\n\"x\"", "'$(id)\n\"x\"'"),
            ("it's", "\"it's\""),
            ("it's\nhere", "\"it's\nhere\""),
            ("'$(id)", "\"'\\$(id)\""),
            ("'`id`", "\"'\\0140id\\0140\""),
            ("a\r\n", "\"a\\r\n\""),
            ("C:\\", "\"C:\\\\\" #\""),
            ("C:\\x", "'C:\\x'"),
        ] {
            assert_eq!(*write([("A", value)]).unwrap(), format!("A={written}\n"));
        }
        assert_eq!(
            *write_shell([("A", "it's `a`\n"), ("B", "")]).unwrap(),
            "export A='it'\\''s `a`\n'\nexport B=''\n"
        );
        assert_eq!(*write_in_a_line("A", "a\n'`b`").unwrap(), "A=\"a\\n'\\0140b\\0140\"\n");
    }
}
