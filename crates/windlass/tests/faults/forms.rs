//! The forms in which a secret may turn up where it does not belong.

use aho_corasick::AhoCorasick;

/// Every form of a secret that is looked for.
fn forms(secret: &str) -> Vec<Vec<u8>> {
    let json = serde_json::to_string(secret).unwrap();
    let percent = |upper: bool| -> String {
        let encode = |byte: u8| match byte {
            b if b.is_ascii_alphanumeric() || b"-._~".contains(&b) => char::from(b).to_string(),
            b if upper => format!("%{b:02X}"),
            b => format!("%{b:02x}"),
        };
        secret.bytes().map(encode).collect()
    };
    let mut forms = vec![
        secret.to_owned(),
        json[1..json.len() - 1].to_owned(),
        percent(true),
        percent(false),
        percent(true).replace("%20", "+"),
        secret.replace('\'', "'\\''"),
        secret.replace('\'', "'\"'\"'"),
    ];
    // In base64, also that of URLs, at each of the three places at which it can begin; the ends depend on what is
    // beside.
    for before in ["", "x", "xy"] {
        let text = base64(format!("{before}{secret}").as_bytes());
        let inside = &text[4..text.len() - 4];
        forms.extend([inside.to_owned(), inside.replace('+', "-").replace('/', "_")]);
    }
    forms.extend(of_python(secret));
    forms.sort();
    forms.dedup();
    forms.into_iter().map(String::into_bytes).collect()
}

/// What another language's own encoders make of it, and as PHP's and Go's do.
fn of_python(secret: &str) -> Vec<String> {
    const SCRIPT: &str = r#"
import json, sys
value = sys.argv[1]
inside = json.dumps(value)[1:-1]
upper = "".join("\\u%04X" % ord(c) if ord(c) > 126 else c for c in json.dumps(value, ensure_ascii=False)[1:-1])
forms = [inside, upper, inside.replace("/", "\\/"), inside.replace("&", "\\u0026"), value.encode().hex(), value.encode().hex().upper(),
         repr(value)[1:-1], repr(value.encode())[2:-1]]
print("\0".join(forms), end="")
"#;
    let said = std::process::Command::new("python3").args(["-c", SCRIPT, secret]).output().unwrap();
    assert!(said.status.success(), "{said:?}");
    String::from_utf8(said.stdout).unwrap().split('\0').map(str::to_owned).collect()
}

fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for three in bytes.chunks(3) {
        let at = |n: usize| u32::from(three.get(n).copied().unwrap_or_default());
        let bits = at(0) << 16 | at(1) << 8 | at(2);
        for shift in [18, 12, 6, 0] {
            text.push(char::from(DIGITS[(bits >> shift & 63) as usize]));
        }
    }
    text
}

/// Secrets to look for, each with what it is called.
#[derive(Clone)]
pub(super) struct Wanted {
    names: Vec<String>,
    forms: Vec<Vec<u8>>,
    search: AhoCorasick,
}

impl Wanted {
    pub(super) fn new(secrets: &[(&str, &str)]) -> Self {
        let none = AhoCorasick::new::<[&str; 0], &str>([]).unwrap();
        let mut wanted = Self { names: vec![], forms: vec![], search: none };
        secrets.iter().for_each(|(name, secret)| wanted.add(name, secret));
        wanted
    }

    pub(super) fn add(&mut self, name: &str, secret: &str) {
        for form in forms(secret) {
            self.names.push(name.to_owned());
            self.forms.push(form);
        }
        self.search = AhoCorasick::new(&self.forms).unwrap();
    }

    /// What the first secret is called that stands in `bytes` in any form.
    pub(super) fn found(&self, bytes: &[u8]) -> Option<&str> {
        self.found_but(bytes, "")
    }

    /// The same, of all but those that are called `known`.
    pub(super) fn found_but(&self, bytes: &[u8], known: &str) -> Option<&str> {
        let names = self.search.find_iter(bytes).map(|found| self.names[found.pattern().as_usize()].as_str());
        names.into_iter().find(|name| *name != known)
    }
}
