//! The forms in which a value may turn up in text, beside those that [`decodings`](super::decodings) undoes.

use windlass_core::settings::Growing;
use zeroize::Zeroizing;

const STANDARD: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
const URL_SAFE: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/// All forms of `value` but those in base64, itself among them; some may be equal.
pub(crate) fn forms(value: &str) -> Vec<Zeroizing<String>> {
    vec![
        value.to_owned().into(),
        quoted(value, r"'\''"),
        // As Python's `shlex` writes it.
        quoted(value, r#"'"'"'"#),
        hex(value, false),
        hex(value, true),
    ]
}

/// Its base64, at each place that it can have among other bytes, in both alphabets; without the digits that
/// depend on its neighbours, so that it does not matter whether there is padding.
pub(crate) fn base64(value: &str) -> Vec<Zeroizing<String>> {
    let at = |alphabet| (0..3).map(move |offset| base64_middle(value.as_bytes(), offset, alphabet));
    [STANDARD, URL_SAFE].into_iter().flat_map(at).collect()
}

/// The inside of a shell's single quotes, where one of them is written so.
fn quoted(value: &str, quote: &str) -> Zeroizing<String> {
    let mut text = Growing::with_capacity(value.len());
    for (number, part) in value.split('\'').enumerate() {
        if number > 0 {
            text.push_str(quote);
        }
        text.push_str(part);
    }
    text.finish()
}

fn hex(value: &str, upper: bool) -> Zeroizing<String> {
    let digits = if upper { b"0123456789ABCDEF" } else { b"0123456789abcdef" };
    let mut text = Growing::with_capacity(2 * value.len());
    for byte in value.bytes() {
        text.push(char::from(digits[usize::from(byte >> 4)]));
        text.push(char::from(digits[usize::from(byte & 15)]));
    }
    text.finish()
}

/// The characters that depend on nothing but `bytes` when they are encoded with `offset` other
/// bytes before them.
fn base64_middle(bytes: &[u8], offset: usize, alphabet: &[u8; 64]) -> Zeroizing<String> {
    let at =
        |place: usize| place.checked_sub(offset).and_then(|place| bytes.get(place)).copied().unwrap_or(0);
    let digits = (offset + bytes.len()) * 8 / 6;
    let first = offset + usize::from(offset > 0);
    let mut text = Growing::with_capacity(digits);
    for digit in first..digits {
        let bit = digit * 6;
        let pair = u16::from(at(bit / 8)) << 8 | u16::from(at(bit / 8 + 1));
        text.push(char::from(alphabet[usize::from(pair >> (10 - bit % 8) & 0x3f)]));
    }
    text.finish()
}

/// What of `line` is a part of a form in base64 that was broken into lines: all of it, its end or its beginning.
pub(super) fn broken(line: &str, forms: &[Zeroizing<String>]) -> Vec<(usize, usize)> {
    let is_digit = |byte: u8| byte.is_ascii_alphanumeric() || b"+/-_=".contains(&byte);
    let text = line.trim();
    let digits = text.trim_end_matches('=');
    if digits.len() < FEWEST || !text.bytes().all(is_digit) {
        return vec![];
    }
    let start = line.len() - line.trim_start().len();
    let mut found = vec![];
    for form in forms {
        if form.contains(digits) {
            return vec![(start, start + text.len())];
        }
        let longest = digits.len().min(form.len());
        // What goes on in the next line reaches the end of a whole one.
        if text.len() >= SHORTEST_LINE
            && let Some(length) = (FEWEST..longest).rev().find(|length| text.ends_with(&form[..*length]))
        {
            found.push((start + text.len() - length, start + text.len()));
        }
        let ends = |length: &usize| text.starts_with(&form[form.len() - length..]);
        if let Some(length) = (FEWEST..longest).rev().find(ends) {
            found.push((start, start + length));
        }
    }
    found
}

/// Fewer digits of base64 turn up by chance, and say too little.
const FEWEST: usize = 8;

/// Encoders break their lines after 60 (Ruby), 64 (PEM) or 76 digits (MIME, `base64`).
const SHORTEST_LINE: usize = 60;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_is_known_at_every_alignment() {
        // "hunter2!" after "", "a" and "ab".
        assert_eq!(*base64_middle(b"hunter2!", 0, STANDARD), "aHVudGVyMi");
        assert_eq!(*base64_middle(b"hunter2!", 1, STANDARD), "h1bnRlcjIh");
        assert_eq!(*base64_middle(b"hunter2!", 2, STANDARD), "odW50ZXIyI");
    }

    #[test]
    fn parts_of_broken_base64_are_found() {
        let forms = ["abcdefghijklmnopqrstuvwxyz".to_owned().into()];
        let line = format!("{}abcdefghijkl", "0".repeat(60));
        assert_eq!(broken(&line, &forms), [(60, 72)]);
        assert_eq!(broken("mnopqrstuvwxyz00==", &forms), [(0, 14)]);
        assert_eq!(broken(" ghijklmnop\r", &forms), [(1, 11)]);
        assert!(broken("==========", &forms).is_empty() && broken("a=========", &forms).is_empty());
        assert!(broken("ghijklm", &forms).is_empty() && broken("abcdefghijkl 1", &forms).is_empty());
    }
}
