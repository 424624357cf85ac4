//! Who asks: the client that connected, or the one that a proxy before this one speaks for.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::rc::Rc;

use http::header::{HeaderMap, HeaderName, HeaderValue};

use crate::proxy::connection::conn::Conn;
use crate::proxy::request::headers::{X_FORWARDED_FOR, X_FORWARDED_HOST, X_FORWARDED_PROTO};
use crate::proxy::request::limit::Networks;
use crate::proxy::request::route;

/// Whoever asks, as far as it is believed.
#[derive(Debug)]
pub(in crate::proxy) struct Caller {
    pub(in crate::proxy) address: IpAddr,
    /// The address as text, for headers.
    pub(in crate::proxy) text: HeaderValue,
    /// Whether it came by TLS, to the proxy before this one at least.
    pub(in crate::proxy) secure: bool,
    /// The host that it asked for, where that is another than the request's.
    pub(in crate::proxy) host: Option<HeaderValue>,
    /// Whether a trusted proxy asks for it.
    pub(in crate::proxy) is_spoken_for: bool,
}

/// Of whom it cannot be said where they are: no `allow` admits them.
const NOWHERE: IpAddr = IpAddr::V6(Ipv6Addr::UNSPECIFIED);

impl Caller {
    pub(in crate::proxy) fn new(address: IpAddr, secure: bool) -> Self {
        let address = address.to_canonical();
        let text = HeaderValue::try_from(address.to_string());
        let text = text.unwrap_or(HeaderValue::from_static("unknown"));
        Self { address, text, secure, host: None, is_spoken_for: false }
    }

    /// Whoever connected, or the client that it speaks for where it is one of the `trusted`.
    pub(in crate::proxy) fn of(headers: &HeaderMap, conn: &Conn, trusted: &Networks) -> Rc<Self> {
        let peer = &conn.caller;
        if !trusted.contain(peer.address) {
            return Rc::clone(peer);
        }
        // Each proxy adds whom it heard it from at the end: what stands before an address that is not
        // trusted, or is none, may be made up. What is none must not pass for the hop that wrote it, which may do more
        // than any client.
        let (mut client, mut hops) = (peer.address, 0);
        for text in values(headers, &X_FORWARDED_FOR) {
            client = address(text).unwrap_or(NOWHERE);
            hops += 1;
            if !trusted.contain(client) {
                break;
            }
        }
        // Proxies that add to these, too, have one for each hop; the others one alone.
        let said = |name: HeaderName| values(headers, &name).take(hops.max(1)).last();
        let is = |said: &[u8], words: [&str; 2]| {
            words.iter().any(|word| said.eq_ignore_ascii_case(word.as_bytes()))
        };
        let mut caller = Self::new(client, peer.secure);
        // What a trusted one asks for itself comes by our own ports, as anybody's.
        let forwarded = [X_FORWARDED_FOR, X_FORWARDED_PROTO, X_FORWARDED_HOST];
        caller.is_spoken_for = forwarded.iter().any(|name| headers.contains_key(name));
        match said(X_FORWARDED_PROTO) {
            Some(said) if is(said, ["https", "wss"]) => caller.secure = true,
            Some(said) if is(said, ["http", "ws"]) => caller.secure = false,
            _ => {}
        }
        let host = said(X_FORWARDED_HOST).filter(|host| !host.is_empty() && route::is_host(host));
        caller.host = host.and_then(|host| HeaderValue::from_bytes(host).ok());
        Rc::new(caller)
    }
}

/// The values of a header that is a list, over however many lines; the last one, which is the peer's own,
/// first.
fn values<'a>(headers: &'a HeaderMap, name: &HeaderName) -> impl Iterator<Item = &'a [u8]> {
    let lines: Vec<&HeaderValue> = headers.get_all(name).iter().collect();
    let values = |line: &'a HeaderValue| line.as_bytes().rsplit(|byte| *byte == b',').map(<[u8]>::trim_ascii);
    lines.into_iter().rev().flat_map(values)
}

/// An address, with the port that some proxies write behind it or without.
fn address(text: &[u8]) -> Option<IpAddr> {
    let text = std::str::from_utf8(text).ok()?;
    let bare = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).unwrap_or(text);
    let address = bare.parse().ok().or_else(|| Some(text.parse::<SocketAddr>().ok()?.ip()));
    address.map(|address: IpAddr| address.to_canonical())
}

#[cfg(test)]
mod tests {
    use windlass_core::spec::ClientPatience;

    use super::*;

