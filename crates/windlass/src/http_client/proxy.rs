//! The proxy that a machine needs to get out: `HTTPS_PROXY`, and what `NO_PROXY` leaves out.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use windlass_core::settings::{Growing, Secret};
use windlass_core::store::Address;
use zeroize::Zeroizing;

use crate::trouble::{Trouble, Whose};

/// The most that a proxy may say before it lets a connection through.
const LONGEST: usize = 8 << 10;

/// The variables that name the proxy, or what is asked without it: of each, the first that is not empty.
const PROXY: [&str; 4] = ["https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"];
const WITHOUT: [&str; 2] = ["no_proxy", "NO_PROXY"];

/// What the environment says about proxies.
#[derive(Default)]
pub(crate) struct Proxies {
    proxy: Option<Result<Proxy, ()>>,
    without: Vec<String>,
}

/// A proxy.
pub(super) struct Proxy {
    pub(super) address: Address,
    /// What it is told of who asks.
    authorization: Option<Secret>,
}

impl Proxies {
    /// All the variables that are looked at.
    pub(crate) fn variables() -> impl Iterator<Item = &'static str> {
        PROXY.into_iter().chain(WITHOUT)
    }

    /// Those that these variables name.
    pub(crate) fn of_env(variable: impl Fn(&str) -> Option<String>) -> Self {
        let first =
            |names: &[&str]| names.iter().filter_map(|name| variable(name)).find(|value| !value.is_empty());
        let proxy = first(&PROXY).map(|text| parse(&Zeroizing::new(text)));
        let without = first(&WITHOUT).unwrap_or_default();
        Self { proxy, without: without.split(',').map(|part| part.trim().to_ascii_lowercase()).collect() }
    }

    /// The proxy for `address`; none for what is near, is not encrypted, or is left out.
    pub(super) fn of(&self, address: &Address) -> Result<Option<&Proxy>, Trouble> {
        if !address.encrypted
            || address.is_near()
            || self.without.iter().any(|part| covers(part, &address.host))
        {
            return Ok(None);
        }
        match &self.proxy {
            None => Ok(None),
            Some(Ok(proxy)) => Ok(Some(proxy)),
            Some(Err(())) => Err(Trouble::new(
                Whose::Deployer,
                "cannot be reached: HTTPS_PROXY is no address of a proxy",
                "write it like http://proxy.example.org:3128, or take it away",
            )),
        }
    }
}

/// Whether an entry of `NO_PROXY` is about `host`: itself, or a domain that it is in.
fn covers(entry: &str, host: &str) -> bool {
    let domain = entry.trim_start_matches('*').trim_start_matches('.');
    entry == "*"
        || (!domain.is_empty()
            && host.strip_suffix(domain).is_some_and(|rest| rest.is_empty() || rest.ends_with('.')))
}

fn parse(text: &str) -> Result<Proxy, ()> {
    let scheme = if text.contains("://") { "" } else { "http://" };
    let text = Zeroizing::new([scheme, text].concat());
    let (scheme, rest) = text.split_once("://").ok_or(())?;
    let (account, place) =
        rest.rsplit_once('@').map_or((None, rest), |(account, place)| (Some(account), place));
    let address = Address::parse(&format!("{scheme}://{place}")).map_err(|_| ())?;
    // One that is itself spoken to with TLS is rare, and no proxy of the usual kind.
    if address.encrypted {
        return Err(());
    }
    let authorization = account.map(|account| Zeroizing::new(STANDARD.encode(&*decoded(account))));
    let authorization = authorization.map(|account| Secret::new(["Basic ", &account].concat()));
    Ok(Proxy { address, authorization })
}

