//! Base64 with the alphabet of URLs and without padding (RFC 4648, section 5). One text for one
//! sequence of bytes and no other: bits that are not used must be zero, so no letter can be changed
//! unnoticed.

use zeroize::Zeroizing;

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/// `bytes` as text.
pub(super) fn encode(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for group in bytes.chunks(3) {
        let at = |index: usize| u32::from(group.get(index).copied().unwrap_or(0));
        let bits = at(0) << 16 | at(1) << 8 | at(2);
        for digit in 0..=group.len() {
            text.push(char::from(ALPHABET[(bits >> (18 - 6 * digit) & 0x3f) as usize]));
        }
    }
    text
}

/// The bytes of `text`; `None` when it is not exactly what [`encode`] writes.
pub(super) fn decode(text: &str) -> Option<Vec<u8>> {
    // It never needs a larger place, which would leave a copy behind.
    let mut bytes = Vec::with_capacity(text.len() / 4 * 3 + 2);
    for group in text.as_bytes().chunks(4) {
        let mut bits = 0;
        for (digit, letter) in group.iter().enumerate() {
            bits |= value(*letter)? << (18 - 6 * digit);
        }
        let whole = match group.len() {
            4 => 3,
            3 if bits & 0xff == 0 => 2,
            2 if bits & 0xffff == 0 => 1,
            _ => return None,
        };
        bytes.extend_from_slice(&bits.to_be_bytes()[1..=whole]);
    }
    Some(bytes)
}

/// [`decode`] where the number of bytes is known.
pub(super) fn decode_exactly<const N: usize>(text: &str) -> Option<[u8; N]> {
    // What is too long is not read at all.
    if text.len() != (N * 4).div_ceil(3) {
        return None;
    }
    // It may be a key.
    let bytes = Zeroizing::new(decode(text)?);
    bytes.as_slice().try_into().ok()
}

fn value(letter: u8) -> Option<u32> {
    let value = match letter {
        b'A'..=b'Z' => letter - b'A',
        b'a'..=b'z' => letter - b'a' + 26,
        b'0'..=b'9' => letter - b'0' + 52,
        b'-' => 62,
        b'_' => 63,
        _ => return None,
    };
    Some(u32::from(value))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_have_one_text_each() {
        // RFC 4648, section 10, without padding.
        for (bytes, text) in [
            ("", ""),
            ("f", "Zg"),
            ("fo", "Zm8"),
            ("foo", "Zm9v"),
            ("foob", "Zm9vYg"),
            ("fooba", "Zm9vYmE"),
            ("foobar", "Zm9vYmFy"),
        ] {
            assert_eq!(encode(bytes.as_bytes()), text);
            assert_eq!(decode(text).unwrap(), bytes.as_bytes());
        }
        assert_eq!(encode(&[0xfb, 0xff]), "-_8");
        for wrong in ["Zh", "Zm9", "Z", "Zg==", "Zg ", "Z+8", "-_9", "é"] {
            assert_eq!(decode(wrong), None, "{wrong}");
        }
        assert_eq!(decode_exactly::<2>("-_8"), Some([0xfb, 0xff]));
        assert_eq!(decode_exactly::<3>("-_8"), None);
    }
}
