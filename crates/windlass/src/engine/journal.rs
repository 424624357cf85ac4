//! The journal's file: runs, their records, and the lock.

use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use rusqlite::{Connection, OptionalExtension, params};
use windlass_core::event::RunRecord;
use windlass_core::journal::Record;
use windlass_core::name::ReleaseId;
use windlass_core::plan::{PLAN_VERSION, Plan};

use super::{audit, schema};
use crate::{clock, failpoint};

/// The state file of an environment. One process at a time owns it (the host side, by its lock
/// file); others may read it.
pub struct Journal {
    pub(super) connection: Connection,
}

/// A run as it was begun.
#[derive(Debug, Clone)]
pub struct RunRow {
    /// Its id.
    pub id: String,
    /// What it does.
    pub plan: Plan,
    /// Who asked.
    pub by: String,
    /// When, milliseconds since 1970.
    pub began: i64,
}

/// Why the journal cannot do what it is asked.
#[derive(Debug)]
pub enum JournalError {
    /// The file is of another version of Windlass.
    Version {
        /// The file's.
        found: i64,
        /// This program's.
        known: i64,
    },
    /// A run that is not over was begun by another version of Windlass.
    Plan {
        /// The run.
        run: String,
        /// The version of its plan.
        found: u64,
    },
    /// The lock has passed to another run: this one must write nothing more.
    Fenced {
        /// The run that was refused.
        run: String,
    },
    /// A record does not follow from the one before it: the file was damaged or edited.
    Broken {
        /// The run.
        run: String,
        /// The record's place.
        seq: i64,
    },
    /// It is gone or empty, although something was deployed.
    Missing,
    /// Nothing says of which application and environment it is.
    Nameless,
    /// What is written in it cannot be read.
    Unreadable(serde_json::Error),
    /// SQLite's own: disk full, input/output error, a damaged file.
    File(rusqlite::Error),
}

impl Journal {
    /// Opens the file, making it and its tables where there is none.
    ///
    /// # Errors
    /// [`JournalError`] when it cannot be opened, or is of another version.
    pub fn open(path: &Path) -> Result<Self, JournalError> {
        // SQLite gives its other files the mode of this one.
        let _there_already = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
        let connection = Connection::open(path)?;
        connection.pragma_update(None, "journal_mode", "WAL")?;
        connection.pragma_update(None, "synchronous", "FULL")?;
        connection.pragma_update(None, "foreign_keys", true)?;
        connection.busy_timeout(std::time::Duration::from_secs(5))?;
        schema::prepare(&connection)?;
        // Without them it is slower, as where the disk is full; that must not keep anybody from starting.
        let _only_slower = schema::add_indexes(&connection);
        Ok(Self { connection })
    }

    /// Opens an existing file to read, changing nothing.
    ///
    /// # Errors
    /// [`JournalError`] when there is none, or it cannot be read: [`JournalError::Missing`] also where it has no tables, as
    /// while somebody is just making it.
    pub fn open_to_read(path: &Path) -> Result<Self, JournalError> {
        let flags = rusqlite::OpenFlags::SQLITE_OPEN_READ_ONLY | rusqlite::OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(path, flags)?;
        connection.busy_timeout(std::time::Duration::from_secs(5))?;
        if schema::version(&connection)? == 0 {
            return Err(JournalError::Missing);
        }
        schema::prepare(&connection)?;
        Ok(Self { connection })
    }

    /// Writes that a run begins, and reserves its release number.
    ///
    /// # Errors
    /// [`JournalError::File`] when it cannot be written.
    pub fn begin(&mut self, id: &str, plan: &Plan, by: &str) -> Result<(), JournalError> {
        let release = i64::try_from(plan.release.0).unwrap_or(i64::MAX);
        let transaction = self.connection.transaction()?;
        transaction.execute(
            "INSERT INTO runs (id, release, plan, asked_by, began) VALUES (?1, ?2, ?3, ?4, ?5)",
            params![id, release, serde_json::to_string(plan)?, by, clock::wall_millis()],
        )?;
        transaction.execute("UPDATE numbers SET value = max(value, ?1) WHERE name = 'release'", [release])?;
        failpoint::around_journal(|| transaction.commit())?;
        Ok(())
    }

