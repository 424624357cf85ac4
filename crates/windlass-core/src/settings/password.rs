//! Passwords that stand in a text: in a URL, as they are or with what should have been percent-encoded in
//! them, and in what has them by name (`?token=`, `password=`).

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

/// The password that surely is one in `text`, as it is written there.
#[must_use]
pub fn password_in(text: &str) -> Option<&str> {
    urls(text).find_map(|url| url.password()).or_else(|| by_name(text).next())
}

/// The password in the text of a template that is a URL, unless it is put in there.
#[must_use]
pub fn literal_password(template: &str) -> Option<&str> {
    password_in(template).filter(|password| !password.contains('{'))
}

/// Whether a password may stand in the text of a template that is not put in there.
#[must_use]
pub fn may_hold_literal(template: &str) -> bool {
    passwords_in(template).iter().any(|password| !password.contains('{'))
}

/// Whether a password may stand in `text`: one that surely is one, or a port and a path that may as well be a
/// password with a delimiter in it.
#[must_use]
pub(super) fn may_hold_password(text: &str) -> bool {
    password_in(text).is_some() || urls(text).any(|url| url.likely().is_some())
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
    rest: &'t str,
    /// The part of the rest in which account and hosts should be.
    authority: &'t str,
}

fn urls(text: &str) -> impl Iterator<Item = Url<'_>> {
    let is_scheme = |c: char| c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.');
    text.match_indices("://").map(move |(at, mark)| {
        let before = &text[..at];
        let rest = &text[at + mark.len()..];
        Url {
            scheme: before.rsplit(|c| !is_scheme(c)).next().unwrap_or_default(),
            rest,
            authority: rest.split(['/', '?', '#']).next().unwrap_or_default(),
        }
    })
}

impl<'t> Url<'t> {
    /// The password that surely is one.
    fn password(self) -> Option<&'t str> {
        let behind = |account: &'t str| {
            account.split_once(':').map(|(_, password)| password).filter(|password| !password.is_empty())
        };
        let whole = || self.rest.rsplit_once('@').and_then(|(account, _)| behind(account));
        match self.authority.rsplit_once('@') {
            // An empty one is the beginning of one, where another @ follows.
            Some((account, _)) if account.ends_with(':') => behind(account).or_else(whole),
            Some((account, hosts)) if hosts.is_empty() || are_hosts(hosts) => behind(account),
            None if self.authority.is_empty() || are_hosts(self.authority) => None,
            // No host has such a name or port: it is a part of the password that is taken for them.
            _ => whole(),
        }
    }

    /// What may be a password, and may be a port with a path that has an `@` in it.
    fn likely(self) -> Option<&'t str> {
        let hosts = self.authority.rsplit_once('@').map_or(self.authority, |(_, hosts)| hosts);
        let from = self.authority.len() - hosts.len();
        let (user, _) = hosts.split_once(':').filter(|_| are_hosts(hosts))?;
        let (before, _) =
            self.rest.rsplit_once('@').filter(|(before, _)| before.len() > self.authority.len())?;
        let path = &before[self.authority.len()..];
        let base = self.scheme.split('+').next().unwrap_or_default();
        let is_server = OF_SERVERS.iter().any(|known| base.eq_ignore_ascii_case(known));
        let is_host = user.contains('.') || user.starts_with('[') || user == "localhost";
        let is_query = path.split_once('?').is_some_and(|(_, query)| query.contains('='));
        // `http://npm:4873/@scope/package`.
        let is_scope = path == "/";
        let is_path = is_query || (!is_server && (is_host || is_scope));
        (!is_path).then(|| &before[from + user.len() + 1..]).filter(|password| !password.is_empty())
    }

    /// From the first colon up to each `@`, where there is a password at all.
    fn candidates(self) -> Vec<&'t str> {
        let Some(password) = self.password().or_else(|| self.likely()) else { return vec![] };
        let Some(from) = self.rest.find(password) else { return vec![password] };
        let behind = &self.rest[from..];
        let ends = behind.match_indices('@').map(|(at, _)| &behind[..at]);
        ends.filter(|candidate| !candidate.is_empty()).chain([password]).collect()
    }
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
    let parts = text.split(|c: char| matches!(c, '?' | '&' | ';' | '#') || c.is_whitespace());
    parts.filter_map(move |part| {
        let (name, value) = part.split_once('=')?;
        let is_name = name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'.'));
        let lower = name.to_ascii_lowercase();
        let is_password = ["password", "passwd", "pwd"].iter().any(|end| lower.ends_with(end));
        let is_secret = is_password || (is_url && (sounds_secret(name) || lower == "sig"));
        let value = value.trim_matches(['\'', '"']);
        (is_name && is_secret && !value.is_empty()).then_some(value)
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
            ("redis://:12#34@h/0", "12#34"),
            ("postgres://u:two words@h/d", "two words"),
            ("http://a, redis://:pw@b", "pw"),
            ("redis://h?password=hunter2&db=1", "hunter2"),
            ("https://h/hook?id=1&api_key=k1", "k1"),
            ("https://h/hook#access_token=t1", "t1"),
            ("host=db password='hunter2' user=x", "hunter2"),
            ("Server=db;User Id=u;Pwd=hunter2;", "hunter2"),
            ("postgres://u:pw@h:port/x", "pw"),
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
            "https://user:1234/rest@host.example/path",
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
            query in "(\\?[a-z]{1,3}=[a-z0-9@:.]{0,6})?",
        ) {
            let text = format!("{scheme}://{host}{path}{query}");
            prop_assert!(scheme == "ftp" || !may_hold_password(&text), "{}: {:?}", text, passwords_in(&text));
        }
    }
}
