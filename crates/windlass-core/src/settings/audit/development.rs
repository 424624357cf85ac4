//! Values that were made for a developer's machine.

/// Why a value looks like one of development, where it does; never shows it.
pub(super) fn why(name: &str, value: &str) -> Option<String> {
    let upper = name.to_ascii_uppercase();
    let lower = value.to_ascii_lowercase();
    let truthy = matches!(lower.as_str(), "1" | "true" | "yes" | "on");
    let is_debug =
        |end: &str| upper.strip_suffix(end).is_some_and(|rest| rest.is_empty() || rest.ends_with('_'));
    if truthy && ["DEBUG", "DEBUG_MODE", "DEBUG_ENABLED"].into_iter().any(is_debug) {
        return Some("debugging is switched on, which shows visitors what is inside".to_owned());
    }
    let says_mode = ["NODE_ENV", "RAILS_ENV", "RACK_ENV", "FLASK_ENV", "APP_ENV", "DJANGO_ENV"]
        .iter()
        .any(|known| upper.ends_with(known))
        || matches!(upper.as_str(), "ENV" | "ENVIRONMENT");
    if says_mode && matches!(lower.as_str(), "dev" | "development" | "local" | "test" | "debug") {
        return Some(format!("it says {lower}"));
    }
    if upper == "DJANGO_SETTINGS_MODULE"
        && lower
            .rsplit('.')
            .next()
            .is_some_and(|last| matches!(last, "dev" | "development" | "local" | "test"))
    {
        return Some("it names the settings for development".to_owned());
    }
    if upper.ends_with("ALLOWED_HOSTS") && lower.split(',').any(|host| host.trim() == "*") {
        return Some("it allows every host".to_owned());
    }
    if lower.starts_with("sk_test_") || lower.starts_with("pk_test_") {
        return Some("it is a key for tests".to_owned());
    }
    if let Some(why) = database_of_development(&lower) {
        return Some(why);
    }
    let host = hosts(&lower).find(|host| is_local(host) || is_example(host))?;
    Some(match is_local(host) {
        true => format!("it points at {host}, this machine itself"),
        false => format!("it points at {host}, a name for examples"),
    })
}

/// Why an address of SQLite is not for production, where it is not: a file may well be, by another name.
fn database_of_development(url: &str) -> Option<String> {
    let (scheme, path) = url.split_once(':').filter(|(scheme, _)| scheme.starts_with("sqlite"))?;
    let path = path.split('?').next().unwrap_or_default();
    if path.ends_with(":memory:") {
        return Some("the database is kept in memory, and gone when the process ends".to_owned());
    }
    let file = path.rsplit('/').next().unwrap_or_default();
    let word = file
        .split(['.', '_', '-'])
        .find(|word| matches!(*word, "dev" | "development" | "debug" | "test" | "testing"))?;
    Some(format!("it names a file of {scheme} for {word}"))
}

/// The parts of a text that may be hosts: of a URL, an address of mail, a list.
fn hosts(text: &str) -> impl Iterator<Item = &str> {
    let part = |c: char| !(c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_'));
    let words = text.split(part).map(|word| word.trim_matches('.'));
    // The address of this machine in IPv6 has no letters at all.
    words.chain(["::1"].into_iter().filter(move |address| text.contains("[::1]") || text == *address))
}

fn is_local(host: &str) -> bool {
    host == "localhost"
        || host.ends_with(".localhost")
        || host == "::1"
        || host == "host.docker.internal"
        || host.parse::<std::net::Ipv4Addr>().is_ok_and(|address| address.is_loopback())
}

fn is_example(host: &str) -> bool {
    ["example.com", "example.org", "example.net"]
        .iter()
        .any(|name| host == *name || host.strip_suffix(name).is_some_and(|rest| rest.ends_with('.')))
}
