//! Values that lead to a host, as they are written by hand.

/// What the last word of a variable is where its value is a host.
pub(crate) const HOSTS: [&str; 6] = ["HOST", "HOSTNAME", "SERVER", "ADDR", "ADDRESS", "ENDPOINT"];

/// Whether a variable of this name holds a host.
#[must_use]
pub fn is_host(key: &str) -> bool {
    let key = key.to_ascii_uppercase();
    HOSTS.iter().any(|word| key.ends_with(word))
}

/// The host of a URL, of `host:port`, or the host that the value is.
#[must_use]
pub fn host(value: &str) -> &str {
    let after_scheme = value.split_once("://").map_or(value, |(_, rest)| rest);
    let authority = after_scheme.split(['/', '?', '#']).next().unwrap_or_default();
    authority.rsplit('@').next().unwrap_or_default().split(':').next().unwrap_or_default()
}

/// The host that the value of a variable leads to: that of a URL or of `host:port`, and a lone one where the variable's
/// name says that it is one.
#[must_use]
pub fn leads_to<'v>(key: &str, value: &'v str) -> Option<&'v str> {
    let host = host(value);
    let is_port = |rest: &str| rest.strip_prefix(':').is_some_and(|port| port.parse::<u16>().is_ok());
    let leads = value.contains("://")
        || value.strip_prefix(host).is_some_and(is_port)
        || (value == host && is_host(key));
    (leads && !host.is_empty()).then_some(host)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_is_known_by_what_stands_around_it() {
        for (key, value, leads) in [
            ("DATABASE_URL", "postgres://u:p@db:5432/d", Some("db")),
            ("QUEUE", "amqp://queue", Some("queue")),
            ("REDIS", "cache:6379", Some("cache")),
            ("DB_HOST", "db", Some("db")),
            ("DB_NAME", "db", None),
            ("DB_HOST", "", None),
            ("TITLE", "db: 5", None),
            ("TITLE", "db:x", None),
        ] {
            assert_eq!(leads_to(key, value), leads, "{key}={value}");
        }
    }
}
