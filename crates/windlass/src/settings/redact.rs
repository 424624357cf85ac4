//! Masking values in text.

use std::borrow::Cow;
use std::fmt;

use aho_corasick::{AhoCorasick, AhoCorasickKind};
use windlass_core::settings::members;
use zeroize::Zeroizing;

use super::{decodings, encodings};

/// Shorter values, in bytes, are not masked: they turn up by chance, and would make text unreadable.
pub const SHORTEST_MASKED: usize = 6;

/// What stands in place of a value.
const MASK: &str = "***";

/// Masks values wherever they turn up: as they are, escaped as in JSON, URLs, HTML and shells, in hex, and in base64. Of
/// a value with several lines each line is masked too, because output is shown by lines; and what programs name by
/// itself: of a URL its password, of a JSON document the texts that are secrets. White space around any of it does not
/// matter. What it is made of is wiped; the states of its search are not.
#[derive(Default)]
pub struct Redactor {
    forms: Option<AhoCorasick>,
    /// The longest forms: lines may break in the middle of them.
    base64: Vec<Zeroizing<String>>,
    /// Why nothing may be shown at all.
    refusal: Option<String>,
}

impl Redactor {
    /// How what stands in the place of a text begins that is not shown.
    pub const NOT_SHOWN: &str = "(not shown: ";

    /// A redactor of `values`. Those shorter than 6 bytes are left alone.
    #[must_use]
    pub fn new<'v>(values: impl IntoIterator<Item = &'v str>) -> Self {
        Self::of_parts(values.into_iter().flat_map(parts))
    }

    /// One that knows a value as a whole, and the password in it: other parts of it, such as the first line of a key, may
    /// be parts of another value too.
    #[must_use]
    pub fn of_whole(value: &str) -> Self {
        Self::of_parts(std::iter::once(Zeroizing::new(value.to_owned())).chain(passwords_in(value)))
    }

    fn of_parts(parts: impl Iterator<Item = Zeroizing<String>>) -> Self {
        let values = once_each(parts.filter(|value| value.len() >= SHORTEST_MASKED));
        let base64: Vec<_> = values.iter().flat_map(|value| encodings::base64(value)).collect();
        let forms = values.iter().flat_map(|value| encodings::forms(value));
        let forms = once_each(forms.chain(base64.iter().cloned()));
        if forms.is_empty() {
            return Self::default();
        }
        // For few values it would choose a table with a row of the whole alphabet for each byte of them: hundreds of
        // megabytes for a large one.
        let mut search = AhoCorasick::builder();
        match search
            .kind(Some(AhoCorasickKind::ContiguousNFA))
            .build(forms.iter().map(|form| form.as_bytes()))
        {
            Ok(search) => Self { forms: Some(search), base64, refusal: None },
            // Only beyond 2^31 patterns or states.
            Err(error) => Self::refusing(format!("there are too many secrets to mask: {error}")),
        }
    }

    /// One that shows nothing, where it is not known what there is to mask.
    #[must_use]
    pub fn refusing(why: impl Into<String>) -> Self {
        Self { refusal: Some(why.into()), ..Self::default() }
    }

    /// Why it shows nothing, where it does not.
    #[must_use]
    pub fn refusal(&self) -> Option<&str> {
        self.refusal.as_deref()
    }

    /// `text` with every value in it masked.
    #[must_use]
    pub fn redact<'t>(&self, text: &'t str) -> Cow<'t, str> {
        if let Some(why) = &self.refusal {
            return Cow::Owned(format!("{}{why})", Self::NOT_SHOWN));
        }
        let Some(forms) = &self.forms else { return Cow::Borrowed(text) };
        // Matches may overlap; what any of them covers goes.
        let mut covered: Vec<(usize, usize)> =
            forms.find_overlapping_iter(text).map(|found| (found.start(), found.end())).collect();
        for reading in decodings::readings(text) {
            let found = forms.find_overlapping_iter(&reading.bytes);
            covered.extend(found.map(|found| reading.place(found.start(), found.end())));
        }
        covered.extend(self.broken(text));
        if covered.is_empty() {
            return Cow::Borrowed(text);
        }
        covered.sort_unstable();
        let mut masked = String::with_capacity(text.len());
        let mut at = 0;
        for (start, end) in covered {
            let (start, end) = (text.floor_char_boundary(start), text.ceil_char_boundary(end));
            if start >= at {
                masked.push_str(&text[at..start]);
                masked.push_str(MASK);
            }
            at = at.max(end);
        }
        masked.push_str(&text[at..]);
        Cow::Owned(masked)
    }

    /// Parts of base64 that was broken into lines.
    fn broken(&self, text: &str) -> Vec<(usize, usize)> {
        let mut from = 0;
        let mut found = vec![];
        for line in text.split_inclusive('\n') {
            let parts = encodings::broken(line, &self.base64).into_iter();
            found.extend(parts.map(|(start, end)| (from + start, from + end)));
            from += line.len();
        }
        found
    }
}

