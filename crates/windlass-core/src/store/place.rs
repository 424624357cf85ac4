//! A place in a store: `vault:shop/db?version=3#password`.

use std::fmt;

use super::Kind;
use crate::name::Name;

/// Where in which store a value is.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Place {
    /// The store's name in the manifest.
    pub store: String,
    /// What the store calls it.
    pub path: String,
    /// Which of its editions, where not the newest.
    pub edition: Option<Edition>,
    /// The field of it, where it has several.
    pub field: Option<String>,
}

/// One of several editions of what is stored at a path.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Edition {
    /// By its number or id.
    Version(String),
    /// By a label that the store moves from one version to the next.
    Stage(String),
}

impl Place {
    /// Reads `NAME:PATH`, with `?version=` or `?stage=` and then `#FIELD` after it where wanted.
    ///
    /// # Errors
    /// What is wrong, and what to write instead.
    pub fn parse(text: &str) -> Result<Self, (String, &'static str)> {
        const FORM: &str = "write NAME:PATH or NAME:PATH#FIELD, such as \"vault:shop/db#password\"";
        let (store, rest) = text
            .split_once(':')
            .ok_or_else(|| (format!("{text:?} does not name a store and a path in it"), FORM))?;
        if Name::new(store).is_err() {
            return Err((format!("{store:?} cannot be the name of a store"), FORM));
        }
        if rest.chars().any(char::is_control) {
            return Err((format!("{text:?} holds a control character"), FORM));
        }
        let (rest, field) = match rest.rsplit_once('#') {
            Some((rest, field)) => (rest, Some(field.to_owned())),
            None => (rest, None),
        };
        let (path, edition) = edition(rest);
        let empty = |text: &str| text.trim().is_empty();
        if empty(path) {
            return Err((format!("{text:?} has no path after the store's name"), FORM));
        }
        if field.as_deref().is_some_and(empty) {
            return Err((format!("{text:?} has nothing after the #"), "name the field, or leave the # out"));
        }
        if edition.as_ref().is_some_and(|edition| !edition.is_plain()) {
            let help = "use letters, digits, `-`, `_` and `.`, such as ?version=3 or ?stage=AWSPREVIOUS";
            return Err((format!("{text:?} names no version or stage after the ?"), help));
        }
        Ok(Self { store: store.to_owned(), path: path.to_owned(), edition, field })
    }

    /// What a store of this kind could never hold at this place.
    ///
    /// # Errors
    /// What is wrong, and what to write instead.
    pub fn fits(&self, kind: &Kind) -> Result<(), (String, String)> {
        let path = &self.path;
        let wrong = |what: &str, help: &str| Err((format!("{path:?} {what}"), help.to_owned()));
        let of = |extra: &[u8]| path.bytes().all(|b| b.is_ascii_alphanumeric() || extra.contains(&b));
        match (kind, &self.edition) {
            (Kind::Command { .. }, Some(_)) => {
                return wrong(
                    "asks for a version, which a command does not know",
                    "leave the part after the ? out",
                );
            }
            (Kind::Vault { version: 1, .. }, Some(_)) => {
                return wrong(
                    "asks for a version, which version 1 of the key-value engine does not keep",
                    "leave the part after the ? out",
                );
            }
            (Kind::Vault { .. }, Some(Edition::Version(version))) if version.parse::<u32>().is_err() => {
                return wrong("asks for a version that is no number", "write it such as ?version=3");
            }
            (Kind::Vault { .. } | Kind::Gcp { .. } | Kind::Azure, Some(Edition::Stage(_))) => {
                return wrong("asks for a stage, which only aws has", "write ?version=");
            }
            _ => {}
        }
        match kind {
            Kind::Vault { mount, .. } => {
                if path.split('/').any(|part| matches!(part, "" | "." | "..")) {
                    return wrong("is no path of Vault", "write it like shop/db, without a / at either end");
                }
                if path.strip_prefix(mount.as_str()).is_some_and(|rest| rest.starts_with("/data/")) {
                    let help =
                        format!("write what follows {mount}/data/: Windlass puts it before the path itself");
                    return Err((format!("{path:?} begins with where the engine is mounted"), help));
                }
                if self.field.is_none() {
                    return wrong("holds fields; one of them must be named", "write #FIELD after it");
                }
            }
            Kind::Aws { .. } if path.starts_with("arn:") && of(b":/_+=.@-") => {}
            Kind::Aws { .. } if !of(b"/_+=.@-") || path.len() > 512 => {
                return wrong(
                    "is no name of a secret in AWS",
                    "use letters, digits and /_+=.@-, or the whole ARN",
                );
            }
            Kind::Gcp { .. } => {
                let name = match path.split('/').collect::<Vec<_>>()[..] {
                    [name] => name,
                    ["projects", project, "secrets", name] if !project.is_empty() => name,
                    _ => "",
                };
                let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_');
                if name.is_empty() || !name.bytes().all(plain) || !of(b"/-_:.") {
                    let help = "write its name, or projects/PROJECT/secrets/NAME";
                    return wrong("is no name of a secret in Google Cloud", help);
                }
            }
            Kind::Azure if !of(b"-") || path.len() > 127 => {
                return wrong("is no name of a secret in Azure", "use letters, digits and -");
            }
            Kind::Command { .. } if path.starts_with('-') => {
                return wrong("would be taken for an option of the command", "begin it with something else");
            }
            _ => {}
        }
        Ok(())
    }
}

