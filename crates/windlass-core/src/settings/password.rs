//! Passwords that stand in a text: in a URL, as they are or with what should have been percent-encoded in
//! them, and in what has them by name (`?token=`, `password=`).

use std::ops::Range;

use super::secrecy::sounds_secret;

/// Schemes of what is signed in to, and hardly has an `@` in its path.
const OF_SERVERS: [&str; 22] = [
    "amqp",
    "amqps",
    "clickhouse",
    "cockroachdb",
    "ftp",
    "imap",
    "imaps",
    "kafka",
    "ldap",
    "ldaps",
    "mariadb",
    "mongodb",
    "mqtt",
    "mqtts",
    "mssql",
    "mysql",
    "nats",
    "postgres",
    "postgresql",
    "redis",
    "rediss",
    "smtp",
];

/// Of how many `@` beside the last one it is asked whether a password ends there.
const MOST_ENDS: usize = 8;

/// The password that surely is one in `text`, as it is written there.
#[must_use]
pub fn password_in(text: &str) -> Option<&str> {
    sure(text).next()
}

/// The password of an account in a URL. What has one by name only hides it: it may be a word of another language.
#[must_use]
pub fn account_password(text: &str) -> Option<&str> {
    urls(text).find_map(Url::password)
}

/// The password in the text of a template that is a URL, unless it is put in there.
#[must_use]
pub fn literal_password(template: &str) -> Option<&str> {
    sure(template).find(|password| !password.contains('{'))
}

/// The same of an account in a URL alone.
#[must_use]
pub(crate) fn literal_account_password(template: &str) -> Option<&str> {
    urls(template).filter_map(Url::password).find(|password| !password.contains('{'))
}

/// All that surely are passwords.
fn sure(text: &str) -> impl Iterator<Item = &str> {
    urls(text).filter_map(Url::password).chain(by_name(text))
}

/// Whether a password may stand in the text of a template that is not put in there.
#[must_use]
pub fn may_hold_literal(template: &str) -> bool {
    has_a_mark(template) && passwords_in(template).iter().any(|password| !password.contains('{'))
}

/// Whether a password may stand in `text`: one that surely is one, or a port and a path that may as well be a
/// password with a delimiter in it.
#[must_use]
pub(super) fn may_hold_password(text: &str) -> bool {
    has_a_mark(text) && (password_in(text).is_some() || urls(text).any(|url| url.likely().is_some()))
}

/// Whether a text has one of the characters without which it is no URL, and has nothing by name. Most values have none.
fn has_a_mark(text: &str) -> bool {
    text.bytes().any(|b| matches!(b, b':' | b'='))
}

/// All that may be a password in `text`: where it is not sure at which `@` one ends, up to each of them.
#[must_use]
pub fn passwords_in(text: &str) -> Vec<&str> {
    let mut found: Vec<&str> = urls(text).flat_map(|url| url.candidates()).chain(by_name(text)).collect();
    found.sort_unstable();
    found.dedup();
    found
}

/// A text from the scheme of a URL on. Nobody knows where it ends: a space may be meant for a part of it.
#[derive(Clone, Copy)]
struct Url<'t> {
    scheme: &'t str,
    /// Up to the next `://`, with its colon where that may be a part of this one.
    rest: &'t str,
    /// Up to the one after it, where that may be a part of this one: however many there are, all of them together are
    /// not much longer than the text.
    further: &'t str,
    /// The part of the rest in which account and hosts should be.
    authority: &'t str,
}

