//! The table on disk: written so that a crash or a power cut at any moment leaves a whole one.
//!
//! `table.json` is one line of JSON with a checksum. A new one is written aside and synced
//! ([`prepare`](State::prepare)), which takes milliseconds and may fail; then it changes places with the
//! one in force ([`put`](State::put)), which takes microseconds; when whoever asked has their answer,
//! that one becomes `table.last-good.json`, and the directory is synced ([`settle`](State::settle)). A
//! reserve file is given up when the disk is full, so that a switch back is possible even then.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use rustix::fs::RenameFlags;
use rustix::io::Errno;
use windlass_core::edge::Table;

use crate::failpoint;

const HEAD: &str = "{\"version\":1,\"blake3\":\"";
const MIDDLE: &str = "\",\"table\":";
const TABLE: &str = "table.json";
const LAST_GOOD: &str = "table.last-good.json";
const NEXT: &str = "table.json.next";
const RESERVE: &str = "table.reserve";
const RESERVE_BYTES: u64 = 256 * 1024;
/// No table is larger.
const MAX_BYTES: u64 = 64 * 1024 * 1024;

/// The directory with the table.
pub(in crate::proxy) struct State {
    directory: PathBuf,
    /// Whether `table.json` is known to be whole, so that it may become the last good one.
    whole: bool,
    /// The text that lies aside, synced.
    prepared: Option<String>,
    /// Whether names changed that the directory has not been synced for.
    unsettled: bool,
    /// Whether what lies aside is the table that was in force, whole.
    displaced: bool,
}

/// What was found at the start.
pub(in crate::proxy) struct Loaded {
    /// The table, where there is one.
    pub(in crate::proxy) table: Option<Table>,
    /// What was damaged.
    pub(in crate::proxy) problem: Option<String>,
}

impl State {
    /// Reads the table, or the last good one when it is damaged.
    pub(in crate::proxy) fn open(directory: &Path) -> (Self, Loaded) {
        let mut state = Self {
            directory: directory.to_owned(),
            whole: false,
            prepared: None,
            unsettled: false,
            displaced: false,
        };
        let loaded = match read(&directory.join(TABLE)) {
            Ok(table) => {
                state.whole = true;
                // A crash right after a switch left the table before it aside.
                let aside = read(&directory.join(NEXT));
                state.displaced = aside.is_ok_and(|aside| aside.generation < table.generation);
                // Where it cannot be kept now, that is tried again before the next one is written there.
                let _later = state.keep_displaced();
                Loaded { table: Some(table), problem: None }
            }
            Err(problem) => match read(&directory.join(LAST_GOOD)) {
                Ok(table) => {
                    let problem = format!("{TABLE} {problem}: the last good table serves instead");
                    Loaded { table: Some(table), problem: Some(problem) }
                }
                Err(Problem::Absent) if matches!(problem, Problem::Absent) => {
                    Loaded { table: None, problem: None }
                }
                Err(other) => Loaded {
                    table: None,
                    problem: Some(format!(
                        "{TABLE} {problem} and {LAST_GOOD} {other}: deploy again to set a table"
                    )),
                },
            },
        };
        (state, loaded)
    }

