//! Masking values in text.

use std::borrow::Cow;

use aho_corasick::AhoCorasick;

use super::encodings;

/// Shorter values are not masked: they turn up by chance, and would make text unreadable.
const SHORTEST: usize = 6;

/// What stands in place of a value.
const MASK: &str = "***";

/// Masks values wherever they turn up: as they are, in base64, URL-encoded, escaped as in JSON, and
/// quoted for a shell. Of a value with several lines each line is masked too, because output is
/// shown by lines; and of a URL its password, which programs name by itself.
#[derive(Debug, Default)]
pub struct Redactor {
    forms: Option<AhoCorasick>,
}

impl Redactor {
    /// A redactor of `values`. Those shorter than 6 bytes are left alone.
    #[must_use]
    pub fn new<'v>(values: impl IntoIterator<Item = &'v str>) -> Self {
        let mut forms: Vec<String> = values
            .into_iter()
            .flat_map(|value| {
                let parts = std::iter::once(value).chain(value.lines()).map(Cow::Borrowed);
                parts.chain(password_in(value))
            })
            .filter(|value| value.len() >= SHORTEST)
            .flat_map(|value| encodings::forms(&value))
            .collect();
        forms.sort_unstable();
        forms.dedup();
        // Construction fails only beyond 2^31 patterns or states: then nothing may pass at all,
        // which an empty pattern, found everywhere, brings about.
        let search = |forms: &[String]| AhoCorasick::new(forms).or_else(|_| AhoCorasick::new([""])).ok();
        Self { forms: if forms.is_empty() { None } else { search(&forms) } }
    }

    /// `text` with every value in it masked.
    #[must_use]
    pub fn redact<'t>(&self, text: &'t str) -> Cow<'t, str> {
        let Some(forms) = &self.forms else { return Cow::Borrowed(text) };
        // Matches may overlap; what any of them covers goes.
        let mut covered: Vec<(usize, usize)> =
            forms.find_overlapping_iter(text).map(|found| (found.start(), found.end())).collect();
        if covered.is_empty() {
            return Cow::Borrowed(text);
        }
        covered.sort_unstable();
        let mut masked = String::with_capacity(text.len());
        let mut at = 0;
        for (start, end) in covered {
            if start >= at {
                masked.push_str(&text[at..start]);
                masked.push_str(MASK);
            }
            at = at.max(end);
        }
        masked.push_str(&text[at..]);
        Cow::Owned(masked)
    }
}

/// The password in a URL, as it stands there and as it is meant. One that is the user's name is none: it
/// would mask that in every log.
fn password_in(value: &str) -> impl Iterator<Item = Cow<'_, str>> {
    let found = || {
        let (_, rest) = value.split_once("://")?;
        let authority = rest.split(['/', '?', '#']).next()?;
        let (account, _) = authority.rsplit_once('@')?;
        account.split_once(':').filter(|(user, password)| user != password)
    };
    let forms =
        |password| [Some(Cow::Borrowed(password)), crate::resource::decoded(password).map(Cow::Owned)];
    found().into_iter().flat_map(move |(_, password)| forms(password)).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_password_of_a_url_is_masked_by_itself() {
        let redactor =
            Redactor::new(["postgres://shop:Zk31-blau@db.internal/shop", "https://shop.example/a:b@c"]);
        let text = "shop signs in to db.internal with Zk31-blau, a:b@c";
        assert_eq!(redactor.redact(text), "shop signs in to db.internal with ***, a:b@c");
        let encoded = Redactor::new(["redis://:p%40ss-word@h/0", "postgres://postgres:postgres@h/d"]);
        let text = "p@ss-word is p%40ss-word to postgres";
        assert_eq!(encoded.redact(text), "*** is *** to postgres");
    }

    #[test]
    fn every_form_of_a_value_is_masked() {
        let redactor = Redactor::new(["p@ss 'w\"rd/1", "short"]);
        for (text, masked) in [
            ("key=p@ss 'w\"rd/1;", "key=***;"),
            ("url p%40ss%20%27w%22rd%2F1 end", "url *** end"),
            ("url p%40ss%20'w%22rd%2f1 end", "url *** end"),
            ("form p%40ss+%27w%22rd%2F1", "form ***"),
            (r#"{"a":"p@ss 'w\"rd/1"}"#, r#"{"a":"***"}"#),
            (r#"'p@ss '\''w"rd/1'"#, "'***'"),
            (r#"'p@ss '"'"'w"rd/1'"#, "'***'"),
            ("a short one", "a short one"),
        ] {
            assert_eq!(redactor.redact(text), masked, "{text}");
        }
        // base64 of "user:hunter2!", as in a header of basic authentication.
        let masked = Redactor::new(["hunter2!"]).redact("Basic dXNlcjpodW50ZXIyIQ==").into_owned();
        assert_eq!(masked, "Basic dXNlcjp***Q==");
    }

    #[test]
    fn values_that_overlap_leave_nothing_over() {
        assert_eq!(Redactor::new(["abcdef", "defghi"]).redact("xabcdefghix abcdefabcdef"), "x***x ******");
    }

    #[test]
    fn lines_of_a_long_value_are_masked_one_by_one() {
        let redactor = Redactor::new(["-----BEGIN KEY-----\nMIIEpAIBAAKCAQEA\n-----END KEY-----"]);
        assert_eq!(redactor.redact("error near MIIEpAIBAAKCAQEA here"), "error near *** here");
    }

    proptest! {
        #[test]
        fn nothing_of_a_value_is_left(value in "\\PC{6,20}", before in "\\PC{0,9}", after in "\\PC{0,9}") {
            prop_assume!(value.len() >= 6);
            let redactor = Redactor::new([value.as_str()]);
            let text = format!("{before}{value}{after}");
            prop_assert!(!redactor.redact(&text).contains(&value) || "***".contains(&value));
        }
    }
}
