//! Which values are secrets: by their declaration, by what stands in them, by their names.

use super::{Declared, Kind, Text};

/// Whether a setting's value is masked wherever it would be shown: it is declared a secret, or by nobody to be
/// none, or it is a URL with a password in it, of which nobody said that it is none.
#[must_use]
pub fn is_secret(declared: Option<&Declared>, text: &Text) -> bool {
    let Some(declared) = declared else { return true };
    let has_password = || match text {
        Text::Known(value) => password_in(value.expose()).is_some(),
        Text::Composed(template) => literal_password(&template.to_string()).is_some(),
    };
    declared.secret || (declared.may_hold_password() && has_password())
}

impl Declared {
    /// Whether a URL among its values is taken for a secret where a password stands in it.
    pub(crate) fn may_hold_password(&self) -> bool {
        !self.harmless && matches!(self.kind, Kind::String | Kind::Url)
    }

    /// Whether `value` is masked.
    pub(crate) fn hides(&self, value: &str) -> bool {
        self.secret || (self.may_hold_password() && password_in(value).is_some())
    }
}

/// The password in a URL, as it is written there.
#[must_use]
pub fn password_in(url: &str) -> Option<&str> {
    let (_, rest) = url.split_once("://")?;
    let authority = rest.split(['/', '?', '#']).next()?;
    let (account, _) = authority.rsplit_once('@')?;
    let (_, password) = account.split_once(':')?;
    (!password.is_empty()).then_some(password)
}

/// The password in the text of a template that is a URL, unless it is put in there.
#[must_use]
pub fn literal_password(template: &str) -> Option<&str> {
    password_in(template).filter(|password| !password.contains('{'))
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
    use crate::settings::Secret;

    #[test]
    fn a_url_with_a_password_is_a_secret_unless_it_is_said_to_be_none() {
        let url = Text::Known(Secret::new("postgres://shop:hunter2@db/shop"));
        let of = |kind| Declared { kind, ..Declared::default() };
        assert!(is_secret(Some(&of(Kind::Url)), &url) && is_secret(Some(&of(Kind::String)), &url));
        assert!(!is_secret(Some(&Declared { harmless: true, ..of(Kind::Url) }), &url));
        let plain = ["https://shop.example/a:b@c", "postgres://shop@db/shop", "redis://:@h", "shop:x@h"];
        for plain in plain.map(|text| Text::Known(Secret::new(text))) {
            assert!(!is_secret(Some(&of(Kind::Url)), &plain), "{}", plain.known().unwrap().expose());
        }
        assert!(is_secret(None, &Text::Known(Secret::new("1"))), "nobody declared it to be harmless");
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
