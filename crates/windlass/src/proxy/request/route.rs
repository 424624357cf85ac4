//! Which route a request takes.

use std::borrow::Cow;

/// The part of a route that a request is compared with.
#[derive(Debug, Clone)]
pub(in crate::proxy) struct Pattern {
    host: Host,
    /// Without a trailing `/`; empty for all paths.
    prefix: String,
}

#[derive(Debug, Clone)]
enum Host {
    Any,
    Exactly(String),
    /// `.example.org`.
    Below(String),
}

impl Pattern {
    pub(in crate::proxy) fn new(host: Option<&str>, path: &str) -> Self {
        let host = match host.map(str::to_ascii_lowercase) {
            None => Host::Any,
            Some(name) => match name.strip_prefix('*') {
                Some(below) => Host::Below(below.to_owned()),
                None => Host::Exactly(name),
            },
        };
        Self { host, prefix: path.trim_end_matches('/').to_owned() }
    }

    /// Whether a request for this host (without port) and [`comparable`] path is meant.
    pub(in crate::proxy) fn matches(&self, host: &str, path: &str) -> bool {
        let host_matches = match &self.host {
            Host::Any => true,
            Host::Exactly(name) => name.eq_ignore_ascii_case(host),
            Host::Below(below) => host.len() > below.len() && ends_with_ignore_case(host, below),
        };
        host_matches && below_prefix(path, &self.prefix).is_some()
    }

    /// Whether a path is the prefix itself, without the slash that what is below it begins with.
    pub(in crate::proxy) fn is(&self, path: &str) -> bool {
        !self.prefix.is_empty() && path == self.prefix
    }

    /// What is left of a path, as it was sent, when the prefix is taken off, in whatever spelling it
    /// stands there: begins with `/`. `None` when it does not stand there.
    pub(in crate::proxy) fn strip(&self, path: &str) -> Option<String> {
        let mut rest = path.as_bytes();
        let mut before = 0;
        for expected in self.prefix.bytes() {
            let mut next = spelled(rest)?;
            while next.0 == b'/' && before == b'/' {
                rest = next.1;
                next = spelled(rest)?;
            }
            if next.0 != expected {
                return None;
            }
            (before, rest) = next;
        }
        match spelled(rest) {
            None => Some("/".to_owned()),
            // As it was sent, even if there are several.
            Some((b'/', _)) if rest.starts_with(b"/") => {
                path.get(path.len() - rest.len()..).map(str::to_owned)
            }
            Some((b'/', below)) => path.get(path.len() - below.len()..).map(|below| format!("/{below}")),
            Some(_) => None,
        }
    }
}

/// The byte that a path begins with, as [`comparable`] has it, and what follows.
fn spelled(path: &[u8]) -> Option<(u8, &[u8])> {
    let (byte, rest) = match path.split_first()? {
        (b'%', _) => {
            let (escape, rest) = path.split_at_checked(3)?;
            (*decode(std::str::from_utf8(escape).ok()?)?.first()?, rest)
        }
        (byte, rest) => (*byte, rest),
    };
    Some((if byte == b'\\' { b'/' } else { byte }, rest))
}

fn ends_with_ignore_case(text: &str, end: &str) -> bool {
    let (text, end) = (text.as_bytes(), end.as_bytes());
    text.len() >= end.len() && text[text.len() - end.len()..].eq_ignore_ascii_case(end)
}

