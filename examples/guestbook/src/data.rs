//! The shared directory, which is queue and database at once.
//!
//! ```text
//! version    the layout that `migrate` made
//! tmp/       files while they are written; the leftovers of a crash are swept by `cleanup`
//! incoming/  entries that wait for a worker
//! entries/   entries that are published
//! ticks      one line for each tick of the scheduler
//! ```
//!
//! A file gets its name only when it is complete and on disk, and an entry is published before it
//! leaves the queue. A crash in between makes a worker publish it again under the same name: the
//! work is done at least once, and shows exactly once.

use std::fs::{self, File, TryLockError};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::form;
use crate::log::now_millis;
use crate::settings;

/// The layout that this release makes. An older release reads it as well, so that a deploy can go
/// back: only add to it.
pub const LAYOUT: u32 = 1;

/// The shared directory.
#[derive(Debug, Clone)]
pub struct Data {
    root: PathBuf,
}

/// Something a visitor wrote.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Its name in the directory; ids sort by time.
    pub id: String,
    /// Who wrote it.
    pub name: String,
    /// What they wrote.
    pub message: String,
    /// When, milliseconds since 1970.
    pub at: u64,
}

impl Data {
    /// The directory of this environment, as it is: perhaps not there yet.
    pub fn unchecked() -> Self {
        Self { root: settings::data_directory() }
    }

    /// The directory of this environment, with a layout that this release can work with.
    pub fn open() -> io::Result<Self> {
        let data = Self::unchecked();
        let layout = data.layout()?;
        if layout < LAYOUT {
            let root = data.root.display();
            return Err(io::Error::other(format!(
                "{root} has layout {layout}, and this release needs {LAYOUT}: run `guestbook migrate` first"
            )));
        }
        Ok(data)
    }

    /// The layout of the directory; 0 where there is none.
    pub fn layout(&self) -> io::Result<u32> {
        match fs::read_to_string(self.root.join("version")) {
            Ok(text) => text.trim().parse().map_err(|_| {
                io::Error::new(
                    io::ErrorKind::InvalidData,
                    format!("{:?} is not a version of the layout", text.trim()),
                )
            }),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(0),
            Err(error) => Err(error),
        }
    }

    /// Makes the layout of this release.
    pub fn migrate(&self) -> io::Result<()> {
        for directory in ["tmp", "incoming", "entries"] {
            fs::create_dir_all(self.root.join(directory))?;
        }
        self.write("version", format!("{LAYOUT}\n").as_bytes())
    }

    /// Puts an entry into the queue. When this returns it survives a crash of the machine.
    pub fn submit(&self, name: &str, message: &str) -> io::Result<String> {
        let entry =
            Entry { id: new_id(), name: name.to_owned(), message: message.to_owned(), at: now_millis() };
        self.write(&format!("incoming/{}", entry.id), entry.to_form().as_bytes())?;
        Ok(entry.id)
    }

    /// The ids of waiting entries, the oldest first.
    pub fn waiting(&self) -> io::Result<Vec<String>> {
        ids(&self.root.join("incoming"))
    }

    /// The ids of published entries, the oldest first.
    pub fn published(&self) -> io::Result<Vec<String>> {
        ids(&self.root.join("entries"))
    }

    /// A published entry; `None` when it is no longer there.
    pub fn entry(&self, id: &str) -> io::Result<Option<Entry>> {
        match fs::read_to_string(self.root.join("entries").join(id)) {
            Ok(text) => Ok(Some(Entry::from_form(id, &text))),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Does `work` on a waiting entry, publishes it and takes it out of the queue. `false` when
    /// another worker has it: the lock that tells ends with the process that holds it.
    pub fn publish(&self, id: &str, work: impl FnOnce(&mut Entry)) -> io::Result<bool> {
        let path = self.root.join("incoming").join(id);
        let Some(mut file) = found(File::open(&path))? else { return Ok(false) };
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Ok(false),
            Err(TryLockError::Error(error)) => return Err(error),
        }
        if !path.try_exists()? {
            return Ok(false);
        }
        let mut text = String::new();
        file.read_to_string(&mut text)?;
        let mut entry = Entry::from_form(id, &text);
        work(&mut entry);
        self.write(&format!("entries/{id}"), entry.to_form().as_bytes())?;
        fs::remove_file(&path)?;
        Ok(true)
    }

    /// Removes the oldest published entries but for `keep`, and what a crash left in `tmp/`.
    pub fn clean_up(&self, keep: usize) -> io::Result<usize> {
        let published = self.published()?;
        let old = &published[..published.len().saturating_sub(keep)];
        for id in old {
            found(fs::remove_file(self.root.join("entries").join(id)))?;
        }
        for file in fs::read_dir(self.root.join("tmp"))? {
            let file = file?;
            let age =
                file.metadata().and_then(|meta| meta.modified()).map(|at| at.elapsed().unwrap_or_default());
            if age.is_ok_and(|age| age > Duration::from_secs(3600)) {
                found(fs::remove_file(file.path()))?;
            }
        }
        Ok(old.len())
    }

    /// Appends a line to the scheduler's file.
    pub fn tick(&self, line: &str) -> io::Result<()> {
        let mut file = File::options().create(true).append(true).open(self.root.join("ticks"))?;
        file.write_all(line.as_bytes())
    }

    /// Writes a file that appears whole or not at all.
    fn write(&self, name: &str, bytes: &[u8]) -> io::Result<()> {
        let target = self.root.join(name);
        let temporary = self.root.join("tmp").join(new_id());
        let mut file = File::create_new(&temporary)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        fs::rename(&temporary, &target)?;
        let directory = target.parent().unwrap_or(&self.root);
        File::open(directory)?.sync_all()
    }
}

impl Entry {
    fn to_form(&self) -> String {
        form::encode(&[("name", &self.name), ("message", &self.message), ("at", &self.at.to_string())])
    }

    fn from_form(id: &str, text: &str) -> Self {
        let fields = form::decode(text);
        let field = |name| form::field(&fields, name).unwrap_or_default();
        Self {
            id: id.to_owned(),
            name: field("name").to_owned(),
            message: field("message").to_owned(),
            at: field("at").parse().unwrap_or(0),
        }
    }
}

/// A name that no other process and no other call makes, and that sorts by time.
fn new_id() -> String {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    format!("{:013}-{}-{}", now_millis(), std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed))
}

fn ids(directory: &Path) -> io::Result<Vec<String>> {
    let mut ids = Vec::new();
    for file in fs::read_dir(directory)? {
        ids.extend(file?.file_name().into_string());
    }
    ids.sort_unstable();
    Ok(ids)
}

/// What was asked for, or `None` when somebody else took it away meanwhile.
fn found<T>(result: io::Result<T>) -> io::Result<Option<T>> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}
