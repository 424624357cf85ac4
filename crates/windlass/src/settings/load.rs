//! The layers of settings.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use indexmap::IndexMap;
use windlass_core::settings::{Entry, Fault, Secret, dotenv};

/// The largest settings file that is read: more is a mistake.
const LARGEST: u64 = 1 << 20;

/// A setting that the manifest declares.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Declared {
    /// Its name.
    pub name: String,
    /// Its value where no layer has one.
    pub default: Option<String>,
}

/// All settings of an environment.
#[derive(Debug, Default)]
pub struct Settings {
    /// The values by name: the declared ones first, then what else stands in the files.
    pub values: IndexMap<String, Value>,
    /// What is allowed and yet seldom meant.
    pub warnings: Vec<Fault>,
}

/// One setting.
#[derive(Debug, Clone)]
pub struct Value {
    /// The value.
    pub secret: Secret,
    /// Where it came from.
    pub provenance: Provenance,
}

/// Where a value came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Provenance {
    /// The process's environment.
    Environment,
    /// A settings file.
    File {
        /// Its name, relative to the project.
        name: String,
        /// The line, from 1.
        line: u32,
    },
    /// The manifest's default.
    Default,
}

impl std::fmt::Display for Provenance {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Environment => f.write_str("environment"),
            Self::File { name, line } => write!(f, "{name}:{line}"),
            Self::Default => f.write_str("default"),
        }
    }
}

impl Settings {
    /// The value of `name`.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Secret> {
        self.values.get(name).map(|value| &value.secret)
    }

    /// Those of `names` that have no value, or an empty one.
    #[must_use]
    pub fn missing<'n>(&self, names: impl IntoIterator<Item = &'n str>) -> Vec<&'n str> {
        names.into_iter().filter(|name| self.get(name).is_none_or(Secret::is_empty)).collect()
    }
}

/// Reads the settings of `environment` for the project in `project`; `env` looks a name up in the
/// process's environment.
///
/// # Errors
/// All faults of all files, each at its line. A file that is not there is no fault.
pub fn load(
    project: &Path,
    environment: &str,
    declared: &[Declared],
    env: &dyn Fn(&str) -> Option<String>,
) -> Result<Settings, Vec<Fault>> {
    let mut settings = Settings::default();
    let mut faults = vec![];
    let mut entries: IndexMap<String, (String, Entry)> = IndexMap::new();
    for file in [".env".to_owned(), format!(".env.{environment}")] {
        let text = match read(&project.join(&file), &file, &mut settings.warnings) {
            Ok(Some(text)) => text,
            Ok(None) => continue,
            Err(fault) => {
                faults.push(fault);
                continue;
            }
        };
        let below = |name: &str| entries.get(name).map(|(_, entry)| entry.value.expose().to_owned());
        let own = dotenv::parse(&file, &text, env, &below);
        settings.warnings.extend(own.warnings);
        faults.extend(own.faults);
        for entry in own.entries {
            entries.insert(entry.name.clone(), (file.clone(), entry));
        }
    }
    if !faults.is_empty() {
        return Err(faults);
    }
    for Declared { name, default } in declared {
        let file = entries.shift_remove(name);
        let value = if let Some(text) = env(name) {
            Some(Value { secret: Secret::new(text), provenance: Provenance::Environment })
        } else if let Some((file, entry)) = file {
            Some(from_file(file, entry))
        } else {
            default
                .as_ref()
                .map(|text| Value { secret: Secret::new(text.clone()), provenance: Provenance::Default })
        };
        if let Some(value) = value {
            settings.values.insert(name.clone(), value);
        }
    }
    for (name, (file, entry)) in entries {
        settings.values.insert(name, from_file(file, entry));
    }
    Ok(settings)
}

fn from_file(name: String, entry: Entry) -> Value {
    Value { secret: entry.value, provenance: Provenance::File { name, line: entry.line } }
}

