//! Text as it reads once its escapes are undone, so that a value is found however a program has written it.
//!
//! Encoders differ in what they escape and how: Python's JSON writes `\u00fc`, Java's `\u00FC`, PHP `\/`, Go `\u0026`.
//! Undoing is the same for all of them.

use std::fmt;

/// Text within text is undone so often.
const DEEPEST: usize = 3;

/// A reading of a text: its bytes, and where each stood.
#[derive(Clone)]
pub(super) struct Reading {
    pub(super) bytes: Vec<u8>,
    /// For each byte the first and the one behind the last in the text it was read from.
    places: Vec<(usize, usize)>,
}

/// How long it is; a secret may be in it.
impl fmt::Debug for Reading {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reading").field("length", &self.bytes.len()).finish_non_exhaustive()
    }
}

impl Reading {
    fn plain(text: &str) -> Self {
        Self { bytes: text.into(), places: (0..text.len()).map(|at| (at, at + 1)).collect() }
    }

    /// Where the bytes `from..to` stood, `to` being behind `from`.
    pub(super) fn place(&self, from: usize, to: usize) -> (usize, usize) {
        (self.places[from].0, self.places[to - 1].1)
    }

    fn has(&self, byte: u8) -> bool {
        self.bytes.contains(&byte)
    }

    /// Undoes what `undo` finds an escape at the beginning of: how long it is, and what it stands for.
    fn undone(&self, undo: impl Fn(&[u8]) -> Option<(usize, Vec<u8>)>) -> Self {
        let mut reading = Self { bytes: Vec::with_capacity(self.bytes.len()), places: vec![] };
        let mut at = 0;
        while at < self.bytes.len() {
            let (length, bytes) = undo(&self.bytes[at..]).unwrap_or((1, vec![self.bytes[at]]));
            let place = self.place(at, at + length);
            reading.places.extend(bytes.iter().map(|_| place));
            reading.bytes.extend(bytes);
            at += length;
        }
        reading
    }
}

/// All readings of `text` that differ from it.
pub(super) fn readings(text: &str) -> Vec<Reading> {
    if !text.bytes().any(|byte| matches!(byte, b'\\' | b'%' | b'+' | b'&')) {
        return vec![];
    }
    let mut unescaped = vec![Reading::plain(text)];
    // A byte, as Python and C write it, or a character, as JavaScript does.
    for escape in [escape_of_byte, escape_of_character] {
        let mut last = unescaped[0].clone();
        for _ in 0..DEEPEST {
            if !last.has(b'\\') {
                break;
            }
            last = last.undone(escape);
            unescaped.push(last.clone());
        }
        if !text.contains("\\x") {
            break;
        }
    }
    let mut all = vec![];
    for reading in &unescaped {
        if reading.has(b'%') {
            let once = reading.undone(percent);
            if once.has(b'%') {
                all.push(once.undone(percent));
            }
            all.push(once);
        }
        if reading.has(b'+') {
            all.push(reading.undone(form));
        }
        if reading.has(b'&') {
            all.push(reading.undone(entity));
        }
    }
    all.extend(unescaped.into_iter().skip(1));
    all
}

fn escape_of_byte(rest: &[u8]) -> Option<(usize, Vec<u8>)> {
    escape(rest, false)
}

fn escape_of_character(rest: &[u8]) -> Option<(usize, Vec<u8>)> {
    escape(rest, true)
}

