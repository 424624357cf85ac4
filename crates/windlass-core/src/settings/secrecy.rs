//! Which values are secrets: by their declaration, by what stands in them, by their names.

use std::net::IpAddr;

use serde_json::Value as Json;

use super::password::{may_hold_literal, may_hold_password, password_in};
use super::{Declared, Kind, Provenance, Text, Value};

/// Whether the value of the setting `name` is masked wherever it would be shown: it is declared a secret, or
/// something in it is a secret of which nobody said that it is none: a password, or what was put in where it was
/// read. What nobody declared is one, unless its name and its value say that it is none: rather too much is masked.
#[must_use]
pub fn is_secret(name: &str, declared: Option<&Declared>, value: &Value) -> bool {
    let Some(declared) = declared else {
        // What stands in a file that is encrypted is kept secret by somebody.
        let is_in_clear = matches!(value.provenance, Provenance::File { .. });
        let is_plain = value.text.known().is_some_and(|text| is_plain(text.expose()));
        return value.of_secret || speaks_of_secret(name) || !is_in_clear || !is_plain;
    };
    (value.of_secret && !declared.harmless)
        || match &value.text {
            Text::Known(known) => declared.hides(known.expose()),
            Text::Composed(template) => {
                declared.secret || (!declared.harmless && may_hold_literal(&template.to_string()))
            }
        }
}

/// Longer numbers may be codes.
const LONGEST_NUMBER: usize = 5;

/// Longer words of a path or a module may be keys.
const LONGEST_WORD: usize = 14;

/// What values are that hide nothing.
const KNOWN: [&str; 50] = [
    "true",
    "false",
    "yes",
    "no",
    "on",
    "off",
    "none",
    "null",
    "auto",
    "default",
    "production",
    "development",
    "staging",
    "testing",
    "test",
    "prod",
    "dev",
    "local",
    "ci",
    "debug",
    "info",
    "notice",
    "warn",
    "warning",
    "error",
    "critical",
    "trace",
    "localhost",
    "db",
    "database",
    "postgres",
    "postgresql",
    "mysql",
    "redis",
    "rabbitmq",
    "cache",
    "web",
    "api",
    "app",
    "http",
    "https",
    "json",
    "text",
    "stdout",
    "stderr",
    "console",
    "smtp",
    "utc",
    "utf",
    "sqlite",
];

/// Where paths begin.
const ROOTS: [&str; 12] =
    ["srv", "var", "tmp", "usr", "opt", "etc", "home", "run", "app", "data", "mnt", "static"];

/// Where zones of time begin.
const AREAS: [&str; 10] = [
    "Africa",
    "America",
    "Antarctica",
    "Asia",
    "Atlantic",
    "Australia",
    "Etc",
    "Europe",
    "Indian",
    "Pacific",
];

/// What a module is called that a setting names, or that stands before what is in it.
const MODULES: [&str; 7] = ["settings", "config", "wsgi", "asgi", "main", "app", "celery"];

/// Whether a text turns up by itself, so that to mask it makes logs unreadable and hides nothing: `production`, `8000`,
/// `127.0.0.1:8000`, `config.settings.production`, `/srv/shop`, `Europe/Berlin`. Any other word may be somebody's password.
pub(super) fn is_plain(text: &str) -> bool {
    let address = text.rsplit_once(':').filter(|(_, port)| is_number(port)).map_or(text, |(host, _)| host);
    is_number(text)
        || is_version(text)
        || is_locale(text)
        || address.parse::<IpAddr>().is_ok()
        || address.split([',', '.', '-', '_']).all(is_known)
        || is_path(text)
        || is_module(text)
}

pub(super) fn is_number(text: &str) -> bool {
    text.len() <= LONGEST_NUMBER && text.bytes().all(|b| b.is_ascii_digit())
}

pub(super) fn is_known(word: &str) -> bool {
    KNOWN.iter().any(|known| known.eq_ignore_ascii_case(word))
}

/// `3.12.1`
fn is_version(text: &str) -> bool {
    text.split('.').all(|part| (1..=3).contains(&part.len()) && is_number(part))
}

/// `en_US`, `de-at`
fn is_locale(text: &str) -> bool {
    text.split_once(['_', '-']).is_some_and(|parts| {
        let is_code = |part: &str| part.len() == 2 && part.bytes().all(|b| b.is_ascii_alphabetic());
        is_code(parts.0) && is_code(parts.1)
    })
}