/// How much it masks, and nothing of what.
impl fmt::Debug for Redactor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let forms = self.forms.as_ref().map_or(0, AhoCorasick::patterns_len);
        f.debug_struct("Redactor")
            .field("forms", &forms)
            .field("refusal", &self.refusal)
            .finish_non_exhaustive()
    }
}

/// A value, and what of it is masked by itself.
fn parts(value: &str) -> Vec<Zeroizing<String>> {
    let mut parts = Vec::new();
    add_text(value, &mut parts);
    for member in members(value, None).iter().filter(|member| member.is_mask()) {
        add_text(&member.text, &mut parts);
    }
    parts
}

/// A text, its lines and passwords.
fn add_text(text: &str, parts: &mut Vec<Zeroizing<String>>) {
    let forms = [text, text.trim()].into_iter().chain(text.lines()).chain(text.lines().map(str::trim));
    parts.extend(forms.map(|form| Zeroizing::new(form.to_owned())));
    parts.extend(passwords_in(text));
}

/// What may be a password in a value, as it stands there and as it is meant. One that is the user's name is none:
/// it would mask that in every log.
pub(crate) fn passwords_in(value: &str) -> impl Iterator<Item = Zeroizing<String>> {
    let is_user = |password: &str| value.contains(&*Zeroizing::new(format!("://{password}:{password}@")));
    let found = windlass_core::settings::passwords_in(value);
    let forms = |password: &str| [Some(password.to_owned()), crate::resource::decoded(password)];
    let forms = found.into_iter().filter(move |password| !is_user(password)).flat_map(forms);
    forms.flatten().map(Zeroizing::new)
}

