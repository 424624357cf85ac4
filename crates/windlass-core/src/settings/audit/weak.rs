//! Secrets that can be guessed.

use crate::settings::{Declared, Kind};

/// What is tried first, and what stands in examples.
const KNOWN: [&str; 40] = [
    "123456",
    "1234567890",
    "12345678",
    "abc123",
    "admin",
    "adminadmin",
    "admin123",
    "changeit",
    "changeme",
    "change",
    "default",
    "demo",
    "dev",
    "development",
    "dummy",
    "example",
    "foobar",
    "guest",
    "hunter2",
    "insecure",
    "letmein",
    "mysecret",
    "none",
    "passw0rd",
    "password",
    "password1",
    "postgres",
    "qwerty",
    "redis",
    "replaceme",
    "root",
    "secret",
    "secretkey",
    "supersecret",
    "test",
    "testing",
    "todo",
    "unsafe",
    "welcome",
    "yoursecretkey",
];

/// What only stands in texts that were to be replaced.
const PLACEHOLDERS: [&str; 9] = [
    "changeme",
    "change-me",
    "change_me",
    "replace-me",
    "replace_me",
    "django-insecure",
    "your-secret",
    "your_secret",
    "not-so-secret",
];

/// Whoever can try a thousand passwords a second has tried all of seven letters in three months.
const SHORTEST: usize = 8;

/// What signs or encrypts is tried without asking anybody, so it must have more to it.
const SHORTEST_KEY: usize = 16;

/// Why a secret is weak, where it is; never shows it.
pub(super) fn why(name: &str, value: &str, declared: Option<&Declared>) -> Option<String> {
    let kind = declared.map(|declared| declared.kind);
    let is_url = value.contains("://") && value.contains('@');
    let secret = if is_url { password_of(value)? } else { value };
    let what = if is_url { "the password in it" } else { "it" };
    let bare = |text: &str| -> String {
        text.chars().filter(char::is_ascii_alphanumeric).map(|c| c.to_ascii_lowercase()).collect()
    };
    let plain = bare(secret);
    if KNOWN.contains(&plain.as_str()) {
        return Some(format!("{what} is one of the passwords that are tried first"));
    }
    let lower = secret.to_ascii_lowercase();
    if PLACEHOLDERS.iter().any(|word| lower.contains(word))
        || (lower.starts_with('<') && lower.ends_with('>'))
    {
        return Some(format!("{what} is a text that was to be replaced"));
    }
    if plain == bare(name) {
        return Some(format!("{what} is the setting's own name"));
    }
    let mut characters: Vec<char> = secret.chars().collect();
    let length = characters.len();
    characters.sort_unstable();
    characters.dedup();
    if characters.len() < 3 {
        return Some(format!("{what} is made of {} different characters", characters.len()));
    }
    // A declared length is for its author to judge; lists, paths and documents have none to speak of.
    let judged = declared.is_none_or(|declared| declared.bounds.min_length.is_none());
    let is_word = is_url || matches!(kind, None | Some(Kind::String));
    let signs = !is_url
        && ["SECRET_KEY", "SIGNING_KEY", "ENCRYPTION_KEY", "JWT_SECRET"]
            .iter()
            .any(|end| name.ends_with(end));
    let shortest = if signs { SHORTEST_KEY } else { SHORTEST };
    (judged && is_word && length < shortest)
        .then(|| format!("{what} has {length} characters, fewer than {shortest}"))
}

fn password_of(url: &str) -> Option<&str> {
    let (_, rest) = url.split_once("://")?;
    let authority = rest.split(['/', '?', '#']).next()?;
    let (credentials, _) = authority.rsplit_once('@')?;
    let (_, password) = credentials.split_once(':')?;
    (!password.is_empty()).then_some(password)
}
