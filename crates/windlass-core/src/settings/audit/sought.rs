//! What of the values of secrets can be looked for in other texts: what nobody writes by chance.

use std::collections::HashSet;

use zeroize::Zeroizing;

use super::{Audited, Provenance, is_secret, weak};
use crate::settings::{Declared, Kind, Member, account_password, members, passwords_in};
use crate::spec::decoded;

/// A text that is a secret, wherever it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sought {
    /// The setting whose value it is, or is a part of.
    pub setting: String,
    /// The text; nobody is shown it.
    pub text: Zeroizing<String>,
}

/// Shorter texts, in bytes, turn up by chance.
const SHORTEST: usize = 8;

/// From this length on, in bytes, a text without digits counts, and a line of one with several.
const LONG: usize = 20;

/// With fewer different characters a text is a row of something.
const FEWEST_DIFFERENT: usize = 6;

impl Audited<'_> {
    /// The texts of all secrets, also of the values that others overrule. None of what can be guessed, which stands
    /// anywhere; and of a URL with a password only that. What stands in the manifest is told of by whoever reads it.
    #[must_use]
    pub fn sought(&self) -> Vec<Sought> {
        let (mut sought, mut known) = (Vec::new(), HashSet::new());
        for (name, resolved) in &self.assembled.settings {
            let declared = self.declared.get(name);
            for value in std::iter::once(&resolved.value).chain(&resolved.overruled) {
                let Some(text) = value.text.known().map(|text| text.expose()) else { continue };
                let is_typed = matches!(value.provenance, Provenance::Default | Provenance::Composed);
                let is_one = match declared {
                    Some(_) => is_secret(name, declared, value),
                    // By its name, or for the password in it: of what else nobody declared too much is masked.
                    None => weak::is_judged(name, text, None),
                };
                if is_typed || !is_one {
                    continue;
                }
                let mut parts = Vec::new();
                add_parts(declared, text, &mut parts);
                for text in parts {
                    let is_telling = is_telling(&text) && !weak::can_be_guessed(self.app, name, &text);
                    if is_telling && known.insert(blake3::hash(text.as_bytes())) {
                        sought.push(Sought { setting: name.clone(), text });
                    }
                }
            }
        }
        sought
    }
}

/// The parts of a value that are secrets by themselves.
fn add_parts(declared: Option<&Declared>, text: &str, parts: &mut Vec<Zeroizing<String>>) {
    if declared.is_some_and(|declared| matches!(declared.kind, Kind::Boolean | Kind::Enum)) {
        return;
    }
    // Of a document what nothing says so of may stand in git.
    let separator = declared.and_then(Declared::separator);
    let members = members(text, separator).into_iter().filter(Member::is_sure);
    members.for_each(|member| add_text(&member.text, parts));
}

fn add_text(text: &str, parts: &mut Vec<Zeroizing<String>>) {
    let mut add = |text: &str| parts.push(Zeroizing::new(text.to_owned()));
    if account_password(text).is_some() {
        for password in passwords_in(text) {
            add(password);
            decoded(password).map(Zeroizing::new).iter().for_each(|meant| add(meant));
        }
        return;
    }
    let text = text.trim();
    if !text.contains('\n') {
        return add(text);
    }
    // The lines of a key: the first and the last say only what it is.
    let lines = text.lines().map(str::trim);
    lines.filter(|line| line.len() >= LONG && !line.starts_with("-----")).for_each(add);
}

/// Whether nobody writes this by chance.
fn is_telling(text: &str) -> bool {
    let has = |is: fn(&char) -> bool| text.chars().any(|c| is(&c));
    let mut different: Vec<char> = text.chars().collect();
    different.sort_unstable();
    different.dedup();
    let is_mixed = has(char::is_ascii_digit) && has(|c| c.is_alphabetic());
    text.len() >= SHORTEST && different.len() >= FEWEST_DIFFERENT && (is_mixed || text.len() >= LONG)
}

#[cfg(test)]
mod tests {
    use indexmap::IndexMap;

    use super::*;
    use crate::settings::{Assembled, Resolved, Secret, Text, Value};

    fn sought(values: &[(&str, &str)], declared: &IndexMap<String, Declared>) -> Vec<String> {
        let file = || Provenance::File { name: ".env".to_owned(), line: 1 };
        let resolved = |text: &str| Resolved {
            value: Value::new(Text::Known(Secret::new(text)), file()),
            overruled: vec![],
        };
        let settings = values.iter().map(|(name, text)| ((*name).to_owned(), resolved(text))).collect();
        let assembled = Assembled { settings, warnings: vec![] };
        let audited =
            Audited { app: "shop", environment: "local", declared, assembled: &assembled, manifest: "m" };
        audited.sought().into_iter().map(|one| format!("{} {}", one.setting, one.text.as_str())).collect()
    }

    #[test]
    fn only_what_nobody_writes_by_chance_is_sought() {
        let key = "-----BEGIN KEY-----\nMIIEvQIBADANBgkqhkiG9w0\nshort\n-----END KEY-----\n";
        let json = r#"{"type": "service_account_of_a_cloud", "private_key": "Zk31-blau-Fenster-99"}"#;
        let values = [
            ("API_KEY", "Zk31-blau"),
            ("B_PASSWORD", "shop-postgres"),
            ("C_PASSWORD", "Zk31"),
            ("D_PASSWORD", "P@ssw0rd-2024"),
            ("E_PASSWORD", "abcabcabcabcabcabcabcabc1"),
            ("F_PASSWORD", "correct horse battery staple"),
            ("DATABASE_URL", "postgres://shop:bl%40u-Zk31-17@db.internal/shop"),
            ("SITE", "https://shop.internal/a/path/of/it/17"),
            ("SIGNING_KEY", key),
            ("ACCOUNT_SECRET", json),
            ("AGAIN_PASSWORD", "Zk31-blau"),
        ];
        let expected = [
            "API_KEY Zk31-blau",
            "F_PASSWORD correct horse battery staple",
            "DATABASE_URL bl%40u-Zk31-17",
            "DATABASE_URL bl@u-Zk31-17",
            "SIGNING_KEY MIIEvQIBADANBgkqhkiG9w0",
            "ACCOUNT_SECRET Zk31-blau-Fenster-99",
        ];
        assert_eq!(sought(&values, &IndexMap::new()), expected);
    }

    #[test]
    fn what_is_declared_is_a_secret_where_that_says_so() {
        let one = |kind, secret, harmless| Declared { kind, secret, harmless, ..Declared::default() };
        let declared = IndexMap::from([
            ("USERS".to_owned(), one(Kind::List, true, false)),
            ("PUBLIC_KEY".to_owned(), one(Kind::String, false, true)),
            ("PLACE".to_owned(), one(Kind::String, true, false)),
        ]);
        let values = [("USERS", "ada:Zk31-blau, bob:x"), ("PUBLIC_KEY", "Zk31-rot"), ("PLACE", "Zk31-gelb")];
        assert_eq!(sought(&values, &declared), ["USERS ada:Zk31-blau", "PLACE Zk31-gelb"]);
    }
}
