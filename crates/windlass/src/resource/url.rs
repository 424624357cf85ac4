//! Addresses of resources as URLs: `postgres://user:password@host:5432/database`.

use indexmap::IndexMap;
use windlass_core::spec::{Encoding, Engine};

use super::fault::Fault;

/// The facts that the URL of an external resource states, with the engine's defaults for what it
/// leaves out. The URL itself is the fact `url`.
///
/// # Errors
/// A [`Fault`] that does not show the URL, which usually holds a password.
pub fn facts_of_url(engine: Engine, url: &str) -> Result<IndexMap<String, String>, Fault> {
    let example = example(engine);
    let wrong =
        |what: &str| Fault::new(format!("the resource's URL {what}"), format!("write it like {example}"));
    let (scheme, rest) =
        url.split_once("://").ok_or_else(|| wrong("does not begin with a scheme and ://"))?;
    if !schemes(engine).contains(&scheme) {
        return Err(wrong("has a scheme of another kind of resource"));
    }
    let (rest, query) = rest.split_once('?').map_or((rest, ""), |(rest, query)| (rest, query));
    let (authority, path) =
        rest.split_once('/').map_or((rest, None), |(authority, path)| (authority, Some(path)));
    let (account, place) =
        authority.rsplit_once('@').map_or(("", authority), |(account, place)| (account, place));
    let (user, password) = account.split_once(':').unwrap_or((account, ""));
    let decode =
        |text: &str| decoded(text).ok_or_else(|| wrong("holds a % that does not begin an encoded byte"));
    let (mut host, port) =
        host_and_port(place).ok_or_else(|| wrong("has no host, or a port that is none"))?;
    if host.is_empty() {
        // libpq's form for a socket: postgres:///database?host=/run/postgresql
        host = query.split('&').find_map(|pair| pair.strip_prefix("host=")).unwrap_or("127.0.0.1").to_owned();
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

const fn schemes(engine: Engine) -> &'static [&'static str] {
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

pub(crate) fn decoded(text: &str) -> Option<String> {
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

/// `text` as it stands in a part of a URL.
pub(super) fn encoded(text: &str) -> String {
    Encoding::Url.encode(text)
}

#[cfg(test)]
mod tests {
    use super::*;
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
    fn a_wrong_url_is_not_shown() {
        for (engine, url) in [
            (Engine::Postgres, "mysql://u:hunter2@h/d"),
            (Engine::Postgres, "hunter2"),
            (Engine::Redis, "redis://:hunter2@h:port/0"),
            (Engine::Redis, "redis://:hunter2%zz@h/0"),
        ] {
            let fault = facts_of_url(engine, url).unwrap_err();
            assert!(
                !fault.to_string().contains("hunter2") && fault.help.starts_with("write it like "),
                "{fault}"
            );
        }
    }

    proptest! {
        #[test]
        fn encoded_parts_are_read_back(user in "\\PC{1,9}", password in "\\PC{0,9}", database in "\\PC{1,9}") {
            let url = format!("postgres://{}:{}@h:1/{}", encoded(&user), encoded(&password), encoded(&database));
            let facts = facts_of_url(Engine::Postgres, &url).unwrap();
            prop_assert_eq!((&facts["user"], &facts["password"], &facts["database"]), (&user, &password, &database));
        }

        #[test]
        fn any_text_is_read_without_panic(url in "(redis://|[@:/?%\\[\\]]|\\PC){0,20}") {
            let _ = facts_of_url(Engine::Redis, &url);
        }
    }
}
