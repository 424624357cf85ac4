//! Writing `.env` files.

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
        if !is_setting_name(name) || value.contains('\0') {
            return Err(NotWritable { name: name.to_owned() });
        }
        text.push_str(name);
        text.push('=');
        push_value(&mut text, value);
        text.push('\n');
    }
    Ok(text.finish())
}

fn push_value(text: &mut Growing, value: &str) {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"_-./:@%+,=?&".contains(&b);
    if value.bytes().all(plain) {
        text.push_str(value);
        return;
    }
    text.push('"');
    for c in value.chars() {
        match c {
            '\\' | '"' | '$' => {
                text.push('\\');
                text.push(c);
            }
            '\n' => text.push_str("\\n"),
            '\r' => text.push_str("\\r"),
            '\t' => text.push_str("\\t"),
            _ => text.push(c),
        }
    }
    text.push('"');
}
