//! Names of schemas as they stand in a URL of PostgreSQL, in the options for its server.
//!
//! Three readers take off what was put around a name: the URL's its percent-encoding, the server's options the backslash
//! before a blank, and `search_path` the quotes, without which capital letters become small ones.
//!
//! ```text
//! Shop, my shop   ->   "Shop","my\ shop"   ->   %22Shop%22%2C%22my%5C%20shop%22
//! ```

use super::{Encoding, Part};

/// A quote, percent-encoded.
const QUOTE: &str = "%22";
/// What stands between two names of which only the outer quotes are missing.
const BETWEEN: &str = "%22%2C%22";

/// The value of `search_path` for names with commas between them. What a reference stands for stands between quotes,
/// because nobody knows yet whether it needs them.
pub(crate) fn search_path(names: &[Part]) -> Vec<Part> {
    if let [] | [Part::Text(_)] = names {
        let text = names.iter().find_map(|part| match part {
            Part::Text(text) => Some(text.as_str()),
            Part::Reference(..) => None,
        });
        let names: Vec<String> = split(text.unwrap_or_default()).into_iter().map(written).collect();
        return vec![Part::Text(names.join("%2C"))];
    }
    let mut path = vec![Part::Text(QUOTE.to_owned())];
    let last = names.len() - 1;
    for (at, part) in names.iter().enumerate() {
        path.push(match part {
            Part::Reference(reference, _) => Part::Reference(reference.clone(), Encoding::Schema),
            Part::Text(text) => {
                let mut pieces: Vec<&str> = text.split(',').collect();
                let count = pieces.len();
                // A blank at the end of a name, and quotes that somebody wrote, are no part of it.
                for (piece_at, piece) in pieces.iter_mut().enumerate() {
                    if at == 0 || piece_at > 0 {
                        let name = piece.trim_start_matches(is_blank);
                        *piece = name.strip_prefix('"').unwrap_or(name);
                    }
                    if at == last || piece_at + 1 < count {
                        let name = piece.trim_end_matches(is_blank);
                        *piece = name.strip_suffix('"').unwrap_or(name);
                    }
                }
                let pieces: Vec<String> = pieces.into_iter().map(inside).collect();
                Part::Text(pieces.join(BETWEEN))
            }
        });
    }
    path.push(Part::Text(QUOTE.to_owned()));
    path
}

/// Names with commas between them, without the outermost quotes.
pub(super) fn between_quotes(names: &str) -> String {
    // As large as it can become: a larger place would leave a copy in the old one.
    let mut text = String::with_capacity(BETWEEN.len() * names.len());
    for (at, name) in split(names).into_iter().enumerate() {
        text.push_str(if at == 0 { "" } else { BETWEEN });
        push(&mut text, name);
    }
    text
}

/// The names in a text, with the quotes that somebody wrote: a comma between those is part of a name.
fn split(text: &str) -> Vec<&str> {
    let (mut names, mut start, mut is_quoted) = (Vec::new(), 0, false);
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            b'"' if is_quoted || trimmed(&text[start..at]).is_empty() => is_quoted = !is_quoted,
            b',' if !is_quoted => {
                names.push(trimmed(&text[start..at]));
                start = at + 1;
            }
            _ => {}
        }
    }
    names.push(trimmed(&text[start..]));
    names
}

fn trimmed(name: &str) -> &str {
    name.trim_matches(is_blank)
}

/// What the server takes for a blank.
const fn is_blank(c: char) -> bool {
    matches!(c, ' ' | '\t' | '\n' | '\u{b}' | '\u{c}' | '\r')
}

/// A name, in quotes where it needs them.
fn written(name: &str) -> String {
    let is_plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"_$".contains(&byte);
    if !name.is_empty() && name.bytes().all(is_plain) {
        return Encoding::Url.encode(name);
    }
    let mut text = QUOTE.to_owned();
    push(&mut text, name);
    text.push_str(QUOTE);
    text
}

/// Puts a name without its outermost quotes behind `text`.
fn push(text: &mut String, name: &str) {
    let quoted = name.strip_prefix('"').and_then(|rest| rest.strip_suffix('"'));
    let mut before = None;
    for c in quoted.unwrap_or(name).chars() {
        // Between quotes that somebody wrote, two are one.
        if quoted.is_some() && c == '"' && before == Some('"') {
            before = None;
            continue;
        }
        push_char(text, c);
        before = Some(c);
    }
}

fn inside(piece: &str) -> String {
    let mut text = String::new();
    piece.chars().for_each(|c| push_char(&mut text, c));
    text
}

fn push_char(text: &mut String, c: char) {
    match c {
        '"' => text.push_str(QUOTE),
        c if c == '\\' || is_blank(c) => text.push_str("%5C"),
        _ => {}
    }
    text.push_str(&Encoding::Url.encode(c.encode_utf8(&mut [0; 4])));
}

#[cfg(test)]
mod tests {
    use super::super::Template;
    use super::*;

    /// What is handed to the server, as it stands behind the first reader.
    fn path(text: &str) -> String {
        let parts = search_path(Template::parse(text).unwrap().parts());
        let template = Template::of_parts(parts);
        assert_eq!(Template::parse(&template.to_string()).as_ref(), Ok(&template), "it survives the plan");
        template.to_string().replace("%22", "\"").replace("%2C", ",").replace("%20", " ").replace("%5C", "\\")
    }

    #[test]
    fn names_are_quoted_where_they_must_be() {
        for (names, expected) in [
            ("shop", "shop"),
            ("shop_2, public", "shop_2,public"),
            ("$user,public", "%24user,public"),
            ("Shop", "\"Shop\""),
            ("my shop , public", "\"my\\ shop\",public"),
            ("täglich", "\"t%C3%A4glich\""),
            ("a\\b\tc\u{b}d", "\"a\\\\b\\%09c\\%0Bd\""),
            ("a\"b", "\"a\"\"b\""),
            ("", "\"\""),
            // What somebody has quoted already.
            ("\"Shop\", \"a,b\" ,public", "\"Shop\",\"a,b\",public"),
            ("\"a\"\"b\"", "\"a\"\"b\""),
        ] {
            assert_eq!(path(names), expected, "{names}");
        }
    }

    #[test]
    fn what_a_reference_stands_for_is_quoted_with_what_is_around_it() {
        for (names, expected) in [
            ("{settings.S}", "\"{settings.S|schema}\""),
            ("{settings.S|url}", "\"{settings.S|schema}\""),
            ("tenant {settings.S}_x , public", "\"tenant\\ {settings.S|schema}_x\",\"public\""),
            (" \"{settings.S}\", {settings.T} ", "\"{settings.S|schema}\",\"{settings.T|schema}\""),
        ] {
            assert_eq!(path(names), expected, "{names}");
        }
        for (value, expected) in [
            ("public", "public"),
            ("Shop", "Shop"),
            (" my shop, public", "my%5C%20shop%22%2C%22public"),
            ("\"a,b\",c\"d", "a%2Cb%22%2C%22c%22%22d"),
            ("\"a\"\"b\"", "a%22%22b"),
            (",", "%22%2C%22"),
            ("\"", "%22%22"),
        ] {
            assert_eq!(Encoding::Schema.encode(value), expected, "{value}");
        }
    }
}
