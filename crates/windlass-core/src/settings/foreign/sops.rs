//! What sops makes of a file that it decrypts.

use super::{Foreign, Pairs, Scalar, parsed};

/// What kind of file sops has decrypted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decrypted {
    /// Names and values as `.env` files have them.
    Dotenv,
    /// JSON.
    Json,
    /// Anything else that has names and values.
    Other,
}

/// Whether sops has encrypted a text.
#[must_use]
pub fn is_sops(text: &str) -> bool {
    text.contains("ENC[AES256_GCM,data:")
}

/// The largest whole number of which every one below is told from its neighbours in JSON, as sops reads it.
const EXACT: u64 = 1 << 53;

/// Reads the JSON that sops prints of a file of this kind. What sops has not kept as it was typed is named.
///
/// # Errors
/// What is wrong with the text; never shows a value.
pub fn decrypted(text: &str, kind: Decrypted) -> Result<Foreign, String> {
    let Pairs(mut pairs) = parsed(text)?;
    for (_, value) in &mut pairs {
        match (kind, &*value) {
            (Decrypted::Json, Scalar::Typed(number)) if is_inexact(number.expose()) => {
                *value = Scalar::Not("it is a number whose digits sops has not kept: put it in quotes");
            }
            (Decrypted::Dotenv, Scalar::Text(text)) if is_quoted(text.expose()) => {
                *value = Scalar::Not(
                    "it stands in quotes, which sops takes for a part of it: take them away there, or import what \
                     `sops -d` prints",
                );
            }
            _ => {}
        }
    }
    Ok(Pairs(pairs).sorted_out())
}

fn is_inexact(number: &str) -> bool {
    number.trim_start_matches('-').parse::<u64>().is_ok_and(|number| number > EXACT)
}

fn is_quoted(text: &str) -> bool {
    ['"', '\''].iter().any(|quote| text.len() > 1 && text.starts_with(*quote) && text.ends_with(*quote))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_sops_has_encrypted_is_known() {
        assert!(is_sops("DB: ENC[AES256_GCM,data:3Jx=,iv:x,tag:y,type:str]\nsops:\n  mac: ENC[...]\n"));
        assert!(!is_sops("DB: plain\n"));
    }

    #[test]
    fn what_sops_changes_is_not_taken_over() {
        let read = |text: &str, kind| decrypted(text, kind).unwrap();
        let numbers = r#"{"A": 9007199254740992, "B": 12345678901234567000, "C": -9007199254740993, "D": "90071992547409931"}"#;
        let found = read(numbers, Decrypted::Json);
        assert_eq!(found.values.keys().collect::<Vec<_>>(), ["A", "D"]);
        assert!(found.not_read[0].starts_with("B: it is a number whose digits"), "{:?}", found.not_read);
        assert_eq!(read(numbers, Decrypted::Other).values.len(), 4);
        let quoted = r#"{"A": "\"x\"", "B": "'x'", "C": "\"", "D": "it's"}"#;
        let found = read(quoted, Decrypted::Dotenv);
        assert_eq!(found.values.keys().collect::<Vec<_>>(), ["C", "D"]);
        assert!(found.not_read[0].starts_with("A: it stands in quotes"), "{:?}", found.not_read);
        assert_eq!(read(quoted, Decrypted::Other).values.len(), 4);
    }
}