fn below_prefix<'path>(path: &'path str, prefix: &str) -> Option<&'path str> {
    path.strip_prefix(prefix).filter(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// Whether this is what a client may say of the host: nothing, or a name or an address, with a port or
/// without (RFC 9112, 3.2). Of anything else an application might take another part for the name than
/// [`host_name`] does, and a rule for that host would be passed by.
pub(in crate::proxy) fn is_host(authority: &[u8]) -> bool {
    let Ok(authority) = std::str::from_utf8(authority) else { return false };
    let is_port = |rest: &str| {
        rest.is_empty() || rest.strip_prefix(':').is_some_and(|port| port.bytes().all(|b| b.is_ascii_digit()))
    };
    if let Some(literal) = authority.strip_prefix('[') {
        let Some((address, rest)) = literal.split_once(']') else { return false };
        return address.parse::<std::net::Ipv6Addr>().is_ok() && is_port(rest);
    }
    let (name, rest) =
        authority.split_at(authority.bytes().position(|b| b == b':').unwrap_or(authority.len()));
    let name = name.strip_suffix('.').unwrap_or(name);
    is_port(rest) && (authority.is_empty() || has_labels(name))
}

/// Whether a name is of labels with a dot between each two.
fn has_labels(name: &str) -> bool {
    let mut before = b'.';
    for &byte in name.as_bytes() {
        if !MAY_BE_IN_A_NAME[usize::from(byte)] || (byte == b'.' && before == b'.') {
            return false;
        }
        before = byte;
    }
    before != b'.'
}

/// A table, because every request's host is looked at byte by byte.
const MAY_BE_IN_A_NAME: [bool; 256] = {
    let mut may = [false; 256];
    let mut byte = 0_u8;
    while byte < 128 {
        may[byte as usize] = byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
        byte += 1;
    }
    may
};

/// The host name without its port, and without the dot of a fully qualified one.
pub(in crate::proxy) fn host_name(authority: &str) -> &str {
    let name = match authority.rfind(':') {
        // The colons of an IPv6 address stand within brackets.
        Some(colon) if !authority[colon..].contains(']') => &authority[..colon],
        _ => authority,
    };
    name.strip_suffix('.').unwrap_or(name)
}

/// The path as an application would understand it: decoded, without repeated slashes. A rule for
/// `/admin` must not be passed by with `/%61dmin` or `//admin`. `None` for a path with dot segments
/// (browsers never send them), NUL bytes, or escapes that are none: such a path is refused.
pub(in crate::proxy) fn comparable(path: &str) -> Option<Cow<'_, str>> {
    if is_plain(path) {
        return Some(Cow::Borrowed(path));
    }
    let decoded = merge_slashes(&String::from_utf8_lossy(&decode(path)?));
    let dots = decoded.split('/').any(|segment| matches!(segment, "." | ".."));
    (!dots && !decoded.contains('\0')).then_some(Cow::Owned(decoded))
}

/// Whether nothing in a path has a second spelling, or a meaning beside its name; nearly every path is so.
fn is_plain(path: &str) -> bool {
    let mut before = 0;
    for &byte in path.as_bytes() {
        if matches!(byte, b'%' | b'\\' | 0) || (before == b'/' && matches!(byte, b'/' | b'.')) {
            return false;
        }
        before = byte;
    }
    true
}

/// Percent-decodes.
pub(in crate::proxy) fn decode(text: &str) -> Option<Vec<u8>> {
    let mut decoded = Vec::with_capacity(text.len());
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        if byte == b'%' {
            let high = (bytes.next()? as char).to_digit(16)?;
            let low = (bytes.next()? as char).to_digit(16)?;
            decoded.push(u8::try_from(high * 16 + low).ok()?);
        } else {
            decoded.push(byte);
        }
    }
    Some(decoded)
}

