//! What others said, as it may go to a terminal.

use std::borrow::Cow;

/// The text without control characters, but for line ends, tabs and colours: a host side or an
/// application must not be able to drive the terminal of whoever reads what it says.
#[must_use]
pub fn printable(text: &str) -> Cow<'_, str> {
    let fine = |c: char| !c.is_control() || c == '\n' || c == '\t';
    if text.chars().all(fine) {
        return Cow::Borrowed(text);
    }
    let mut clean = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        let length = colour(rest).unwrap_or(c.len_utf8());
        if fine(c) || length > c.len_utf8() {
            clean.push_str(&rest[..length]);
        }
        rest = &rest[length..];
    }
    Cow::Owned(clean)
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
    }
}
