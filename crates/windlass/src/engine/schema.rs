//! The tables of the state file, and their version.

use rusqlite::Connection;

use super::JournalError;
use super::audit::TABLES as AUDIT;
use crate::failpoint;

/// The version of the tables that this program reads and writes.
pub(super) const SCHEMA_VERSION: i64 = 2;

/// The version before it, which lacks the chain over the runs that have ended. Such a file is read and written as it is; it
/// gets its chain, and this version, in the transaction in which its next run ends: where the disk is full
/// nobody is kept from starting.
const WITHOUT_AUDIT: i64 = 1;

/// Makes the tables in a new file; refuses a file of another version.
pub(super) fn prepare(connection: &Connection) -> Result<(), JournalError> {
    match version(connection)? {
        0 => {
            let tables = format!(
                "BEGIN IMMEDIATE;
                 {TABLES}
                 {AUDIT}
                 PRAGMA user_version = {SCHEMA_VERSION};
                 COMMIT;"
            );
            failpoint::around_journal(|| connection.execute_batch(&tables))?;
            Ok(())
        }
        SCHEMA_VERSION | WITHOUT_AUDIT => Ok(()),
        found => Err(JournalError::Version { found, known: SCHEMA_VERSION }),
    }
}

/// The version of a file.
pub(super) fn version(connection: &Connection) -> Result<i64, JournalError> {
    Ok(connection.query_row("PRAGMA user_version", [], |row| row.get(0))?)
}

/// Adds what makes it quicker and no version depends on: a file that lacks it, or has it, is of the same format.
pub(super) fn add_indexes(connection: &Connection) -> Result<(), JournalError> {
    connection.execute_batch("CREATE INDEX IF NOT EXISTS runs_release ON runs(release)")?;
    Ok(())
}

const TABLES: &str = "
CREATE TABLE runs (
    id       TEXT PRIMARY KEY,
    release  INTEGER NOT NULL,
    plan     TEXT NOT NULL,              -- JSON: Plan
    asked_by TEXT NOT NULL,
    began    INTEGER NOT NULL,           -- ms since 1970
    ended    INTEGER,
    fence    INTEGER,                    -- the lock's number once it is taken
    record   TEXT                        -- JSON: RunRecord, when ended
) STRICT;

CREATE TABLE records (
    run   TEXT NOT NULL REFERENCES runs(id),
    seq   INTEGER NOT NULL,
    at    INTEGER NOT NULL,
    body  TEXT NOT NULL,                 -- JSON: Record
    chain TEXT NOT NULL,                 -- hash over the chain before and this body
    PRIMARY KEY (run, seq)
) STRICT, WITHOUT ROWID;

CREATE TABLE lock (
    only  INTEGER PRIMARY KEY CHECK (only = 1),
    run   TEXT,                          -- who holds it; NULL: nobody
    fence INTEGER NOT NULL               -- grows with every holder
) STRICT;
INSERT INTO lock VALUES (1, NULL, 0);

CREATE TABLE releases (
    id        INTEGER PRIMARY KEY,
    tree      INTEGER NOT NULL,
    headline  TEXT NOT NULL,
    asked_by  TEXT NOT NULL,
    activated INTEGER NOT NULL,
    spec      TEXT NOT NULL,             -- JSON: Spec
    source    TEXT NOT NULL,             -- JSON: Source
    instances TEXT NOT NULL,             -- JSON: service -> instances
    schema    TEXT NOT NULL              -- JSON: job -> what it said
) STRICT;

CREATE TABLE active (
    only    INTEGER PRIMARY KEY CHECK (only = 1),
    release INTEGER NOT NULL REFERENCES releases(id),
    stopped INTEGER NOT NULL
) STRICT;

CREATE TABLE jobs (
    name    TEXT PRIMARY KEY,
    digest  TEXT NOT NULL,
    release INTEGER NOT NULL,
    at      INTEGER NOT NULL
) STRICT;

CREATE TABLE crons (
    name    TEXT PRIMARY KEY,
    last    INTEGER NOT NULL,            -- when it was last due, ms since 1970
    outcome TEXT
) STRICT;

CREATE TABLE numbers (
    name  TEXT PRIMARY KEY,
    value INTEGER NOT NULL
) STRICT;
INSERT INTO numbers VALUES ('release', 0), ('generation', 0);
";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_new_file_gets_this_version_and_keeps_it() {
        let connection = Connection::open_in_memory().unwrap();
        prepare(&connection).unwrap();
        assert_eq!(version(&connection).unwrap(), SCHEMA_VERSION);
        prepare(&connection).unwrap();
        assert_eq!(version(&connection).unwrap(), SCHEMA_VERSION);
    }

    #[test]
    fn a_file_of_another_version_is_refused_and_left_as_it_is() {
        for other in [-1, SCHEMA_VERSION + 1, 99] {
            let connection = Connection::open_in_memory().unwrap();
            connection.pragma_update(None, "user_version", other).unwrap();
            let error = prepare(&connection).unwrap_err();
            assert!(matches!(error, JournalError::Version { found, .. } if found == other), "{error}");
            assert_eq!(version(&connection).unwrap(), other);
            let tables: i64 =
                connection.query_row("SELECT count(*) FROM sqlite_master", [], |row| row.get(0)).unwrap();
            assert_eq!(tables, 0);
        }
    }
}
