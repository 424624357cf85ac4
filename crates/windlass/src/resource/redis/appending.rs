//! Whether every change is appended to a file, so that a crash loses a second at the most.
//!
//! A Redis that is told so when it starts begins with that file, and not with the snapshot that it has: without
//! the file it is empty, with one of long ago it is as it was then. So one that was begun without goes on
//! without, until somebody has told it while it runs: it then writes all that it has to the file.
//!
//! The file `persistence` remembers which it is.

use std::io::{self, ErrorKind};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use crate::resource::fault::Fault;
use crate::resource::{Private, files};

/// The option that says so.
pub(super) const APPENDONLY: &str = "appendonly";

/// How a server keeps its data.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Persistence {
    /// By snapshots, beside this file of former changes, if any.
    Saved { left: Option<u64> },
    /// In a file that every change is appended to.
    Appended,
}

impl Persistence {
    /// What it is for the options of the manifest. What was begun without goes on without unless they say
    /// otherwise. Nothing is changed.
    pub(super) fn of(private: &Private<'_>, directory: &Path) -> Result<Self, Fault> {
        let (data, before) = (directory.join("data"), Kept::read(&mark(directory)));
        let file = file(private, &data)?;
        let is_new = match before {
            Kept::Nothing => !data.exists(),
            Kept::Appended => is_empty(&data),
            // What it holds may be in its memory only.
            Kept::Saved | Kept::Left(_) => false,
        };
        // One that is not whole yet has nothing in it.
        let is_good = file.as_ref().is_some_and(|file| match before {
            Kept::Appended => true,
            Kept::Nothing | Kept::Saved => file.length > 0,
            Kept::Left(left) => file.length > 0 && file.number != left,
        });
        match option(private, APPENDONLY).map(|value| value.trim().eq_ignore_ascii_case("yes")) {
            Some(true) | None if is_new => Ok(Self::Appended),
            Some(true) if is_good => Ok(Self::Appended),
            None if is_good && before == Kept::Appended => Ok(Self::Appended),
            Some(true) => Err(refusal(directory, file.is_some())),
            // Its changes do not go there from now on; what it has by then is of no use later.
            Some(false) => Ok(Self::Saved { left: file.map(|file| file.number) }),
            None => Ok(Self::Saved { left: before.left() }),
        }
    }

    /// Has the next one know.
    pub(super) fn remember(self, directory: &Path) -> Result<(), Fault> {
        let text = match self {
            Self::Appended => "appended\n".to_owned(),
            Self::Saved { left: None } => "saved\n".to_owned(),
            Self::Saved { left: Some(number) } => format!("saved beside {number}\n"),
        };
        files::private_file(&mark(directory), text.as_bytes(), None)
    }

    /// The line of the configuration.
    pub(super) fn line(self) -> &'static str {
        if self == Self::Appended { "appendonly \"yes\"\n" } else { "appendonly \"no\"\n" }
    }
}

/// What is remembered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kept {
    Nothing,
    Appended,
    Saved,
    /// Saved, since this file was left.
    Left(u64),
}

impl Kept {
    fn read(mark: &Path) -> Self {
        let text = std::fs::read_to_string(mark).unwrap_or_default();
        let left = text.trim().strip_prefix("saved beside ").and_then(|number| number.parse().ok());
        match (text.trim(), left) {
            ("", _) => Self::Nothing,
            ("appended", _) => Self::Appended,
            (_, Some(left)) => Self::Left(left),
            (_, None) => Self::Saved,
        }
    }

    fn left(self) -> Option<u64> {
        if let Self::Left(left) = self { Some(left) } else { None }
    }
}

fn mark(directory: &Path) -> PathBuf {
    directory.join("persistence")
}

fn option<'p>(private: &Private<'p>, wanted: &str) -> Option<&'p str> {
    let is_it = |(name, _): &(&String, &String)| name.eq_ignore_ascii_case(wanted);
    private.options.iter().find(is_it).map(|(_, value)| value.as_str())
}

fn is_empty(data: &Path) -> bool {
    std::fs::read_dir(data).is_ok_and(|mut entries| entries.next().is_none()) || !data.exists()
}

/// The file to begin with.
struct File {
    /// What tells it from one that was written anew.
    number: u64,
    length: u64,
}

/// From version 7 on it is several, which a manifest names once they are whole.
fn file(private: &Private<'_>, data: &Path) -> Result<Option<File>, Fault> {
    let file = option(private, "appendfilename").unwrap_or("appendonly.aof");
    let directory = option(private, "appenddirname").unwrap_or("appendonlydir");
    // The names in it have numbers that go up. Its place on the disk may be that of the one before the last.
    let of_manifest = |path: &Path| {
        let text = std::fs::read(path)?;
        let hash =
            blake3::hash(&text).as_bytes().iter().take(8).fold(0, |sum, byte| sum << 8 | u64::from(*byte));
        Ok(File { number: hash, length: text.len() as u64 })
    };
    let of_single =
        |path: &Path| path.metadata().map(|found| File { number: found.ino(), length: found.len() });
    let (manifest, single) = (data.join(directory).join(format!("{file}.manifest")), data.join(file));
    match there(of_manifest(&manifest)).map_err(Fault::at("read", &manifest))? {
        None => there(of_single(&single)).map_err(Fault::at("look at", &single)),
        found => Ok(found),
    }
}

fn there(found: io::Result<File>) -> io::Result<Option<File>> {
    match found {
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => Ok(None),
        found => found.map(Some),
    }
}

fn refusal(directory: &Path, has_old: bool) -> Fault {
    let (what, words) = match has_old {
        true => ("only an old file of changes", "CONFIG SET appendonly no, then CONFIG SET appendonly yes"),
        false => ("no file of changes", "CONFIG SET appendonly yes"),
    };
    Fault::new(
        format!(
            "appendonly = \"yes\" would have {} begin without its data: it has {what}",
            directory.file_name().unwrap_or_default().display()
        ),
        format!(
            "take the option away; or, while it runs without, tell it by redis-cli: {words} (its port and password are in \
             {}), and deploy when INFO persistence says aof_rewrite_in_progress:0 and aof_last_bgrewrite_status:ok",
            directory.join("identity.json").display()
        ),
    )
}