/// Takes `?version=V` or `?stage=S` off the end. Any other `?` is a part of the path.
fn edition(text: &str) -> (&str, Option<Edition>) {
    let Some((path, query)) = text.rsplit_once('?') else { return (text, None) };
    match query.split_once('=') {
        Some(("version", version)) => (path, Some(Edition::Version(version.to_owned()))),
        Some(("stage", stage)) => (path, Some(Edition::Stage(stage.to_owned()))),
        _ => (text, None),
    }
}

impl Edition {
    fn is_plain(&self) -> bool {
        let (Self::Version(text) | Self::Stage(text)) = self;
        !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'))
    }
}

/// As it was written.
impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.store, self.path)?;
        match &self.edition {
            Some(Edition::Version(version)) => write!(f, "?version={version}")?,
            Some(Edition::Stage(stage)) => write!(f, "?stage={stage}")?,
            None => {}
        }
        match &self.field {
            Some(field) => write!(f, "#{field}"),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn every_part_is_found() {
        let place = Place::parse("vault:shop/db?version=3#password").unwrap();
        assert_eq!((place.store.as_str(), place.path.as_str()), ("vault", "shop/db"));
        assert_eq!(place.edition, Some(Edition::Version("3".into())));
        assert_eq!(place.field.as_deref(), Some("password"));

        let place = Place::parse("op:op://Private/db/password?attribute=otp").unwrap();
        assert_eq!(
            (place.store.as_str(), place.path.as_str()),
            ("op", "op://Private/db/password?attribute=otp")
        );
        assert_eq!((place.edition, place.field), (None, None));

        let place =
            Place::parse("aws:arn:aws:secretsmanager:eu-west-1:1:secret:db-a1?stage=AWSPREVIOUS").unwrap();
        assert_eq!(place.path, "arn:aws:secretsmanager:eu-west-1:1:secret:db-a1");
        assert_eq!(place.edition, Some(Edition::Stage("AWSPREVIOUS".into())));
    }

    #[test]
    fn what_names_no_place_is_refused() {
        for text in [
            "",
            "vault",
            "vault:",
            "vault: ",
            ":a",
            "Vault:a",
            "vault:a#",
            "vault:a?version=",
            "vault:a?stage=x y",
            "vault:a\nb",
        ] {
            assert!(Place::parse(text).is_err(), "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_read_without_panic_and_written_as_it_was(text in "(vault:|[?#/=]|version=|stage=|\\PC){0,12}") {
            if let Ok(place) = Place::parse(&text) {
                prop_assert_eq!(place.to_string(), text);
            }
        }
    }
}
