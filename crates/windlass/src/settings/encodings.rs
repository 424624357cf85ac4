//! The forms in which a value may turn up in text.

const STANDARD: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
const URL_SAFE: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/// All forms of `value`, itself among them; some may be equal.
pub(super) fn forms(value: &str) -> Vec<String> {
    let mut forms = vec![value.to_owned(), json(value), debug(value), shell(value), shell_double(value)];
    for upper in [true, false] {
        forms.extend([percent(value, upper, "-._~"), percent(value, upper, "-._~!*'()"), form(value, upper)]);
        forms.push(percent(value, upper, "-._~/"));
    }
    for alphabet in [STANDARD, URL_SAFE] {
        forms.extend((0..3).map(|offset| base64_middle(value.as_bytes(), offset, alphabet)));
    }
    forms
}

fn json(value: &str) -> String {
    let quoted = serde_json::Value::from(value).to_string();
    quoted[1..quoted.len() - 1].to_owned()
}

fn debug(value: &str) -> String {
    value.escape_debug().to_string()
}

/// The inside of single quotes.
fn shell(value: &str) -> String {
    value.replace('\'', r"'\''")
}

/// The inside of single quotes, as Python's `shlex` writes it.
fn shell_double(value: &str) -> String {
    value.replace('\'', r#"'"'"'"#)
}

fn percent(value: &str, upper: bool, keep: &str) -> String {
    let mut text = String::new();
    for b in value.bytes() {
        if b.is_ascii_alphanumeric() || keep.as_bytes().contains(&b) {
            text.push(char::from(b));
        } else if upper {
            text.push_str(&format!("%{b:02X}"));
        } else {
            text.push_str(&format!("%{b:02x}"));
        }
    }
    text
}

/// As HTML forms are sent: a space is a plus sign.
fn form(value: &str, upper: bool) -> String {
    percent(value, upper, "-._* ").replace(' ', "+")
}

/// The characters that depend on nothing but `bytes` when they are encoded with `offset` other
/// bytes before them.
fn base64_middle(bytes: &[u8], offset: usize, alphabet: &[u8; 64]) -> String {
    let mut padded = vec![0; offset];
    padded.extend_from_slice(bytes);
    let digits = padded.len() * 8 / 6;
    let text: String = (0..digits)
        .map(|digit| {
            let bit = digit * 6;
            let pair = u16::from(padded[bit / 8]) << 8 | u16::from(*padded.get(bit / 8 + 1).unwrap_or(&0));
            char::from(alphabet[usize::from(pair >> (10 - bit % 8) & 0x3f)])
        })
        .collect();
    text[offset + usize::from(offset > 0)..].to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_is_known_at_every_alignment() {
        // "hunter2!" after "", "a" and "ab".
        assert_eq!(base64_middle(b"hunter2!", 0, STANDARD), "aHVudGVyMi");
        assert_eq!(base64_middle(b"hunter2!", 1, STANDARD), "h1bnRlcjIh");
        assert_eq!(base64_middle(b"hunter2!", 2, STANDARD), "odW50ZXIyI");
    }
}
