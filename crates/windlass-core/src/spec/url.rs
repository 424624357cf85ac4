//! Addresses of resources as URLs: `postgres://user:password@host:5432/database`. What is said of a
//! wrong one never shows it: it usually holds a password.

use indexmap::IndexMap;

use super::Engine;

/// Why a URL is not the address of a resource.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WrongUrl {
    /// What is wrong, behind "the URL": `has no host`.
    pub what: String,
    /// What to write instead.
    pub help: String,
}

/// The schemes by which such a resource is addressed.
pub(crate) const fn schemes(engine: Engine) -> &'static [&'static str] {
    match engine {
        Engine::Postgres => &["postgres", "postgresql"],
        Engine::Redis => &["redis", "rediss"],
        Engine::Rabbitmq => &["amqp", "amqps"],
    }
}

const fn example(engine: Engine) -> &'static str {
    match engine {
        Engine::Postgres => "postgres://user:password@host:5432/database",
        Engine::Redis => "redis://:password@host:6379/0",
        Engine::Rabbitmq => "amqp://user:password@host:5672/vhost",
    }
}

/// A URL taken apart, still encoded.
struct Split<'a> {
    scheme: &'a str,
    user: &'a str,
    password: &'a str,
    place: &'a str,
    path: Option<&'a str>,
    query: &'a str,
}

fn split(engine: Engine, url: &str) -> Result<Split<'_>, WrongUrl> {
    let (scheme, rest) =
        url.split_once("://").ok_or_else(|| wrong(engine, "does not begin with a scheme and ://"))?;
    if !schemes(engine).contains(&scheme) {
        return Err(wrong(engine, "has a scheme of another kind of resource"));
    }
    let (rest, query) = rest.split_once('?').map_or((rest, ""), |(rest, query)| (rest, query));
    let (authority, path) =
        rest.split_once('/').map_or((rest, None), |(authority, path)| (authority, Some(path)));
    let (account, place) = authority.rsplit_once('@').unwrap_or(("", authority));
    let (user, password) = account.split_once(':').unwrap_or((account, ""));
    Ok(Split { scheme, user, password, place, path, query })
}

fn wrong(engine: Engine, what: &str) -> WrongUrl {
    WrongUrl { what: what.to_owned(), help: format!("write it like {}", example(engine)) }
}

/// The facts that the URL of an external resource states, with the engine's defaults for what it
/// leaves out. The URL itself is the fact `url`. It takes what some client takes: what a release runs
/// with is not refused later. [`examine_url`] is stricter.
///
/// # Errors
/// [`WrongUrl`], where it cannot be read.
pub fn facts_of_url(engine: Engine, url: &str) -> Result<IndexMap<String, String>, WrongUrl> {
    let Split { scheme, user, password, place, path, query } = split(engine, url)?;
    let decode = |text: &str| {
        decoded(text).ok_or_else(|| WrongUrl {
            help: format!("write %25 for a % that is meant as such, and all else like {}", example(engine)),
            ..wrong(engine, "holds a % that does not begin an encoded byte")
        })
    };
    let (mut host, port) = host_and_port(place).ok_or_else(|| wrong(engine, "has a port that is none"))?;
    if host.is_empty() {
        // libpq's form for a socket: postgres:///database?host=/run/postgresql
        host = host_of_query(query).unwrap_or("127.0.0.1").to_owned();
    }
    let (user, password, host) = (decode(user)?, decode(password)?, decode(&host)?);
    let path = path.map(decode).transpose()?;
    let default_port = match engine {
        Engine::Postgres => 5432,
        Engine::Redis => 6379,
        Engine::Rabbitmq if scheme == "amqps" => 5671,
        Engine::Rabbitmq => 5672,
    };
    let port = port.unwrap_or(default_port).to_string();
    let non_empty = |path: Option<String>| path.filter(|path| !path.is_empty());
    let mut facts = IndexMap::from([
        ("url".to_owned(), url.to_owned()),
        ("host".into(), host.clone()),
        ("port".into(), port),
    ]);
    let mut add = |name: &str, value: String| facts.insert(name.to_owned(), value);
    match engine {
        Engine::Postgres => {
            add("database", non_empty(path).unwrap_or_else(|| user.clone()));
            add("user", user);
            add("password", password);
            add("socket", host);
        }
        Engine::Redis => {
            add("password", password);
            add("database", non_empty(path).unwrap_or_else(|| "0".to_owned()));
            if !user.is_empty() {
                add("user", user);
            }
        }
        Engine::Rabbitmq => {
            let guest = |text: String| if text.is_empty() { "guest".to_owned() } else { text };
            add("user", guest(user));
            add("password", guest(password));
            // No path at all is the default virtual host, which is called "/".
            add("vhost", non_empty(path).unwrap_or_else(|| "/".to_owned()));
        }
    }
    Ok(facts)
}

