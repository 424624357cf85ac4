//! Headers on their way through: what concerns one connection only is taken off, what a client may
//! not claim is replaced.

use std::net::SocketAddr;

use http::Version;
use http::header::{
    CONNECTION, CONTENT_LENGTH, COOKIE, EXPECT, HOST, HeaderMap, HeaderName, HeaderValue, PROXY_AUTHENTICATE,
    PROXY_AUTHORIZATION, REFERRER_POLICY, STRICT_TRANSPORT_SECURITY, TE, TRAILER, TRANSFER_ENCODING, UPGRADE,
    X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS, X_XSS_PROTECTION,
};

use crate::proxy::connection::conn::Conn;
use crate::proxy::live::LiveRoute;
use crate::proxy::request::caller::Caller;

const HTTP2_SETTINGS: HeaderName = HeaderName::from_static("http2-settings");
const KEEP_ALIVE: HeaderName = HeaderName::from_static("keep-alive");
const PROXY_CONNECTION: HeaderName = HeaderName::from_static("proxy-connection");
pub(super) const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
pub(super) const X_FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
pub(super) const X_FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
const X_REAL_IP: HeaderName = HeaderName::from_static("x-real-ip");

/// Why a request is refused before anything is done with it.
pub(in crate::proxy) type Refused = &'static str;

/// Refuses a request whose end, or whose host, two programs might see differently. `content_lengths`
/// is how many such lines its head had on the wire.
pub(in crate::proxy) fn refuse_ambiguous(
    version: Version,
    headers: &HeaderMap,
    content_lengths: u8,
) -> Result<(), Refused> {
    if content_lengths > 1 {
        return Err("the request has more than one Content-Length");
    }
    let transfer_encoding = headers.contains_key(TRANSFER_ENCODING);
    if transfer_encoding && content_lengths > 0 {
        return Err("the request has both Content-Length and Transfer-Encoding");
    }
    if transfer_encoding && version != Version::HTTP_11 {
        return Err("only HTTP/1.1 knows Transfer-Encoding");
    }
    if transfer_encoding {
        let mut values = headers.get_all(TRANSFER_ENCODING).iter();
        let only_chunked =
            values.next().is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(b"chunked"));
        if !only_chunked || values.next().is_some() {
            return Err("the only Transfer-Encoding that is understood is chunked");
        }
    }
    let repeats = headers.len() > headers.keys_len();
    if repeats && headers.get_all(HOST).iter().nth(1).is_some() {
        return Err("the request has more than one Host");
    }
    // HTTP/1.0 knows none; the proxy asks by HTTP/1.1.
    if version != Version::HTTP_10 && !headers.contains_key(HOST) {
        return Err("the request has no Host");
    }
    Ok(())
}

/// Joins the cookies, which HTTP/2 may send one by one (RFC 9113, 8.2.3): over HTTP/1 there is one line.
pub(in crate::proxy) fn join_cookies(headers: &mut HeaderMap) {
    if headers.get_all(COOKIE).iter().nth(1).is_none() {
        return;
    }
    let all: Vec<&[u8]> = headers.get_all(COOKIE).iter().map(HeaderValue::as_bytes).collect();
    // What is put together from values is one.
    if let Ok(joined) = HeaderValue::from_bytes(&all.join(&b"; "[..])) {
        headers.insert(COOKIE, joined);
    }
}

/// Names the address that the client came to as the host, if it named none, which HTTP/1.0 allows. It
/// is HTTP/1.1 that the application is asked by.
pub(in crate::proxy) fn set_host(headers: &mut HeaderMap, conn: &Conn) {
    if let (None, Some(local)) = (headers.get(HOST), conn.local)
        && let Ok(host) =
            HeaderValue::try_from(SocketAddr::new(local.ip().to_canonical(), local.port()).to_string())
    {
        headers.insert(HOST, host);
    }
}

/// Whether a client may put this name of a header into `Connection`, and have it taken off: not those
/// that the application's view of the request rests on.
fn is_removable(name: &HeaderName) -> bool {
    !matches!(*name, HOST | CONTENT_LENGTH | http::header::AUTHORIZATION | http::header::COOKIE)
}

/// What most applications say in `Connection`: nothing that names another header.
fn says_only_to_keep(headers: &HeaderMap) -> bool {
    headers.len() == headers.keys_len()
        && headers.get(CONNECTION).is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(b"keep-alive"))
}

