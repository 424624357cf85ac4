//! What others said, as it may go to a terminal.

use std::borrow::Cow;
use std::fmt::Write as _;

use windlass_core::spec::is_unseen;

/// The text without control characters, but for line ends, tabs and colours, and with what turns the direction of
/// writing or breaks a line unseen as it is escaped in JSON: a host side or an application must not be able to drive the terminal of
/// whoever reads what it says, nor have it show something else than it says.
#[must_use]
pub fn printable(text: &str) -> Cow<'_, str> {
    let fine = |c: char| !is_unseen(c) || c == '\n' || c == '\t';
    if text.chars().all(fine) {
        return Cow::Borrowed(text);
    }
    let mut clean = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        let length = colour(rest).unwrap_or(c.len_utf8());
        if is_unseen(c) && !c.is_control() {
            escape(&mut clean, c);
        } else if fine(c) || length > c.len_utf8() {
            clean.push_str(&rest[..length]);
        }
        rest = &rest[length..];
    }
    Cow::Owned(clean)
}

/// The same of what is one line: with a line break in it, it could pass for two that somebody else has said.
#[must_use]
pub fn printable_line(text: &str) -> Cow<'_, str> {
    match printable(text) {
        text if text.contains('\n') => Cow::Owned(text.replace('\n', "\\n")),
        text => text,
    }
}

/// JSON in which what a terminal would act upon is escaped: it means the same.
#[must_use]
pub fn printable_json(text: &str) -> Cow<'_, str> {
    if !text.chars().any(is_unseen) {
        return Cow::Borrowed(text);
    }
    let mut clean = String::with_capacity(text.len() + 16);
    text.chars().for_each(|c| if is_unseen(c) { escape(&mut clean, c) } else { clean.push(c) });
    Cow::Owned(clean)
}

fn escape(text: &mut String, c: char) {
    let _never_fails = write!(text, "\\u{:04x}", u32::from(c));
}

/// The length of the colour (SGR) sequence that the text begins with.
fn colour(text: &str) -> Option<usize> {
    let parameters = text.strip_prefix("\u{1b}[")?;
    let end = parameters.find(|c: char| !c.is_ascii_digit() && c != ';')?;
    parameters[end..].starts_with('m').then_some(end + 3)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_colours_and_lines_are_left() {
        assert_eq!(printable("plain\n\ttext"), "plain\n\ttext");
        assert_eq!(printable("\u{1b}[1;31mred\u{1b}[0m"), "\u{1b}[1;31mred\u{1b}[0m");
        assert_eq!(printable("\u{1b}]0;title\u{7}\u{1b}[2Jx\r\u{9b}31m"), "]0;title[2Jx31m");
        assert_eq!(printable("\u{1b}["), "[");
        assert_eq!(printable("a\u{202e}b\u{2066}c\u{200f}d"), "a\\u202eb\\u2066c\u{200f}d");
        assert_eq!(printable("שלום é 👩\u{200d}🚀"), "שלום é 👩\u{200d}🚀");
        let value = serde_json::json!({ "hostile\u{9b}": "\u{202e}\u{7f}\u{2028}\n\u{1b}[2J" });
        let text = serde_json::to_string(&value).unwrap();
        let clean = printable_json(&text);
        assert!(!clean.chars().any(is_unseen), "{clean}");
        assert_eq!(serde_json::from_str::<serde_json::Value>(&clean).unwrap(), value);
        assert_eq!(printable_line("a\nb\r\nc\u{2028}d"), "a\\nb\\nc\\u2028d");
        assert!(matches!(printable_line("plain"), Cow::Borrowed("plain")));
    }
}
