//! Giving a setting another value in a `.env` file, and leaving everything else in it as it is.

use zeroize::Zeroizing;

use super::dotenv::{self, Lookup};
use super::{Secret, is_setting_name, write};

/// Why a value cannot be exchanged in a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NotRewritten {
    /// The file does not have it, is faulty, or no line of it can be told to give it.
    NotFound,
    /// This other setting of the file is put together from it there.
    Dependent(String),
}

/// `text` with `value` for the setting `name`; the lookups are those of [`dotenv::parse`]. Tried out
/// and read back: what comes out differs in this one value.
///
/// # Errors
/// [`NotRewritten`] when there is no such text.
pub fn rewrite(
    text: &str,
    name: &str,
    value: &Secret,
    environment: Lookup<'_>,
    base: Lookup<'_>,
) -> Result<Zeroizing<String>, NotRewritten> {
    let Ok(written) = write([(name, value.expose())]) else { return Err(NotRewritten::NotFound) };
    let before = dotenv::parse("", text, environment, base);
    // Of several lines the last one holds, and is the one that is told.
    let entry = before.entries.iter().find(|entry| entry.name == name && before.faults.is_empty());
    let (start, end) = entry.map_or((0, 0), |entry| (entry.line as usize, entry.end as usize));
    let lines: Vec<&str> = text.split_inclusive('\n').collect();
    let beginning = start.checked_sub(1).and_then(|at| beginning(lines.get(at)?, name));
    let (Some(beginning), Some(last)) = (beginning, end.checked_sub(1).and_then(|at| lines.get(at))) else {
        return Err(NotRewritten::NotFound);
    };
    let line_end = if last.ends_with("\r\n") { "\r\n" } else { "\n" };
    let line = [beginning, written.trim_end_matches('\n'), line_end];
    let made = Zeroizing::new([&lines[..start - 1], &line, &lines[end..]].concat().concat());
    let after = dotenv::parse("", &made, environment, base);
    let named = |parsed: &dotenv::Parsed| -> Vec<String> {
        parsed.entries.iter().map(|entry| entry.name.clone()).collect()
    };
    let holds = after.entries.iter().any(|entry| entry.name == name && entry.value == *value);
    if !after.faults.is_empty() || !holds || named(&after) != named(&before) {
        return Err(NotRewritten::NotFound);
    }
    let mut both = before.entries.iter().zip(&after.entries);
    match both.find(|(old, new)| old.name != name && old.value != new.value) {
        None => Ok(made),
        Some((other, _)) => Err(NotRewritten::Dependent(other.name.clone())),
    }
}

/// What stands before the name in a line that gives it a value.
fn beginning<'l>(line: &'l str, name: &str) -> Option<&'l str> {
    let at = line.find(name)?;
    let (before, behind) = (&line[..at], &line[at + name.len()..]);
    let is_start = matches!(before.trim_start_matches('\u{feff}').trim(), "" | "export");
    let is_whole = is_setting_name(name) && behind.trim_start().starts_with(['=', ':']);
    (is_start && is_whole).then_some(before)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::hostile::any_value;
    use proptest::prelude::*;

    fn rewritten(text: &str, value: &str) -> Result<String, NotRewritten> {
        rewrite(text, "KEY", &Secret::new(value), &|_| None, &|_| None).map(|made| made.to_string())
    }

    // proves: HS-19
    #[test]
    fn only_the_line_of_the_setting_changes() {
        for (text, expected) in [
            ("KEY=old\n", "KEY=new\n"),
            ("KEY=old", "KEY=new\n"),
            ("api-key: x\nHOME\nKEY: 'old\n'\nB: y", "api-key: x\nHOME\nKEY=new\nB: y"),
            ("\u{feff}KEY = 'old'  # why\r\nB=1\r\n", "\u{feff}KEY=new\r\nB=1\r\n"),
            (
                "# KEY=no\nA=1\n export KEY=\"two\nlines\"\n\nB='KEY=x'\n",
                "# KEY=no\nA=1\n export KEY=new\n\nB='KEY=x'\n",
            ),
            ("KEY=shadowed\nMY_KEY=a\nKEY=old\n", "KEY=shadowed\nMY_KEY=a\nKEY=new\n"),
        ] {
            assert_eq!(rewritten(text, "new").as_deref(), Ok(expected), "{text:?}");
        }
        assert_eq!(rewritten("KEY=old\n", "a b$c\"\n").as_deref(), Ok("KEY='a b$c\"\n'\n"));
    }

    // proves: HS-19
    #[test]
    fn what_is_put_together_from_it_is_told() {
        let dependent = rewritten("KEY=old\nURL=db://u:${KEY}@h\n", "new");
        assert_eq!(dependent, Err(NotRewritten::Dependent("URL".to_owned())));
        assert_eq!(rewritten("OTHER=1\n", "new"), Err(NotRewritten::NotFound));
        assert_eq!(rewritten("KEY='open\n", "new"), Err(NotRewritten::NotFound));
        assert_eq!(rewritten("KEY=old\n", "a\0b"), Err(NotRewritten::NotFound));
    }

    proptest! {
        #[test]
        fn any_value_comes_back_and_nothing_else_changes(value in any_value(), old in any_value(), other in any_value()) {
            let text = write([("A", other.as_str()), ("KEY", old.as_str()), ("Z", other.as_str())]).unwrap();
            let value = Secret::new(value);
            let made = rewrite(&text, "KEY", &value, &|_| None, &|_| None).unwrap();
            let parsed = dotenv::parse("", &made, &|_| None, &|_| None);
            let found: Vec<&str> = parsed.entries.iter().map(|entry| entry.value.expose()).collect();
            prop_assert_eq!(found, [other.as_str(), value.expose(), other.as_str()]);
        }
    }
}