/// Takes off what concerns one connection only, and what `Connection` names. Returns the protocol
/// that the message wants to change to, if any.
pub(in crate::proxy) fn remove_hop_by_hop(headers: &mut HeaderMap) -> Option<HeaderValue> {
    let mut upgrade = None;
    if says_only_to_keep(headers) {
        headers.remove(CONNECTION);
    } else if headers.contains_key(CONNECTION) {
        let mut named: Vec<HeaderName> = Vec::new();
        let mut wants_upgrade = false;
        for value in headers.get_all(CONNECTION) {
            for token in value.as_bytes().split(|byte| *byte == b',').map(<[u8]>::trim_ascii) {
                if token.eq_ignore_ascii_case(b"upgrade") {
                    wants_upgrade = true;
                } else if !token.eq_ignore_ascii_case(b"close") && !token.eq_ignore_ascii_case(b"keep-alive")
                {
                    named.extend(HeaderName::from_bytes(token));
                }
            }
        }
        if wants_upgrade {
            upgrade = headers.get(UPGRADE).cloned();
        }
        for name in named.iter().filter(|name| is_removable(name)) {
            headers.remove(name);
        }
        headers.remove(CONNECTION);
    }
    // One look over the names is cheaper than eight searches for what is rarely there.
    let present = headers.keys().any(|name| {
        matches!(*name, TE | TRAILER | TRANSFER_ENCODING | UPGRADE | PROXY_AUTHENTICATE | PROXY_AUTHORIZATION)
            || name == HTTP2_SETTINGS
            || name == KEEP_ALIVE
            || name == PROXY_CONNECTION
    });
    if present {
        if headers.remove(TRANSFER_ENCODING).is_some() {
            // It tells the length of a message that has both (RFC 9112, 6.3): the other one may be anything.
            headers.remove(CONTENT_LENGTH);
        }
        for name in [TE, TRAILER, UPGRADE, PROXY_AUTHENTICATE, PROXY_AUTHORIZATION] {
            headers.remove(name);
        }
        headers.remove(HTTP2_SETTINGS);
        headers.remove(KEEP_ALIVE);
        headers.remove(PROXY_CONNECTION);
    }
    upgrade
}

/// Whether a header speaks of a proxy before the application, also in the spelling with underscores,
/// which is the same name for an application that gets its headers by CGI, WSGI or PHP.
fn is_of_a_proxy(name: &HeaderName) -> bool {
    let is = |known: &str, whole: bool| {
        let name = name.as_str().as_bytes();
        (name.len() == known.len() || (!whole && name.len() > known.len()))
            && known.bytes().zip(name).all(|(known, byte)| known == *byte || (known == b'-' && *byte == b'_'))
    };
    is("x-forwarded-", false) || is("x-real-ip", true) || is("forwarded", true)
}

/// Tells the application who asked, how, and for which host. What a request said of that is replaced by
/// what was believed of it, so that the application need not know who stands before it.
pub(in crate::proxy) fn set_forwarded(headers: &mut HeaderMap, client: &Caller) {
    let claimed: Vec<HeaderName> = headers.keys().filter(|name| is_of_a_proxy(name)).cloned().collect();
    for name in claimed {
        headers.remove(name);
    }
    if let Some(host) = client.host.as_ref().or_else(|| headers.get(HOST)).cloned() {
        headers.insert(X_FORWARDED_HOST, host);
    }
    headers.insert(X_FORWARDED_FOR, client.text.clone());
    headers.insert(X_REAL_IP, client.text.clone());
    headers.insert(X_FORWARDED_PROTO, HeaderValue::from_static(if client.secure { "https" } else { "http" }));
    headers.remove(EXPECT);
}

