//! The note that a value of a `.env` file is being exchanged. It holds no value.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use windlass_core::protocol::FingerprintKey;
use windlass_core::settings::{NotRewritten, Secret, dotenv, is_setting_name, rewrite};
use zeroize::Zeroizing;

use super::directory;
use crate::checksummed;
use crate::cli::failure::{Failure, NEEDS_A_PERSON};
use crate::layout::{self, Layout};

/// The note, in the environment's state.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::cli) struct Note {
    pub(in crate::cli) version: u32,
    pub(in crate::cli) setting: String,
    /// The file, absolute.
    pub(in crate::cli) file: PathBuf,
    /// The fingerprint of the value that stands there.
    pub(in crate::cli) old: String,
    /// The fingerprint of the one that is to.
    pub(in crate::cli) new: String,
}

impl Note {
    pub(in crate::cli) const VERSION: u32 = 1;

    /// The settings of which there is one.
    pub(in crate::cli) fn names(layout: &Layout) -> Vec<String> {
        let entries = fs::read_dir(directory(layout)).into_iter().flatten().flatten();
        let mut names: Vec<String> = entries
            .filter_map(|entry| entry.file_name().into_string().ok())
            .filter(|name| is_setting_name(name))
            .collect();
        names.sort();
        names
    }

    /// The note of a setting; `None` where it is gone meanwhile. It is written whole before its run begins, so that
    /// one that cannot be read says nothing of which value holds.
    pub(in crate::cli) fn read(layout: &Layout, setting: &str) -> Result<Option<Self>, Failure> {
        checksummed::read(&directory(layout).join(setting)).map_err(|error| {
            Failure::failed(
                format!("{error}, and with it is lost which of two values of {setting} holds"),
                format!(
                    "see to it that its .env file has the one that is in force at the source, and remove state/rotating/{setting}"
                ),
            )
        })
    }

    pub(in crate::cli) fn path(&self, layout: &Layout) -> PathBuf {
        directory(layout).join(&self.setting)
    }

    pub(in crate::cli) fn write(&self, layout: &Layout) -> Result<(), Failure> {
        checksummed::write(&self.path(layout), self).map_err(|error| {
            let path = self.path(layout);
            Failure::failed(format!("{} cannot be written: {error}", path.display()), "free some disk space")
        })
    }

    pub(in crate::cli) fn remove(&self, layout: &Layout) -> Result<(), Failure> {
        match fs::remove_file(self.path(layout)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                let path = self.path(layout);
                Err(Failure::failed(format!("{} cannot be removed: {error}", path.display()), ""))
            }
            _ => Ok(()),
        }
    }

    /// What the file is called.
    pub(in crate::cli) fn file_name(&self) -> String {
        self.file.file_name().unwrap_or_default().to_string_lossy().into_owned()
    }

    /// Puts new values into their file, all at once, but for those that it has, or where somebody has put another one.
    pub(in crate::cli) fn rewrite(notes: &[(&Self, &Secret)], key: &FingerprintKey) -> Result<(), Failure> {
        let Some((first, _)) = notes.first() else { return Ok(()) };
        let before = read(&first.file)?;
        let mut text = before.clone();
        for (note, value) in notes {
            let stands = value_in(&note.file, &text, &note.setting).map(|value| value.fingerprint(&key.0));
            if stands.as_deref() == Some(&note.old) {
                text = rewritten(&note.file, &text, &note.setting, value)?;
            }
        }
        if *text == *before {
            return Ok(());
        }
        let cannot = |error: io::Error| {
            Failure::new(
                NEEDS_A_PERSON,
                format!("{} cannot be written: {error}", first.file.display()),
                "make it writable; the next windlass deploy puts the new value there",
            )
        };
        // A link stays one, and what it leads to is replaced.
        let file = fs::canonicalize(&first.file).map_err(cannot)?;
        layout::rewrite_file(&file, text.as_bytes()).map_err(cannot)
    }
}

