//! The address of a webhook, taken apart: its path and query may be a secret, its server is none.

use http::Uri;
use windlass_core::store::Address;

/// Where messages go.
pub(super) struct Webhook {
    /// What errors may show: scheme, host and port.
    pub(super) server: Address,
    /// Path and query, which nothing may show.
    pub(super) path: String,
}

impl Webhook {
    /// Reads `http[s]://host[:port][/path][?query]`.
    ///
    /// # Errors
    /// What is wrong with it, for people, without it.
    pub(super) fn parse(url: &str) -> Result<Self, String> {
        let uri: Uri = url.trim().parse().map_err(|_| "its address cannot be understood")?;
        let scheme = match uri.scheme_str() {
            Some(scheme @ ("http" | "https")) => scheme,
            _ => return Err("its address begins with neither http:// nor https://".to_owned()),
        };
        let authority = uri.authority().ok_or("its address names no host")?;
        if authority.as_str().contains('@') {
            return Err("its address has a user in it, which is not supported".to_owned());
        }
        let server =
            Address::parse(&format!("{scheme}://{authority}")).map_err(|why| format!("its address {why}"))?;
        Ok(Self { server, path: uri.path_and_query().map_or_else(|| "/".to_owned(), ToString::to_string) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts(url: &str) -> (String, String) {
        let webhook = Webhook::parse(url).unwrap();
        (webhook.server.to_string(), webhook.path)
    }

    #[test]
    fn addresses_are_taken_apart() {
        for (url, server, path) in [
            ("https://chat.example.org/hooks/x?y=1", "https://chat.example.org", "/hooks/x?y=1"),
            ("http://[::1]:8080", "http://[::1]:8080", "/"),
            ("HTTPS://Chat.Example.org:443?y=1", "https://chat.example.org", "/?y=1"),
            (" https://chat.example.org/x#y\n", "https://chat.example.org", "/x"),
        ] {
            assert_eq!(parts(url), (server.to_owned(), path.to_owned()), "{url}");
        }
    }

    #[test]
    fn what_is_wrong_with_an_address_is_said_without_it() {
        for url in [
            "",
            "ftp://example.org/secret",
            "https://ada:secret@example.org/",
            "https:///secret",
            "https://a:99999/secret",
            "https://a:b/secret",
            "x y",
            "secret",
        ] {
            let wrong = Webhook::parse(url).err().unwrap();
            assert!(wrong.starts_with("its address ") && !wrong.contains("secret"), "{url}: {wrong}");
        }
    }
}
