//! The words of a Dockerfile's instruction, with the values of its variables.

/// Who knows the values of variables.
pub(super) trait Lookup {
    fn value(&self, name: &str) -> Option<&str>;
}

/// A word.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Word {
    pub(super) text: String,
    /// Whether all that it is made of is known.
    pub(super) is_known: bool,
}

/// The words of `rest`.
pub(super) fn words(rest: &str, lookup: &impl Lookup) -> Vec<Word> {
    read(rest, lookup, true)
}

/// The whole of `rest` as one text, where all that it is made of is known.
pub(super) fn text(rest: &str, lookup: &impl Lookup) -> Option<String> {
    match read(rest, lookup, false).pop() {
        Some(word) => word.is_known.then_some(word.text),
        None => Some(String::new()),
    }
}

fn read(rest: &str, lookup: &impl Lookup, splits: bool) -> Vec<Word> {
    let mut words = Vec::new();
    let mut open: Option<Word> = None;
    let mut quote = None;
    let mut at = 0;
    while let Some(c) = rest[at..].chars().next() {
        at += c.len_utf8();
        if splits && quote.is_none() && c.is_whitespace() {
            words.extend(open.take());
            continue;
        }
        let word = open.get_or_insert_with(|| Word { text: String::new(), is_known: true });
        match (c, quote) {
            ('\'' | '"', None) => quote = Some(c),
            (c, Some(end)) if c == end => quote = None,
            ('\\', None | Some('"')) => {
                let next = rest[at..].chars().next();
                at += next.map_or(0, char::len_utf8);
                // Within quotes a backslash is one, unless it takes the meaning of what follows.
                if quote.is_some() && !matches!(next, Some('"' | '$' | '\\')) {
                    word.text.push('\\');
                }
                word.text.extend(next);
            }
            ('$', None | Some('"')) => {
                let (value, length) = variable(&rest[at..], lookup);
                at += length;
                match value {
                    Some(value) => word.text.push_str(&value),
                    None => word.is_known = false,
                }
            }
            (c, _) => word.text.push(c),
        }
    }
    words.extend(open);
    words
}

/// The value of the variable whose name `text` opens with, and how long that was.
fn variable(text: &str, lookup: &impl Lookup) -> (Option<String>, usize) {
    let name_length = |text: &str| {
        text.len() - text.trim_start_matches(|c: char| c.is_ascii_alphanumeric() || c == '_').len()
    };
    let Some(inner) = text.strip_prefix('{') else {
        let length = name_length(text);
        return match length {
            0 => (Some("$".to_owned()), 0),
            _ => (lookup.value(&text[..length]).map(str::to_owned), length),
        };
    };
    let Some(end) = inner.find('}') else { return (None, text.len()) };
    let (name, modifier) = inner[..end].split_at(name_length(&inner[..end]));
    let value = lookup.value(name).filter(|value| !(value.is_empty() && modifier.starts_with(':')));
    let operator = modifier.strip_prefix(':').unwrap_or(modifier);
    let operand = operator.get(1..).unwrap_or_default();
    let found = match operator.chars().next() {
        None => value.map(str::to_owned),
        // What stands there is not read again: a variable in it is not known.
        Some('-' | '+') if operand.contains('$') => None,
        Some('-') => Some(value.unwrap_or(operand).to_owned()),
        Some('+') => Some(value.map_or("", |_| operand).to_owned()),
        Some(_) => None,
    };
    (found, end + 2)
}
