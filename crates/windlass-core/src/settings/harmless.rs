//! Values of a file that may be shown to all, although git may have kept the file from them.

use super::password::may_hold_password;
use super::secrecy::{is_known, is_number, is_plain, is_word};
use super::speaks_of_secret;
use crate::manifest::hosts::is_host;

/// Longer words may be what somebody signs in with.
const LONGEST_LONE_WORD: usize = 8;

/// What a number may be of.
const UNITS: [&str; 17] =
    ["ms", "s", "m", "h", "d", "b", "k", "kb", "kib", "m", "mb", "mib", "g", "gb", "gib", "min", "%"];

/// Last words of names whose values are hosts, beside those that [`is_host`] knows.
const DOMAINS: [&str; 3] = ["DOMAIN", "DOMAINS", "HOSTS"];

/// Whether the value of the variable `name` is plainly no secret: a number, a switch, a short word, a host, the address or
/// the path of something with a name. Where that is not plain it is taken for one: a link that lets whoever has
/// it in looks like any other.
#[must_use]
pub(crate) fn is_harmless(name: &str, value: &str) -> bool {
    if value.is_empty() {
        return true;
    }
    if speaks_of_secret(name) || may_hold_password(value) {
        return false;
    }
    let (first, more) = value.split_once(',').unwrap_or((value, ""));
    match more {
        "" => is_lone_word(first) || is_item(name, first),
        // Several lone words are as good as one long one.
        more => [first].into_iter().chain(more.split(',')).all(|item| is_item(name, item.trim())),
    }
}

fn is_item(name: &str, text: &str) -> bool {
    is_plain(text)
        || is_quantity(text)
        || is_region(text)
        || is_of_language(text)
        || is_path(text)
        || is_address(text)
        || (is_of_host(name) && is_authority(text))
}

fn is_lone_word(text: &str) -> bool {
    let is_upper = text.bytes().all(|b| b.is_ascii_uppercase());
    text.len() <= LONGEST_LONE_WORD && (is_upper || is_word(text))
}

/// `30s`, `0.5`, `-1`, `64MiB`
fn is_quantity(text: &str) -> bool {
    let text = text.strip_prefix('-').unwrap_or(text);
    let end = text.find(|c: char| !(c.is_ascii_digit() || c == '.')).unwrap_or(text.len());
    let (number, unit) = text.split_at(end);
    let is_unit = unit.is_empty() || UNITS.iter().any(|known| unit.eq_ignore_ascii_case(known));
    let (whole, part) = number.split_once('.').unwrap_or((number, "0"));
    is_unit && [whole, part].iter().all(|digits| !digits.is_empty() && is_number(digits))
}

/// `eu-central-1`
fn is_region(text: &str) -> bool {
    let parts: Vec<&str> = text.split('-').collect();
    matches!(parts.as_slice(), [area, part, number]
        if area.len() == 2 && is_word(area) && is_word(part) && number.len() == 1 && is_number(number))
}

/// `en_US.UTF-8`
fn is_of_language(text: &str) -> bool {
    text.strip_suffix(".UTF-8").is_some_and(|language| language == "C" || is_plain(language))
}

/// `/code/media`, `./data/shop.db`
fn is_path(text: &str) -> bool {
    let Some(path) = text.strip_prefix("./").or_else(|| text.strip_prefix('/')) else { return false };
    are_named(path)
}

/// `https://shop.example/api/v1`, without an account and a query.
fn is_address(text: &str) -> bool {
    let Some((scheme, rest)) = text.split_once("://") else { return false };
    let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
    scheme.split('+').all(is_word) && is_authority(authority) && are_named(path)
}

/// Whether each part of a path is a word, as nothing is that was drawn by lot.
fn are_named(path: &str) -> bool {
    path.trim_end_matches('/').split('/').all(|part| {
        let is_version = part.strip_prefix('v').is_some_and(|number| number.len() <= 2 && is_number(number));
        part.is_empty() || is_version || part.split(['.', '_', '-']).all(is_word)
    })
}

