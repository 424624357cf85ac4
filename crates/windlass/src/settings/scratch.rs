//! A file for secrets that is gone when its work is done: readable for one account, in memory where
//! there is a place for that, wiped before it is removed.
//!
//! Its directory is locked for as long as its process lives: what lies there unlocked was left behind by
//! one that was killed, and the next one wipes it.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, flock};
use zeroize::Zeroizing;

use crate::random;

/// What the names of the directories begin with, and of nothing else.
const PREFIX: &str = "windlass-edit-";

/// How often somebody who clears up may be faster than who has just made a directory.
const TRIES: u32 = 8;

/// The file, in a directory of its own: what an editor leaves beside it goes as well.
pub struct Scratch {
    directory: PathBuf,
    path: PathBuf,
    memory: bool,
    /// Held until the end.
    _lock: File,
}

impl Scratch {
    /// Makes a place for a file of this name.
    ///
    /// # Errors
    /// When none can be made.
    pub fn new(name: &str) -> io::Result<Self> {
        let runtime = std::env::var_os("XDG_RUNTIME_DIR").map(PathBuf::from);
        let candidates: Vec<PathBuf> = runtime.into_iter().chain([PathBuf::from("/dev/shm")]).collect();
        for place in candidates.iter().chain([&std::env::temp_dir()]) {
            clear_up(place);
        }
        let mut in_memory = candidates.iter().filter(|place| is_memory(place));
        match in_memory.find_map(|place| Self::below(place, name, true).ok()) {
            Some(scratch) => Ok(scratch),
            None => Self::below(&std::env::temp_dir(), name, false),
        }
    }

    fn below(place: &Path, name: &str, memory: bool) -> io::Result<Self> {
        for _ in 0..TRIES {
            let directory = Self::make(place)?;
            let lock = File::open(&directory)?;
            flock(&lock, FlockOperation::LockExclusive)?;
            // Until then it looked as if it had been left behind.
            let there = fs::symlink_metadata(&directory).map(|facts| facts.ino()).ok();
            if there == Some(lock.metadata()?.ino()) {
                return Ok(Self { path: directory.join(name), directory, memory, _lock: lock });
            }
        }
        Err(io::Error::other("it is removed whenever it was made"))
    }

    fn make(place: &Path) -> io::Result<PathBuf> {
        // Random, and made anew: a directory that somebody else has prepared is not used.
        let random: [u8; 16] = random::bytes()?;
        let suffix: String = random.iter().map(|byte| format!("{byte:02x}")).collect();
        let directory = place.join(format!("{PREFIX}{suffix}"));
        DirBuilder::new().mode(0o700).create(&directory)?;
        Ok(directory)
    }

    /// Whether it lies in memory.
    #[must_use]
    pub fn is_memory(&self) -> bool {
        self.memory
    }

    /// The file's path.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Makes the file.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn write(&self, bytes: &[u8]) -> io::Result<()> {
        OpenOptions::new().write(true).create_new(true).mode(0o600).open(&self.path)?.write_all(bytes)
    }

    /// What the file has become; more than `most` bytes are not read.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn read(&self, most: u64) -> io::Result<Zeroizing<Vec<u8>>> {
        let file = File::open(&self.path)?;
        let size = file.metadata()?.len().min(most);
        let mut bytes = Zeroizing::new(Vec::with_capacity(usize::try_from(size).unwrap_or_default() + 1));
        file.take(most).read_to_end(&mut bytes)?;
        Ok(bytes)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        remove(&self.directory);
    }
}

/// Wipes what lies in a directory, and removes it.
fn remove(directory: &Path) {
    for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
        let _as_far_as_possible = wipe(&entry.path());
    }
    let _as_far_as_possible = fs::remove_dir_all(directory);
}

/// Removes what processes of this account have left behind, that did not get to it themselves.
fn clear_up(place: &Path) {
    let entries = fs::read_dir(place).into_iter().flatten().flatten();
    for entry in entries.filter(|entry| entry.file_name().to_string_lossy().starts_with(PREFIX)) {
        let path = entry.path();
        let is_own = fs::symlink_metadata(&path)
            .is_ok_and(|facts| facts.is_dir() && facts.uid() == rustix::process::geteuid().as_raw());
        let lock = if is_own { File::open(&path).ok() } else { None };
        if let Some(lock) = lock
            && flock(&lock, FlockOperation::NonBlockingLockExclusive).is_ok()
        {
            remove(&path);
        }
    }
}

/// Writes zeros over a file. On a disk that is no promise: what it had may still stand elsewhere.
fn wipe(path: &Path) -> io::Result<()> {
    if !fs::symlink_metadata(path)?.is_file() {
        return Ok(());
    }
    let mut file = OpenOptions::new().write(true).open(path)?;
    let mut left = file.metadata()?.len();
    file.seek(SeekFrom::Start(0))?;
    let zeros = [0; 4096];
    while left > 0 {
        let part = left.min(zeros.len() as u64);
        file.write_all(&zeros[..usize::try_from(part).unwrap_or_default()])?;
        left -= part;
    }
    file.sync_data()
}

fn is_memory(place: &Path) -> bool {
    const TMPFS: i64 = 0x0102_1994;
    const RAMFS: i64 = 0x8584_58f6;
    #[allow(clippy::unnecessary_cast, reason = "its type differs between machines")]
    let kind = rustix::fs::statfs(place).map(|facts| facts.f_type as i64);
    kind.is_ok_and(|kind| [TMPFS, RAMFS].contains(&kind))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn the_file_is_for_one_account_and_leaves_nothing_behind() {
        let scratch = Scratch::new("secrets.env").unwrap();
        scratch.write(b"A=1\n").unwrap();
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(scratch.path()), mode(scratch.path().parent().unwrap())), (0o600, 0o700));
        assert_eq!(*scratch.read(100).unwrap(), b"A=1\n");
        assert_eq!(*scratch.read(2).unwrap(), b"A=");
        // What an editor leaves beside it, and a second name of the file to see that it is wiped.
        let elsewhere = tempfile::tempdir_in(scratch.path().parent().unwrap().parent().unwrap()).unwrap();
        fs::write(scratch.path().with_extension("swp"), "A=1").unwrap();
        fs::hard_link(scratch.path(), elsewhere.path().join("seen")).unwrap();
        let directory = scratch.path().parent().unwrap().to_owned();
        drop(scratch);
        assert!(!directory.exists());
        assert_eq!(fs::read(elsewhere.path().join("seen")).unwrap(), [0; 4]);
    }

    #[test]
    fn what_was_left_behind_is_removed_and_what_is_used_is_not() {
        let place = tempfile::tempdir().unwrap();
        let used = Scratch::below(place.path(), "secrets.env", false).unwrap();
        used.write(b"A=1").unwrap();
        let left = Scratch::make(place.path()).unwrap();
        fs::write(left.join("secrets.env"), "A=1").unwrap();
        fs::hard_link(left.join("secrets.env"), place.path().join("seen")).unwrap();
        for other in ["windlass-0", "other"] {
            fs::create_dir(place.path().join(other)).unwrap();
        }
        clear_up(place.path());
        assert!(!left.exists() && used.path().exists());
        assert_eq!(fs::read(place.path().join("seen")).unwrap(), [0; 3]);
        assert!(place.path().join("windlass-0").exists() && place.path().join("other").exists());
    }
}
