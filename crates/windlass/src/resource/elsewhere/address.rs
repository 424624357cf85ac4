//! Where a server is, and who signs in there, as a URL says it.

use std::path::PathBuf;

use indexmap::IndexMap;
use windlass_core::spec::{Encoding, Engine};
use zeroize::{Zeroize, Zeroizing};

use crate::resource::Facts;
use crate::resource::fault::Fault;
use crate::resource::url::{decoded, facts_of_url};

/// A URL by its parts.
pub(super) struct Address {
    facts: Facts,
    query: Vec<(String, String)>,
}

impl Address {
    /// The URL that stands in a setting. Drivers' names in its scheme, as in `postgresql+psycopg://`, are
    /// passed over.
    pub(super) fn parse(engine: Engine, setting: &str, url: &str) -> Result<Self, Fault> {
        let plain = url.split_once("://").map(|(scheme, rest)| {
            let scheme = scheme.split('+').next().unwrap_or_default();
            let other_names = engine == Engine::Postgres && matches!(scheme, "postgis" | "psql" | "pgsql");
            Zeroizing::new([if other_names { "postgres" } else { scheme }, "://", rest].concat())
        });
        let facts =
            facts_of_url(engine, plain.as_ref().map_or(url, |plain| plain.as_str())).map_err(|fault| {
                Fault {
                    message: fault.message.replacen(
                        "the resource's URL",
                        &format!("the URL in {setting}"),
                        1,
                    ),
                    ..fault
                }
            })?;
        let query = url.split_once('?').map_or("", |(_, query)| query).split('&');
        let pairs = query.filter_map(|pair| pair.split_once('='));
        let query = pairs.filter_map(|(name, value)| Some((name.to_owned(), decoded(value)?))).collect();
        Ok(Self { facts, query })
    }

    /// The URL of RabbitMQ's management, `https://user:password@host:15671`.
    pub(super) fn of_management(setting: &str, url: &str) -> Result<Self, Fault> {
        let wrong = |what: &str| {
            Fault::new(
                format!("the URL in {setting} {what}"),
                "write it like https://admin:password@host:15671, where RabbitMQ's management plugin listens",
            )
        };
        let (scheme, rest) = url.split_once("://").unwrap_or_default();
        let usual = match scheme {
            "https" => "15671",
            "http" => "15672",
            _ => return Err(wrong("is not that of RabbitMQ's management, which is https://")),
        };
        let plain = Zeroizing::new(["amqp://", rest].concat());
        let mut read =
            Self::parse(Engine::Rabbitmq, setting, &plain).map_err(|_| wrong("cannot be understood"))?;
        if !rest.contains('@') {
            return Err(wrong("has no user and password"));
        }
        // AMQP's own port stands for none: it is not where the management listens.
        let port = Some(read.fact("port")).filter(|port| *port != "5672").unwrap_or(usual).to_owned();
        let path = Some(read.fact("vhost")).filter(|path| *path != "/").unwrap_or_default();
        let address = format!("{scheme}://{}:{port}/{path}", Encoding::Host.encode(read.fact("host")));
        read.put("url", address);
        read.put("port", port);
        Ok(read)
    }

    /// The same server, for another account.
    pub(super) fn of_account(mut self, user: &str, password: &str) -> Self {
        self.put("user", user.to_owned());
        self.put("password", password.to_owned());
        self
    }

    /// Puts a fact in the place of another one, which is wiped.
    fn put(&mut self, name: &str, value: String) {
        self.facts.insert(name.to_owned(), value).zeroize();
    }

    pub(super) fn facts(&self) -> &IndexMap<String, String> {
        &self.facts
    }

    /// A file with authorities to trust, as one of these names it.
    pub(super) fn authorities(&self, names: &[&str]) -> Option<PathBuf> {
        names.iter().find_map(|name| self.query(name)).map(PathBuf::from)
    }

    pub(super) fn fact(&self, name: &str) -> &str {
        self.facts.get(name).map_or("", String::as_str)
    }

    /// Host and port, for messages.
    pub(super) fn place(&self) -> String {
        format!("{}:{}", self.fact("host"), self.fact("port"))
    }

    /// What stands behind the `?`.
    pub(super) fn query(&self, name: &str) -> Option<&str> {
        self.query.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }
}

impl Drop for Address {
    fn drop(&mut self) {
        self.query.iter_mut().for_each(|(_, value)| value.zeroize());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn drivers_names_are_passed_over_and_parameters_read() {
        let url = "postgresql+psycopg2://a:b@h/d?sslmode=verify-full&sslrootcert=%2Fca%2Epem";
        let address = Address::parse(Engine::Postgres, "DATABASE_URL", url).unwrap();
        assert_eq!((address.fact("user"), address.fact("database")), ("a", "d"));
        assert_eq!(
            (address.query("sslmode"), address.query("sslrootcert")),
            (Some("verify-full"), Some("/ca.pem"))
        );
        let fault = Address::parse(Engine::Postgres, "DATABASE_URL", "mysql://u:hunter2@h/d").err().unwrap();
        assert_eq!(fault.message, "the URL in DATABASE_URL has a scheme of another kind of resource");
    }

    #[test]
    fn the_management_of_rabbitmq_has_ports_of_its_own() {
        for (url, address) in [
            ("https://a:b@mq.example", "https://mq.example:15671/"),
            ("http://a:b@[::1]", "http://[::1]:15672/"),
            ("https://a:b@mq.example:443/rabbit/?cacertfile=/ca.pem", "https://mq.example:443/rabbit/"),
        ] {
            let read = Address::of_management("ADMIN", url).unwrap();
            assert_eq!((read.fact("url"), read.fact("user")), (address, "a"));
        }
        for url in ["amqp://a:hunter2@mq", "https://mq:15671", "hunter2"] {
            let fault = Address::of_management("ADMIN", url).err().unwrap();
            assert!(
                fault.message.starts_with("the URL in ADMIN ") && !fault.to_string().contains("hunter2"),
                "{fault}"
            );
        }
    }
}
