//! Which values are masked.

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
}