/// Texts in order, each once.
fn once_each(texts: impl Iterator<Item = Zeroizing<String>>) -> Vec<Zeroizing<String>> {
    let mut texts: Vec<_> = texts.collect();
    texts.sort_unstable_by(|a, b| a.as_str().cmp(b.as_str()));
    texts.dedup();
    texts
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_large_value_takes_no_large_memory() {
        let value: String = (0..4096_u32).map(|number| format!("{number:x}'&\u{e4}%")).collect();
        let forms = Redactor::new([value.as_str()]).forms.unwrap();
        assert!(forms.memory_usage() < 40 * value.len() * 12, "{} for {}", forms.memory_usage(), value.len());
    }

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
    fn what_a_program_names_of_a_value_by_itself_is_masked() {
        let account = r#" {"type": "service_account", "project_id": "shop-prod-417203", "client_email": "ada@shop.example",
            "private_key": "-----BEGIN KEY-----\nMIIEvQIBADANBg\n-----END KEY-----\n", "db_password": "Zk31 \"blau\"",
            "kind": "rsa", "hooks": ["x7Qp2wVb91Lc"]}"#;
        let redactor = Redactor::new([account, "  spaced-31 \n"]);
        for (text, masked) in [
            ("key MIIEvQIBADANBg of ada@shop.example", "key *** of ada@shop.example"),
            ("Zk31 \"blau\" at x7Qp2wVb91Lc", "*** at ***"),
            (r#"{"db_password":"Zk31 \"blau\""}"#, r#"{"db_password":"***"}"#),
            (
                "true, rsa: service_account of shop-prod-417203",
                "true, rsa: service_account of shop-prod-417203",
            ),
            ("[spaced-31]", "[***]"),
        ] {
            assert_eq!(redactor.redact(text), masked);
        }
        let whole = Redactor::of_whole(account);
        assert_eq!(whole.redact("MIIEvQIBADANBg"), "MIIEvQIBADANBg");
        assert_eq!(whole.redact(account), "***");
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

    /// What other languages' own encoders make of a value, where they are installed.
    fn encoded(program: &str, script: &str, value: &str) -> Option<Vec<String>> {
        let output = std::process::Command::new(program).args(["-c", script, value]).output().ok()?;
        assert!(output.status.success(), "{program}: {output:?}");
        Some(String::from_utf8(output.stdout).unwrap().split('\0').map(str::to_owned).collect())
    }

    const PYTHON: &str = r#"
import base64, codecs, html, json, shlex, sys, urllib.parse
value = sys.argv[1]
forms = [json.dumps(value), json.dumps(json.dumps({"a": value})), repr(value), repr(value.encode()), value.encode().hex(),
         value.encode().hex().upper(), urllib.parse.quote(value), urllib.parse.quote_plus(value),
         urllib.parse.quote(urllib.parse.quote(value, safe="")), shlex.quote(value), html.escape(value), ascii(value),
         json.dumps(value).replace("/", "\/"),
         json.dumps(value, ensure_ascii=False).replace("&", "\u0026").replace("<", "\u003c").replace(">", "\u003E")]
for before in ["", "x", "xy"]:
    for encode in [base64.b64encode, base64.urlsafe_b64encode]:
        forms.append(encode((before + value + "z").encode()).decode().rstrip("="))
print("\0".join(forms), end="")
"#;

    const NODE: &str = r#"
const value = process.argv[1];
const forms = [JSON.stringify(value), JSON.stringify(JSON.stringify([value])), encodeURIComponent(value), encodeURI(value),
    new URLSearchParams({ a: value }).toString(), Buffer.from(value).toString("hex"), Buffer.from(value).toString("base64"),
    Buffer.from(value).toString("base64url"), require("util").inspect(value)];
process.stdout.write(forms.join("\0"));
"#;

    #[test]
    fn what_other_languages_make_of_a_value_is_masked() {
        for value in ["grün/3 &<q>'\"\\x~$+%é😀", "plain-Secret_1", "a b/ü\tz\u{7f}end"] {
            let redactor = Redactor::new([value]);
            let python = encoded("python3", PYTHON, value).unwrap_or_default();
            let node = std::process::Command::new("node").args(["-e", NODE, value]).output();
            let node = node.ok().filter(|output| output.status.success());
            let node = node.map(|output| String::from_utf8(output.stdout).unwrap()).unwrap_or_default();
            for form in
                python.iter().map(String::as_str).chain(node.split('\0')).filter(|form| !form.is_empty())
            {
                let masked = redactor.redact(form);
                // Digits of base64 at the edges depend on what stands beside the value.
                let left = masked.replace(MASK, "").len();
                assert!(masked.contains(MASK) && left <= 20, "{form}: {masked}");
            }
        }
    }

    #[test]
    fn base64_that_is_broken_into_lines_is_masked_line_by_line() {
        let value = "Zk31-blau-Fenster.".repeat(9);
        let redactor = Redactor::new([value.as_str()]);
        let short = Redactor::new(["Zk31-blau-Fenster."]);
        for width in ["60", "64", "76"] {
            for (redactor, text, most) in [
                (&redactor, value.clone(), 10),
                (&short, format!("{}Zk31-blau-Fenster.{}", "x".repeat(44), "y".repeat(9)), 80),
            ] {
                let script = r#"
import base64, sys, textwrap
sys.stdout.write("\0".join(textwrap.wrap(base64.b64encode(sys.argv[1].encode()).decode(), int(sys.argv[2]))))
"#;
                let output = std::process::Command::new("python3")
                    .args(["-c", script, &text, width])
                    .output()
                    .unwrap();
                let lines = String::from_utf8(output.stdout).unwrap();
                let left: usize =
                    lines.split('\0').map(|line| redactor.redact(line).replace(MASK, "").len()).sum();
                assert!(left <= most, "{width}: {left} digits are left of {}", lines.len());
            }
        }
    }

    #[test]
    fn what_is_masked_is_in_no_debug_text() {
        let redactor = Redactor::new(["Qw7-planted-secret"]);
        let shown = format!("{redactor:?} {redactor:#?}");
        // Nor as the numbers of its bytes.
        assert!(
            !shown.contains("planted") && !shown.contains("112, 108, 97") && shown.len() < 200,
            "{shown}"
        );
    }

    #[test]
    fn what_cannot_be_masked_is_not_shown() {
        let redactor = Redactor::refusing("the values of r3 cannot be read");
        assert_eq!(redactor.redact("hunter22"), "(not shown: the values of r3 cannot be read)");
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
