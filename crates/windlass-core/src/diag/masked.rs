//! What is quoted of a manifest ends in logs: secrets in it are masked.

use crate::settings::{passwords_in, sounds_secret};

/// `text` with `*` for the passwords of the URLs in it, and for texts that stand under the name of a secret; each byte
/// one, so that places stay where they are. What stands for a value by its name stays.
#[must_use]
pub fn masked(text: &str) -> String {
    urls(text).split_inclusive('\n').map(literals).collect()
}

fn urls(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find("://") {
        let (before, after) = rest.split_at(at + 3);
        out.push_str(before);
        let url = &after
            [..after.find(|c: char| c.is_whitespace() || matches!(c, '"' | '\'')).unwrap_or(after.len())];
        rest = &after[url.len()..];
        out.push_str(&query(&account(url)));
    }
    out + rest
}

/// A URL behind its scheme with the password before its last `@` masked.
fn account(url: &str) -> String {
    let account = url.rsplit_once('@').map_or("", |(account, _)| account);
    match account.split_once(':') {
        Some((user, password)) if is_literal(password) => {
            format!("{user}:{}{}", stars(password), &url[account.len()..])
        }
        _ => url.to_owned(),
    }
}

/// The same with what its query has by name.
fn query(url: &str) -> String {
    let whole = format!("://{url}");
    let named = passwords_in(&whole).into_iter().filter(|password| is_literal(password));
    named.fold(url.to_owned(), |url, password| {
        url.replace(&format!("={password}"), &format!("={}", stars(password)))
    })
}

/// A line with the texts masked that stand under the name of a secret: `API_TOKEN = "..."`, and what its declaration
/// gives as a value.
fn literals(line: &str) -> String {
    let declares = line.split_once('=').is_some_and(|(key, _)| sounds_secret(last_word(key)))
        || line.replace(' ', "").contains("secret=true");
    let mut out = String::with_capacity(line.len());
    let mut rest = line;
    while let Some((key, value)) = rest.split_once('=') {
        let text = value.trim_start_matches([' ', '\t']);
        let from = rest.len() - text.len();
        out.push_str(&rest[..from]);
        rest = text;
        let Some(mark) = text.chars().next().filter(|c| matches!(c, '"' | '\'')) else { continue };
        // Of one over several lines all that stands on this one.
        let opening = text.len() - text.trim_start_matches(mark).len();
        let inside = &text[opening..];
        let length = if opening == 2 { 0 } else { closing(inside, mark) };
        let word = last_word(key);
        let is_secret = sounds_secret(word) || (declares && matches!(word, "default" | "value"));
        let shown = &inside[..length];
        out.push_str(&text[..opening]);
        out.push_str(&if is_secret && is_literal(shown) { stars(shown) } else { shown.to_owned() });
        rest = &inside[length..];
    }
    out + rest
}

/// Where the quotes end that stand before `text`, or the line does.
fn closing(text: &str, mark: char) -> usize {
    let mut escaped = false;
    let end = text.char_indices().find(|(_, c)| {
        let ends = matches!(c, '\r' | '\n') || (*c == mark && !escaped);
        escaped = mark == '"' && *c == '\\' && !escaped;
        ends
    });
    end.map_or(text.len(), |(at, _)| at)
}

/// The key that stands before a `=`.
fn last_word(text: &str) -> &str {
    let quoted = |c: char| matches!(c, '"' | '\'');
    let text = text.trim_end().trim_end_matches(quoted);
    text.rsplit(|c: char| c.is_whitespace() || matches!(c, '{' | ',' | '[' | '"' | '\''))
        .next()
        .unwrap_or_default()
}

/// Double braces stand for single ones.
fn is_literal(text: &str) -> bool {
    !text.replace("{{", "").contains('{')
}

fn stars(text: &str) -> String {
    "*".repeat(text.len())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn passwords_of_urls_are_masked_and_all_else_stays() {
        for (text, shown) in [
            ("url = \"postgres://ada:hunter2@h/d\" # a:b@c", "url = \"postgres://ada:*******@h/d\" # a:b@c"),
            ("['redis://:p@/w@h', 'amqp://a:b@h']", "['redis://:****@h', 'amqp://a:*@h']"),
            ("http://h/?a=b c@d", "http://h/?a=b c@d"),
            ("postgres://u:{settings.P|url}@h", "postgres://u:{settings.P|url}@h"),
            ("https://example.org/x, :// and nothing", "https://example.org/x, :// and nothing"),
            ("redis://h/?db=1&password=hunter2", "redis://h/?db=1&password=*******"),
            ("x://h/?password={settings.P}", "x://h/?password={settings.P}"),
        ] {
            assert_eq!(masked(text), shown);
        }
    }

    #[test]
    fn texts_under_the_name_of_a_secret_are_masked() {
        for (text, shown) in [
            ("SECRET_KEY = \"planted\" # why", "SECRET_KEY = \"*******\" # why"),
            ("env = { API_TOKEN='abc', LEVEL = \"info\" }", "env = { API_TOKEN='***', LEVEL = \"info\" }"),
            ("env.\"API_TOKEN\" = \"a\\\"b\"\nLEVEL = \"x\"", "env.\"API_TOKEN\" = \"****\"\nLEVEL = \"x\""),
            (
                "API_TOKEN = { default = \"abc\", help = \"x\" }",
                "API_TOKEN = { default = \"***\", help = \"x\" }",
            ),
            ("KEY = { secret = true, value = \"abc\" }", "KEY = { secret = true, value = \"***\" }"),
            ("DB_PASSWORD = \"{settings.DB_PASSWORD}\"", "DB_PASSWORD = \"{settings.DB_PASSWORD}\""),
            ("API_TOKEN = \"\"\"abc", "API_TOKEN = \"\"\"***"),
            ("API_TOKEN = \"\"", "API_TOKEN = \"\""),
            ("command = [\"run\", \"--a=b\"]", "command = [\"run\", \"--a=b\"]"),
            ("TOKEN_URL = \"https://h\"", "TOKEN_URL = \"https://h\""),
        ] {
            assert_eq!(masked(text), shown);
        }
    }

    proptest! {
        #[test]
        fn places_stay_where_they_are(text in "([A-Z_]{1,6}_TOKEN|[= \"'{}\\n\\\\:/@?&]|password|\\PC){0,30}") {
            let shown = masked(&text);
            prop_assert_eq!(shown.len(), text.len());
            prop_assert_eq!(shown.matches('\n').count(), text.matches('\n').count());
        }
    }
}