/// The text of a settings file, or `None` where there is none.
fn read(path: &Path, name: &str, warnings: &mut Vec<Fault>) -> Result<Option<String>, Fault> {
    let fault = |line: u32, message: String, help: &str| Fault {
        file: name.to_owned(),
        line,
        column: 0,
        message,
        help: help.to_owned(),
    };
    let unreadable = |error: &std::io::Error| {
        fault(0, format!("it cannot be read: {error}"), "make it readable for the account that deploys")
    };
    let facts = match fs::metadata(path) {
        Ok(facts) => facts,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(unreadable(&error)),
    };
    if !facts.is_file() {
        return Err(fault(
            0,
            "it is not a file".into(),
            "remove it, or put a file with NAME=value lines there",
        ));
    }
    if facts.len() > LARGEST {
        let help = "settings are short texts; put larger ones in files of their own";
        return Err(fault(0, format!("it has {} bytes, more than the {LARGEST} allowed", facts.len()), help));
    }
    let mode = facts.permissions().mode() & 0o777;
    if mode & 0o077 != 0 {
        let message = format!("other accounts may read it (mode {mode:04o})");
        warnings.push(fault(0, message, &format!("run: chmod 600 {name}")));
    }
    let bytes = fs::read(path).map_err(|error| unreadable(&error))?;
    String::from_utf8(bytes).map(Some).map_err(|error| {
        let good = &error.as_bytes()[..error.utf8_error().valid_up_to()];
        let line = 1 + good.iter().filter(|&&b| b == b'\n').count();
        fault(u32::try_from(line).unwrap_or(u32::MAX), "it is not UTF-8 text".into(), "save it as UTF-8")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn project(files: &[(&str, &str)]) -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        for (name, text) in files {
            fs::write(dir.path().join(name), text).unwrap();
            fs::set_permissions(dir.path().join(name), fs::Permissions::from_mode(0o600)).unwrap();
        }
        dir
    }

    fn declared(names: &[(&str, Option<&str>)]) -> Vec<Declared> {
        names
            .iter()
            .map(|(name, default)| Declared { name: (*name).into(), default: default.map(Into::into) })
            .collect()
    }

    // proves: DC-10, DC-11
    #[test]
    fn the_first_layer_that_has_a_value_gives_it() {
        let dir = project(&[
            (".env", "A=file\nB=file\nC=file\nEXTRA=${BASE:-none}-x\nHOME=/from/file\n"),
            (".env.production", "\nB=overlay\nSUM=${A}+${B}\n"),
            (".env.staging", "B=wrong\n"),
        ]);
        let names =
            declared(&[("A", None), ("B", None), ("C", Some("d")), ("D", Some("default")), ("E", None)]);
        let env = |name: &str| match name {
            "A" => Some("environment".to_owned()),
            "HOME" => Some("/home/ada".to_owned()),
            _ => None,
        };
        let settings = load(dir.path(), "production", &names, &env).unwrap();
        let seen: Vec<String> = settings
            .values
            .iter()
            .map(|(n, v)| format!("{n}={} {}", v.secret.expose(), v.provenance))
            .collect();
        assert_eq!(
            seen,
            [
                "A=environment environment",
                "B=overlay .env.production:2",
                "C=file .env:3",
                "D=default default",
                "EXTRA=none-x .env:4",
                "HOME=/from/file .env:5",
                "SUM=environment+overlay .env.production:3",
            ]
        );
        assert_eq!(settings.missing(["A", "E"]), ["E"]);
        assert!(settings.warnings.is_empty(), "{:?}", settings.warnings);
    }

    // proves: HS-18
    #[test]
    fn a_file_that_others_may_read_is_warned_of() {
        let dir = project(&[(".env", "A=1\n")]);
        fs::set_permissions(dir.path().join(".env"), fs::Permissions::from_mode(0o644)).unwrap();
        let settings = load(dir.path(), "local", &[], &|_| None).unwrap();
        assert_eq!(
            settings.warnings[0].to_string(),
            ".env: other accounts may read it (mode 0644); run: chmod 600 .env"
        );
    }

    #[test]
    fn the_faults_of_all_files_come_at_once() {
        let dir = project(&[(".env", "oops\n"), (".env.local", "")]);
        fs::write(dir.path().join(".env.local"), b"A=1\nB=\xff\n").unwrap();
        let faults = load(dir.path(), "local", &[], &|_| None).unwrap_err();
        assert_eq!(faults.len(), 2);
        assert_eq!(faults[1].to_string(), ".env.local:2: it is not UTF-8 text; save it as UTF-8");
    }
}
