//! Which values are secrets: by their declaration, by what stands in them, by their names.

use serde_json::Value as Json;

use super::password::{may_hold_literal, may_hold_password, password_in};
use super::{Declared, Kind, Provenance, Text, Value};

/// Whether the value of the setting `name` is masked wherever it would be shown: it is declared a secret, or
/// something in it is a secret of which nobody said that it is none: a password, or what was put in where it was
/// read. What nobody declared is one, unless its name and its value say that it is none.
#[must_use]
pub fn is_secret(name: &str, declared: Option<&Declared>, value: &Value) -> bool {
    let Some(declared) = declared else {
        // What stands in a file that is encrypted is kept secret by somebody.
        let is_in_clear = matches!(value.provenance, Provenance::File { .. });
        let is_plain = value.text.known().is_some_and(|text| is_plain(text.expose()));
        return value.of_secret || sounds_secret(name) || !is_in_clear || !is_plain;
    };
    (value.of_secret && !declared.harmless)
        || match &value.text {
            Text::Known(known) => declared.hides(known.expose()),
            Text::Composed(template) => {
                declared.secret || (!declared.harmless && may_hold_literal(&template.to_string()))
            }
        }
}

/// Longer words may be keys: Google's are sixteen letters.
const LONGEST_WORD: usize = 14;

/// Longer numbers may be codes.
const LONGEST_NUMBER: usize = 5;

/// Whether a text is made of words and small numbers, which turn up by themselves: `production`,
/// `shop.settings`, `Europe/Berlin`, `127.0.0.1:8000`. To mask those makes logs unreadable and hides nothing. No key that
/// was made at random is such a text, and no phrase, whose words have spaces or dashes between them.
fn is_plain(text: &str) -> bool {
    let is_number = |part: &str| part.len() <= LONGEST_NUMBER && part.bytes().all(|b| b.is_ascii_digit());
    let is_word = |part: &str| {
        let is_of_letters = part.len() <= LONGEST_WORD && part.bytes().all(|b| b.is_ascii_alphabetic());
        let is_lower = part.bytes().skip(1).all(|b| b.is_ascii_lowercase());
        is_of_letters && (is_lower || part.bytes().all(|b| b.is_ascii_uppercase()))
    };
    let before_port = text.rsplit_once(':').filter(|(_, port)| is_number(port)).map(|(before, _)| before);
    let mut parts = before_port.unwrap_or(text).split(['.', '_', '/', ',']);
    parts.all(|part| is_number(part) || is_word(part))
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
    let name = name.to_ascii_uppercase().replace(['-', '.'], "_");
    // `PASSWORD_2`; `SECRET_KEY_BASE` is how Rails calls it.
    let name = name.trim_end_matches(|c: char| c.is_ascii_digit()).trim_end_matches('_');
    let name = name.strip_suffix("_BASE").filter(|rest| rest.ends_with("SECRET_KEY")).unwrap_or(name);
    let last = name.rsplit('_').next().unwrap_or_default();
    // Alone it is the shell's own: the directory that one is in.
    let is_word = WORDS.contains(&last) && name != "PWD";
    is_word || ENDINGS.iter().chain(&KEYS).any(|end| name.ends_with(end))
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
        let plain = "production true WARNING 8000 127.0.0.1:8000 localhost:6379 config.settings.production \
                     Europe/Berlin /srv/shop/media en_US api,web";
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
        ] {
            assert!(is_secret("HOOK", None, &in_file(text)), "{text}");
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
