//! Settings as a file that systemd reads into a service's environment: `EnvironmentFile=` (systemd.exec(5)).
//!
//! `windlass secrets export --format systemd` writes one. It is also what units of a host will be given. `LoadCredential=` is
//! given the bytes of a value as they are (`--format credentials`), which need no writing.

use zeroize::Zeroizing;

use super::write::NotWritable;
use super::{Growing, is_setting_name};

/// The text of a file for `EnvironmentFile=` with these settings. All of a value stands in double quotes, in which
/// systemd takes a line break as it is and a backslash away before `"`, `\`, `` ` `` and `$`; `%` and `$` mean
/// nothing there.
///
/// # Errors
/// [`NotWritable`] for a name that is none, and for a value with what systemd refuses: a NUL, a byte order mark, or
/// what Unicode calls a noncharacter.
pub fn write_environment_file<'a>(
    settings: impl IntoIterator<Item = (&'a str, &'a str)>,
) -> Result<Zeroizing<String>, NotWritable> {
    let mut text = Growing::default();
    for (name, value) in settings {
        if !is_setting_name(name) || !value.chars().all(is_taken) {
            return Err(NotWritable { name: name.to_owned() });
        }
        text.push_str(name);
        text.push_str("=\"");
        for c in value.chars() {
            if matches!(c, '"' | '\\' | '`' | '$') {
                text.push('\\');
            }
            text.push(c);
        }
        text.push_str("\"\n");
    }
    Ok(text.finish())
}

/// Whether systemd takes the character in such a file.
pub(super) fn is_taken(c: char) -> bool {
    let is_noncharacter = matches!(c, '\u{fdd0}'..='\u{fdef}') || u32::from(c) & 0xfffe == 0xfffe;
    c != '\0' && c != '\u{feff}' && !is_noncharacter
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Reads such a file after systemd.exec(5) and `parse_env_file` of systemd's src/basic/env-file.c: quotes and
    /// backslashes as in a POSIX shell, without what `$` and `` ` `` mean there.
    fn read(text: &str) -> Vec<(String, String)> {
        let mut found = vec![];
        let mut rest = text.chars().peekable();
        while rest.peek().is_some() {
            while rest.next_if(|c| c.is_whitespace()).is_some() {}
            if rest.next_if(|c| matches!(c, '#' | ';')).is_some() {
                for _ in rest.by_ref().take_while(|c| *c != '\n') {}
                continue;
            }
            let name: String = rest.by_ref().take_while(|c| *c != '=').collect();
            let mut value = String::new();
            while rest.next_if(|c| matches!(c, ' ' | '\t')).is_some() {}
            while let Some(c) = rest.next() {
                match c {
                    '\n' => break,
                    '\'' => value.extend(rest.by_ref().take_while(|c| *c != '\'')),
                    '"' => {
                        while let Some(c) = rest.next().filter(|c| *c != '"') {
                            match (c, rest.peek()) {
                                ('\\', Some('"' | '\\' | '`' | '$')) => value.extend(rest.next()),
                                ('\\', Some('\n')) => drop(rest.next()),
                                _ => value.push(c),
                            }
                        }
                    }
                    '\\' => value.extend(rest.next().filter(|c| *c != '\n')),
                    _ => value.push(c),
                }
            }
            if !name.is_empty() {
                found.push((name, value));
            }
        }
        found
    }

    #[test]
    fn what_is_written_is_written_so() {
        let settings = [("A", "plain"), ("B", "a \"b\" \\ $C `d` %i\nnext\ttab 'ü'"), ("E", "")];
        assert_eq!(
            *write_environment_file(settings).unwrap(),
            "A=\"plain\"\nB=\"a \\\"b\\\" \\\\ \\$C \\`d\\` %i\nnext\ttab 'ü'\"\nE=\"\"\n"
        );
        for refused in [("A B", "x"), ("A", "a\0b"), ("A", "\u{feff}b"), ("A", "a\u{1ffff}b")] {
            assert_eq!(write_environment_file([refused]).unwrap_err().name, refused.0);
        }
    }

    proptest! {
        #[test]
        fn systemd_reads_back_what_was_written(
            values in prop::collection::vec(r#"([ \t\r\n"'\\$`%#;=]|[^\x00])*"#, 0..6),
        ) {
            let settings: Vec<(String, String)> =
                values.into_iter().filter(|value| value.chars().all(is_taken)).enumerate().map(|(n, value)| (format!("N{n}"), value)).collect();
            let text = write_environment_file(settings.iter().map(|(n, v)| (n.as_str(), v.as_str()))).unwrap();
            prop_assert_eq!(read(&text), settings);
        }
    }
}
