//! Basic authentication.

use http::HeaderMap;
use http::header::AUTHORIZATION;
use windlass_core::edge::hash_password;

/// Users and the hashes of their passwords; none: nobody is asked.
pub(in crate::proxy) struct Credentials(Vec<User>);

struct User {
    name: String,
    salt: String,
    hash: String,
}

impl Credentials {
    /// # Errors
    /// That an entry is not `user:salt$hash`; not which, for it may be a password in clear.
    pub(in crate::proxy) fn parse(entries: &[String]) -> Result<Self, String> {
        let user = |entry: &String| {
            let (name, secret) = entry.split_once(':')?;
            let (salt, _) = secret.split_once('$')?;
            (secret.len() == salt.len() + 65).then(|| User {
                name: name.to_owned(),
                salt: salt.to_owned(),
                hash: secret.to_owned(),
            })
        };
        entries
            .iter()
            .map(user)
            .collect::<Option<_>>()
            .map(Self)
            .ok_or_else(|| "a basic_auth entry is not user:salt$hash".to_owned())
    }

    /// Whether a request says who it is, and knows the password. Takes the same time whatever part
    /// of it is wrong.
    pub(in crate::proxy) fn admit(&self, headers: &HeaderMap) -> bool {
        if self.0.is_empty() {
            return true;
        }
        let Some((name, password)) = headers.get(AUTHORIZATION).and_then(|value| parse(value.as_bytes()))
        else {
            return false;
        };
        self.0.iter().fold(false, |admitted, user| {
            let right_hash = same(&hash_password(&user.salt, &password), &user.hash);
            admitted | (right_hash & same(&user.name, &name))
        })
    }
}

fn parse(value: &[u8]) -> Option<(String, String)> {
    let (scheme, rest) = value.split_at_checked(6)?;
    if !scheme.eq_ignore_ascii_case(b"basic ") {
        return None;
    }
    let text = String::from_utf8(decode_base64(rest.trim_ascii())?).ok()?;
    let (name, password) = text.split_once(':')?;
    Some((name.to_owned(), password.to_owned()))
}

/// Compares by hashes, so that the time tells nothing about where the two differ.
fn same(left: &str, right: &str) -> bool {
    // `blake3::Hash` compares in constant time.
    blake3::hash(left.as_bytes()) == blake3::hash(right.as_bytes())
}

fn decode_base64(text: &[u8]) -> Option<Vec<u8>> {
    let text = text.strip_suffix(b"==").or_else(|| text.strip_suffix(b"=")).unwrap_or(text);
    let mut bytes = Vec::with_capacity(text.len() * 3 / 4);
    let (mut bits, mut count) = (0_u32, 0);
    for symbol in text {
        let value = match symbol {
            b'A'..=b'Z' => symbol - b'A',
            b'a'..=b'z' => symbol - b'a' + 26,
            b'0'..=b'9' => symbol - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            _ => return None,
        };
        bits = bits << 6 | u32::from(value);
        count += 6;
        if count >= 8 {
            count -= 8;
            bytes.push(u8::try_from(bits >> count & 0xFF).ok()?);
        }
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_right_name_with_its_password_is_admitted() {
        let users = Credentials::parse(&[
            format!("ann:{}", hash_password("s1", "open sesame")),
            format!("bob:{}", hash_password("s2", "b:o:b")),
        ])
        .unwrap();
        for (value, admitted) in [
            ("Basic YW5uOm9wZW4gc2VzYW1l", true),
            ("basic Ym9iOmI6bzpi", true),
            ("Basic YW5uOmI6bzpi", false),
            ("Basic YW5uOg==", false),
            ("Basic %%%", false),
            ("Bearer YW5uOm9wZW4gc2VzYW1l", false),
            ("Basic", false),
        ] {
            let headers = HeaderMap::from_iter([(AUTHORIZATION, value.parse().unwrap())]);
            assert_eq!(users.admit(&headers), admitted, "{value}");
        }
        assert!(!users.admit(&HeaderMap::new()));
        assert!(Credentials::parse(&[]).unwrap().admit(&HeaderMap::new()));
    }

    #[test]
    fn a_password_in_clear_is_refused_and_not_repeated() {
        let error = Credentials::parse(&["ann:hunter2".to_owned()]).err().unwrap();
        assert!(!error.contains("hunter2"), "{error}");
    }

    #[test]
    fn base64() {
        for (text, bytes) in
            [("", &b""[..]), ("Zg==", b"f"), ("Zm8=", b"fo"), ("Zm9v", b"foo"), ("+/+/", b"\xfb\xff\xbf")]
        {
            assert_eq!(decode_base64(text.as_bytes()).unwrap(), bytes);
        }
    }
}
