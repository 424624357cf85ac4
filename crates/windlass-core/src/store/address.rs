//! Where a store is reached by HTTP.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// The port of the service that gives an app of Azure's App Service its identity.
const APP_SERVICE: u16 = 8081;

/// The beginning of a URL: scheme, host, port and the path that all requests share.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Address {
    /// Whether it is spoken to with TLS.
    pub encrypted: bool,
    /// The host's name or IP address, without brackets, in lower case.
    pub host: String,
    /// The port.
    pub port: u16,
    /// What stands before every path: empty, or `/` and more, without a `/` at its end.
    pub base: String,
}

impl Address {
    /// Reads `https://host[:port][/path]`.
    ///
    /// # Errors
    /// What is wrong with it, as the end of a sentence that begins with the address.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        let (scheme, rest) = text.split_once("://").ok_or("does not begin with https://")?;
        let encrypted = match scheme {
            "https" => true,
            "http" => false,
            _ => return Err("does not begin with https://"),
        };
        let plain = |c: char| c.is_ascii_graphic() && !matches!(c, '?' | '#' | '\\' | '"' | '<' | '>');
        if !rest.chars().all(plain) {
            return Err("holds characters that an address cannot have");
        }
        let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
        if authority.contains('@') {
            return Err("holds a user or password, which belong into the environment");
        }
        let (host, port) = split(authority).ok_or("has no host, or a port that is none")?;
        let port = port.unwrap_or(if encrypted { 443 } else { 80 });
        let path = path.trim_end_matches('/');
        if path.split('/').any(|part| part == "." || part == "..") {
            return Err("has a path that leads elsewhere");
        }
        let base = if path.is_empty() { String::new() } else { format!("/{path}") };
        Ok(Self { encrypted, host: host.to_ascii_lowercase(), port, base })
    }

    /// Whether what is sent there cannot be read on the way: this machine itself, and the addresses at which
    /// clouds serve a machine or an app its own credentials.
    #[must_use]
    pub fn is_near(&self) -> bool {
        // Azure's App Service: of that network each sandbox sees its own end only.
        let of_sandbox = || self.host.parse::<Ipv4Addr>().is_ok_and(|host| host.is_link_local());
        is_near(&self.host) || (self.port == APP_SERVICE && of_sandbox())
    }

    /// Host and port as they stand in a request: the port only where it is not the usual one.
    #[must_use]
    pub fn authority(&self) -> String {
        let host = if self.host.contains(':') { format!("[{}]", self.host) } else { self.host.clone() };
        let usual = if self.encrypted { 443 } else { 80 };
        if self.port == usual { host } else { format!("{host}:{}", self.port) }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.encrypted { "https" } else { "http" };
        write!(f, "{scheme}://{}{}", self.authority(), self.base)
    }
}

fn split(authority: &str) -> Option<(&str, Option<u16>)> {
    let (host, port) = if let Some(rest) = authority.strip_prefix('[') {
        let (host, rest) = rest.split_once(']')?;
        host.parse::<Ipv6Addr>().ok()?;
        (host, if rest.is_empty() { None } else { Some(rest.strip_prefix(':')?) })
    } else {
        let (host, port) = authority.split_once(':').map_or((authority, None), |(h, p)| (h, Some(p)));
        let name = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_');
        if host.is_empty() || !host.bytes().all(name) {
            return None;
        }
        (host, port)
    };
    let port = match port {
        Some(port) => Some(port.parse().ok().filter(|port| *port != 0)?),
        None => None,
    };
    Some((host, port))
}

fn is_near(host: &str) -> bool {
    const METADATA: [IpAddr; 5] = [
        IpAddr::V4(Ipv4Addr::new(169, 254, 169, 254)),
        IpAddr::V4(Ipv4Addr::new(169, 254, 170, 2)),
        // EKS Pod Identity.
        IpAddr::V4(Ipv4Addr::new(169, 254, 170, 23)),
        IpAddr::V6(Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x23)),
        IpAddr::V6(Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254)),
    ];
    match host.parse::<IpAddr>() {
        Ok(address) => address.is_loopback() || METADATA.contains(&address),
        Err(_) => host == "localhost" || host == "metadata.google.internal",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_and_written() {
        for (text, written) in [
            ("https://vault.example", "https://vault.example"),
            ("https://Vault.Example:443/", "https://vault.example"),
            ("https://vault.example:8200/team/", "https://vault.example:8200/team"),
            ("http://[::1]:8200", "http://[::1]:8200"),
            ("http://127.0.0.1", "http://127.0.0.1"),
        ] {
            assert_eq!(Address::parse(text).unwrap().to_string(), written);
        }
    }

    #[test]
    fn what_is_no_address_is_refused() {
        for text in [
            "",
            "vault.example",
            "ftp://x",
            "https://",
            "https://:1",
            "https://a:0",
            "https://a:b",
            "https://a:99999",
            "https://u:p@a",
            "https://a b",
            "https://a/?x",
            "https://a/#x",
            "https://a/../b",
            "https://[::1",
            "https://[x]",
            "https://a\n",
            "https://ä",
        ] {
            assert!(Address::parse(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn only_this_machine_and_its_metadata_are_near() {
        for host in [
            "localhost",
            "127.0.0.1",
            "127.9.9.9",
            "::1",
            "169.254.169.254",
            "fd00:ec2::254",
            "fd00:ec2::23",
            "metadata.google.internal",
        ] {
            assert!(is_near(host), "{host}");
        }
        for host in
            ["localhost.evil.example", "10.0.0.1", "169.254.169.253", "0.0.0.0", "vault", "127.0.0.1.example"]
        {
            assert!(!is_near(host), "{host}");
        }
        let near = |text: &str| Address::parse(text).unwrap().is_near();
        assert!(near("http://169.254.130.2:8081/msi/token") && near("http://[fd00:ec2::23]/v1/credentials"));
        assert!(!near("http://169.254.130.2/msi/token") && !near("http://10.0.0.1:8081/msi/token"));
    }
}