fn merge_slashes(path: &str) -> String {
    let mut merged = String::with_capacity(path.len());
    for character in path.chars() {
        // Some applications take a backslash for a slash.
        let character = if character == '\\' { '/' } else { character };
        if !(character == '/' && merged.ends_with('/')) {
            merged.push(character);
        }
    }
    merged
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_host_is_a_name_or_an_address() {
        for host in [
            "",
            "a",
            "shop.example.org",
            "shop.example.org.",
            "a_b-c:8080",
            "127.0.0.1:80",
            "[::1]",
            "[::1]:80",
            "a:",
        ] {
            assert!(is_host(host.as_bytes()), "{host}");
        }
        for host in [
            "a:1:2", "a:80:", "a#", "a?", "a,b", "a\\", "a/x", ".....", "a..b", "a%2eb", ":80", "a:x",
            "[::1", "[::1]x", "[a]", "ü", "a b", "u@a",
        ] {
            assert!(!is_host(host.as_bytes()), "{host}");
        }
    }

    fn find(host: &str, path: &str) -> &'static str {
        let routes = [
            ("admin", Pattern::new(Some("example.org"), "/admin")),
            ("api", Pattern::new(Some("example.org"), "/api/v1/")),
            ("site", Pattern::new(Some("Example.org"), "/")),
            ("tenants", Pattern::new(Some("*.example.org"), "/")),
            ("health", Pattern::new(None, "/health")),
        ];
        let Some(path) = comparable(path) else { return "refused" };
        routes.into_iter().find(|(_, pattern)| pattern.matches(host_name(host), &path)).map_or("-", |r| r.0)
    }

    #[test]
    fn the_table_of_routes() {
        let table = [
            ("example.org", "/", "site"),
            ("EXAMPLE.org:8080", "/x", "site"),
            ("example.org.", "/x", "site"),
            ("example.org", "/admin", "admin"),
            ("example.org", "/admin/", "admin"),
            ("example.org", "/admin/users", "admin"),
            ("example.org", "/administrator", "site"),
            ("example.org", "/%61dmin", "admin"),
            ("example.org", "//admin", "admin"),
            ("example.org", "/%2Fadmin", "admin"),
            ("example.org", "/\\admin", "admin"),
            ("example.org", "/x/../admin", "refused"),
            ("example.org", "/x/%2e%2e/admin", "refused"),
            ("example.org", "/x/.%2E/admin", "refused"),
            ("example.org", "/./admin", "refused"),
            ("example.org", "/a%5c..%5cadmin", "refused"),
            ("example.org", "/%00", "refused"),
            ("example.org", "/%zz", "refused"),
            ("example.org", "/.well-known/x", "site"),
            ("example.org", "/a..b", "site"),
            ("example.org", "/api/v1", "api"),
            ("example.org", "/api/v10", "site"),
            ("a.example.org", "/", "tenants"),
            ("b.a.EXAMPLE.org", "/", "tenants"),
            (".example.org", "/", "-"),
            ("badexample.org", "/", "-"),
            ("elsewhere", "/health", "health"),
            ("[::1]:80", "/health", "health"),
            ("elsewhere", "/", "-"),
        ];
        for (host, path, expected) in table {
            assert_eq!(find(host, path), expected, "{host}{path}");
        }
    }

    #[test]
    fn a_prefix_is_taken_off_at_a_slash() {
        let api = Pattern::new(None, "/api");
        for (path, expected) in [
            ("/api", "/"),
            ("/api/", "/"),
            ("/api/users", "/users"),
            ("/%61pi/users", "/users"),
            ("//api/users", "/users"),
            ("/\\%2fa%70i%2Fus%65rs/x", "/us%65rs/x"),
            ("/api//x", "//x"),
        ] {
            assert_eq!(api.strip(path).as_deref(), Some(expected), "{path}");
        }
        for path in ["/apix", "/ap", "/a/pi", "/%61p%6", "/a%ffi"] {
            assert_eq!(api.strip(path), None, "{path}");
        }
        let deep = Pattern::new(None, "/a/b c/");
        assert_eq!(deep.strip("/a//b%20c").as_deref(), Some("/"));
        assert_eq!(Pattern::new(None, "/").strip("/users").as_deref(), Some("/users"));
        assert_eq!(Pattern::new(None, "/").strip("//users").as_deref(), Some("//users"));
    }

    proptest! {
        #[test]
        fn what_is_found_below_a_prefix_can_be_taken_off(path in "(/|%2[fF]|%5[cC]|\\\\|a|%61|b|%){1,12}") {
            let path = format!("/{path}");
            let pattern = Pattern::new(None, "/a");
            if let Some(comparable) = comparable(&path)
                && pattern.matches("", &comparable)
            {
                let stripped = pattern.strip(&path);
                prop_assert!(stripped.is_some_and(|rest| rest.starts_with('/')), "{path}");
            }
        }

        #[test]
        fn no_spelling_of_a_path_hides_a_dot_segment(path in "(/|%2[fF]|%5[cC]|\\\\|\\.|%2[eE]|a){1,12}") {
            let path = format!("/{path}");
            if let Some(comparable) = comparable(&path) {
                for segment in comparable.split(['/', '\\']) {
                    prop_assert!(segment != "." && segment != "..", "{path} gave {comparable}");
                }
            }
        }
    }
}