    /// Appends records to a run, all or none. They are synced, and with them all that stands before
    /// them; only results wait for the next record. Those survive a crash of this process at once, and
    /// a power cut as soon as anything else is about to be done. A result that a power cut takes is
    /// that of a step cut short, which is looked at.
    ///
    /// # Errors
    /// [`JournalError::Fenced`] when the run took the lock and another holds it now;
    /// [`JournalError::File`] when they cannot be written.
    pub fn append(&mut self, run: &str, records: &[Record]) -> Result<(), JournalError> {
        // The verdict follows from the records before it, and `end` syncs it.
        let can_wait = |record: &Record| matches!(record, Record::Done { .. } | Record::Ended(_));
        if !records.iter().all(can_wait) {
            return self.append_all(run, records);
        }
        self.connection.pragma_update(None, "synchronous", "NORMAL")?;
        let appended = self.append_all(run, records);
        self.connection.pragma_update(None, "synchronous", "FULL")?;
        appended
    }

    fn append_all(&mut self, run: &str, records: &[Record]) -> Result<(), JournalError> {
        let transaction = self.connection.transaction()?;
        let fenced: bool = transaction.query_row(
            "SELECT runs.fence IS NOT NULL AND (lock.run IS NOT ?1 OR lock.fence IS NOT runs.fence)
             FROM runs, lock WHERE runs.id = ?1",
            [run],
            |row| row.get(0),
        )?;
        if fenced {
            return Err(JournalError::Fenced { run: run.to_owned() });
        }
        let last: Option<(i64, String)> = transaction
            .query_row(
                "SELECT seq, chain FROM records WHERE run = ?1 ORDER BY seq DESC LIMIT 1",
                [run],
                |row| Ok((row.get(0)?, row.get(1)?)),
            )
            .optional()?;
        let (mut seq, mut chain) = last.unwrap_or_else(|| (0, run.to_owned()));
        for record in records {
            let body = serde_json::to_string(record)?;
            seq += 1;
            chain = link(&chain, &body);
            transaction.execute(
                "INSERT INTO records (run, seq, at, body, chain) VALUES (?1, ?2, ?3, ?4, ?5)",
                params![run, seq, clock::wall_millis(), body, chain],
            )?;
        }
        failpoint::around_journal(|| transaction.commit())?;
        Ok(())
    }

    /// Reads a run's records, checking that each follows from the one before.
    ///
    /// # Errors
    /// [`JournalError::Broken`] at the first that does not.
    pub fn records(&self, run: &str) -> Result<Vec<Record>, JournalError> {
        Ok(self.dated_records(run)?.into_iter().map(|(_, record)| record).collect())
    }

    /// The same, each with when it was written, in milliseconds since 1970.
    ///
    /// # Errors
    /// [`JournalError::Broken`] at the first that does not follow from the one before.
    pub fn dated_records(&self, run: &str) -> Result<Vec<(i64, Record)>, JournalError> {
        let mut statement = self
            .connection
            .prepare_cached("SELECT seq, body, chain, at FROM records WHERE run = ?1 ORDER BY seq")?;
        let mut rows = statement.query([run])?;
        let mut records = Vec::new();
        let mut chain = run.to_owned();
        while let Some(row) = rows.next()? {
            let (seq, body, stored): (i64, String, String) = (row.get(0)?, row.get(1)?, row.get(2)?);
            chain = link(&chain, &body);
            if chain != stored {
                return Err(JournalError::Broken { run: run.to_owned(), seq });
            }
            records.push((row.get(3)?, serde_json::from_str(&body)?));
        }
        Ok(records)
    }

    /// The place of a run's last record; 0 where there is none yet.
    ///
    /// # Errors
    /// [`JournalError::File`] when it cannot be read.
    pub fn last_record(&self, run: &str) -> Result<i64, JournalError> {
        let last = "SELECT coalesce(max(seq), 0) FROM records WHERE run = ?1";
        Ok(self.connection.prepare_cached(last)?.query_row([run], |row| row.get(0))?)
    }