/// Whether this is what a resource should be addressed by: what [`facts_of_url`] cannot read, and what
/// only some of the clients read as it is meant.
///
/// # Errors
/// [`WrongUrl`], with the first thing that is wrong.
pub fn examine_url(engine: Engine, url: &str) -> Result<(), WrongUrl> {
    let Split { place, path, query, .. } = split(engine, url)?;
    if url.chars().any(|c| c.is_whitespace() || c.is_control()) {
        let help = "write %20 for a space that is meant, and take out all others";
        return Err(WrongUrl { help: help.to_owned(), ..wrong(engine, "has white space in it") });
    }
    if has_bare_delimiter(url) {
        return Err(WrongUrl {
            what: "has a user name or a password with a character that means something else there".to_owned(),
            help: "write %40 for @, %2F for /, %3F for ?, %23 for #, %3A for : and %25 for % in them; a setting \
                   with url = { password = \"{settings.NAME}\", ... } does it by itself"
                .to_owned(),
        });
    }
    if place.contains(',') {
        let help = "name one of them, or an address that leads to whichever serves".to_owned();
        return Err(WrongUrl { help, ..wrong(engine, "names several hosts, and Windlass asks one") });
    }
    if place.starts_with('[') && !place.contains(']') {
        return Err(wrong(engine, "has an IPv6 address without its ]"));
    }
    let facts = facts_of_url(engine, url)?;
    if facts.get("port").is_some_and(|port| port == "0") {
        return Err(wrong(engine, "has a port that is none"));
    }
    // `postgres:///shop` is PostgreSQL's own way to say: on this machine.
    let is_here = engine == Engine::Postgres && url.contains(":///");
    let named = host_and_port(place).is_some_and(|(host, _)| !host.is_empty());
    if !named && !is_here && host_of_query(query).is_none() {
        return Err(WrongUrl {
            help: format!("write it like {}; this machine is localhost", example(engine)),
            ..wrong(engine, "has no host")
        });
    }
    let number = path.map(|path| path.trim_end_matches('/')).filter(|path| !path.is_empty());
    if engine == Engine::Redis && number.is_some_and(|number| number.parse::<u16>().is_err()) {
        return Err(wrong(engine, "names a database that is no number, as those of redis are"));
    }
    Ok(())
}

/// Whether a character of the account ends it too early: `postgres://ada:p/w@host`.
fn has_bare_delimiter(url: &str) -> bool {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let (authority, behind) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
    match authority.rsplit_once('@') {
        Some((account, _)) => account.contains('@'),
        // What then looks like the port is the beginning of the password.
        None => {
            let path = behind.split('?').next().unwrap_or_default();
            let is_place = host_and_port(authority).is_some();
            path.contains('@') && authority.contains(':') || behind.contains('@') && !is_place
        }
    }
}

fn host_of_query(query: &str) -> Option<&str> {
    query.split('&').find_map(|pair| pair.strip_prefix("host=")).filter(|host| !host.is_empty())
}

/// `host`, `host:port` or `[::1]:port`.
fn host_and_port(place: &str) -> Option<(String, Option<u16>)> {
    let (host, port) = if let Some(rest) = place.strip_prefix('[') {
        let (host, rest) = rest.split_once(']')?;
        (host, if rest.is_empty() { None } else { Some(rest.strip_prefix(':')?) })
    } else {
        place.split_once(':').map_or((place, None), |(host, port)| (host, Some(port)))
    };
    let port = port.map(str::parse).transpose().ok()?;
    Some((host.to_owned(), port))
}