/// What follows a backslash in JSON, in the source of most languages, and in a shell.
fn escape(rest: &[u8], is_character: bool) -> Option<(usize, Vec<u8>)> {
    let [b'\\', kind, tail @ ..] = rest else { return None };
    let text = |c: char| c.to_string().into_bytes();
    Some(match kind {
        b'n' => (2, vec![b'\n']),
        b'r' => (2, vec![b'\r']),
        b't' => (2, vec![b'\t']),
        b'b' => (2, vec![8]),
        b'f' => (2, vec![12]),
        b'v' => (2, vec![11]),
        b'a' => (2, vec![7]),
        b'e' => (2, vec![27]),
        b'x' => {
            let byte = hex(tail.get(..2)?)?;
            (4, if is_character { text(char::from_u32(byte)?) } else { vec![u8::try_from(byte).ok()?] })
        }
        b'u' if tail.first() == Some(&b'{') => {
            let end = tail.iter().take(9).position(|byte| *byte == b'}')?;
            (end + 3, text(char::from_u32(hex(&tail[1..end])?)?))
        }
        b'u' => {
            let first = hex(tail.get(..4)?)?;
            match char::from_u32(first) {
                Some(c) => (6, text(c)),
                None => {
                    let second = tail.get(4..10)?.strip_prefix(b"\\u").and_then(hex)?;
                    let both = 0x10000
                        + (first.checked_sub(0xd800)?.checked_mul(0x400)?)
                        + second.checked_sub(0xdc00)?;
                    (12, text(char::from_u32(both)?))
                }
            }
        }
        b'U' => (10, text(char::from_u32(hex(tail.get(..8)?)?)?)),
        b'0'..=b'7' => {
            let digits = rest[1..].iter().take(3).take_while(|byte| matches!(byte, b'0'..=b'7')).count();
            let number = std::str::from_utf8(&rest[1..=digits]).ok()?;
            (digits + 1, vec![u8::try_from(u32::from_str_radix(number, 8).ok()?).ok()?])
        }
        other if other.is_ascii_punctuation() || *other == b' ' => (2, vec![*other]),
        _ => return None,
    })
}

fn percent(rest: &[u8]) -> Option<(usize, Vec<u8>)> {
    let [b'%', tail @ ..] = rest else { return None };
    Some((3, vec![u8::try_from(hex(tail.get(..2)?)?).ok()?]))
}

/// As HTML forms are sent: a space is a plus sign.
fn form(rest: &[u8]) -> Option<(usize, Vec<u8>)> {
    if rest[0] == b'+' { Some((1, vec![b' '])) } else { percent(rest) }
}

/// What stands for a character in HTML and XML.
fn entity(rest: &[u8]) -> Option<(usize, Vec<u8>)> {
    let [b'&', tail @ ..] = rest else { return None };
    let end = tail.iter().take(9).position(|byte| *byte == b';')?;
    let c = match &tail[..end] {
        b"amp" => '&',
        b"lt" => '<',
        b"gt" => '>',
        b"quot" => '"',
        b"apos" => '\'',
        [b'#', b'x' | b'X', digits @ ..] => char::from_u32(hex(digits)?)?,
        [b'#', digits @ ..] => char::from_u32(std::str::from_utf8(digits).ok()?.parse().ok()?)?,
        _ => return None,
    };
    Some((end + 2, c.to_string().into_bytes()))
}

fn hex(digits: &[u8]) -> Option<u32> {
    let text = std::str::from_utf8(digits).ok().filter(|_| digits.iter().all(u8::is_ascii_hexdigit))?;
    u32::from_str_radix(text, 16).ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn reads(text: &str, meant: &str) -> bool {
        readings(text).iter().any(|reading| reading.bytes == meant.as_bytes())
    }

    #[test]
    fn each_way_to_escape_is_undone() {
        for (text, meant) in [
            (r"p\u00fc\u00FC\/\u0026\ud83d\ude00", "püü/&😀"),
            (r#"\\u00fc\\\"x\\\""#, "ü\"x\""),
            (r"\xc3\xbc\303\274", "üü"),
            (r"a\xfc", "aü"),
            (r"\u{fc}\U0001F600\'\ \$", "ü😀' $"),
            ("p%c3%BC%2fx%2520", "pü/x%20"),
            ("a+b%2b", "a b+"),
            (r"a%20b\u0026", "a b&"),
            ("&lt;&amp;&#39;&#x27;&quot;&apos;&gt;", "<&''\"'>"),
        ] {
            assert!(reads(text, meant), "{text}: {:?}", readings(text));
        }
        assert!(readings("nothing to undo").is_empty());
    }

    #[test]
    fn what_is_read_is_in_no_debug_text() {
        assert_eq!(format!("{:?}", readings("a%20planted")), "[Reading { length: 9, .. }]");
    }

    #[test]
    fn a_place_covers_the_whole_escape() {
        let reading = &readings(r"a\u00fcb")[0];
        assert_eq!((reading.place(1, 3), reading.place(3, 4)), ((1, 7), (7, 8)));
    }

    proptest! {
        #[test]
        fn no_text_is_too_odd(text in r#"([\\%+&;#xuU{}dD0-9a-f]|\PC){0,30}"#) {
            for reading in readings(&text) {
                for at in 0..reading.bytes.len() {
                    let (from, to) = reading.place(at, at + 1);
                    prop_assert!(from < to && to <= text.len());
                }
            }
        }
    }
}