/// The text of a `.env` file.
pub(in crate::cli) fn read(file: &Path) -> Result<Zeroizing<String>, Failure> {
    fs::read_to_string(file)
        .map(Zeroizing::new)
        .map_err(|error| Failure::usage(format!("{} cannot be read: {error}", file.display()), ""))
}

/// Refuses a file that this account cannot rewrite without taking it from another one.
pub(in crate::cli) fn check_owner(file: &Path) -> Result<(), Failure> {
    match fs::metadata(file) {
        Ok(facts) if !layout::may_rewrite(&facts) => Err(Failure::usage(
            format!(
                "{} belongs to another account (uid {}), which would lose it",
                file.display(),
                facts.uid()
            ),
            "rotate as that account, or as root",
        )),
        // What else is wrong with it is told by its readers.
        _ => Ok(()),
    }
}

fn value_in(file: &Path, text: &str, name: &str) -> Option<Secret> {
    let base = base_of(file);
    let parsed = dotenv::parse("", text, &|name| std::env::var(name).ok(), &|name| lookup(&base, name));
    parsed.entries.into_iter().find(|entry| entry.name == name).map(|entry| entry.value)
}

/// The text with the new value in it.
pub(in crate::cli) fn rewritten(
    file: &Path,
    text: &str,
    name: &str,
    value: &Secret,
) -> Result<Zeroizing<String>, Failure> {
    let base = base_of(file);
    let called = file.file_name().unwrap_or_default().to_string_lossy();
    let made = rewrite(text, name, value, &|name| std::env::var(name).ok(), &|name| lookup(&base, name));
    let dependent = |other: &str, called: &str| {
        Failure::usage(
            format!("{other} in {called} is put together from {name}, and would keep the old value"),
            "put it together in the manifest instead: see `value` and `url` of a setting",
        )
    };
    let made = made.map_err(|why| match why {
        NotRewritten::Dependent(other) => dependent(&other, &called),
        NotRewritten::NotFound => Failure::usage(
            format!("no line of {called} could be told to be the one that gives {name} its value"),
            format!("write it there as {name}=..., on a line of its own"),
        ),
    })?;
    // The file of the environment may refer to what stands in `.env`.
    for other in overlays(file) {
        let Ok(above) = fs::read_to_string(&other).map(Zeroizing::new) else { continue };
        let entries = |below: &str| {
            let below = parsed(below);
            let environment = |name: &str| std::env::var(name).ok();
            dotenv::parse("", &above, &environment, &|name| lookup(&below, name)).entries
        };
        let (before, after) = (entries(text), entries(&made));
        if let Some((old, _)) = before.iter().zip(&after).find(|(old, new)| old.value != new.value) {
            return Err(dependent(&old.name, &other.file_name().unwrap_or_default().to_string_lossy()));
        }
    }
    Ok(made)
}

type Entries = Vec<dotenv::Entry>;

fn parsed(text: &str) -> Entries {
    dotenv::parse("", text, &|name| std::env::var(name).ok(), &|_| None).entries
}

fn lookup(entries: &Entries, name: &str) -> Option<String> {
    let entry = entries.iter().find(|entry| entry.name == name);
    entry.map(|entry| entry.value.expose().to_owned())
}

/// What the file overlays: `.env`, unless it is that.
fn base_of(file: &Path) -> Entries {
    let below = file.with_file_name(".env");
    if below == file {
        Entries::new()
    } else {
        fs::read_to_string(below).map(|text| parsed(&Zeroizing::new(text))).unwrap_or_default()
    }
}

/// What overlays `.env`.
fn overlays(file: &Path) -> Vec<PathBuf> {
    if file.file_name().is_none_or(|name| name != ".env") {
        return Vec::new();
    }
    let entries = file.parent().map(fs::read_dir).into_iter().flatten().flatten().flatten();
    let named = entries.filter(|entry| entry.file_name().to_string_lossy().starts_with(".env."));
    named.map(|entry| entry.path()).collect()
}