/// A host with a port or without.
fn is_authority(text: &str) -> bool {
    let (host, port) = text.split_once(':').unwrap_or((text, "0"));
    let is_label = |label: &str| {
        !label.is_empty() && label.split('-').all(|part| is_word(part) || is_known(part) || is_numbered(part))
    };
    !port.is_empty() && is_number(port) && (is_plain(host) || host.split('.').all(is_label))
}

/// `db1`, `s3`
fn is_numbered(word: &str) -> bool {
    let letters = word.trim_end_matches(|c: char| c.is_ascii_digit());
    word.len() <= letters.len() + 2 && !letters.is_empty() && is_word(letters)
}

fn is_of_host(name: &str) -> bool {
    let name = name.to_ascii_uppercase();
    is_host(&name) || DOMAINS.iter().any(|word| name.ends_with(word))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_plainly_no_secret_is_told_from_the_rest() {
        for (name, value) in [
            ("EMPTY", ""),
            ("DEBUG", "True"),
            ("PAGE_SIZE", "500"),
            ("RATIO", "-0.25"),
            ("CACHE_TTL", "30s"),
            ("UPLOADS", "64MiB"),
            ("POSTGRES_DB", "shop"),
            ("MODE", "STRICT"),
            ("AWS_REGION", "eu-central-1"),
            ("LANG", "en_US.UTF-8"),
            ("TZ", "Europe/Berlin"),
            ("MODULE", "config.settings.production"),
            ("MEDIA", "/code/media"),
            ("MEDIA", "./data/shop.db"),
            ("SITE_URL", "https://shop.example/api/v1/"),
            ("API", "http://worker:9000/"),
            ("BUCKETS", "https://s3.eu-central-1.amazonaws.com"),
            ("SMTP_HOST", "smtp.example.org"),
            ("DB_HOST", "db-1:5432"),
            ("COOKIES_DOMAIN", ""),
            ("ALLOWED_HOSTS", "shop.example, www.shop.example,127.0.0.1"),
            ("ORIGINS", "https://a.example,https://b.example:8443"),
        ] {
            assert!(is_harmless(name, value), "{name}={value}");
        }
        for (name, value) in [
            ("SLACK_WEBHOOK_URL", "https://hooks.slack.com/services/T0/B0/XXXX"),
            ("HOOK", "https://hooks.example/abcdefghijklmnop"),
            ("HOOK", "https://hooks.example/in?key=a"),
            ("HOOK", "https://0a1b2c3d@o1.ingest.example/4"),
            ("HOOK", "https://a1b2c3d4.tunnel.example/"),
            ("HOOK", "https://hooks.example/#abc"),
            ("GITHUB_PAT", "ghp_16C7e42F292c6912E7710c838347Ae178B4a"),
            ("STRIPE", "sk_live_abc"),
            ("TWILIO", "AC0123456789abcdef"),
            ("LOGIN", "hunter2"),
            ("LOGIN", "123456"),
            ("LOGIN", "correct-horse"),
            ("LOGIN", "correct,horse"),
            ("LOGIN", "correct.horse"),
            ("LOGIN", "ada:secret"),
            ("LOGIN", "sesameopen"),
            ("LOGIN", "Qrst Uv"),
            ("LOGIN", "QrStuV"),
            ("LOGIN", "ada@shop.example"),
            ("LOGIN", "größe"),
            ("LOGIN", "$x"),
            ("URL", "redis://:secret@h/0"),
            ("API_KEY", "shop"),
            ("SMTP_HOST", "ada:secret"),
            ("SMTP_HOST", "a1b2c3"),
            ("PATHS", "/aGVsbG8/x"),
            ("JSON", "{}"),
        ] {
            assert!(!is_harmless(name, value), "{name}={value}");
        }
    }
}
