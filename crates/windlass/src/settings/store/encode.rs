//! How values stand in URLs and forms.

use windlass_core::spec::Encoding;

/// A part of a URL's path or query: all but what needs no escape is escaped.
pub(super) fn percent(text: &str) -> String {
    Encoding::Url.encode(text)
}

/// A path whose parts are escaped and whose `/` stay.
pub(super) fn path(text: &str) -> String {
    text.split('/').map(percent).collect::<Vec<_>>().join("/")
}

/// The body of a form.
pub(super) fn form(pairs: &[(&str, &str)]) -> zeroize::Zeroizing<Vec<u8>> {
    let mut body = zeroize::Zeroizing::new(Vec::with_capacity(512));
    for (name, value) in pairs {
        if !body.is_empty() {
            body.push(b'&');
        }
        let value = zeroize::Zeroizing::new(percent(value));
        body.extend_from_slice(format!("{name}=").as_bytes());
        body.extend_from_slice(value.as_bytes());
    }
    body
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_could_be_taken_for_more_is_escaped() {
        assert_eq!(percent("a/b?c#d e%é-._~"), "a%2Fb%3Fc%23d%20e%25%C3%A9-._~");
        assert_eq!(path("shop/d b"), "shop/d%20b");
        assert_eq!(form(&[("a", "1&b=2"), ("c", "+")]).as_slice(), b"a=1%26b%3D2&c=%2B");
    }
}