    /// The runs that are not over, in the order in which they were begun, whatever the clock said.
    ///
    /// # Errors
    /// [`JournalError::Plan`] when one was begun by another version; [`JournalError`] when they cannot
    /// be read.
    pub fn open_runs(&self) -> Result<Vec<RunRow>, JournalError> {
        let mut statement = self.connection.prepare_cached(
            "SELECT id, plan, asked_by, began FROM runs WHERE ended IS NULL ORDER BY rowid",
        )?;
        let mut rows = statement.query([])?;
        let mut runs = Vec::new();
        while let Some(row) = rows.next()? {
            let (id, plan): (String, String) = (row.get(0)?, row.get(1)?);
            runs.push(RunRow { plan: plan_of(&id, &plan)?, id, by: row.get(2)?, began: row.get(3)? });
        }
        Ok(runs)
    }

    /// The plan that made, or was to make, a release; `None` also where it was forgotten, because nothing is
    /// left of that release.
    ///
    /// # Errors
    /// [`JournalError::Plan`] when another version wrote it; [`JournalError`] when it cannot be read.
    pub fn plan_of_release(&self, release: ReleaseId) -> Result<Option<Plan>, JournalError> {
        let number = i64::try_from(release.0).unwrap_or(i64::MAX);
        let found: Option<(String, String)> = self
            .connection
            .query_row(
                "SELECT id, plan FROM runs WHERE release = ?1 AND plan <> '' ORDER BY rowid LIMIT 1",
                [number],
                |row| Ok((row.get(0)?, row.get(1)?)),
            )
            .optional()?;
        found.map(|(id, plan)| plan_of(&id, &plan)).transpose()
    }

    /// Writes that a run is over, what it did and cost, links it to the runs before it, and frees the lock if it
    /// held it.
    ///
    /// # Errors
    /// [`JournalError::File`] when it cannot be written.
    pub fn end(&mut self, run: &str, record: &RunRecord) -> Result<(), JournalError> {
        let transaction = self.connection.transaction()?;
        transaction.execute(
            "UPDATE runs SET ended = ?2, record = ?3 WHERE id = ?1",
            params![run, record.ended, serde_json::to_string(record)?],
        )?;
        audit::seal(&transaction, run)?;
        transaction.execute("UPDATE lock SET run = NULL WHERE run = ?1", [run])?;
        failpoint::around_journal(|| transaction.commit())?;
        Ok(())
    }

    /// The records of the latest runs that are over, newest first. One that cannot be read says so in its
    /// headline: it must not hide the others.
    ///
    /// # Errors
    /// [`JournalError`] when they cannot be read.
    pub fn run_records(&self, limit: u32) -> Result<Vec<RunRecord>, JournalError> {
        let mut statement = self.connection.prepare_cached(
            "SELECT id, began, ended, record FROM runs WHERE ended IS NOT NULL ORDER BY rowid DESC LIMIT ?1",
        )?;
        let mut rows = statement.query([limit])?;
        let mut records = Vec::new();
        while let Some(row) = rows.next()? {
            if row.get_ref(3)? == rusqlite::types::ValueRef::Null {
                continue;
            }
            records.push(match super::ledger::json(row, 3) {
                Err(JournalError::Unreadable(_)) => RunRecord {
                    run: row.get(0)?,
                    headline: "a run of which the record cannot be read".to_owned(),
                    by: "somebody".to_owned(),
                    began: row.get(1)?,
                    ended: row.get(2)?,
                    ..RunRecord::default()
                },
                record => record?,
            });
        }
        Ok(records)
    }

    /// Takes the lock for a run; taking it again is taking it once. Answers the holder when it is
    /// another.
    ///
    /// # Errors
    /// [`JournalError::File`] when it cannot be written.
    pub fn take_lock(&mut self, run: &str) -> Result<Option<String>, JournalError> {
        let transaction = self.connection.transaction()?;
        let holder: Option<String> = transaction.query_row("SELECT run FROM lock", [], |row| row.get(0))?;
        if holder.as_deref().is_some_and(|holder| holder != run) {
            return Ok(holder);
        }
        if holder.is_none() {
            transaction.execute("UPDATE lock SET run = ?1, fence = fence + 1", [run])?;
            transaction.execute("UPDATE runs SET fence = (SELECT fence FROM lock) WHERE id = ?1", [run])?;
        }
        failpoint::around_journal(|| transaction.commit())?;
        Ok(None)
    }

