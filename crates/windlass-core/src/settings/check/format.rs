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
    // Several hosts, as PostgreSQL, MongoDB and AMQP take them, each with a port.
    at.split(',').try_for_each(|one| place(shown, &scheme.to_ascii_lowercase(), one, &help))
}

/// A host and perhaps a port, as they stand in a URL of this scheme.
fn place(shown: Shown<'_>, scheme: &str, text: &str, help: &str) -> Result<(), Misfit> {
    let no_port = || Misfit {
        message: format!("the port in {shown} is none"),
        help: "write 1 to 65535 after the host's colon; in user names and passwords %40 for @ and %3A for :"
            .to_owned(),
    };
    let (host, of_port) = match text.strip_prefix('[') {
        Some(inside) => {
            let (address, rest) = inside.split_once(']').ok_or_else(|| wrong(shown, Kind::Url, help))?;
            // Behind a % stands by which of this machine's networks it is reached.
            let bare = address.split('%').next().unwrap_or_default();
            bare.parse::<Ipv6Addr>().map_err(|_| wrong(shown, Kind::Url, help))?;
            let rest = Some(rest).filter(|rest| !rest.is_empty());
            (None, rest.map(|rest| rest.strip_prefix(':').unwrap_or_default()))
        }
        None => {
            let (host, port) = text.split_once(':').map_or((text, None), |(host, port)| (host, Some(port)));
            (Some(host), port)
        }
    };
    if of_port.is_some_and(|text| port(text).is_none_or(|port| port == 0)) {
        return Err(no_port());
    }
    match host {
        Some("") if needs_host(scheme) => {
            Err(Misfit { message: format!("{shown} has no host"), help: help.to_owned() })
        }
        Some(host) if !host.is_empty() && !is_host_of_url(scheme, host) => Err(Misfit {
            message: format!("the host in {shown} is none"),
            help: "write a name such as db.example.org, or an address; in user names and passwords %40 for @ and %2F for /"
                .to_owned(),
        }),
        _ => Ok(()),
    }
}

/// Schemes without a host mean this machine: a file, a socket, the usual port. Not so of these.
fn needs_host(scheme: &str) -> bool {
    matches!(
        scheme,
        "http"
            | "https"
            | "ws"
            | "wss"
            | "ftp"
            | "ftps"
            | "sftp"
            | "ssh"
            | "git"
            | "smtp"
            | "smtps"
            | "imap"
            | "imaps"
            | "pop3"
            | "pop3s"
            | "ldaps"
            | "mongodb"
            | "mongodb+srv"
            | "rediss"
            | "amqps"
            | "mqtt"
            | "mqtts"
            | "nats"
    )
}

/// Whether a URL of this scheme may name this host. Of schemes that nobody knows here it may be anything that can stand
/// in a URL: a bucket, an account, a file.
fn is_host_of_url(scheme: &str, host: &str) -> bool {
    let base = scheme.split('+').next().unwrap_or_default();
    let has_host = needs_host(scheme)
        || matches!(
            base,
            "http"
                | "https"
                | "postgres"
                | "postgresql"
                | "mysql"
                | "mariadb"
                | "redis"
                | "valkey"
                | "amqp"
                | "ldap"
        );
    if !has_host {
        return !host.contains(['<', '>', '"', '\\', '^', '`']);
    }
    // The path of a socket, or a letter that needed none of it.
    let is_encoded = || {
        host.contains('%')
            && host.chars().all(|c| c.is_alphanumeric() || matches!(c, '%' | '-' | '_' | '.' | '~'))
    };
    is_host_name(host) || host.parse::<IpAddr>().is_ok() || is_encoded()
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
