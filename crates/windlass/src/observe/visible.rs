//! Text that came from elsewhere, on its way to a terminal.

use std::borrow::Cow;

/// The text without what could play tricks on a terminal: control characters other than line breaks
/// and tabs, and the marks that turn the direction of writing.
#[must_use]
pub fn visible(text: &str) -> Cow<'_, str> {
    if text.chars().any(is_trick) {
        Cow::Owned(text.chars().map(|c| if is_trick(c) { '·' } else { c }).collect())
    } else {
        Cow::Borrowed(text)
    }
}

fn is_trick(c: char) -> bool {
    (c.is_control() && c != '\n' && c != '\t')
        || matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hostile_line_cannot_move_the_cursor_or_turn_the_text() {
        assert_eq!(visible("\u{1b}[2J\u{1b}]0;title\u{7}ok\r\u{202e}x"), "·[2J·]0;title·ok··x");
        assert_eq!(visible("plain\ttext\nand more ü"), "plain\ttext\nand more ü");
    }
}
