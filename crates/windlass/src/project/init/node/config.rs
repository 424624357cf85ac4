//! What a configuration that is a program says in plain words: `outDir: "build"`.

use windlass_core::manifest::Format;

/// What a key of a configuration has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Said {
    Nothing,
    Plain(String),
    /// It is worked out while the program runs.
    Otherwise,
}

/// What `key` has in the text of a configuration, where it stands there first.
pub(super) fn said(text: &str, key: &str) -> Said {
    let is_word = |c: char| c.is_alphanumeric() || matches!(c, '_' | '$' | '.');
    let values = text.match_indices(key).filter_map(|(at, _)| {
        let line = text[..at].rsplit('\n').next().unwrap_or_default();
        let is_comment = line.contains("//") || line.trim_start().starts_with('*');
        let begins = !text[..at].ends_with(is_word) && !is_comment;
        let rest = text[at + key.len()..].trim_start_matches(['"', '\'']).trim_start();
        rest.strip_prefix(':').map(str::trim_start).filter(|_| begins)
    });
    let Some(value) = values.into_iter().next() else { return Said::Nothing };
    let of_here =
        ["path.resolve(__dirname,", "path.join(__dirname,", "resolve(__dirname,", "join(__dirname,"];
    let value = of_here.into_iter().find_map(|call| value.strip_prefix(call)).map_or(value, str::trim_start);
    let Some(quote) = value.chars().next().filter(|c| matches!(c, '"' | '\'' | '`')) else {
        return Said::Otherwise;
    };
    match value[1..].split_once(quote) {
        Some((plain, _)) if !plain.contains(['$', '\\', '\n']) => Said::Plain(plain.to_owned()),
        _ => Said::Otherwise,
    }
}

/// The path within the project that is meant.
pub(super) fn path(text: &str) -> Option<String> {
    let path = text.trim_start_matches("./").trim_end_matches('/');
    Format::Path.check(path).is_ok().then(|| path.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_plain_values_are_read() {
        let plain = |text: &str| Said::Plain(text.to_owned());
        for (text, expected) in [
            ("build: { outDir: 'build' }", plain("build")),
            ("{\"outDir\": \"a/b\"}", plain("a/b")),
            ("// outDir: 'old'\noutDir: `new`", plain("new")),
            ("myoutDir: 'x'", Said::Nothing),
            ("outDir: path.resolve(__dirname, \"../public\")", plain("../public")),
            ("outDir: process.env.OUT", Said::Otherwise),
            ("outDir: `${base}/x`", Said::Otherwise),
            ("outDir: 'x", Said::Otherwise),
            ("", Said::Nothing),
        ] {
            assert_eq!(said(text, "outDir"), expected, "{text}");
        }
        assert_eq!((path("./build/"), path("../x"), path("/x")), (Some("build".to_owned()), None, None));
    }
}