    /// Who holds the lock.
    ///
    /// # Errors
    /// [`JournalError::File`] when it cannot be read.
    pub fn lock_holder(&self) -> Result<Option<String>, JournalError> {
        Ok(self.connection.query_row("SELECT run FROM lock", [], |row| row.get(0))?)
    }

    /// The next value of a counter that only grows.
    ///
    /// # Errors
    /// [`JournalError::File`] when it cannot be written.
    pub fn next_number(&mut self, name: &str) -> Result<u64, JournalError> {
        // By a transaction of its own: a statement that commits itself does so after its row was read, where nobody
        // hears that it failed, and the number would be given twice.
        let transaction = self.connection.transaction()?;
        let value: i64 = transaction.query_row(
            "UPDATE numbers SET value = value + 1 WHERE name = ?1 RETURNING value",
            [name],
            |row| row.get(0),
        )?;
        failpoint::around_journal(|| transaction.commit())?;
        Ok(u64::try_from(value).unwrap_or_default())
    }
}

impl JournalError {
    /// Whether there was no room on the disk.
    #[must_use]
    pub fn is_full_disk(&self) -> bool {
        match self {
            Self::File(error) => error.sqlite_error_code() == Some(rusqlite::ErrorCode::DiskFull),
            _ => false,
        }
    }

    /// Whether trying again is of no use: what is wrong is in the file.
    #[must_use]
    pub fn is_lasting(&self) -> bool {
        use rusqlite::ErrorCode::{DatabaseCorrupt, NotADatabase};
        match self {
            Self::File(error) => matches!(error.sqlite_error_code(), Some(DatabaseCorrupt | NotADatabase)),
            Self::Fenced { .. } => false,
            _ => true,
        }
    }
}

/// Reads the plan of an open run. One of another version is refused, never guessed at.
fn plan_of(run: &str, text: &str) -> Result<Plan, JournalError> {
    let version = serde_json::from_str::<serde_json::Value>(text)?["version"].as_u64();
    match version {
        Some(version) if version == u64::from(PLAN_VERSION) => Ok(serde_json::from_str(text)?),
        found => Err(JournalError::Plan { run: run.to_owned(), found: found.unwrap_or_default() }),
    }
}

fn link(chain: &str, body: &str) -> String {
    let mut hasher = blake3::Hasher::new();
    hasher.update(chain.as_bytes()).update(b"\n").update(body.as_bytes());
    hasher.finalize().to_hex()[..32].to_owned()
}

impl std::fmt::Display for JournalError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Version { found, known } if found > known => write!(
                f,
                "the state file was written by a newer Windlass (format {found}, this one knows {known}): \
                 use that version"
            ),
            Self::Version { found, known } => {
                write!(
                    f,
                    "the state file has format {found}, which this Windlass (format {known}) cannot read"
                )
            }
            Self::Plan { run, found } => write!(
                f,
                "run {run} was begun by another Windlass and is not over (its plan has format {found}, this \
                 one knows {PLAN_VERSION}): finish it with that version (`windlass resume` or `windlass \
                 abort`), and then use this one"
            ),
            Self::Fenced { run } => write!(f, "run {run} lost the lock to another and must stop"),
            Self::Broken { run, seq } => write!(
                f,
                "record {seq} of run {run} in the state file is damaged: restore state/journal.db from a \
                 backup, or move it away to begin anew (what runs goes on running)"
            ),
            Self::Missing => f.write_str(
                "the state file state/journal.db is gone or empty, but something was deployed here: restore it \
                 from a backup, or move the environment's directory away to begin anew (what runs goes on \
                 running)",
            ),
            Self::Nameless => f.write_str(
                "this directory does not say of which application and environment it is: name it .../APP/ENVIRONMENT",
            ),
            Self::Unreadable(error) => write!(f, "the state file holds what cannot be read: {error}"),
            Self::File(error) => {
                write!(f, "the state file: {error}")?;
                if is_of_the_disk(error) {
                    f.write_str(
                        " (its disk fails, or has become read-only: see `dmesg`, mend it, and then \
                         `windlass resume`)",
                    )?;
                }
                Ok(())
            }
        }
    }
}

fn is_of_the_disk(error: &rusqlite::Error) -> bool {
    use rusqlite::ErrorCode::{CannotOpen, ReadOnly, SystemIoFailure};
    error.sqlite_error_code().is_some_and(|code| matches!(code, SystemIoFailure | ReadOnly | CannotOpen))
}

