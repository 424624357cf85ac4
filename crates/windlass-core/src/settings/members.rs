//! What of a secret value is a secret by itself, because a program may name it alone: an item of a list, a text of a
//! document. Logs are masked by it, and what git keeps is searched for it.

use serde_json::Value as Json;
use zeroize::Zeroizing;

use super::secrecy::{is_plain, speaks_of_secret};
use super::{account_password, sounds_secret};

/// Shorter texts, in bytes, are no masks: they turn up by chance.
const SHORTEST: usize = 6;

/// From this length on, in bytes, a word that is a member counts.
const LONG_WORD: usize = 12;

/// From this length on, in bytes, letters and digits without anything between them are a key and no name.
const LONG_PIECE: usize = 10;

/// A member of a value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    /// The text; nobody is shown it.
    pub text: Zeroizing<String>,
    sureness: Sureness,
}

/// Why a member is taken for a secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Sureness {
    /// Nothing says so.
    None,
    /// A word of its name, which may be about a secret and none.
    Spoken,
    /// The value is all there is, or a list of such; or its name, or the account in it, says so.
    Sure,
}

impl Member {
    /// Whether it surely is a secret.
    #[must_use]
    pub fn is_sure(&self) -> bool {
        self.sureness == Sureness::Sure
    }

    /// Whether it is to be masked where it stands alone. The value is a secret as a whole, so of its members rather too
    /// much is masked; but nothing that would make every log unreadable, such as `true`, `production`, `rsa`, the name of a project,
    /// an address without an account.
    #[must_use]
    pub fn is_mask(&self) -> bool {
        let text = self.text.trim();
        let is_word = text.len() < LONG_WORD && text.chars().all(char::is_alphabetic);
        let is_told = self.sureness > Sureness::None || is_key(text);
        is_told && text.len() >= SHORTEST && !is_word && !is_plain(text)
    }
}

/// The members of a value: the items of a list with `separator` between them, the texts of a JSON document; of any other value
/// itself.
#[must_use]
pub fn members(value: &str, separator: Option<&str>) -> Vec<Member> {
    let mut members = Vec::new();
    let whole = |text: &str| Member { text: Zeroizing::new(text.to_owned()), sureness: Sureness::Sure };
    if let Some(separator) = separator.filter(|separator| !separator.is_empty()) {
        members.extend(value.split(separator).map(|item| whole(item.trim())));
        return members;
    }
    // Most values are no document, which is seen sooner.
    let document = value.trim_start().starts_with(['{', '[']).then(|| serde_json::from_str::<Json>(value));
    match document {
        Some(Ok(mut document @ (Json::Object(_) | Json::Array(_)))) => {
            add_within("", &document, &mut members);
            wipe(&mut document);
        }
        _ => members.push(whole(value)),
    }
    members
}

fn add_within(name: &str, json: &Json, members: &mut Vec<Member>) {
    let mut add = |text: Zeroizing<String>| {
        let sureness = match () {
            () if sounds_secret(name) || account_password(&text).is_some() => Sureness::Sure,
            // `auth_uri`, `token_endpoint`: where something is.
            () if speaks_of_secret(name) && !text.contains("://") => Sureness::Spoken,
            () => Sureness::None,
        };
        members.push(Member { text, sureness });
    };
    match json {
        Json::String(text) => add(Zeroizing::new(text.clone())),
        Json::Number(number) => add(Zeroizing::new(number.to_string())),
        Json::Array(items) => items.iter().for_each(|item| add_within(name, item, members)),
        Json::Object(fields) => fields.iter().for_each(|(name, value)| add_within(name, value, members)),
        Json::Null | Json::Bool(_) => {}
    }
}

/// Whether letters and digits are mixed in it as nobody names anything. `shop-prod-417203` and `oauth2` are names.
fn is_key(text: &str) -> bool {
    text.split(|c: char| !c.is_ascii_alphanumeric()).any(|piece| {
        let has = |is: fn(&u8) -> bool| piece.bytes().any(|byte| is(&byte));
        piece.len() >= LONG_PIECE && has(u8::is_ascii_digit) && has(u8::is_ascii_alphabetic)
    })
}

/// Wipes the texts of a document.
fn wipe(json: &mut Json) {
    match json {
        Json::String(text) => zeroize::Zeroize::zeroize(text),
        Json::Array(items) => items.iter_mut().for_each(wipe),
        Json::Object(fields) => fields.values_mut().for_each(wipe),
        Json::Null | Json::Bool(_) | Json::Number(_) => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn masks(value: &str, separator: Option<&str>) -> Vec<String> {
        let members = members(value, separator).into_iter().filter(Member::is_mask);
        members.map(|member| member.text.to_string()).collect()
    }

    #[test]
    fn items_are_masks_but_short_and_harmless_ones() {
        assert_eq!(
            masks("Zk31-blau, true ,rsa,production,customer,x7Qp2w,8000", Some(",")),
            ["Zk31-blau", "x7Qp2w"]
        );
        assert_eq!(masks("Zk31-blau::Zk31-rot", Some("::")), ["Zk31-blau", "Zk31-rot"]);
        assert_eq!(masks("Zk31-blau,Zk31-rot", None), ["Zk31-blau,Zk31-rot"]);
    }

    #[test]
    fn of_a_service_account_the_key_is_a_mask_and_no_name() {
        let account = r#"{"type": "service_account", "project_id": "shop-prod-417203",
            "private_key_id": "9f3c0d52ab17e6480f", "private_key": "-----BEGIN KEY-----\nMIIEvQIBADAN\n-----END KEY-----\n",
            "client_email": "deploy@shop-prod-417203.iam.example.com", "client_id": "104838293847562839475",
            "auth_uri": "https://accounts.example.com/o/oauth2/auth", "universe_domain": "example.com",
            "secretKind": "rsa", "more": [{"apiKey": "Zk31-blau"}, "sk_live_51HxyzAbC9q", true, null],
            "pins_secret": 48151623, "url": "postgres://shop:gelb-31@db/shop"}"#;
        assert_eq!(
            masks(account, None),
            [
                "9f3c0d52ab17e6480f",
                "-----BEGIN KEY-----\nMIIEvQIBADAN\n-----END KEY-----\n",
                "Zk31-blau",
                "sk_live_51HxyzAbC9q",
                "48151623",
                "postgres://shop:gelb-31@db/shop",
            ]
        );
    }

    #[test]
    fn what_only_looks_like_a_document_is_one_text() {
        assert_eq!(masks("{Zk31-blau", None), ["{Zk31-blau"]);
        assert!(members("{}", None).is_empty());
    }
}
