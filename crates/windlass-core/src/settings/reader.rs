//! Who reads a `.env` file, and which values come through.

use super::unit_file;
use super::write::Form;

/// A program that reads `.env` files in its own way. Docker compose is none of them: what
/// [`write()`](super::write()) makes is written for it, and it reads all of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reader {
    /// `. ./.env` in a POSIX shell.
    Shell,
    /// python-dotenv, as it is called without options: also in single quotes it puts in what `${NAME}` stands for.
    PythonDotenv,
    /// dotenv of npm, and `node --env-file`'s model.
    NpmDotenv,
    /// `EnvironmentFile=` of systemd.
    Systemd,
}

impl Reader {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Shell, Self::PythonDotenv, Self::NpmDotenv, Self::Systemd];

    /// What people call it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Shell => "a shell",
            Self::PythonDotenv => "python-dotenv",
            Self::NpmDotenv => "npm's dotenv",
            Self::Systemd => "systemd",
        }
    }

    /// Whether it reads this very value in what [`write()`](super::write()) made of it. Where it does not it reads
    /// another one, and nothing of a value is run.
    #[must_use]
    pub fn carries(self, value: &str) -> bool {
        let form = Form::of(value);
        let is_escaped = form == Form::Escaped;
        match self {
            Self::Shell => !is_escaped || !value.contains(['`', '\r']),
            Self::PythonDotenv if is_escaped => !value.contains(['$', '`']) && !value.ends_with('\\'),
            Self::PythonDotenv => !value.contains("\\\\") && !is_interpolated(value),
            Self::NpmDotenv => !is_escaped || !value.contains(['\\', '"', '$', '`']),
            Self::Systemd => {
                let is_undone = !value.contains(['`', '\r']) && !value.ends_with('\\');
                value.chars().all(unit_file::is_taken) && (!is_escaped || is_undone)
            }
        }
    }
}

/// Whether python-dotenv finds `${NAME}` or `${NAME:-default}` in it, where a name is anything.
fn is_interpolated(value: &str) -> bool {
    value.match_indices("${").any(|(at, found)| {
        let behind = &value[at + found.len()..];
        let end = behind.find(['}', ':']).map(|end| &behind[end..]);
        end.is_some_and(|end| end.starts_with('}') || (end.starts_with(":-") && end.contains('}')))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// That those who are named read something else is shown with the readers themselves, in `tests/real`.
    #[test]
    fn who_reads_another_value_is_known() {
        for (value, lost_by) in [
            ("", ""),
            ("a&b `c` $(d) ~ \"e\" # ä\nf", ""),
            ("it's\nhere", ""),
            ("'\"", "npm's dotenv"),
            ("'$", "python-dotenv, npm's dotenv"),
            ("'`", "a shell, python-dotenv, npm's dotenv, systemd"),
            ("a\r", "a shell, systemd"),
            ("a\\", "python-dotenv, npm's dotenv, systemd"),
            ("a\\b", ""),
            ("a\\\\b", "python-dotenv"),
            ("${A}", "python-dotenv"),
            ("${A:-b}", "python-dotenv"),
            ("${A:b}${", ""),
            ("\u{feff}", "systemd"),
        ] {
            let lost: Vec<&str> =
                Reader::ALL.into_iter().filter(|reader| !reader.carries(value)).map(Reader::name).collect();
            assert_eq!(lost.join(", "), lost_by, "{value:?}");
        }
    }
}