impl std::error::Error for JournalError {}

impl From<rusqlite::Error> for JournalError {
    fn from(error: rusqlite::Error) -> Self {
        Self::File(error)
    }
}

impl From<serde_json::Error> for JournalError {
    fn from(error: serde_json::Error) -> Self {
        Self::Unreadable(error)
    }
}

#[cfg(test)]
mod tests {
    use windlass_core::journal::Direction;
    use windlass_core::plan::{Observed, Request, Wanted, plan};
    use windlass_testkit::sample;

    use super::*;

    fn a_plan() -> Plan {
        let wanted = Wanted { request: Request::Deploy, spec: sample::shop(), source: sample::source("one") };
        plan(&wanted, &Observed { next_release: 1, ..Observed::default() }).unwrap()
    }

    fn begun(runs: &[&str]) -> (tempfile::TempDir, Journal) {
        let directory = tempfile::tempdir().unwrap();
        let mut journal = Journal::open(&directory.path().join("journal.db")).unwrap();
        for run in runs {
            journal.begin(run, &a_plan(), "somebody").unwrap();
        }
        (directory, journal)
    }

    #[test]
    fn a_number_that_cannot_be_kept_is_not_given() {
        let (_directory, mut journal) = begun(&[]);
        assert_eq!(journal.next_number("generation").unwrap(), 1);
        // As on a disk that fails, the row can be written, and the commit is refused.
        let refuse = "CREATE TABLE none (id INTEGER PRIMARY KEY);
            CREATE TABLE more (id INTEGER REFERENCES none (id) DEFERRABLE INITIALLY DEFERRED);
            CREATE TRIGGER refuse AFTER UPDATE ON numbers BEGIN INSERT INTO more VALUES (1); END";
        journal.connection.execute_batch(refuse).unwrap();
        journal.next_number("generation").unwrap_err();
        journal.connection.execute_batch("DROP TRIGGER refuse").unwrap();
        assert_eq!(journal.next_number("generation").unwrap(), 2);
    }

