//! Typed writers of the servers' configuration files: whatever a value holds, it stays a value.

use super::fault::Fault;

/// How a server's configuration file is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Syntax {
    /// `name = 'value'`
    Postgres,
    /// `name "word" "word"`
    Redis,
    /// `name = value`
    Rabbitmq,
}

/// A configuration file in the making.
pub(super) struct Config {
    syntax: Syntax,
    text: String,
}

impl Config {
    pub(super) fn new(syntax: Syntax) -> Self {
        Self { syntax, text: "# Written by Windlass at every start; changes here are lost.\n".to_owned() }
    }

    /// Adds a line. Servers take the last line of a name.
    pub(super) fn set(&mut self, name: &str, value: &str) -> Result<(), Fault> {
        let joiner = |b: u8| match self.syntax {
            Syntax::Postgres => b == b'_' || b == b'.',
            Syntax::Redis => b == b'-',
            Syntax::Rabbitmq => b == b'_' || b == b'.' || b == b'-',
        };
        let starts = name.starts_with(|c: char| c.is_ascii_alphabetic());
        if !starts || !name.bytes().all(|b| b.is_ascii_alphanumeric() || joiner(b)) {
            return Err(Fault::new(
                format!("{name:?} is not the name of an option"),
                "write it as the server's documentation does",
            ));
        }
        let bare = self.syntax == Syntax::Rabbitmq;
        if value.chars().any(char::is_control) || bare && (value.is_empty() || value.contains('#')) {
            return Err(Fault::new(
                format!("the value of the option {name} cannot be written to the server's configuration"),
                if bare {
                    "leave out control characters, and #; it must not be empty"
                } else {
                    "leave out line ends and other control characters"
                },
            ));
        }
        let value = match self.syntax {
            Syntax::Postgres => format!(" = '{}'", value.replace('\\', r"\\").replace('\'', "''")),
            Syntax::Redis => redis_words(value),
            Syntax::Rabbitmq => format!(" = {}", value.trim()),
        };
        self.text.push_str(&format!("{name}{value}\n"));
        Ok(())
    }

    /// Adds the manifest's options, except for those that are `ours` to decide; `name*` is all that begin so.
    pub(super) fn options<'o>(
        &mut self,
        options: impl IntoIterator<Item = (&'o String, &'o String)>,
        ours: &[&str],
    ) -> Result<(), Fault> {
        for (name, value) in options {
            let name_lower = name.to_ascii_lowercase();
            let is_own = |own: &&str| match own.strip_suffix('*') {
                Some(start) => name_lower.starts_with(start),
                None => name_lower == **own,
            };
            if ours.iter().any(is_own) {
                return Err(Fault::new(
                    format!("the option {name} is Windlass's own to decide for a private resource"),
                    "remove it; or run the server yourself and name its address as an external resource",
                ));
            }
            self.set(name, value)?;
        }
        Ok(())
    }

    pub(super) fn text(&self) -> &str {
        &self.text
    }
}

/// Each word of `value` in quotes; `""` for none.
fn redis_words(value: &str) -> String {
    let quoted = |word: &str| format!(" \"{}\"", word.replace('\\', r"\\").replace('"', "\\\""));
    if value.trim().is_empty() { quoted("") } else { value.split_whitespace().map(quoted).collect() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(syntax: Syntax, name: &str, value: &str) -> Result<String, String> {
        let mut config = Config::new(syntax);
        config.set(name, value).map_err(|fault| fault.to_string())?;
        Ok(config.text().lines().skip(1).collect())
    }

    #[test]
    fn values_stay_values() {
        assert_eq!(line(Syntax::Postgres, "a.b_c", r"it's \n"), Ok(r"a.b_c = 'it''s \\n'".into()));
        assert_eq!(line(Syntax::Redis, "save", "900 1"), Ok("save \"900\" \"1\"".into()));
        assert_eq!(line(Syntax::Redis, "save", ""), Ok("save \"\"".into()));
        assert_eq!(line(Syntax::Redis, "x", r#"a"\b"#), Ok(r#"x "a\"\\b""#.into()));
        assert_eq!(line(Syntax::Rabbitmq, "channel_max", "7"), Ok("channel_max = 7".into()));
    }

    #[test]
    fn nothing_adds_a_line_of_its_own() {
        for syntax in [Syntax::Postgres, Syntax::Redis, Syntax::Rabbitmq] {
            for value in ["a\nb", "a\rb", "a\0b"] {
                assert!(line(syntax, "name", value).is_err(), "{syntax:?} {value:?}");
            }
            for name in ["", "a b", "a\nb", "a=b", "#", "1a", "a'"] {
                assert!(line(syntax, name, "x").is_err(), "{syntax:?} {name:?}");
            }
        }
        let options = [("PORT".to_owned(), "1".to_owned())];
        let mut config = Config::new(Syntax::Redis);
        let fault = config.options(options.iter().map(|(n, v)| (n, v)), &["port"]).unwrap_err();
        assert!(fault.message.starts_with("the option PORT is Windlass's own"), "{fault}");
    }
}
