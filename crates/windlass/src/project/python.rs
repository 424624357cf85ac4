//! Python's sources, taken apart as far as that goes without understanding them: comments, texts, calls.

/// A default that is text, a number, or yes or no, as a setting has it.
pub(in crate::project) fn plain_text(value: &str) -> Option<String> {
    let number = !value.is_empty() && value.chars().all(|c| c.is_ascii_digit() || c == '.');
    let word = (number || matches!(value, "True" | "False")).then_some(value);
    let text = literal(value).map(|(text, _)| text).or(word)?;
    Some(text.to_owned()).filter(|text| !text.is_empty())
}

/// The arguments of a call, or what else commas part, without those within brackets and texts.
pub(in crate::project) fn arguments(text: &str) -> Vec<&str> {
    let mut parts = vec![];
    let (mut start, mut at, mut depth) = (0, 0, 0_i32);
    while let Some(c) = text[at..].chars().next() {
        match c {
            '(' | '[' | '{' => depth += 1,
            ')' | ']' | '}' => depth -= 1,
            ',' if depth == 0 => {
                parts.push(text[start..at].trim());
                start = at + 1;
            }
            _ => {}
        }
        at += if matches!(c, '"' | '\'') { length_of_text(&text[at..], c) } else { c.len_utf8() };
    }
    parts.push(text[start..].trim());
    parts.retain(|part| !part.is_empty());
    parts
}

/// The name and the value of `name=value`.
pub(in crate::project) fn keyword(argument: &str) -> Option<(&str, &str)> {
    let (name, value) = argument.split_once('=')?;
    let name = name.trim_end();
    let is_name = !name.is_empty() && name.chars().all(|c| c.is_alphanumeric() || c == '_');
    (is_name && !value.starts_with('=')).then_some((name, value.trim_start()))
}

/// Where the arguments that `text` begins in end.
pub(in crate::project) fn end_of_call(text: &str) -> usize {
    let (mut at, mut depth) = (0, 0_i32);
    while let Some(c) = text[at..].chars().next() {
        match c {
            '(' | '[' | '{' => depth += 1,
            ')' | ']' | '}' if depth == 0 => return at,
            ')' | ']' | '}' => depth -= 1,
            _ => {}
        }
        at += if matches!(c, '"' | '\'') { length_of_text(&text[at..], c) } else { c.len_utf8() };
    }
    text.len()
}

/// The text in quotes that `text` begins with, and what follows it.
pub(in crate::project) fn literal(text: &str) -> Option<(&str, &str)> {
    let quote = text.chars().next().filter(|c| matches!(c, '"' | '\''))?;
    let (inside, rest) = text[1..].split_once(quote)?;
    (!inside.contains(['\\', '\n'])).then_some((inside, rest))
}

/// `source` without comments and texts of several lines, in which anything may stand.
pub(in crate::project) fn stripped(source: &str) -> String {
    let mut out = String::with_capacity(source.len());
    let mut rest = source;
    while let Some(c) = rest.chars().next() {
        let triple = ["\"\"\"", "'''"].into_iter().find(|quotes| rest.starts_with(quotes));
        if let Some(quotes) = triple {
            let inside = &rest[quotes.len()..];
            rest = inside.find(quotes).map_or("", |end| &inside[end + quotes.len()..]);
            continue;
        }
        if c == '#' {
            rest = &rest[rest.find('\n').unwrap_or(rest.len())..];
            continue;
        }
        let length = if matches!(c, '"' | '\'') { length_of_text(rest, c) } else { c.len_utf8() };
        out.push_str(&rest[..length]);
        rest = &rest[length..];
    }
    out
}

/// The texts in quotes within `source`.
pub(in crate::project) fn texts(source: &str) -> Vec<&str> {
    let (mut found, mut at) = (vec![], 0);
    while let Some(c) = source[at..].chars().next() {
        if matches!(c, '"' | '\'') {
            let length = length_of_text(&source[at..], c);
            found.extend(source[at..at + length].strip_prefix(c).and_then(|text| text.strip_suffix(c)));
            at += length;
        } else {
            at += c.len_utf8();
        }
    }
    found
}

/// How long the text in quotes is that `rest` begins with; of one that does not end, to its line's end.
pub(in crate::project) fn length_of_text(rest: &str, quote: char) -> usize {
    let mut escaped = false;
    for (at, c) in rest.char_indices().skip(1) {
        match c {
            '\n' => return at,
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            _ if c == quote => return at + 1,
            _ => {}
        }
    }
    rest.len()
}

/// The statements of a source without its comments, each with what it is indented by.
pub(in crate::project) fn statements(text: &str) -> Vec<&str> {
    let mut found = vec![];
    let (mut start, mut at, mut depth) = (0, 0, 0_i32);
    while let Some(c) = text[at..].chars().next() {
        match c {
            '(' | '[' | '{' => depth += 1,
            ')' | ']' | '}' => depth -= 1,
            '\n' if depth <= 0 && !text[..at].ends_with('\\') => {
                found.push(&text[start..at]);
                (start, depth) = (at + 1, 0);
            }
            _ => {}
        }
        at += if matches!(c, '"' | '\'') { length_of_text(&text[at..], c) } else { c.len_utf8() };
    }
    found.push(&text[start..]);
    found.retain(|statement| !statement.trim().is_empty());
    found
}

/// What a statement gives the name, with or without its type: `NAME: Path = value`.
pub(in crate::project) fn assigned<'t>(statement: &'t str, name: &str) -> Option<&'t str> {
    let rest = statement.trim_start().strip_prefix(name)?.trim_start();
    let rest = match rest.strip_prefix(':') {
        Some(typed) => &typed[typed.find('=')?..],
        None => rest,
    };
    rest.strip_prefix('=').filter(|value| !value.starts_with('=')).map(str::trim)
}