    #[test]
    fn a_file_that_is_just_being_made_is_none_yet() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("journal.db");
        std::fs::write(&path, "").unwrap();
        assert!(matches!(Journal::open_to_read(&path).map(drop), Err(JournalError::Missing)));
        drop(Journal::open(&path).unwrap());
        Journal::open_to_read(&path).unwrap();
    }

    const INTENT: Record = Record::Intent { step: 0, direction: Direction::Forward };

    #[test]
    fn who_lost_the_lock_writes_nothing_more() {
        let (_directory, mut journal) = begun(&["a", "b"]);
        assert_eq!(journal.take_lock("a").unwrap(), None);
        journal.append("a", &[INTENT]).unwrap();
        assert_eq!(journal.take_lock("b").unwrap().as_deref(), Some("a"));
        // As when the lock is taken from a holder that is thought to be dead, and which then wakes.
        journal.connection.execute("UPDATE lock SET run = NULL", []).unwrap();
        assert_eq!(journal.take_lock("b").unwrap(), None);
        let error = journal.append("a", &[INTENT]).unwrap_err();
        assert!(matches!(error, JournalError::Fenced { .. }), "{error}");
        assert_eq!(journal.records("a").unwrap().len(), 1);
        journal.append("b", &[INTENT]).unwrap();
        // Nor when nobody holds it, or it holds it by name with an older number.
        journal.connection.execute("UPDATE lock SET run = 'a', fence = fence + 1", []).unwrap();
        assert!(matches!(journal.append("a", &[INTENT]), Err(JournalError::Fenced { .. })));
    }

    #[test]
    fn runs_are_in_the_order_in_which_they_were_begun_whatever_the_clock_said() {
        let (_directory, journal) = begun(&["c", "a", "b"]);
        journal.connection.execute("UPDATE runs SET began = -began WHERE id = 'a'", []).unwrap();
        let ids: Vec<String> = journal.open_runs().unwrap().into_iter().map(|run| run.id).collect();
        assert_eq!(ids, ["c", "a", "b"]);
    }

    #[test]
    fn a_record_that_cannot_be_read_hides_no_other() {
        let (_directory, mut journal) = begun(&["a", "b"]);
        for run in ["a", "b"] {
            let record = RunRecord { run: run.to_owned(), ended: 7, ..RunRecord::default() };
            journal.end(run, &record).unwrap();
        }
        journal.connection.execute("UPDATE runs SET record = '{' WHERE id = 'b'", []).unwrap();
        let records = journal.run_records(10).unwrap();
        let told: Vec<(&str, &str)> = records.iter().map(|r| (r.run.as_str(), r.headline.as_str())).collect();
        assert_eq!(told, [("b", "a run of which the record cannot be read"), ("a", "")]);
    }

    #[test]
    fn an_index_that_cannot_be_made_keeps_nobody_from_opening_it() {
        let (directory, journal) = begun(&["a"]);
        // Its name is taken, which fails as a full disk does.
        let taken = "DROP INDEX runs_release; CREATE TABLE runs_release (x)";
        journal.connection.execute_batch(taken).unwrap();
        drop(journal);
        let journal = Journal::open(&directory.path().join("journal.db")).unwrap();
        assert_eq!(journal.open_runs().unwrap().len(), 1);
    }

    #[test]
    fn an_open_run_of_another_format_is_refused() {
        let (_directory, journal) = begun(&["a"]);
        let set = "UPDATE runs SET plan = json_set(plan, '$.version', 7, '$.new', 'what nobody knows yet')";
        journal.connection.execute(set, []).unwrap();
        let error = journal.open_runs().unwrap_err();
        assert!(matches!(&error, JournalError::Plan { run, found: 7 } if run == "a"), "{error}");
    }

    /// A journal of small pages, with a record in the file and one that is only in its log.
    fn half_checkpointed() -> (tempfile::TempDir, Journal) {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("journal.db");
        let small = Connection::open(&path).unwrap();
        small.execute_batch("PRAGMA page_size = 512; CREATE TABLE early (x); DROP TABLE early").unwrap();
        drop(small);
        let mut journal = Journal::open(&path).unwrap();
        journal.begin("a", &a_plan(), "somebody").unwrap();
        journal.append("a", &[INTENT]).unwrap();
        journal.connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(())).unwrap();
        journal.append("a", &[INTENT, INTENT]).unwrap();
        (directory, journal)
    }

    #[test]
    fn a_log_that_is_cut_at_any_byte_loses_only_what_is_last() {
        let (directory, _journal) = half_checkpointed();
        let (file, log) = (directory.path().join("journal.db"), directory.path().join("journal.db-wal"));
        let (whole, logged) = (std::fs::read(file).unwrap(), std::fs::read(log).unwrap());
        let elsewhere = tempfile::tempdir().unwrap();
        let copy = elsewhere.path().join("journal.db");
        let mut counts = Vec::new();
        for length in 0..=logged.len() {
            std::fs::write(&copy, &whole).unwrap();
            std::fs::write(elsewhere.path().join("journal.db-wal"), &logged[..length]).unwrap();
            let journal = Journal::open_to_read(&copy).unwrap();
            counts.push(journal.records("a").unwrap().len());
            drop(journal);
            let _shared_memory = std::fs::remove_file(elsewhere.path().join("journal.db-shm"));
        }
        assert!(counts.is_sorted(), "{counts:?}");
        counts.dedup();
        assert_eq!(counts, [1, 3], "a transaction is there or not");
    }

    #[test]
    fn a_file_that_is_cut_at_any_byte_is_refused_or_lost_nothing() {
        let (directory, journal) = half_checkpointed();
        // Closing it writes all that was logged into the file.
        drop(journal);
        let path = directory.path().join("journal.db");
        let file = std::fs::OpenOptions::new().write(true).open(&path).unwrap();
        // What is shorter than its header counts as empty: there the host side looks at what lies beside it.
        for length in (100..file.metadata().unwrap().len()).rev() {
            file.set_len(length).unwrap();
            let read =
                Journal::open(&path).and_then(|journal| Ok((journal.records("a")?, journal.open_runs()?)));
            // The end of the last page may be that of an index.
            if let Ok((records, runs)) = read {
                assert_eq!((records.len(), runs.len()), (3, 1), "cut to {length} bytes");
                assert_eq!(runs[0].plan.hash(), a_plan().hash(), "cut to {length} bytes");
            }
        }
    }
}
