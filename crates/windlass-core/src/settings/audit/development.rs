//! Values that were made for a developer's machine.

/// Why a value looks like one of development, where it does; never shows it.
pub(super) fn why(name: &str, value: &str) -> Option<String> {
    let upper = name.to_ascii_uppercase();
    let lower = value.to_ascii_lowercase();
    let truthy = matches!(lower.as_str(), "1" | "true" | "yes" | "on");
    if truthy && (upper == "DEBUG" || upper.ends_with("_DEBUG")) {
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
    let host = hosts(&lower).find(|host| is_local(host) || is_example(host))?;
    Some(match is_local(host) {
        true => format!("it points at {host}, this machine itself"),
        false => format!("it points at {host}, a name for examples"),
    })
}

/// The parts of a text that may be hosts: of a URL, an address of mail, a list.
fn hosts(text: &str) -> impl Iterator<Item = &str> {
    let part = |c: char| !(c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_'));
    let words = text.split(part).map(|word| word.trim_matches('.'));
    // The address of this machine in IPv6 has no letters at all.
    words.chain(["::1"].into_iter().filter(move |address| text.contains("[::1]") || text == *address))
}

fn is_local(host: &str) -> bool {
    host == "localhost" || host == "::1" || host == "127.0.0.1" || host == "host.docker.internal"
}

fn is_example(host: &str) -> bool {
    ["example.com", "example.org", "example.net"]
        .iter()
        .any(|name| host == *name || host.strip_suffix(name).is_some_and(|rest| rest.ends_with('.')))
}