    /// Writes a table aside, so that no power cut can leave half of it once it is [`put`](Self::put).
    pub(in crate::proxy) fn prepare(&mut self, table: &Table) -> io::Result<()> {
        let text = encode(table)?;
        if self.prepared.as_ref() == Some(&text) {
            return Ok(());
        }
        self.keep_displaced()?;
        self.prepared = None;
        if let Err(error) = failpoint::around(|| self.write_aside(&text)) {
            let full = matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded);
            if !full || std::fs::remove_file(self.directory.join(RESERVE)).is_err() {
                return Err(error);
            }
            self.write_aside(&text)?;
        }
        self.prepared = Some(text);
        Ok(())
    }

    /// Makes a table the one that the next start will find, preparing it where that was not done. A
    /// power cut before [`settle`](Self::settle) may bring the one before back, whole.
    pub(in crate::proxy) fn put(&mut self, table: &Table) -> io::Result<()> {
        self.prepare(table)?;
        self.prepared = None;
        if self.whole {
            failpoint::around(|| self.displace())?;
        } else {
            std::fs::rename(self.directory.join(NEXT), self.directory.join(TABLE))?;
        }
        self.whole = true;
        self.unsettled = true;
        Ok(())
    }

    /// Has the prepared table and the one in force change places. Removing the last good one, as a rename
    /// over it does, would wait for the file system's journal.
    fn displace(&mut self) -> io::Result<()> {
        let (next, table) = (self.directory.join(NEXT), self.directory.join(TABLE));
        let here = rustix::fs::CWD;
        match rustix::fs::renameat_with(here, &next, here, &table, RenameFlags::EXCHANGE) {
            Ok(()) => {
                self.displaced = true;
                Ok(())
            }
            // A file system that cannot; NFS is one.
            Err(Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP) => self.replace(),
            Err(error) => Err(error.into()),
        }
    }

    /// The same in two steps, between which there is no table but the last good one.
    fn replace(&mut self) -> io::Result<()> {
        std::fs::rename(self.directory.join(TABLE), self.directory.join(LAST_GOOD))?;
        self.whole = false;
        std::fs::rename(self.directory.join(NEXT), self.directory.join(TABLE))
    }

    /// Makes the table that was in force the last good one.
    fn keep_displaced(&mut self) -> io::Result<()> {
        if !std::mem::take(&mut self.displaced) {
            return Ok(());
        }
        match std::fs::rename(self.directory.join(NEXT), self.directory.join(LAST_GOOD)) {
            // Somebody removed it; nothing that serves depends on it.
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                self.displaced = true;
                Err(error)
            }
            _ => Ok(()),
        }
    }

    /// Makes what was put last, whatever happens to the machine.
    pub(in crate::proxy) fn settle(&mut self) -> io::Result<()> {
        if !self.unsettled {
            return Ok(());
        }
        failpoint::around(|| {
            self.keep_displaced()?;
            File::open(&self.directory)?.sync_all()
        })?;
        self.unsettled = false;
        // Without a reserve the next full disk may stop a switch; nothing worse.
        let _ = self.keep_reserve();
        Ok(())
    }

    fn write_aside(&self, text: &str) -> io::Result<()> {
        let mut file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(self.directory.join(NEXT))?;
        file.write_all(text.as_bytes())?;
        file.sync_all()
    }

    fn keep_reserve(&self) -> io::Result<()> {
        let path = self.directory.join(RESERVE);
        if path.exists() {
            return Ok(());
        }
        let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
        rustix::fs::fallocate(&file, rustix::fs::FallocateFlags::empty(), 0, RESERVE_BYTES)?;
        Ok(())
    }
}

fn encode(table: &Table) -> io::Result<String> {
    let table = serde_json::to_string(table)?;
    let hash = blake3::hash(table.as_bytes()).to_hex();
    Ok(format!("{HEAD}{hash}{MIDDLE}{table}}}\n"))
}

/// Why a file gives no table.
#[derive(Debug)]
enum Problem {
    Absent,
    Damaged,
    Unreadable(io::Error),
    Newer(serde_json::Error),
}

impl std::fmt::Display for Problem {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Absent => f.write_str("is missing"),
            Self::Damaged => f.write_str("is damaged"),
            Self::Unreadable(error) => write!(f, "cannot be read ({error})"),
            Self::Newer(error) => write!(f, "is of another version ({error})"),
        }
    }
}

fn read(path: &Path) -> Result<Table, Problem> {
    let mut text = String::new();
    match File::open(path).and_then(|file| file.take(MAX_BYTES).read_to_string(&mut text)) {
        Ok(_) => decode(&text),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Err(Problem::Absent),
        Err(error) if error.kind() == io::ErrorKind::InvalidData => Err(Problem::Damaged),
        Err(error) => Err(Problem::Unreadable(error)),
    }
}