    fn caller(peer: &str, lines: &[(&'static str, &str)]) -> (String, bool, Option<String>) {
        let caller = of(peer, lines);
        assert_eq!(caller.text, caller.address.to_string().as_str());
        let host = caller.host.as_ref().map(|host| host.to_str().unwrap().to_owned());
        (caller.address.to_string(), caller.secure, host)
    }

    fn of(peer: &str, lines: &[(&'static str, &str)]) -> Rc<Caller> {
        let trusted = ["10.0.0.0/8".to_owned(), "2001:db8::/32".to_owned()];
        let conn = Conn::new(peer.parse().unwrap(), None, false, ClientPatience::default());
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            headers.append(HeaderName::from_static(name), HeaderValue::from_str(value).unwrap());
        }
        Caller::of(&headers, &conn, &Networks::parse(&trusted).unwrap())
    }

    #[test]
    fn a_proxy_speaks_for_another_where_it_says_so() {
        for name in ["x-forwarded-for", "x-forwarded-proto", "x-forwarded-host"] {
            assert!(of("10.0.0.1:5", &[(name, "http")]).is_spoken_for, "{name}");
        }
        assert!(!of("10.0.0.1:5", &[]).is_spoken_for, "a call of its own");
        assert!(!of("203.0.113.1:5", &[("x-forwarded-for", "1.1.1.1")]).is_spoken_for);
    }

    #[test]
    fn the_client_is_the_last_address_that_is_not_trusted() {
        let of = |value| caller("10.0.0.1:5", &[("x-forwarded-for", value)]).0;
        for (value, client) in [
            ("203.0.113.9", "203.0.113.9"),
            ("1.1.1.1, 203.0.113.9", "203.0.113.9"),
            ("1.1.1.1,203.0.113.9 , 10.9.9.9", "203.0.113.9"),
            ("203.0.113.9:4711", "203.0.113.9"),
            ("2001:db9::7", "2001:db9::7"),
            ("[2001:db9::7]", "2001:db9::7"),
            ("[2001:db9::7]:80, 2001:db8::1", "2001:db9::7"),
            ("::ffff:203.0.113.9", "203.0.113.9"),
            // All are proxies: then the first of them asks.
            ("10.0.0.3, 10.0.0.2", "10.0.0.3"),
            // What is no address ends the way back, and is nobody's.
            ("203.0.113.9, unknown", "::"),
            ("203.0.113.9, unknown, 10.0.0.2", "::"),
            ("203.0.113.9,", "::"),
            ("", "::"),
            ("127.1, 0x7f.1", "::"),
            ("unix:", "::"),
            ("fe80::1%eth0", "::"),
        ] {
            assert_eq!(of(value), client, "{value}");
        }
        assert_eq!(caller("10.0.0.1:5", &[]).0, "10.0.0.1", "a call of its own");
        let lines = [("x-forwarded-for", "203.0.113.9"), ("x-forwarded-for", "1.1.1.1, 10.0.0.2")];
        assert_eq!(caller("[2001:db8::1]:5", &lines).0, "1.1.1.1");
        assert_eq!(caller("[::ffff:10.0.0.1]:5", &lines).0, "1.1.1.1");
    }

    #[test]
    fn how_and_for_which_host_it_asked_is_believed_of_trusted_ones_only() {
        let lines = [
            ("x-forwarded-proto", "https"),
            ("x-forwarded-host", "shop.example.org"),
            ("x-forwarded-for", "1.1.1.1"),
        ];
        let host = Some("shop.example.org".to_owned());
        assert_eq!(caller("10.0.0.1:5", &lines), ("1.1.1.1".to_owned(), true, host));
        assert_eq!(caller("203.0.113.1:5", &lines), ("203.0.113.1".to_owned(), false, None));
        let odd = [("x-forwarded-proto", "https, ftp"), ("x-forwarded-host", "a b")];
        assert_eq!(caller("10.0.0.1:5", &odd), ("10.0.0.1".to_owned(), false, None));
        for host in ["", "shop.example,", " "] {
            assert_eq!(caller("10.0.0.1:5", &[("x-forwarded-host", host)]).2, None, "{host:?}");
        }
    }

    #[test]
    fn how_it_asked_is_what_the_hop_nearest_to_it_said() {
        let of =
            |proto, hops| caller("10.0.0.1:5", &[("x-forwarded-proto", proto), ("x-forwarded-for", hops)]).1;
        for (proto, hops, secure) in [
            ("HTTPS", "1.1.1.1", true),
            ("wss", "1.1.1.1", true),
            ("ws", "1.1.1.1", false),
            ("https, http", "1.1.1.1, 10.0.0.2", true),
            ("https", "1.1.1.1, 10.0.0.2", true),
            // The first one is the client's own word.
            ("https, http, http", "1.1.1.1, 10.0.0.2", false),
            ("https, http", "1.1.1.1", false),
        ] {
            assert_eq!(of(proto, hops), secure, "{proto} {hops}");
        }
    }
}