fn urls(text: &str) -> impl Iterator<Item = Url<'_>> {
    let is_scheme = |c: char| c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.');
    let marks: Vec<usize> = text.match_indices("://").map(|(at, _)| at).collect();
    // Where the text ends that begins at `from` and has the given mark next, and whether another URL begins there.
    let end = move |from: usize, mark: Option<usize>| {
        let Some(mark) = mark else { return (text.len(), true) };
        let between = &text[from..mark];
        let before = between.trim_end_matches(is_scheme);
        let is_apart =
            before.ends_with(|c: char| c.is_whitespace() || matches!(c, '"' | '\'' | ',' | ';' | '|'));
        if is_apart { (from + before.len(), true) } else { (mark + 1, false) }
    };
    (0..marks.len()).map(move |index| {
        let from = marks[index] + "://".len();
        let mark = |further: usize| marks.get(index + further).copied();
        let (to, is_end) = end(from, mark(1));
        let furthest = if is_end { to } else { end(to + "//".len(), mark(2)).0 };
        let before = &text[..marks[index]];
        let rest = &text[from..to];
        Url {
            scheme: &before[before.trim_end_matches(is_scheme).len()..],
            rest,
            further: &text[from..furthest],
            authority: rest.split(['/', '?', '#']).next().unwrap_or_default(),
        }
    })
}

impl<'t> Url<'t> {
    /// The password that surely is one.
    fn password(self) -> Option<&'t str> {
        self.sure().map(|place| &self.further[place])
    }

    /// Where it is.
    fn sure(self) -> Option<Range<usize>> {
        let behind = |end: usize| {
            let from = self.further[..end].find(':')? + 1;
            (from < end).then_some(from..end)
        };
        let whole =
            || [near(self.rest), self.rest, self.further].iter().find_map(|text| behind(text.rfind('@')?));
        match self.authority.rsplit_once('@') {
            // An empty one is the beginning of one, where another @ follows.
            Some((account, _)) if account.ends_with(':') => behind(account.len()).or_else(whole),
            Some((account, hosts)) if hosts.is_empty() || are_hosts(hosts) => behind(account.len()),
            None if self.authority.is_empty() || are_hosts(self.authority) => None,
            // `git@github.com:shop/shop.git@v1`.
            _ if self.has_path_as_port() => None,
            // No host has such a name or port: it is a part of the password that is taken for them.
            _ => whole(),
        }
    }

    /// Where there may be a password, which may be a port with a path that has an `@` in it.
    fn likely(self) -> Option<Range<usize>> {
        // Elsewhere an `@` in a path is nothing unusual.
        let base = self.scheme.split('+').next().unwrap_or_default();
        if !OF_SERVERS.iter().any(|known| base.eq_ignore_ascii_case(known)) {
            return None;
        }
        let hosts = self.authority.rsplit_once('@').map_or(self.authority, |(_, hosts)| hosts);
        let (user, _) = hosts.split_once(':').filter(|_| are_hosts(hosts))?;
        let from = self.authority.len() - hosts.len() + user.len() + 1;
        let end = near(self.further).rfind('@').filter(|end| *end > self.authority.len())?;
        let path = &self.further[self.authority.len()..end];
        let is_query = path.split_once('?').is_some_and(|(_, query)| query.contains('='));
        (!is_query && from < end).then_some(from..end)
    }

    /// Whether it is one of those where a path stands behind the host's colon.
    fn has_path_as_port(self) -> bool {
        let scheme = self.scheme.to_ascii_lowercase();
        let host = self.authority.split(':').next().unwrap_or_default();
        (scheme == "git" || scheme.rsplit('+').next() == Some("ssh")) && host.contains(['@', '.'])
    }

    /// From the first colon up to each `@`, where there is a password at all: of many up to the first ones and the last.
    fn candidates(self) -> Vec<&'t str> {
        let Some(place) = self.sure().or_else(|| self.likely()) else { return vec![] };
        let behind = &self.further[place.start..];
        let ends = behind.match_indices('@').map(|(at, _)| at).filter(|at| *at > 0);
        let mut found: Vec<&str> = ends.take(MOST_ENDS).map(|at| &behind[..at]).collect();
        found.extend(behind.rfind('@').filter(|at| *at > 0).map(|at| &behind[..at]));
        found.push(&self.further[place]);
        found
    }
}

/// What of a text most likely belongs to the URL that it begins with.
fn near(text: &str) -> &str {
    let quotes = text.find(['"', '\'', '\n', '\r']);
    let end = quotes.into_iter().chain(text.find(", ")).min();
    &text[..end.unwrap_or(text.len())]
}