fn decode(text: &str) -> Result<Table, Problem> {
    let (hash, table) = text
        .strip_prefix(HEAD)
        .and_then(|rest| rest.split_once(MIDDLE))
        .and_then(|(hash, rest)| Some((hash, rest.strip_suffix("}\n")?)))
        .ok_or(Problem::Damaged)?;
    if blake3::hash(table.as_bytes()).to_hex().as_str() != hash {
        return Err(Problem::Damaged);
    }
    serde_json::from_str(table).map_err(Problem::Newer)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(generation: u64) -> Table {
        let mut table = crate::proxy::live::Live::empty().table;
        table.generation = generation;
        table
    }

    /// As a switch does it.
    fn put(state: &mut State, generation: u64) {
        state.put(&table(generation)).unwrap();
        state.settle().unwrap();
    }

    fn generation(directory: &Path) -> Option<u64> {
        State::open(directory).1.table.map(|table| table.generation)
    }

    #[test]
    fn what_was_written_is_found() {
        let directory = tempfile::tempdir().unwrap();
        let (mut state, loaded) = State::open(directory.path());
        assert!(loaded.table.is_none() && loaded.problem.is_none());
        state.put(&table(1)).unwrap();
        assert_eq!(generation(directory.path()), Some(1));
        state.put(&table(2)).unwrap();
        assert_eq!(generation(directory.path()), Some(2));
        let json: serde_json::Value =
            serde_json::from_slice(&std::fs::read(directory.path().join(TABLE)).unwrap()).unwrap();
        assert_eq!(json["table"]["generation"], 2);
    }

    #[test]
    fn a_table_cut_off_at_any_byte_is_noticed_and_the_last_good_one_serves() {
        let directory = tempfile::tempdir().unwrap();
        let (mut state, _) = State::open(directory.path());
        put(&mut state, 1);
        put(&mut state, 2);
        let whole = std::fs::read(directory.path().join(TABLE)).unwrap();
        for length in 0..whole.len() {
            std::fs::write(directory.path().join(TABLE), &whole[..length]).unwrap();
            let (_, loaded) = State::open(directory.path());
            assert_eq!(loaded.table.unwrap().generation, 1, "cut at {length}");
            assert!(loaded.problem.unwrap().contains("damaged"));
        }
    }

    #[test]
    fn a_table_that_is_only_prepared_is_not_found() {
        let directory = tempfile::tempdir().unwrap();
        let (mut state, _) = State::open(directory.path());
        state.put(&table(1)).unwrap();
        state.prepare(&table(2)).unwrap();
        assert_eq!(generation(directory.path()), Some(1));
        // Another one than was prepared is put: it is that one which is found.
        state.put(&table(3)).unwrap();
        state.settle().unwrap();
        assert_eq!(generation(directory.path()), Some(3));
    }

    #[test]
    fn a_table_that_could_not_be_put_does_not_stop_the_next_one() {
        let directory = tempfile::tempdir().unwrap();
        let (mut state, _) = State::open(directory.path());
        state.put(&table(1)).unwrap();
        state.prepare(&table(2)).unwrap();
        std::fs::remove_file(directory.path().join(NEXT)).unwrap();
        state.put(&table(2)).unwrap_err();
        assert_eq!(generation(directory.path()), Some(1));
        state.put(&table(3)).unwrap();
        assert_eq!(generation(directory.path()), Some(3));
    }

    #[test]
    fn a_crash_before_a_switch_is_settled_loses_neither_table() {
        let directory = tempfile::tempdir().unwrap();
        let (mut state, _) = State::open(directory.path());
        put(&mut state, 1);
        put(&mut state, 2);
        state.put(&table(3)).unwrap();
        for crashes in [true, false] {
            if crashes {
                state = State::open(directory.path()).0;
            }
            assert_eq!(generation(directory.path()), Some(3));
            // The next one is written aside, where the one before may still lie.
            state.prepare(&table(4)).unwrap();
            std::fs::rename(directory.path().join(TABLE), directory.path().join("away")).unwrap();
            assert_eq!(generation(directory.path()), Some(2));
            std::fs::rename(directory.path().join("away"), directory.path().join(TABLE)).unwrap();
        }
    }

    #[test]
    fn a_table_is_put_also_where_names_cannot_change_places() {
        let directory = tempfile::tempdir().unwrap();
        let (mut state, _) = State::open(directory.path());
        put(&mut state, 1);
        state.prepare(&table(2)).unwrap();
        state.replace().unwrap();
        assert_eq!(generation(directory.path()), Some(2));
        std::fs::write(directory.path().join(TABLE), "x").unwrap();
        assert_eq!(generation(directory.path()), Some(1));
    }

    #[test]
    fn what_lies_aside_may_be_removed() {
        let directory = tempfile::tempdir().unwrap();
        let (mut state, _) = State::open(directory.path());
        put(&mut state, 1);
        state.put(&table(2)).unwrap();
        let _none_where_names_cannot_change_places = std::fs::remove_file(directory.path().join(NEXT));
        state.settle().unwrap();
        put(&mut state, 3);
        assert_eq!(generation(directory.path()), Some(3));
    }

    #[test]
    fn any_flipped_byte_is_noticed() {
        let whole = encode(&table(7)).unwrap().into_bytes();
        for index in 0..whole.len() {
            let mut damaged = whole.clone();
            damaged[index] ^= 1;
            let result =
                String::from_utf8(damaged).map_err(|_| Problem::Damaged).and_then(|text| decode(&text));
            assert!(result.is_err(), "byte {index}");
        }
    }

    #[test]
    fn a_damaged_table_never_becomes_the_last_good_one() {
        let directory = tempfile::tempdir().unwrap();
        let (mut state, _) = State::open(directory.path());
        put(&mut state, 1);
        put(&mut state, 2);
        std::fs::write(directory.path().join(TABLE), "x").unwrap();
        let (mut state, loaded) = State::open(directory.path());
        assert_eq!(loaded.table.unwrap().generation, 1);
        put(&mut state, 3);
        std::fs::write(directory.path().join(TABLE), "x").unwrap();
        assert_eq!(generation(directory.path()), Some(1));
    }
}
