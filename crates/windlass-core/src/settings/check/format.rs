//! What texts of the types without an order look like.

use std::net::{IpAddr, Ipv6Addr};

use super::{Misfit, Shown};
use crate::settings::Kind;

fn wrong(shown: Shown<'_>, kind: Kind, help: &str) -> Misfit {
    Misfit { message: format!("{shown} is not {}", kind.describe()), help: help.to_owned() }
}

pub(super) fn boolean(shown: Shown<'_>) -> Result<(), Misfit> {
    let words = ["true", "false", "1", "0", "yes", "no", "on", "off"];
    if words.iter().any(|word| shown.value.eq_ignore_ascii_case(word)) {
        return Ok(());
    }
    Err(wrong(shown, Kind::Boolean, "write true, false, 1, 0, yes, no, on or off"))
}

/// `scheme:` and something; with `//` also a host, where the scheme is one that has hosts.
pub(super) fn url(shown: Shown<'_>, schemes: &[String]) -> Result<(), Misfit> {
    let example = schemes.first().map_or("https", String::as_str);
    let help = format!("write it like {example}://host/path");
    let misfit = || wrong(shown, Kind::Url, &help);
    let (scheme, rest) = shown.value.split_once(':').ok_or_else(misfit)?;
    let letter = |c: char| c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.');
    if !scheme.starts_with(|c: char| c.is_ascii_alphabetic()) || !scheme.chars().all(letter) {
        return Err(misfit());
    }
    if let Some(c) = rest.chars().find(|c| c.is_whitespace() || c.is_control()) {
        let encoded: String = c.encode_utf8(&mut [0; 4]).bytes().map(|b| format!("%{b:02X}")).collect();
        let help = format!("write {encoded} for it");
        return Err(Misfit { message: format!("{shown} has white space in it, which a URL cannot"), help });
    }
    if has_stray_percent(rest) {
        return Err(Misfit {
            message: format!("{shown} has a % without two hexadecimal digits behind it"),
            help: "write %25 for a % that is meant as such".to_owned(),
        });
    }
    if !schemes.is_empty() && !schemes.iter().any(|known| known.eq_ignore_ascii_case(scheme)) {
        return Err(Misfit {
            message: format!("{shown} has the wrong scheme"),
            help: format!("it must be {}", crate::manifest::kind::or(schemes)),
        });
    }
    let Some(after) = rest.strip_prefix("//") else {
        // `mailto:ada@example.org` has no host; `localhost:5432` was meant to have a scheme.
        let is_port = rest.split('/').next().is_some_and(|port| port.bytes().all(|b| b.is_ascii_digit()));
        return if is_port { Err(misfit()) } else { Ok(()) };
    };
    let authority = after.split(['/', '?', '#']).next().unwrap_or_default();
    let at = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    if at.is_empty() && after.len() == authority.len() {
        return Err(misfit());
    }
    // A password with a / in it ends what looks like the host, and the @ comes behind.
    let place =
        Place { shown, scheme: &scheme.to_ascii_lowercase(), help: &help, has_user: after.contains('@') };
    // Several hosts, as PostgreSQL, MongoDB and AMQP take them, each with a port.
    at.split(',').try_for_each(|one| place.check(one))
}

/// Where a host and perhaps a port stand in a URL.
struct Place<'a> {
    shown: Shown<'a>,
    /// In small letters.
    scheme: &'a str,
    /// How such a URL is written.
    help: &'a str,
    /// Whether there may be a user name or a password.
    has_user: bool,
}