/// Sets what the route says, and the usual security headers where the application did not.
pub(in crate::proxy) fn finish_headers(headers: &mut HeaderMap, route: &LiveRoute, secure: bool) {
    if route.security_headers {
        for (name, value) in [
            (X_CONTENT_TYPE_OPTIONS, "nosniff"),
            (X_FRAME_OPTIONS, "DENY"),
            (REFERRER_POLICY, "strict-origin-when-cross-origin"),
            // The filter that this header steered was itself a hole; 0 switches what is left of it off.
            (X_XSS_PROTECTION, "0"),
        ] {
            headers.entry(name).or_insert(HeaderValue::from_static(value));
        }
        if secure {
            headers.entry(STRICT_TRANSPORT_SECURITY).or_insert(HeaderValue::from_static("max-age=31536000"));
        }
    }
    for (name, value) in &route.headers {
        match value {
            Some(value) => drop(headers.insert(name.clone(), value.clone())),
            None => drop(headers.remove(name)),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use proptest::prelude::*;

    use super::*;
    use crate::proxy::request::limit::Networks;
    use windlass_core::spec::ClientPatience;

    fn map(lines: &[(&str, &str)]) -> HeaderMap {
        lines
            .iter()
            .map(|(name, value)| {
                (HeaderName::try_from(*name).unwrap(), HeaderValue::try_from(*value).unwrap())
            })
            .collect()
    }

    fn text(headers: &HeaderMap) -> Vec<String> {
        let mut lines: Vec<_> =
            headers.iter().map(|(name, value)| format!("{name}: {}", value.to_str().unwrap())).collect();
        lines.sort();
        lines
    }

    #[test]
    fn what_concerns_one_connection_only_is_taken_off() {
        let mut headers = map(&[
            ("connection", "keep-alive, X-Secret, host, Upgrade, authorization"),
            ("upgrade", "websocket"),
            ("x-secret", "1"),
            ("host", "a"),
            ("authorization", "b"),
            ("keep-alive", "timeout=5"),
            ("te", "trailers"),
            ("proxy-authorization", "x"),
            ("proxy-connection", "x"),
            ("accept", "*/*"),
        ]);
        let upgrade = remove_hop_by_hop(&mut headers);
        assert_eq!(upgrade.unwrap(), "websocket");
        assert_eq!(text(&headers), ["accept: */*", "authorization: b", "host: a"]);
    }

    #[test]
    fn an_upgrade_that_connection_does_not_name_is_none() {
        let mut headers = map(&[("upgrade", "websocket"), ("host", "a")]);
        assert_eq!(remove_hop_by_hop(&mut headers), None);
        assert_eq!(text(&headers), ["host: a"]);
    }

    #[test]
    fn what_a_client_claims_of_itself_is_replaced() {
        let peer = "203.0.113.9:1234".parse::<SocketAddr>().unwrap();
        let conn = Conn::new(peer, None, true, ClientPatience::default());
        let mut headers = map(&[
            ("host", "example.org"),
            ("x-forwarded-for", "1.2.3.4"),
            ("x-forwarded-for", "5.6.7.8"),
            ("x-real-ip", "1.2.3.4"),
            ("x-forwarded-proto", "http"),
            ("x-forwarded-host", "bank.example"),
            ("x-forwarded-port", "1"),
            ("forwarded", "for=1.2.3.4"),
            ("x_forwarded_for", "1.2.3.4"),
            ("x-forwarded_proto", "https"),
            ("x_real_ip", "1.2.3.4"),
            ("x-forwarded-prefix", "/admin"),
            ("x-forward", "left"),
            ("x_real", "left"),
        ]);
        let caller = Caller::of(&headers, &conn, &Networks::default());
        set_forwarded(&mut headers, &caller);
        assert_eq!(
            text(&headers),
            [
                "host: example.org",
                "x-forward: left",
                "x-forwarded-for: 203.0.113.9",
                "x-forwarded-host: example.org",
                "x-forwarded-proto: https",
                "x-real-ip: 203.0.113.9",
                "x_real: left",
            ]
        );
    }

    #[test]
    fn ambiguous_requests_are_refused() {
        type Case<'a> = (&'a [(&'a str, &'a str)], Version, u8, bool);
        let cases: [Case<'_>; 9] = [
            (&[("host", "a")], Version::HTTP_11, 0, true),
            (&[("host", "a"), ("content-length", "3")], Version::HTTP_11, 1, true),
            (&[("host", "a"), ("transfer-encoding", "chunked")], Version::HTTP_11, 0, true),
            (&[("host", "a"), ("transfer-encoding", "chunked")], Version::HTTP_11, 1, false),
            (&[("host", "a"), ("content-length", "3")], Version::HTTP_11, 2, false),
            (&[("host", "a"), ("transfer-encoding", "gzip, chunked")], Version::HTTP_11, 0, false),
            (&[("host", "a"), ("transfer-encoding", "chunked")], Version::HTTP_10, 0, false),
            (&[("host", "a"), ("host", "b")], Version::HTTP_11, 0, false),
            (&[], Version::HTTP_11, 0, false),
        ];
        for (lines, version, content_lengths, accepted) in cases {
            let result = refuse_ambiguous(version, &map(lines), content_lengths);
            assert_eq!(result.is_ok(), accepted, "{lines:?} {content_lengths}: {result:?}");
        }
    }

    proptest! {
        #[test]
        fn nothing_named_by_connection_gets_through(
            names in proptest::collection::vec("x-[a-z]{1,5}", 1..5),
            spaces in " {0,2}",
        ) {
            let mut headers = map(&[("host", "a"), ("accept", "*/*")]);
            for name in &names {
                headers.append(HeaderName::try_from(name.as_str()).unwrap(), HeaderValue::from_static("1"));
            }
            let connection = names.join(&format!("{spaces},{spaces}"));
            headers.append(CONNECTION, HeaderValue::try_from(connection).unwrap());
            remove_hop_by_hop(&mut headers);
            prop_assert_eq!(text(&headers), ["accept: */*", "host: a"]);
        }
    }
}