/// Whether `text` can be hosts, each with or without a port.
fn are_hosts(text: &str) -> bool {
    text.split(',').all(|host| {
        let (name, port) = match host.strip_prefix('[').and_then(|inside| inside.split_once(']')) {
            Some((address, rest)) => (address, rest.strip_prefix(':').unwrap_or(rest)),
            None => host.split_once(':').unwrap_or((host, "")),
        };
        !name.is_empty() && (port.is_empty() || (is_digits(port) && port.parse::<u16>().is_ok()))
    })
}

fn is_digits(text: &str) -> bool {
    text.bytes().all(|b| b.is_ascii_digit())
}

/// What a text has under the name of a secret: in the query of a URL, and among words as libpq and ODBC take
/// them (`host=db password=...`), where only passwords are sure to be some.
fn by_name(text: &str) -> impl Iterator<Item = &str> {
    let is_url = text.contains("://");
    let mut rest = text;
    let fields = std::iter::from_fn(move || {
        let (before, after) = rest.split_once('=')?;
        let name = before.rsplit(ends_field).next().unwrap_or_default();
        let value = field(after);
        rest = &after[value.len()..];
        Some((name, value.trim_matches(['\'', '"'])))
    });
    fields
        .filter(move |(name, value)| {
            let is_name = name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'.'));
            let lower = name.to_ascii_lowercase();
            let is_password = ["password", "passwd", "pwd"].iter().any(|end| lower.ends_with(end));
            let is_secret = is_password || (is_url && (sounds_secret(name) || lower == "sig"));
            let is_value = !value.is_empty() && !is_switch(value) && !is_placeholder(name, value);
            is_name && is_secret && is_value
        })
        .map(|(_, value)| value)
}

fn ends_field(c: char) -> bool {
    matches!(c, '?' | '&' | ';' | '#') || c.is_whitespace()
}

/// The value that `text` begins with: up to its closing quote, where it is quoted.
fn field(text: &str) -> &str {
    let quote = text.chars().next().filter(|c| matches!(c, '\'' | '"'));
    let closing = quote.and_then(|quote| closing(text, quote));
    let end = closing.or_else(|| text.find(ends_field));
    &text[..end.unwrap_or(text.len())]
}

/// Behind the quote that closes the one which `text` begins with.
fn closing(text: &str, quote: char) -> Option<usize> {
    let mut escaped = false;
    for (at, c) in text.char_indices().skip(1) {
        if c == quote && !escaped {
            return Some(at + 1);
        }
        escaped = c == '\\' && !escaped;
    }
    None
}

/// Whether `value` switches something on or off, which is no secret under any name.
pub(super) fn is_switch(value: &str) -> bool {
    ["true", "false", "1", "0", "yes", "no", "on", "off"].iter().any(|word| value.eq_ignore_ascii_case(word))
}