fn decoded(text: &str) -> Zeroizing<Vec<u8>> {
    let mut bytes = Zeroizing::new(Vec::with_capacity(text.len()));
    let mut rest = text.as_bytes();
    while let [first, tail @ ..] = rest {
        let digits = tail.get(..2).and_then(|digits| std::str::from_utf8(digits).ok());
        match digits.filter(|_| *first == b'%').and_then(|digits| u8::from_str_radix(digits, 16).ok()) {
            Some(byte) => {
                bytes.push(byte);
                rest = &tail[2..];
            }
            None => {
                bytes.push(*first);
                rest = tail;
            }
        }
    }
    bytes
}

/// Has the proxy let the connection through to `address`.
pub(super) async fn tunnel(stream: &mut TcpStream, proxy: &Proxy, address: &Address) -> Result<(), Trouble> {
    let host = if address.host.contains(':') { format!("[{}]", address.host) } else { address.host.clone() };
    let target = format!("{host}:{}", address.port);
    let mut request = Growing::default();
    request.push_str(&format!("CONNECT {target} HTTP/1.1\r\nHost: {target}\r\n"));
    if let Some(authorization) = &proxy.authorization {
        request.push_str("Proxy-Authorization: ");
        request.push_str(authorization.expose());
        request.push_str("\r\n");
    }
    request.push_str("\r\n");
    let broken = |why: String| {
        let what = format!("cannot be reached: the proxy {} {why}", proxy.address);
        Trouble::new(Whose::Network, what, "is HTTPS_PROXY right? NO_PROXY leaves hosts out").passing()
    };
    stream
        .write_all(request.as_str().as_bytes())
        .await
        .map_err(|error| broken(format!("broke off: {error}")))?;
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        // Byte by byte: what follows the head belongs to the host.
        match stream.read_u8().await {
            Ok(byte) if head.len() < LONGEST => head.push(byte),
            _ => return Err(broken("broke off before it let the connection through".to_owned())),
        }
    }
    let status = head
        .split(|b| *b == b' ')
        .nth(1)
        .and_then(|code| std::str::from_utf8(code).ok()?.parse::<u16>().ok());
    match status {
        Some(200..=299) => Ok(()),
        Some(407) => {
            Err(Trouble { retry: false, ..broken("wants another user or password (HTTP 407)".to_owned()) })
        }
        Some(status) => {
            Err(Trouble { retry: false, ..broken(format!("refuses to let us through (HTTP {status})")) })
        }
        None => Err(Trouble { retry: false, ..broken("does not speak HTTP".to_owned()) }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn proxies(proxy: &str, without: &str) -> Proxies {
        let env = [("https_proxy", ""), ("HTTPS_PROXY", proxy), ("NO_PROXY", without)];
        Proxies::of_env(|name| env.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned()))
    }

    fn used(proxies: &Proxies, address: &str) -> Option<String> {
        let address = Address::parse(address).unwrap();
        proxies.of(&address).unwrap().map(|proxy| proxy.address.to_string())
    }

    #[test]
    fn the_proxy_is_used_but_for_what_is_left_out() {
        let proxies = proxies("http://ada:p%40ss@proxy.example:3128", "vault.internal, .corp.example");
        assert_eq!(used(&proxies, "https://vault.example").as_deref(), Some("http://proxy.example:3128"));
        for address in [
            "https://vault.internal:8200",
            "https://a.corp.example",
            "https://corp.example",
            "https://127.0.0.1:8200",
            "http://169.254.169.254",
        ] {
            assert_eq!(used(&proxies, address), None, "{address}");
        }
        assert!(used(&proxies, "https://notvault.internal").is_some());
        let Some(Ok(proxy)) = &proxies.proxy else { panic!("no proxy") };
        assert_eq!(proxy.authorization.as_ref().unwrap().expose(), "Basic YWRhOnBAc3M=");
    }

    #[test]
    fn a_proxy_that_is_none_is_a_fault_without_its_password() {
        let proxies = proxies("ftp://ada:hunter2@proxy", "");
        let address = Address::parse("https://vault.example").unwrap();
        let trouble = proxies.of(&address).err().unwrap();
        assert!(!format!("{trouble:?}").contains("hunter2"), "{trouble:?}");
    }
}