/// What is meant by a percent-encoded text; `None` where a % of it begins no byte.
#[must_use]
pub fn decoded(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(b) = rest.next() {
        if b == b'%' {
            let digit = |b: u8| char::from(b).to_digit(16);
            let (high, low) = (digit(rest.next()?)?, digit(rest.next()?)?);
            bytes.push(u8::try_from(high * 16 + low).ok()?);
        } else {
            bytes.push(b);
        }
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::Encoding;
    use proptest::prelude::*;

    fn facts(engine: Engine, url: &str) -> String {
        let facts = facts_of_url(engine, url).unwrap();
        assert!(engine.facts().iter().all(|fact| facts.contains_key(*fact)), "{facts:?}");
        facts.iter().skip(1).map(|(name, value)| format!("{name}={value} ")).collect()
    }

    #[test]
    fn urls_state_facts() {
        assert_eq!(
            facts(Engine::Postgres, "postgres://ada:p%40ss:w@db.example:6543/shop?sslmode=require"),
            "host=db.example port=6543 database=shop user=ada password=p@ss:w socket=db.example "
        );
        assert_eq!(
            facts(Engine::Postgres, "postgresql:///shop?host=%2Frun%2Fpostgresql"),
            "host=/run/postgresql port=5432 database=shop user= password= socket=/run/postgresql "
        );
        assert_eq!(facts(Engine::Redis, "redis://:x@[::1]:7/2"), "host=::1 port=7 password=x database=2 ");
        assert_eq!(
            facts(Engine::Rabbitmq, "amqp://mq.example"),
            "host=mq.example port=5672 user=guest password=guest vhost=/ "
        );
        assert_eq!(
            facts(Engine::Rabbitmq, "amqps://a:b@mq.example/%2Fshop"),
            "host=mq.example port=5671 user=a password=b vhost=/shop "
        );
    }

    #[test]
    fn a_wrong_url_is_told_by_what_is_wrong_and_not_shown() {
        use Engine::{Postgres, Rabbitmq, Redis};
        for (engine, url, what) in [
            (Postgres, "mysql://u:hunter2@h/d", "has a scheme of another kind of resource"),
            (Postgres, "hunter2", "does not begin with a scheme and ://"),
            (Redis, "redis://:hunter2@h:port/0", "has a port that is none"),
            (Redis, "redis://:hunter2@h:0/0", "has a port that is none"),
            (Redis, "redis://:hunter2@h:70000/0", "has a port that is none"),
            (Redis, "redis://:hunter2%zz@h/0", "holds a % that does not begin an encoded byte"),
            (Redis, "redis://:hunter2@h/shop", "names a database that is no number, as those of redis are"),
            (Postgres, "postgres://u:hunter2@/d", "has no host"),
            (Postgres, "postgres://u:hunter2@:5432/d", "has no host"),
            (Redis, "redis:///0", "has no host"),
            (Rabbitmq, "amqp://u:hunter2@/v", "has no host"),
            (Postgres, "postgres://u:hunter2@[::1/d", "has an IPv6 address without its ]"),
            (Postgres, "postgres://u:hunter2@a:1,b:2/d", "names several hosts, and Windlass asks one"),
            (Postgres, "postgres://u:hunter2@h/d\n", "has white space in it"),
        ] {
            let fault = examine_url(engine, url).unwrap_err();
            assert_eq!(fault.what, what, "{url}");
            assert!(!fault.help.contains("hunter2") && !fault.help.is_empty(), "{fault:?}");
        }
        for url in [
            "postgres://u:hunter/2@h/d",
            "postgres://u:12/hunter2@h/d",
            "postgres://u:hunter?2@h/d",
            "postgres://u:hunter#2@h/d",
            "postgres://u:hunter@2@h/d",
        ] {
            let fault = examine_url(Postgres, url).unwrap_err();
            assert!(fault.what.starts_with("has a user name or a password with"), "{url}: {fault:?}");
            assert!(fault.help.contains("%40 for @"), "{fault:?}");
        }
    }

    #[test]
    fn what_is_right_is_not_refused() {
        for (engine, url) in [
            (Engine::Postgres, "postgres://ada:p%40ss:w@db.example:6543/shop?sslmode=require"),
            (Engine::Postgres, "postgresql:///shop?host=%2Frun%2Fpostgresql"),
            (Engine::Postgres, "postgresql:///shop"),
            (Engine::Postgres, "postgres://u@/shop?host=/run/postgresql"),
            (Engine::Postgres, "postgres://h/d?application_name=a@b"),
            (Engine::Postgres, "postgres://h:5432?user=a@b"),
            (Engine::Redis, "redis://:x@[::1]:7/2"),
            (Engine::Redis, "rediss://cache.example"),
            (Engine::Redis, "redis://cache.example/"),
            (Engine::Redis, "redis://cache.example/0/"),
            (Engine::Rabbitmq, "amqp://mq.example"),
            (Engine::Rabbitmq, "amqps://a:b@mq.example/%2Fshop"),
        ] {
            assert_eq!(examine_url(engine, url), Ok(()), "{url}");
        }
    }

    proptest! {
        #[test]
        fn encoded_parts_are_read_back(user in "\\PC{1,9}", password in "\\PC{0,9}", database in "\\PC{1,9}") {
            let encoded = |text: &str| Encoding::Url.encode(text);
            let url = format!("postgres://{}:{}@h:1/{}", encoded(&user), encoded(&password), encoded(&database));
            let facts = facts_of_url(Engine::Postgres, &url).unwrap();
            prop_assert_eq!((&facts["user"], &facts["password"], &facts["database"]), (&user, &password, &database));
            prop_assert_eq!(examine_url(Engine::Postgres, &url), Ok(()));
        }

        #[test]
        fn any_text_is_read_without_panic(url in "(redis://|[@:/?%\\[\\]]|\\PC){0,20}") {
            if examine_url(Engine::Redis, &url).is_ok() {
                prop_assert!(facts_of_url(Engine::Redis, &url).is_ok());
            }
        }
    }
}