fn is_path(text: &str) -> bool {
    let Some((first, rest)) = text.strip_prefix('/').unwrap_or(text).split_once('/') else { return false };
    let begins = if text.starts_with('/') { ROOTS.contains(&first) } else { AREAS.contains(&first) };
    begins && rest.split(['/', '.', '_']).all(is_word)
}

/// `config.settings.production`, `shop.wsgi:application`
fn is_module(text: &str) -> bool {
    let mut parts = text.split(['.', ':']);
    let is_one = text.contains('.') && parts.clone().rev().take(2).any(|part| MODULES.contains(&part));
    is_one && parts.all(|part| part.split('_').all(is_word))
}

pub(super) fn is_word(part: &str) -> bool {
    let is_lower = part.bytes().skip(1).all(|b| b.is_ascii_lowercase());
    part.len() <= LONGEST_WORD
        && (is_number(part) || (is_lower && part.bytes().all(|b| b.is_ascii_alphabetic())))
}

impl Declared {
    /// Whether `value` is masked.
    pub(crate) fn hides(&self, value: &str) -> bool {
        self.secret || (!self.harmless && self.holds_password(value))
    }

    /// Whether a password stands in `value`, of whatever type it is: what is of the wrong one is shown to whoever has
    /// to mend it.
    fn holds_password(&self, value: &str) -> bool {
        match self.kind {
            // An item's path is no part of another's password, unless that has the separator in it.
            Kind::List => password_in(value).is_some() || self.bounds.items(value).any(may_hold_password),
            Kind::Json => match serde_json::from_str(value) {
                Ok(json) => is_within(&json),
                Err(_) => value.split(['"', '\'']).any(|part| sounds_secret(part) || may_hold_password(part)),
            },
            _ => may_hold_password(value),
        }
    }
}

/// Whether a password is among the texts of a document, or a text that is a secret by its name.
fn is_within(json: &Json) -> bool {
    match json {
        Json::String(text) => may_hold_password(text),
        Json::Array(items) => items.iter().any(is_within),
        Json::Object(fields) => fields.iter().any(|(name, value)| {
            let has_text = value.as_str().is_some_and(|text| !text.is_empty());
            (has_text && sounds_secret(name)) || is_within(value)
        }),
        _ => false,
    }
}

/// Endings that say so, joined to what stands before or not: `PGPASSWORD`, `db_password`.
const ENDINGS: [&str; 7] =
    ["PASSWORD", "PASSWD", "PASSPHRASE", "SECRET", "TOKEN", "CREDENTIAL", "CREDENTIALS"];

/// Last words that say so; joined they would be other words (`BYPASS`).
const WORDS: [&str; 3] = ["PASS", "PWD", "DSN"];

/// Words that say so of what nobody declared. A `CACHE_KEY` is none where somebody thought about it, and may be one elsewhere.
const DOUBTFUL: [&str; 13] = [
    "KEY", "APIKEY", "PW", "AUTH", "SALT", "PEPPER", "PIN", "PASSCODE", "OTP", "TOTP", "CRED", "COOKIE",
    "SEED",
];

/// What a key is for that is kept from others. Other keys name something: `CACHE_KEY`.
const KEYS: [&str; 8] = [
    "API_KEY",
    "APIKEY",
    "ACCESS_KEY",
    "AUTH_KEY",
    "ENCRYPTION_KEY",
    "PRIVATE_KEY",
    "SECRET_KEY",
    "SIGNING_KEY",
];

/// Whether a variable of this name likely holds a secret: the last word of a name says what its value
/// is. `TOKEN_URL` and `PASSWORD_MIN_LENGTH` are about secrets, and hold none.
#[must_use]
pub fn sounds_secret(name: &str) -> bool {
    let upper = |c: char| if matches!(c, '-' | '.') { '_' } else { c.to_ascii_uppercase() };
    let name: String = name.chars().map(upper).collect();
    // `PASSWORD_2`; `SECRET_KEY_BASE` is how Rails calls it.
    let name = name.trim_end_matches(|c: char| c.is_ascii_digit()).trim_end_matches('_');
    let name = name.strip_suffix("_BASE").filter(|rest| rest.ends_with("SECRET_KEY")).unwrap_or(name);
    let last = name.rsplit('_').next().unwrap_or_default();
    // Alone it is the shell's own: the directory that one is in.
    let is_word = WORDS.contains(&last) && name != "PWD";
    is_word || ENDINGS.iter().chain(&KEYS).any(|end| name.ends_with(end))
}

