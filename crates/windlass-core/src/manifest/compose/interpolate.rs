//! `${VARIABLE:-default}` of a compose file becomes `{settings.VARIABLE}`.

use indexmap::IndexMap;

use crate::spec::Template;

/// The variables that were met, with their defaults.
pub(super) type Variables = IndexMap<String, Option<String>>;

/// A piece of a value.
#[derive(Debug, PartialEq, Eq)]
enum Piece {
    Text(String),
    Variable(String),
}

/// The template of `text`, in which compose's variables become settings.
pub(super) fn template(text: &str, variables: &mut Variables) -> String {
    pieces(text, variables)
        .into_iter()
        .map(|piece| match piece {
            Piece::Text(text) => Template::literal(text).to_string(),
            Piece::Variable(name) => format!("{{settings.{name}}}"),
        })
        .collect()
}

/// The shell line of `text`, in which compose's variables become the shell's: it finds the settings
/// in its environment.
pub(super) fn shell(text: &str, variables: &mut Variables) -> String {
    pieces(text, variables)
        .into_iter()
        .map(|piece| match piece {
            Piece::Text(text) => text,
            Piece::Variable(name) => format!("${{{name}}}"),
        })
        .collect()
}

fn pieces(text: &str, variables: &mut Variables) -> Vec<Piece> {
    let mut pieces = Vec::new();
    let mut plain = String::new();
    let mut rest = text;
    while let Some(at) = rest.find('$') {
        plain.push_str(&rest[..at]);
        rest = &rest[at + 1..];
        if let Some(tail) = rest.strip_prefix('$') {
            plain.push('$');
            rest = tail;
            continue;
        }
        let Some((name, default, tail)) = variable(rest) else {
            plain.push('$');
            continue;
        };
        if !plain.is_empty() {
            pieces.push(Piece::Text(std::mem::take(&mut plain)));
        }
        let known = variables.entry(name.to_owned()).or_default();
        if known.is_none() {
            *known = default.map(str::to_owned);
        }
        pieces.push(Piece::Variable(name.to_owned()));
        rest = tail;
    }
    plain.push_str(rest);
    if !plain.is_empty() {
        pieces.push(Piece::Text(plain));
    }
    pieces
}

/// The name, the default, and what follows, of the variable that `text` (after `$`) opens with.
fn variable(text: &str) -> Option<(&str, Option<&str>, &str)> {
    let braced = text.strip_prefix('{');
    let inner = braced.unwrap_or(text);
    let length =
        inner.len() - inner.trim_start_matches(|c: char| c.is_ascii_alphanumeric() || c == '_').len();
    let (name, tail) = inner.split_at(length);
    if !crate::manifest::format::is_env_name(name) {
        return None;
    }
    if braced.is_none() {
        return Some((name, None, tail));
    }
    let (modifier, tail) = tail.split_once('}')?;
    let default = modifier.strip_prefix(":-").or_else(|| modifier.strip_prefix('-'));
    Some((name, default, tail))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_become_settings() {
        let mut variables = Variables::new();
        let text = "x-${TAG:-1.0}-$HOST-$$5-{port}-${UNSET?must be set}";
        assert_eq!(
            template(text, &mut variables),
            "x-{settings.TAG}-{settings.HOST}-$5-{{port}}-{settings.UNSET}"
        );
        assert_eq!(shell("echo $$HOME $TAG", &mut variables), "echo $HOME ${TAG}");
        let defaults: Vec<_> =
            variables.iter().map(|(name, default)| (name.as_str(), default.as_deref())).collect();
        assert_eq!(defaults, [("TAG", Some("1.0")), ("HOST", None), ("UNSET", None)]);
    }
}
