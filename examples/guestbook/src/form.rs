//! `application/x-www-form-urlencoded`: what browsers send, and how entries are stored.

/// The fields of a form, decoded; bytes that are no UTF-8 are replaced.
pub fn decode(text: &str) -> Vec<(String, String)> {
    text.split('&')
        .filter(|pair| !pair.is_empty())
        .map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            (decode_word(name), decode_word(value))
        })
        .collect()
}

/// The first value of a field.
pub fn field<'a>(fields: &'a [(String, String)], name: &str) -> Option<&'a str> {
    fields.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
}

/// Fields as one line of text.
pub fn encode(fields: &[(&str, &str)]) -> String {
    let pairs: Vec<String> =
        fields.iter().map(|(name, value)| format!("{}={}", encode_word(name), encode_word(value))).collect();
    pairs.join("&")
}

fn decode_word(word: &str) -> String {
    let bytes = word.as_bytes();
    let mut decoded = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let hex = |offset: usize| bytes.get(at + offset).and_then(|b| char::from(*b).to_digit(16));
        match (bytes[at], hex(1), hex(2)) {
            (b'%', Some(high), Some(low)) => {
                decoded.push((high * 16 + low) as u8);
                at += 2;
            }
            (b'+', ..) => decoded.push(b' '),
            (byte, ..) => decoded.push(byte),
        }
        at += 1;
    }
    String::from_utf8_lossy(&decoded).into_owned()
}

fn encode_word(word: &str) -> String {
    let mut encoded = String::with_capacity(word.len());
    for byte in word.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' => encoded.push(char::from(byte)),
            b' ' => encoded.push('+'),
            _ => encoded.push_str(&format!("%{byte:02X}")),
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_encoded_decodes_to_itself() {
        let text = "Grüße & <b>100 %</b> +1\n";
        let fields = decode(&encode(&[("message", text), ("name", "")]));
        assert_eq!(field(&fields, "message"), Some(text));
        assert_eq!(field(&fields, "name"), Some(""));
    }

    #[test]
    fn broken_escapes_stay_as_they_are() {
        assert_eq!(decode("a=100%&b=%zz&c=%4"), decode("a=100%25&b=%25zz&c=%254"));
        assert_eq!(decode("&&x"), [("x".to_owned(), String::new())]);
    }
}