/// Whether any word of an undeclared variable's name speaks of a secret: `DB_PASSWORD_PROD`, `MASTER_KEY`, `API_KEYS`.
/// Whatever [`sounds_secret`] does, and more.
pub(crate) fn speaks_of_secret(name: &str) -> bool {
    let is_word = |word: &str| {
        WORDS.contains(&word)
            || DOUBTFUL.contains(&word)
            || ENDINGS.iter().any(|end| word.ends_with(end))
            || KEYS.iter().any(|key| word.ends_with(&key.replace('_', "")))
    };
    let is_one = |word: &str| {
        let word = word.trim_end_matches(|c: char| c.is_ascii_digit()).to_ascii_uppercase();
        is_word(&word) || word.strip_suffix('S').is_some_and(is_word)
    };
    let words = || name.split(|c: char| !c.is_ascii_alphanumeric());
    sounds_secret(name)
        || (!name.eq_ignore_ascii_case("PWD") && (words().any(is_one) || words().flat_map(humps).any(is_one)))
}

/// The words of one that is written like `secretKey` or `APIKey`.
fn humps(word: &str) -> Vec<&str> {
    let letters = word.as_bytes();
    let is_upper = |at: usize| letters.get(at).is_some_and(u8::is_ascii_uppercase);
    let is_lower = |at: usize| letters.get(at).is_some_and(u8::is_ascii_lowercase);
    let begins = |at: &usize| is_upper(*at) && (!is_upper(at - 1) || is_lower(at + 1));
    let ends: Vec<usize> = (1..word.len()).filter(begins).chain([word.len()]).collect();
    let starts = std::iter::once(0).chain(ends.iter().copied());
    starts.zip(&ends).filter_map(|(start, end)| word.get(start..*end)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::{Provenance, Secret};

    fn known(text: &str) -> Value {
        Value::new(Text::Known(Secret::new(text)), Provenance::Environment)
    }

    #[test]
    fn a_url_with_a_password_is_a_secret_unless_it_is_said_to_be_none() {
        let url = known("postgres://shop:hunter2@db/shop");
        let of = |kind| Declared { kind, ..Declared::default() };
        assert!(
            is_secret("LEVEL", Some(&of(Kind::Url)), &url)
                && is_secret("LEVEL", Some(&of(Kind::String)), &url)
        );
        assert!(!is_secret("LEVEL", Some(&Declared { harmless: true, ..of(Kind::Url) }), &url));
        let plain = ["https://shop.example/a:b@c", "postgres://shop@db/shop", "redis://:@h", "shop:x@h"];
        for plain in plain {
            assert!(!is_secret("LEVEL", Some(&of(Kind::Url)), &known(plain)), "{plain}");
        }
    }

    #[test]
    fn what_nobody_declared_is_a_secret_unless_it_turns_up_by_itself() {
        let file = || Provenance::File { name: ".env".to_owned(), line: 1 };
        let in_file = |text: &str| Value::new(Text::Known(Secret::new(text)), file());
        let plain = "production true WARNING 8000 3.12 127.0.0.1:8000 localhost:6379 config.settings.production \
                     shop.settings shop.wsgi:application Europe/Berlin /srv/shop/media en_US api,web";
        for text in plain.split(' ') {
            assert!(!is_secret("NODE_ENV", None, &in_file(text)), "{text}");
            assert!(is_secret("DB_PASSWORD", None, &in_file(text)), "{text}: by its name");
            assert!(is_secret("NODE_ENV", None, &Value { of_secret: true, ..in_file(text) }), "{text}");
            let sealed = Provenance::Sealed { file: "secrets.local.enc".to_owned(), line: 1 };
            assert!(is_secret("NODE_ENV", None, &Value { provenance: sealed, ..in_file(text) }), "{text}");
        }
        for text in [
            "hunter2",
            "123456",
            "abcdefghijklmnop",
            "sk_live_4eC39HqLyjWDarjt",
            "QrStuV",
            "correct horse",
            "correct-horse",
            "redis://:secret@host/0",
            "shop:secret",
            "https://hooks.internal/services/T00/B00",
            "größe",
            "ohgheixaefoo",
            "correct.horse.battery",
            "correct/horse/battery",
            "/correct/horse/battery",
            "correct,horse",
            "sesameopen",
            "abcdefghij",
            "summerrain",
            "letmeinplease",
            "shop:12345",
            "12345.67890",
            "/srv/aGVsbG8",
        ] {
            assert!(is_secret("HOOK", None, &in_file(text)), "{text}");
        }
        for name in "MASTER_KEY JWT_KEY DB_PASSWORD_PROD REDIS_AUTH TOKEN_LIFETIME KEY API_KEYS DB_PW \
                     PIN_CODE SALT PEPPER_2 AUTH-BASIC SENTRY_DSN_WEB PASS1 GOOGLE_CREDENTIALS_JSON PGPASSWORD_PROD \
                     SECRETKEY DJANGO_SECRETKEYS secretKey app.masterKey1 APIKey OTP MFA_TOTP AWS_CRED SMTP_CREDS \
                     SESSION_COOKIE WALLET_SEED"
            .split_whitespace()
        {
            assert!(is_secret(name, None, &in_file("production")), "{name}");
        }
        for name in
            "KEYCLOAK_MODE AUTHOR MONKEY PASSENGERS COMPASS_MODE PWD monkeyMode SEEDLINGS OPTION".split(' ')
        {
            assert!(!is_secret(name, None, &in_file("production")), "{name}");
        }
    }

    #[test]
    fn a_password_is_found_in_values_of_every_type() {
        for (kind, value, is_one) in [
            (Kind::List, "http://a/x,redis://:pw@h/0", true),
            (Kind::List, "mongodb://u:p,w@h/0", true),
            (Kind::List, "http://a:80/x,http://b/y@2x", false),
            (Kind::Host, "redis://:pw@h/0", true),
            (Kind::Integer, "redis://:pw@h/0", true),
            (Kind::Json, r#"{"caches": [{"url": "redis:\/\/:pw@h"}]}"#, true),
            (Kind::Json, r#"{"db": {"password": "x"}}"#, true),
            (Kind::Json, r#"{"db": {"password": "", "token": null, "url": "http://h/a@b"}}"#, false),
            (Kind::Json, r#"{"url": "redis://:pw@h",}"#, true),
            (Kind::Json, r#"{'password': 'x'}"#, true),
            (Kind::Json, "[1, true, \"x\"]", false),
        ] {
            let declared = Declared { kind, ..Declared::default() };
            assert_eq!(is_secret("LEVEL", Some(&declared), &known(value)), is_one, "{value}");
            let harmless = Declared { harmless: true, ..declared };
            assert!(!is_secret("LEVEL", Some(&harmless), &known(value)), "{value}");
        }
    }

    #[test]
    fn what_was_put_together_from_a_secret_is_one() {
        let declared = Declared::default();
        assert!(!is_secret("LEVEL", Some(&declared), &known("host=db")));
        let made = Value { of_secret: true, ..known("host=db") };
        assert!(is_secret("LEVEL", Some(&declared), &made));
        assert!(!is_secret("LEVEL", Some(&Declared { harmless: true, ..declared }), &made));
    }

    #[test]
    fn names_are_told_by_what_their_value_is() {
        for (names, is_secret) in [
            (
                "PASSWORD DB_PASSWORD PGPASSWORD db_password SMTP_PASSWD MYSQL_PWD DB_PASS PASS KEY_PASSPHRASE",
                true,
            ),
            (
                "SECRET JWT_SECRET CLIENT-SECRET TOKEN GITHUB_TOKEN authToken app.token TOKEN_2 PASSWORD1",
                true,
            ),
            (
                "SECRET_KEY DJANGO_SECRET_KEY SECRET_KEY_BASE API_KEY STRIPE_API_KEY APIKEY AWS_SECRET_ACCESS_KEY",
                true,
            ),
            ("SSH_PRIVATE_KEY ENCRYPTION_KEY SIGNING_KEY GOOGLE_CREDENTIALS SENTRY_DSN DSN", true),
            (
                "TOKEN_URL TOKEN_NAME TOKEN_TTL PASSWORD_MIN_LENGTH SECRET_NAME API_KEY_HEADER AWS_ACCESS_KEY_ID",
                false,
            ),
            ("PASSWORD_FILE MAX_TOKENS TOKENIZER PASSENGERS BYPASS COMPASS PWD OLDPWD", false),
            ("KEY CACHE_KEY PUBLIC_KEY MONKEY DATABASE_URL DEBUG PORT BASE DATA_BASE 2", false),
            ("", false),
        ] {
            for name in names.split(' ') {
                assert_eq!(sounds_secret(name), is_secret, "{name:?}");
            }
        }
    }
}