impl Place<'_> {
    fn check(&self, text: &str) -> Result<(), Misfit> {
        let misfit = || wrong(self.shown, Kind::Url, self.help);
        let (host, of_port) = match text.strip_prefix('[') {
            Some(inside) => {
                let (address, rest) = inside.split_once(']').ok_or_else(misfit)?;
                // Behind a % stands by which of this machine's networks it is reached.
                let bare = address.split('%').next().unwrap_or_default();
                bare.parse::<Ipv6Addr>().map_err(|_| misfit())?;
                let rest = Some(rest).filter(|rest| !rest.is_empty());
                (None, rest.map(|rest| rest.strip_prefix(':').unwrap_or_default()))
            }
            None => {
                let (host, port) =
                    text.split_once(':').map_or((text, None), |(host, port)| (host, Some(port)));
                (Some(host), port)
            }
        };
        let is_pattern = |text: &str| text == "*" || (text.starts_with('{') && filled_in(text) == "x");
        let is_port = |text: &str| port(text).is_some_and(|port| port != 0) || is_pattern(text);
        if of_port.is_some_and(|text| !is_port(text)) {
            return Err(self.none(
                "port",
                "write 1 to 65535 after the host's colon",
                "%40 for @ and %3A for :",
            ));
        }
        match host {
            Some("") if needs_host(self.scheme) => {
                Err(Misfit { message: format!("{} has no host", self.shown), help: self.help.to_owned() })
            }
            Some(host) if !host.is_empty() && is_of_web(self.scheme) && !is_host_of_web(host) => {
                let help = "write a name such as db.example.org, an address, or a pattern of names such as \
                            *.example.org or {word}.example.org";
                Err(self.none("host", help, "%40 for @ and %2F for /"))
            }
            _ => Ok(()),
        }
    }

    /// That a part of the URL is none. How user names are written helps only where there may be one.
    fn none(&self, part: &str, help: &str, of_users: &str) -> Misfit {
        let of_users = match self.has_user {
            true => format!("; in user names and passwords {of_users}"),
            false => String::new(),
        };
        Misfit { message: format!("the {part} in {} is none", self.shown), help: format!("{help}{of_users}") }
    }
}

/// Schemes without a host mean this machine: a file, a socket, the usual port. Not so of these.
fn needs_host(scheme: &str) -> bool {
    let other = [
        "sftp",
        "ssh",
        "git",
        "smtp",
        "smtps",
        "imap",
        "imaps",
        "pop3",
        "pop3s",
        "ldaps",
        "mongodb",
        "mongodb+srv",
        "rediss",
        "amqps",
        "mqtt",
        "mqtts",
        "nats",
    ];
    is_of_web(scheme) || other.contains(&scheme)
}

/// Whether what stands where the host does is one, by what the scheme says. Elsewhere it may be anything that its
/// programs know: a bucket, an account, an instance of a server (`server\SQLEXPRESS`).
fn is_of_web(scheme: &str) -> bool {
    matches!(scheme, "http" | "https" | "ws" | "wss" | "ftp" | "ftps")
}

/// A name, an address, an encoded path, or a pattern of names: of origins that are trusted, or to be filled in.
fn is_host_of_web(host: &str) -> bool {
    // The path of a socket, or a letter that needed none of it.
    let is_encoded = || {
        host.contains('%')
            && host.chars().all(|c| c.is_alphanumeric() || matches!(c, '%' | '-' | '_' | '.' | '~'))
    };
    // A server that listens at all addresses writes one of these.
    let is_any = || matches!(host, "*" | "+");
    let is_pattern = || is_host_name(&filled_in(host.strip_prefix("*.").unwrap_or(host)));
    host.parse::<IpAddr>().is_ok() || is_pattern() || is_encoded() || is_any() || is_number(host)
}

/// A text with `x` for each `{word}` in it.
fn filled_in(text: &str) -> String {
    let mut filled = String::new();
    let mut rest = text;
    while let Some((before, (word, after))) =
        rest.split_once('{').and_then(|(before, inside)| Some((before, inside.split_once('}')?)))
    {
        if word.is_empty() || !word.chars().all(|c| c.is_alphanumeric() || matches!(c, '-' | '_')) {
            break;
        }
        filled.push_str(before);
        filled.push('x');
        rest = after;
    }
    filled + rest
}

