//! Secrets that can be guessed.

use crate::settings::sounds_secret;
use crate::settings::{Declared, Kind, password_in};

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

/// Ends of names that nothing but a secret has.
const SURELY: [&str; 7] =
    ["PASSWORD", "PASSWD", "PASSPHRASE", "SECRET", "TOKEN", "SECRET_KEY", "SECRET_ACCESS_KEY"];

/// Whether a value is a secret that can be weak. Of other types than text there are no guesses; of what nobody
/// declared, which may be anything, it is one by its name, by a password in a URL, or by a text that was
/// to be replaced.
pub(super) fn is_judged(name: &str, value: &str, declared: Option<&Declared>) -> bool {
    match declared {
        Some(declared) => {
            matches!(declared.kind, Kind::String | Kind::Url)
                && (declared.hides(value) || (sounds_secret(name) && !declared.harmless))
        }
        None => {
            let is_switch = ["true", "false", "1", "0", "yes", "no", "on", "off"]
                .iter()
                .any(|word| value.eq_ignore_ascii_case(word));
            (names_secret(name) && !is_switch) || password_in(value).is_some() || is_placeholder(value)
        }
    }
}

/// Whether the last words of an undeclared name say that it is a secret: `SMTP_PASS`, `AWS_SECRET_ACCESS_KEY`, but
/// not `TOKEN_LIFETIME`.
fn names_secret(name: &str) -> bool {
    let upper = name.to_ascii_uppercase();
    let mut words = upper.split('_').rev();
    let of_key = ["SECRET", "PRIVATE", "SIGNING", "ENCRYPTION", "MASTER"];
    sounds_secret(name) || (words.next() == Some("KEY") && words.any(|word| of_key.contains(&word)))
}

/// Whether it only stands in texts that were to be replaced.
fn is_placeholder(value: &str) -> bool {
    let lower = value.to_ascii_lowercase();
    PLACEHOLDERS.iter().any(|word| lower.contains(word)) || (lower.starts_with('<') && lower.ends_with('>'))
}

/// Why a secret is weak, where it is; never shows it.
pub(super) fn why(name: &str, value: &str, declared: Option<&Declared>) -> Option<String> {
    let kind = declared.map(|declared| declared.kind);
    let is_url = value.contains("://") && value.contains('@');
    let secret = if is_url { password_in(value)? } else { value };
    let what = if is_url { "the password in it" } else { "it" };
    let bare = |text: &str| -> String {
        text.chars().filter(char::is_ascii_alphanumeric).map(|c| c.to_ascii_lowercase()).collect()
    };
    let plain = bare(secret);
    if KNOWN.contains(&plain.as_str()) {
        return Some(format!("{what} is one of the passwords that are tried first"));
    }
    if is_placeholder(secret) {
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
    // By other names an account or a file may go, and be as short as that.
    let is_surely = is_url
        || declared.is_some_and(|declared| declared.secret)
        || SURELY.iter().any(|end| name.to_ascii_uppercase().ends_with(end));
    (judged && is_word && is_surely && length < shortest)
        .then(|| format!("{what} has {length} characters, fewer than {shortest}"))
}