/// Whether `value` only stands for what a program puts there: `{token}`, `%s`, `:token`, `$TOKEN`, `<token>`. A
/// password may begin with such a character, too.
fn is_placeholder(name: &str, value: &str) -> bool {
    let is_word = |text: &str| {
        !text.is_empty()
            && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'.' | b'|'))
    };
    let is_variable = |text: &str| {
        let is_upper = text.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b'_');
        is_word(text) && (is_upper || sounds_secret(text) || text.eq_ignore_ascii_case(name))
    };
    let within = |open: &str, close: &str| value.strip_prefix(open).and_then(|rest| rest.strip_suffix(close));
    within("<", ">").is_some()
        || value.starts_with("{{")
        || within("{", "}").is_some_and(is_word)
        || within("${", "}").is_some()
        || within("%", "%").is_some_and(is_word)
        || value.strip_prefix([':', '$']).is_some_and(is_variable)
        || value.strip_prefix('%').is_some_and(|rest| {
            rest.starts_with(['(', '{'])
                || rest.trim_start_matches(|c: char| c.is_ascii_digit() || c == '$').len() == 1
        })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_password_is_found_also_where_it_is_not_encoded() {
        for (text, password) in [
            ("postgres://shop:hunter2@db/shop", "hunter2"),
            ("postgres://shop:Hunt/er22xx@db:1/x", "Hunt/er22xx"),
            ("postgres://shop:Hunt?er22xx@db:1/x", "Hunt?er22xx"),
            ("postgres://shop:Hunt#er22xx@db:1/x", "Hunt#er22xx"),
            ("postgres://me@srv:Hunt/er22xx@db:1/x", "er22xx"),
            ("redis://:/pw@h/0", "/pw"),
            ("redis://://@h/0", "//"),
            ("redis://:12#34@h/0", "12#34"),
            ("postgres://u:two words@h/d", "two words"),
            ("http://a, redis://:pw@b", "pw"),
            ("redis://h?password=hunter2&db=1", "hunter2"),
            ("https://h/hook?id=1&api_key=k1", "k1"),
            ("https://h/hook#access_token=t1", "t1"),
            ("host=db password='hunter2' user=x", "hunter2"),
            ("Server=db;User Id=u;Pwd=hunter2;", "hunter2"),
            ("postgres://u:pw@h:port/x", "pw"),
            ("postgres://shop:shop@2024/x@db/app", "shop@2024/x"),
            ("postgres://ab:b@1/x@db/app", "b@1/x"),
            ("postgres://u:p://w@h/d", "p://w"),
            ("postgres://u:a,b/\"c@h/d", "a,b/\"c"),
            ("https://u:to/ken@h.example/", "to/ken"),
            ("host=db password='Two words#x' user=u", "Two words#x"),
            ("host=db password='a\\'b;c' user=u", "a\\'b;c"),
            ("Server=db;Pwd=\"a;b&c\";Database=d", "a;b&c"),
            ("host=db password='open", "open"),
            ("redis://h?password=%40hunter2", "%40hunter2"),
            ("redis://h?password=$ecret-2024", "$ecret-2024"),
        ] {
            let found = passwords_in(text);
            assert!(
                found.iter().any(|found| *found == password || found.ends_with(password)),
                "{text}: {found:?}"
            );
            assert!(password_in(text).is_some() && may_hold_password(text), "{text}");
        }
    }

    #[test]
    fn a_port_that_may_be_a_password_is_taken_for_one() {
        for text in [
            "postgres://u:1234/secretrest@h/db",
            "postgres://first.last:1234/secretrest@h/db",
            "postgres://me@srv:1234/secretrest@h/db",
            "redis+tls://user:1234/rest@host.example/0",
        ] {
            assert!(may_hold_password(text) && password_in(text).is_none(), "{text}");
            assert!(passwords_in(text).iter().any(|found| found.starts_with("1234/")), "{text}");
        }
    }

    #[test]
    fn an_ordinary_url_holds_none() {
        for text in [
            "https://host/path@2x.png",
            "https://host.example:8080/path@2x.png",
            "http://localhost:8080/path@2x.png",
            "http://[::1]:8080/path@2x.png",
            "http://npm:4873/@scope/package",
            "http://npm:4873/x/@scope/p",
            "http://minio:9000/bucket/x@2x.png",
            "docker://registry:5000/shop@sha256:0a1b",
            "oci://registry:5000/shop@sha256:0a1b",
            "http://web:3000/a, me@shop.example",
            "postgres://db:5432/a, me@shop.example",
            "git+ssh://git@github.com:org/repo.git@v1.2",
            "ssh://github.com:org/repo.git@v1.2",
            "https://shop.example/reset?token={token}",
            "https://shop.example/reset?token={{ token }}",
            "https://shop.example/reset?token=%s",
            "https://shop.example/reset?token=%(token)s",
            "https://shop.example/reset?token=%1$s",
            "https://shop.example/reset?token=:token",
            "https://shop.example/reset?token=$TOKEN&lang=$LANG",
            "https://shop.example/reset?token=${token}",
            "https://shop.example/reset?token=<token>",
            "require_password=true",
            "https://shop.example/a:b@c",
            "https://shop.example:443/?mail=a@b.example",
            "postgres://shop@db/shop",
            "postgres://h:5432/db?user=me@server",
            "postgres://shop@/db?host=/run:x@y",
            "mongodb://h1:27017,h2:27017/db?name=x",
            "redis://:@h",
            "sqlite:///srv/a:b@c",
            "https://h/?response_type=token&grant_type=password&next=/",
            "https://h/a?token=",
            "shop:x@h",
            "mailto:ada@shop.example",
            "token=abc",
            "",
        ] {
            assert!(!may_hold_password(text), "{text}: {:?}", passwords_in(text));
        }
    }

    #[test]
    fn what_is_put_into_a_template_is_no_literal() {
        assert_eq!(literal_password("postgres://u:{settings.P}@{settings.H}:{settings.N}/d"), None);
        assert_eq!(literal_password("https://{settings.H}:{settings.N}/x@2x.png"), None);
        assert_eq!(literal_password("postgres://u:p/w@{settings.H}/d"), Some("p/w"));
        let behind = "redis://:{settings.P}@h/?token=literal";
        assert_eq!((literal_password(behind), literal_account_password(behind)), (Some("literal"), None));
        let second = "redis://:{settings.P}@a, redis://:second@b";
        assert_eq!(literal_account_password(second), Some("second"));
    }

    #[test]
    fn what_has_a_password_by_name_has_no_account() {
        for text in ["redis://h/?password=changeme", "-Djavax.net.ssl.trustStorePassword=changeit"] {
            assert!(may_hold_password(text) && account_password(text).is_none(), "{text}");
        }
        assert_eq!(account_password("redis://:pw@h/?password=other"), Some("pw"));
    }

    #[test]
    fn a_long_value_has_few_candidates() {
        let url = |at: usize| format!("redis://user:pass{at}/x@host{at}.example/0?x=1");
        let urls: Vec<String> = (0..400).map(url).collect();
        let plain =
            (0..400).map(|at| format!("http://web{at}:port/x me{at}@shop.example")).collect::<Vec<_>>();
        let ats = format!("redis://:pw{}h", "@".repeat(64 << 10));
        let schemes = "a://b:c@".repeat(8 << 10);
        for (text, most) in [
            (serde_json::to_string(&urls).unwrap_or_default(), 400),
            (urls.join(","), 400),
            (urls.join("\n"), 400),
            (urls.join("|x"), 400),
            (plain.join(" "), 800),
            (ats, MOST_ENDS + 2),
            (schemes, 2),
        ] {
            let found = passwords_in(&text);
            let length: usize = found.iter().map(|password| password.len()).sum();
            assert!(found.len() <= most && length <= 3 * text.len(), "{}: {}", found.len(), length);
            assert!(!found.is_empty());
        }
    }

    proptest! {
        #[test]
        fn no_delimiter_hides_a_password(
            scheme in "postgres|redis|mysql|amqp|mongodb",
            user in "[a-z]{0,6}",
            password in "[A-Za-z0-9/?#@:%&=!]{1,16}",
            host in "[a-z]{1,8}(:[1-9][0-9]{0,3})?",
        ) {
            // A query is one, whatever it was meant to be.
            prop_assume!(!(password.contains('?') && password.contains('=')));
            let text = format!("{scheme}://{user}:{password}@{host}/db");
            prop_assume!(!password.trim_matches('@').is_empty());
            prop_assert!(may_hold_password(&text), "{}", text);
            prop_assert!(passwords_in(&text).contains(&password.as_str()), "{}: {:?}", text, passwords_in(&text));
        }

        #[test]
        fn a_url_without_an_account_holds_none(
            scheme in "https?|wss?|ftp|oci",
            host in "[a-z]{1,8}\\.[a-z]{2,6}(:[1-9][0-9]{0,3})?",
            path in "(/[a-z0-9@:.~-]{0,8}){0,3}",
            query in "(\\?[a-z]{1,2}=[a-z0-9@:.]{0,6})?",
        ) {
            // Another URL stands in it.
            prop_assume!(!path.contains("://"));
            let text = format!("{scheme}://{host}{path}{query}");
            prop_assert!(scheme == "ftp" || !may_hold_password(&text), "{}: {:?}", text, passwords_in(&text));
        }
    }
}