/// Whether it is an IPv4 address as older programs write it: up to four numbers, also hexadecimal and octal, of which
/// the last one stands for all bytes that are left (`0x7f.1`).
fn is_number(host: &str) -> bool {
    let number = |text: &str| match (text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")), text) {
        (Some(digits), _) => u32::from_str_radix(digits, 16).ok(),
        (None, "0") => Some(0),
        (None, text) if text.starts_with('0') => u32::from_str_radix(text, 8).ok(),
        (None, text) => text.parse().ok(),
    };
    let has_sign = host.contains(['+', '-']);
    let numbers: Option<Vec<u32>> = host.split('.').map(number).collect();
    let Some([first @ .., last]) = numbers.as_deref() else { return false };
    let left = [u32::MAX, 0xff_ffff, 0xffff, 0xff].get(first.len());
    !has_sign && first.iter().all(|number| *number <= 0xff) && left.is_some_and(|left| last <= left)
}

/// The number of a port. A sign would go into the URLs that are put together from it.
pub(super) fn port(text: &str) -> Option<u16> {
    text.parse().ok().filter(|_| text.bytes().all(|b| b.is_ascii_digit()))
}

/// Whether a `%` begins no encoded byte.
fn has_stray_percent(text: &str) -> bool {
    let encoded = |rest: &str| rest.bytes().take(2).filter(u8::is_ascii_hexdigit).count() == 2;
    text.split('%').skip(1).any(|rest| !encoded(rest))
}

pub(super) fn host(shown: Shown<'_>) -> Result<(), Misfit> {
    let bare = shown.value.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(shown.value);
    if bare.parse::<IpAddr>().is_ok() || is_host_name(shown.value) {
        return Ok(());
    }
    Err(wrong(
        shown,
        Kind::Host,
        "write a name such as db.example.org, or an address, without scheme and port",
    ))
}

fn is_host_name(text: &str) -> bool {
    let label = |label: &str| {
        !label.is_empty()
            && label.len() <= 63
            && !label.starts_with('-')
            && !label.ends_with('-')
            // Underscores are no part of host names, and yet names of containers have them.
            && label.chars().all(|c| c.is_alphanumeric() || matches!(c, '-' | '_'))
    };
    let name = text.strip_suffix('.').unwrap_or(text);
    let numbers = name.rsplit('.').next().is_some_and(|last| last.bytes().all(|b| b.is_ascii_digit()));
    name.len() <= 253 && name.split('.').all(label) && !(numbers && name.contains('.'))
}

pub(super) fn path(shown: Shown<'_>) -> Result<(), Misfit> {
    if shown.value.chars().any(char::is_control) || shown.value.trim() != shown.value {
        return Err(wrong(shown, Kind::Path, "write it without line breaks and without spaces around it"));
    }
    Ok(())
}

pub(super) fn email(shown: Shown<'_>) -> Result<(), Misfit> {
    let help = "write one address, without a name and without angle brackets";
    let misfit = || wrong(shown, Kind::Email, help);
    let (local, domain) = shown.value.rsplit_once('@').ok_or_else(misfit)?;
    let odd = |c: char| c.is_whitespace() || c.is_control() || matches!(c, '<' | '>' | ',' | ';' | '@');
    let good = !local.is_empty()
        && local.len() <= 64
        && !local.contains(odd)
        && (is_host_name(domain) || (domain.starts_with('[') && domain.ends_with(']')));
    if good { Ok(()) } else { Err(misfit()) }
}

pub(super) fn json(shown: Shown<'_>) -> Result<(), Misfit> {
    serde_json::from_str::<serde::de::IgnoredAny>(shown.value).map(drop).map_err(|error| Misfit {
        message: format!("{shown} is not {}", Kind::Json.describe()),
        help: format!("look at its line {}, column {}", error.line(), error.column()),
    })
}
