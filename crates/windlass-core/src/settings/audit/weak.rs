//! Secrets that can be guessed.

mod words;

use serde_json::Value as Json;

use crate::settings::password::is_switch;
use crate::settings::{Declared, Kind, account_password, sounds_secret};
use words::is_made_of_words;

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

/// Whether a value is a secret that can be weak. Of a switch there are no guesses; of what nobody declared, which may be
/// anything, it is one by its name, by a password in a URL, or by a text that was to be replaced.
pub(super) fn is_judged(name: &str, value: &str, declared: Option<&Declared>) -> bool {
    match declared {
        Some(declared) => match declared.kind {
            Kind::Boolean | Kind::Enum => false,
            Kind::String | Kind::Url => declared.hides(value) || (sounds_secret(name) && !declared.harmless),
            Kind::List | Kind::Json => declared.hides(value),
            _ => declared.secret,
        },
        None => {
            (names_secret(name) && !is_switch(value))
                || account_password(value).is_some()
                || is_placeholder(value)
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

/// Why a secret of the application `app` is weak, where it is; never shows it.
pub(super) fn why(app: &str, name: &str, value: &str, declared: Option<&Declared>) -> Option<String> {
    let judged = Judged { app, name, declared };
    match declared {
        Some(list) if list.kind == Kind::List => list.bounds.items(value).find_map(|item| judged.item(item)),
        Some(Declared { kind: Kind::Json, .. }) => judged.within(name, &serde_json::from_str(value).ok()?),
        _ => judged.whole(value),
    }
}

/// Whether a text is among what is tried first, whatever it is for; so is what stands in many places.
pub(super) fn can_be_guessed(app: &str, name: &str, text: &str) -> bool {
    let judged = Judged { app, name, declared: None };
    judged.known(text).or_else(|| repeated(text)).or_else(|| judged.words(text)).is_some()
}

/// What a text is judged as.
#[derive(Clone, Copy)]
struct Judged<'a> {
    app: &'a str,
    name: &'a str,
    declared: Option<&'a Declared>,
}

impl Judged<'_> {
    fn whole(self, value: &str) -> Option<String> {
        // A number, a port or a path is what it has to be, and no worse for it.
        let is_text = self.declared.is_none_or(|declared| matches!(declared.kind, Kind::String | Kind::Url));
        if !is_text {
            return self.known(value).map(|why| format!("it {why}"));
        }
        let inside = account_password(value);
        let is_url = inside.is_some() || (value.contains("://") && value.contains('@'));
        let secret = if is_url { inside? } else { value };
        let what = if is_url { "the password in it" } else { "it" };
        let is_surely = is_url || self.is_surely();
        let why = self.known(secret).or_else(|| repeated(secret));
        let why = why.or_else(|| self.words(secret).filter(|_| is_surely));
        let why = why.or_else(|| self.short(secret, is_url).filter(|_| is_surely));
        why.map(|why| format!("{what} {why}"))
    }

    /// An item of a list has no length to speak of.
    fn item(self, item: &str) -> Option<String> {
        let (secret, what) =
            account_password(item).map_or((item, "an item"), |inside| (inside, "a password in it"));
        self.known(secret).or_else(|| self.words(secret)).map(|why| format!("{what} {why}"))
    }

    /// Of a document the passwords are judged, and what is a secret by its name.
    fn within(self, name: &str, json: &Json) -> Option<String> {
        match json {
            Json::String(text) => {
                let by_name = Some(text.as_str()).filter(|text| !text.is_empty() && sounds_secret(name));
                let secret = account_password(text).or(by_name)?;
                let why = self.known(secret).or_else(|| self.words(secret))?;
                Some(format!("a secret in it {why}"))
            }
            Json::Array(items) => items.iter().find_map(|item| self.within(name, item)),
            Json::Object(fields) => fields.iter().find_map(|(name, value)| self.within(name, value)),
            _ => None,
        }
    }

    /// Whether it is a secret for sure: by other names an account or a file may go, and be called as the application is.
    fn is_surely(self) -> bool {
        self.declared.is_some_and(|declared| declared.secret)
            || SURELY.iter().any(|end| self.name.to_ascii_uppercase().ends_with(end))
    }

    /// Why it is among the first guesses.
    fn known(self, secret: &str) -> Option<String> {
        let plain = bare(secret);
        if words::KNOWN.binary_search(&plain.as_str()).is_ok() {
            return Some("is one of the passwords that are tried first".to_owned());
        }
        if is_placeholder(secret) {
            return Some("is a text that was to be replaced".to_owned());
        }
        (plain == bare(self.name)).then(|| "is the setting's own name".to_owned())
    }

    /// Why it is among the next ones.
    fn words(self, secret: &str) -> Option<String> {
        let app = bare(self.app);
        if bare(secret) == app && !app.is_empty() {
            return Some("is the application's own name".to_owned());
        }
        is_made_of_words(secret, &app)
            .then(|| "is made of words and rows of keys that are tried first".to_owned())
    }

    /// Why it is too short.
    fn short(self, secret: &str, is_url: bool) -> Option<String> {
        let length = secret.chars().count();
        // A declared length is for its author to judge; lists, paths and documents have none to speak of.
        let judged = self.declared.is_none_or(|declared| declared.bounds.min_length.is_none());
        let kind = self.declared.map(|declared| declared.kind);
        let is_word = is_url || matches!(kind, None | Some(Kind::String));
        let signs = !is_url
            && ["SECRET_KEY", "SIGNING_KEY", "ENCRYPTION_KEY", "JWT_SECRET"]
                .iter()
                .any(|end| self.name.ends_with(end));
        let shortest = if signs { SHORTEST_KEY } else { SHORTEST };
        (judged && is_word && length < shortest)
            .then(|| format!("has {length} characters, fewer than {shortest}"))
    }
}

/// Letters and digits alone, in lower case.
fn bare(text: &str) -> String {
    let mut bare = String::with_capacity(text.len());
    bare.extend(text.bytes().filter(u8::is_ascii_alphanumeric).map(|b| char::from(b.to_ascii_lowercase())));
    bare
}

/// Why it has little to it for its length: of `abcabcabc` only the first three count.
fn repeated(secret: &str) -> Option<String> {
    let characters: Vec<char> = secret.chars().collect();
    let mut different = characters.clone();
    different.sort_unstable();
    different.dedup();
    if different.len() < 3 {
        return Some(format!("is made of {} different characters", different.len()));
    }
    let repeats = |unit: &usize| (*unit..characters.len()).all(|at| characters[at] == characters[at - unit]);
    let unit = (1..SHORTEST).take_while(|unit| 2 * unit <= characters.len()).find(repeats)?;
    Some(format!("is the same {unit} characters over and over"))
}
