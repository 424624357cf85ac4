//! The chain over the runs that have ended: who asked for what, when, by which plan, and how it ended. What is
//! edited, removed or cut off afterwards does not fit it any more.
//!
//! Each link is a hash over the link before it, the run's row, its plan and its records. Those two are
//! forgotten before the row is, so their hashes are kept; and a run that is forgotten leaves its last link behind,
//! which the next one follows from ([`forget`]).
//!
//! There is no key: who may write the file can make the whole chain anew. What shows even that is its last
//! link, which `windlass runs` prints, noted somewhere else.
//!
//! What a person has looked at and accepts as it is becomes a link itself ([`acknowledged`]).

mod acknowledged;

use std::collections::HashSet;

use rusqlite::types::ValueRef;
use rusqlite::{Connection, OptionalExtension, Row, params};
use serde::{Deserialize, Serialize};
use windlass_core::protocol::{Acknowledged, Audit};

use super::prune::{PLANS, RECORDS, RUNS};
use super::schema::{SCHEMA_VERSION, version};
use super::{Journal, JournalError};

/// The tables of it. Made where they are missing: what somebody removed must not keep a run from ending.
pub(super) const TABLES: &str = "
CREATE TABLE IF NOT EXISTS audit (
    seq     INTEGER PRIMARY KEY,         -- 1, 2, 3: the order in which runs ended
    run     TEXT NOT NULL,
    body    TEXT NOT NULL,               -- hash of its row in runs, without the plan
    plan    TEXT NOT NULL,               -- hash of its plan
    records TEXT NOT NULL,               -- hash of its records
    link    TEXT NOT NULL                -- hash over the link before and all of this
) STRICT;

CREATE TABLE IF NOT EXISTS audit_ends (
    name TEXT PRIMARY KEY,               -- 'forgotten': where the chain begins now; 'last': where it ends
    seq  INTEGER NOT NULL,
    link TEXT NOT NULL
) STRICT;
INSERT OR IGNORE INTO audit_ends VALUES ('forgotten', 0, ''), ('last', 0, '');

CREATE TABLE IF NOT EXISTS acknowledged (
    id     TEXT PRIMARY KEY,             -- in audit: run
    at     INTEGER NOT NULL,             -- ms since 1970
    by     TEXT NOT NULL,
    faults TEXT NOT NULL                 -- JSON: what was acknowledged
) STRICT;
";

const BODY: &str = "SELECT id, release, asked_by, began, ended, fence, record FROM runs WHERE id = ?1";
const PLAN: &str = "SELECT plan FROM runs WHERE id = ?1 AND plan <> ''";
const OF_RUN: &str = "SELECT seq, at, body, chain FROM records WHERE run = ?1 ORDER BY seq";

/// How many faults are told one by one.
const TOLD: usize = 10;

/// Something that is not as it was written down.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Fault {
    /// In words.
    what: String,
    /// A hash of how it is now: altered once more it is another fault.
    now: String,
}

impl Fault {
    fn new(what: String, now: &[&str]) -> Self {
        let mut hasher = blake3::Hasher::new();
        now.iter().for_each(|part| add(&mut hasher, ValueRef::Text(part.as_bytes())));
        Self { what, now: text(&hasher) }
    }
}

/// What is found of the whole chain.
#[derive(Default)]
struct Found {
    runs: u64,
    last: String,
    faults: Vec<Fault>,
    acknowledged: Vec<Acknowledged>,
}

/// One end of the chain.
struct End {
    seq: i64,
    link: String,
}

/// What the chain keeps of a run.
struct Entry {
    seq: i64,
    run: String,
    body: String,
    plan: String,
    records: String,
}

impl Entry {
    fn of(connection: &Connection, seq: i64, run: &str) -> Result<Self, JournalError> {
        let hash = |sql| hash(connection, sql, run).map(Option::unwrap_or_default);
        Ok(Self { seq, run: run.to_owned(), body: hash(BODY)?, plan: hash(PLAN)?, records: hash(OF_RUN)? })
    }

    /// Its link, behind the one before.
    fn link(&self, before: &str) -> String {
        let mut hasher = blake3::Hasher::new();
        let words = [before, &self.run, &self.body, &self.plan, &self.records];
        words.into_iter().for_each(|word| add(&mut hasher, ValueRef::Text(word.as_bytes())));
        add(&mut hasher, ValueRef::Integer(self.seq));
        text(&hasher)
    }
}

/// Begins the chain in a file that has none yet, with all runs that ended before this one.
fn adopt(connection: &Connection, run: &str) -> Result<(), JournalError> {
    connection.execute_batch(TABLES)?;
    if version(connection)? == SCHEMA_VERSION {
        return Ok(());
    }
    let ended = "SELECT id FROM runs
                 WHERE ended IS NOT NULL AND id <> ?1 AND id NOT IN (SELECT run FROM audit) ORDER BY rowid";
    let mut statement = connection.prepare(ended)?;
    let mut rows = statement.query([run])?;
    while let Some(row) = rows.next()? {
        add_link(connection, &lossy(row, 0)?)?;
    }
    // An older program would end runs without a link. It says that it cannot read this.
    connection.pragma_update(None, "user_version", SCHEMA_VERSION)?;
    Ok(())
}

/// Adds a run that has just ended, in the same transaction.
pub(super) fn seal(connection: &Connection, run: &str) -> Result<(), JournalError> {
    adopt(connection, run)?;
    add_link(connection, run)
}

fn add_link(connection: &Connection, run: &str) -> Result<(), JournalError> {
    let last = end(connection, "last")?.unwrap_or(End { seq: 0, link: String::new() });
    // Where the end was moved this does not follow from it, so that it stays told.
    let highest: i64 =
        connection.query_row("SELECT coalesce(max(seq), 0) FROM audit", [], |row| row.get(0))?;
    let before = if last.seq == highest { last.link.as_str() } else { "" };
    let entry = Entry::of(connection, last.seq.max(highest) + 1, run)?;
    let link = entry.link(before);
    connection.execute(
        "INSERT INTO audit (seq, run, body, plan, records, link) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
        params![entry.seq, entry.run, entry.body, entry.plan, entry.records, link],
    )?;
    connection
        .execute("INSERT OR REPLACE INTO audit_ends VALUES ('last', ?1, ?2)", params![entry.seq, link])?;
    Ok(())
}

/// Forgets the links at the beginning of the chain whose runs were forgotten, but for the last of them.
pub(super) fn forget(connection: &Connection) -> Result<usize, JournalError> {
    let found: Option<(i64, String)> = connection
        .query_row(
            "SELECT seq, link FROM audit
             WHERE seq < coalesce((SELECT min(seq) FROM audit WHERE run IN (SELECT id FROM runs)), 0)
             AND seq <= (SELECT seq FROM audit_ends WHERE name = 'last') - ?1 ORDER BY seq DESC LIMIT 1",
            [RUNS],
            |row| Ok((row.get(0)?, row.get(1)?)),
        )
        .optional()?;
    let Some((seq, link)) = found else { return Ok(0) };
    connection
        .execute("INSERT OR REPLACE INTO audit_ends VALUES ('forgotten', ?1, ?2)", params![seq, link])?;
    let forgotten = connection.execute("DELETE FROM audit WHERE seq <= ?1", [seq])?;
    acknowledged::forget(connection)?;
    Ok(forgotten)
}

impl Journal {
    /// Looks whether the runs that have ended are those that were written down, and as they were.
    ///
    /// # Errors
    /// [`JournalError::File`] when the file cannot be read; what was changed in it is an answer.
    pub fn audit(&self) -> Result<Audit, JournalError> {
        let Found { runs, last, faults, acknowledged } = find(&self.connection)?;
        Ok(Audit { runs, last, faults: told(&faults), acknowledged })
    }
}

/// The first few, and how many more there are.
fn told(faults: &[Fault]) -> Vec<String> {
    let mut told: Vec<String> = faults.iter().take(TOLD).map(|fault| fault.what.clone()).collect();
    let more = faults.len().saturating_sub(TOLD);
    if more > 0 {
        told.push(format!("and {more} more"));
    }
    told
}

/// Looks at the whole chain. What was acknowledged is none of its faults, as long as it is as it was then.
fn find(connection: &Connection) -> Result<Found, JournalError> {
    let mut found = Found::default();
    // A file of the format before gets its chain when its next run ends.
    if version(connection)? < SCHEMA_VERSION {
        return Ok(found);
    }
    if !has_table(connection, "audit")? || !has_table(connection, "audit_ends")? {
        found.faults.push(Fault::new("the chain over all runs is gone".to_owned(), &["chain"]));
        return Ok(found);
    }
    let (Some(mut before), Some(last)) = (end(connection, "forgotten")?, end(connection, "last")?) else {
        found.faults.push(Fault::new("an end of the chain over all runs is gone".to_owned(), &["ends"]));
        return Ok(found);
    };
    let mut faults = Vec::new();
    let mut accepted: HashSet<String> = HashSet::new();
    let mut statement =
        connection.prepare_cached("SELECT seq, run, body, plan, records, link FROM audit ORDER BY seq")?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let (entry, link) = read(row)?;
        let fits = entry.link(&before.link) == link;
        let is_next = entry.seq == before.seq + 1;
        if !is_next {
            let what = format!("runs are missing before {}", called(connection, &entry.run)?);
            faults.push(gap(what, before.seq, entry.seq));
        } else if !fits {
            let now = ["link", &before.link, &entry.body, &entry.plan, &entry.records, &link];
            let what = format!("the link of {} was changed", called(connection, &entry.run)?);
            faults.push(Fault::new(what, &now));
        }
        match acknowledged::read(connection, &entry)? {
            None => {
                faults.extend(changed(connection, &entry, last.seq - entry.seq)?);
                found.runs += 1;
            }
            // It holds wherever it stands, as it was made to follow from what was there.
            Some(Ok((acknowledged, of))) if fits => {
                accepted.extend(of.into_iter().map(|fault| fault.now));
                found.acknowledged.push(acknowledged);
            }
            Some(unfit) => {
                let name = called(connection, &entry.run)?;
                let now = unfit.err().unwrap_or_default();
                faults.push(Fault::new(format!("{name} was changed"), &["acknowledgement", &link, &now]));
            }
        }
        before = End { seq: entry.seq, link };
    }
    if before.seq < last.seq {
        let (ended, there) = (last.seq, before.seq);
        let what = format!("the newest runs are missing: {ended} have ended, and {there} are on record");
        faults.push(gap(what, there, ended));
    } else if (before.seq, &before.link) != (last.seq, &last.link) {
        let now = ["end", &before.link, &last.link, &last.seq.to_string()];
        faults.push(Fault::new("the end of the chain over all runs was changed".to_owned(), &now));
    }
    let unlinked = "SELECT id FROM runs WHERE ended IS NOT NULL AND id NOT IN (SELECT run FROM audit)";
    let mut statement = connection.prepare_cached(unlinked)?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let run = lossy(row, 0)?;
        let Entry { body, plan, records, .. } = Entry::of(connection, 0, &run)?;
        let what = format!("{} was added, or its link removed", called(connection, &run)?);
        faults.push(Fault::new(what, &["added", &run, &body, &plan, &records]));
    }
    faults.retain(|fault| !accepted.contains(&fault.now));
    (found.last, found.faults) = (last.link, faults);
    Ok(found)
}

/// That links are missing between two.
fn gap(what: String, before: i64, after: i64) -> Fault {
    Fault::new(what, &["missing", &before.to_string(), &after.to_string()])
}

fn has_table(connection: &Connection, name: &str) -> Result<bool, JournalError> {
    let tables = "SELECT count(*) FROM sqlite_master WHERE type = 'table' AND name = ?1";
    Ok(connection.query_row(tables, [name], |row| row.get::<_, i64>(0))? > 0)
}

/// What of a run is not as it was, so many runs after it.
fn changed(connection: &Connection, entry: &Entry, later: i64) -> Result<Vec<Fault>, JournalError> {
    let now = |sql| hash(connection, sql, &entry.run);
    let name = called(connection, &entry.run)?;
    let parts = [
        (BODY, &entry.body, RUNS, "what is written of"),
        (PLAN, &entry.plan, PLANS, "the plan of"),
        (OF_RUN, &entry.records, RECORDS, "the record of steps of"),
    ];
    let mut faults = Vec::new();
    for (sql, then, kept, what) in parts {
        let how = match &now(sql)? {
            Some(now) if now == then => continue,
            Some(now) => Fault::new(format!("{what} {name} was changed"), &[&entry.run, what, then, now]),
            // So old ones are forgotten; and there need not have been any.
            None if then.is_empty() || later >= kept => continue,
            None => Fault::new(format!("{what} {name} is missing"), &[&entry.run, what, then]),
        };
        faults.push(how);
    }
    Ok(faults)
}

/// A run in words: by its number, and by when and what where that is known.
fn called(connection: &Connection, run: &str) -> Result<String, JournalError> {
    if acknowledged::is_one(run) {
        return Ok(format!("the {run}"));
    }
    let began = connection
        .query_row("SELECT began FROM runs WHERE id = ?1", [run], |row| row.get::<_, i64>(0))
        .optional()?;
    let at = began.and_then(|began| jiff::Timestamp::from_millisecond(began).ok());
    Ok(match at {
        Some(at) => format!("the run of {} ({run})", at.strftime("%Y-%m-%d %H:%M:%S UTC")),
        None => format!("the run {run}"),
    })
}

/// The hash of what this finds of a run; `None` where it finds nothing.
fn hash(connection: &Connection, sql: &str, run: &str) -> Result<Option<String>, JournalError> {
    let mut statement = connection.prepare_cached(sql)?;
    let columns = statement.column_count();
    let mut rows = statement.query([run])?;
    let (mut hasher, mut any) = (blake3::Hasher::new(), false);
    while let Some(row) = rows.next()? {
        any = true;
        for column in 0..columns {
            add(&mut hasher, row.get_ref(column)?);
        }
    }
    Ok(any.then(|| text(&hasher)))
}

/// Adds a value with its kind and length: what stands at the end of one cannot pass for the beginning of the next.
fn add(hasher: &mut blake3::Hasher, value: ValueRef<'_>) {
    let mut part = |kind: u8, bytes: &[u8]| {
        hasher.update(&[kind]).update(&(bytes.len() as u64).to_le_bytes()).update(bytes);
    };
    match value {
        ValueRef::Null => part(0, &[]),
        ValueRef::Integer(number) => part(1, &number.to_le_bytes()),
        ValueRef::Real(number) => part(2, &number.to_le_bytes()),
        ValueRef::Text(bytes) => part(3, bytes),
        ValueRef::Blob(bytes) => part(4, bytes),
    }
}

fn text(hasher: &blake3::Hasher) -> String {
    hasher.finalize().to_hex()[..32].to_owned()
}

fn end(connection: &Connection, name: &str) -> Result<Option<End>, JournalError> {
    let mut statement = connection.prepare_cached("SELECT seq, link FROM audit_ends WHERE name = ?1")?;
    let mut rows = statement.query([name])?;
    rows.next()?.map(|row| Ok(End { seq: row.get(0)?, link: lossy(row, 1)? })).transpose()
}

fn read(row: &Row<'_>) -> Result<(Entry, String), JournalError> {
    let (run, body, plan, records) = (lossy(row, 1)?, lossy(row, 2)?, lossy(row, 3)?, lossy(row, 4)?);
    Ok((Entry { seq: row.get(0)?, run, body, plan, records }, lossy(row, 5)?))
}

/// A text that somebody may have made into something else.
fn lossy(row: &Row<'_>, column: usize) -> Result<String, JournalError> {
    let bytes = row.get_ref(column)?.as_bytes().map_err(rusqlite::Error::from)?;
    Ok(String::from_utf8_lossy(bytes).into_owned())
}

#[cfg(test)]
mod tests {
    use windlass_core::event::RunRecord;
    use windlass_core::journal::{Direction, Record};
    use windlass_core::plan::{Observed, Request, Wanted, plan};
    use windlass_testkit::sample;

    use super::*;

    /// A journal of three runs that have ended.
    fn journal() -> (tempfile::TempDir, Journal) {
        let directory = tempfile::tempdir().unwrap();
        let mut journal = Journal::open(&directory.path().join("journal.db")).unwrap();
        ["a", "b", "c"].into_iter().for_each(|run| end(&mut journal, run));
        assert_eq!(journal.audit().unwrap().faults, [""; 0]);
        journal.connection.pragma_update(None, "foreign_keys", false).unwrap();
        (directory, journal)
    }

    fn end(journal: &mut Journal, run: &str) {
        let wanted = Wanted { request: Request::Deploy, spec: sample::shop(), source: sample::source("one") };
        let plan = plan(&wanted, &Observed { next_release: 1, ..Observed::default() }).unwrap();
        journal.begin(run, &plan, "ada@vm").unwrap();
        let intent = Record::Intent { step: 0, direction: Direction::Forward };
        journal.append(run, &[intent.clone(), intent]).unwrap();
        let record =
            RunRecord { run: run.to_owned(), by: "ada@vm".to_owned(), ended: 7, ..RunRecord::default() };
        journal.end(run, &record).unwrap();
    }

    #[track_caller]
    fn finds(sql: &str, fault: &str) {
        let (_directory, mut journal) = journal();
        assert!(journal.connection.execute(sql, []).unwrap() > 0, "{sql}");
        let faults = |journal: &Journal| journal.audit().unwrap().faults;
        assert!(faults(&journal).iter().any(|told| told.contains(fault)), "{sql}: {:?}", faults(&journal));
        // It keeps no run from ending, and that hides nothing.
        end(&mut journal, "d");
        assert!(!faults(&journal).is_empty(), "{sql}");
        assert_eq!(journal.run_records(1).unwrap()[0].run, "d");
        // Once a person has accepted it, all is as they know it.
        assert!(!journal.acknowledge("ada@vm", 9).unwrap().is_empty(), "{sql}");
        assert_eq!(faults(&journal), [""; 0], "{sql}");
        end(&mut journal, "e");
        assert_eq!(faults(&journal), [""; 0], "{sql}");
        // And nothing beside it.
        journal.connection.execute("UPDATE runs SET asked_by = 'eve@vm' WHERE id = 'e'", []).unwrap();
        assert_eq!(faults(&journal).len(), 1, "{sql}: {:?}", faults(&journal));
    }

    #[test]
    fn whatever_is_edited_of_a_run_is_found() {
        for run in ["a", "b", "c"] {
            for set in [
                "release = release + 1",
                "asked_by = 'bob@vm'",
                "asked_by = CAST(x'ff' AS TEXT)",
                "began = began + 1",
                "ended = ended + 1",
                "ended = NULL",
                "fence = 7",
                "record = replace(record, 'ada', 'bob')",
                "record = NULL",
            ] {
                let fault = format!("({run}) was changed");
                finds(&format!("UPDATE runs SET {set} WHERE id = '{run}'"), &fault);
            }
            finds(
                &format!("UPDATE runs SET id = 'x' WHERE id = '{run}'"),
                &format!("the run {run} is missing"),
            );
            for (plan, how) in [("plan || ' '", "was changed"), ("''", "is missing")] {
                finds(
                    &format!("UPDATE runs SET plan = {plan} WHERE id = '{run}'"),
                    &format!("({run}) {how}"),
                );
            }
        }
    }

    #[test]
    fn whatever_is_edited_of_its_records_is_found() {
        for set in ["at = at + 1", "body = body || ' '", "chain = 'other'", "seq = seq + 10"] {
            finds(&format!("UPDATE records SET {set} WHERE run = 'b' AND seq = 2"), "(b) was changed");
        }
        finds("DELETE FROM records WHERE run = 'b' AND seq = 2", "(b) was changed");
        finds("DELETE FROM records WHERE run = 'b'", "the record of steps of the run of");
        finds("INSERT INTO records VALUES ('b', 3, 0, '{}', '')", "(b) was changed");
    }

    #[test]
    fn what_is_removed_or_added_is_found() {
        for run in ["a", "b", "c"] {
            finds(&format!("DELETE FROM runs WHERE id = '{run}'"), &format!("the run {run} is missing"));
            finds(&format!("DELETE FROM audit WHERE run = '{run}'"), "was added, or its link removed");
        }
        finds("DELETE FROM runs", "the run a is missing");
        finds("DELETE FROM audit", "the newest runs are missing: 3 have ended, and 0 are on record");
        finds("DELETE FROM audit WHERE seq = 1", "runs are missing before the run of");
        let more = "INSERT INTO runs SELECT 'x', release, plan, asked_by, began, ended, fence, record FROM runs LIMIT 1";
        finds(more, "(x) was added");
    }

    #[test]
    fn whatever_is_edited_of_the_chain_is_found() {
        for column in ["run", "body", "plan", "records", "link"] {
            finds(&format!("UPDATE audit SET {column} = 'other' WHERE seq = 2"), "the link of the run");
        }
        finds("UPDATE audit SET seq = 9 WHERE seq = 3", "runs are missing before the run of");
        finds("UPDATE audit_ends SET seq = 4 WHERE name = 'last'", "the newest runs are missing");
        for set in ["seq = 2", "link = 'other'"] {
            finds(&format!("UPDATE audit_ends SET {set} WHERE name = 'last'"), "the end of the chain over");
        }
        finds("UPDATE audit_ends SET link = 'other' WHERE name = 'forgotten'", "the link of the run of");
        finds("UPDATE audit_ends SET seq = 1 WHERE name = 'forgotten'", "runs are missing before the run of");
        finds("DELETE FROM audit_ends WHERE name = 'last'", "an end of the chain over all runs is gone");
    }

    #[test]
    fn a_chain_that_is_dropped_is_found() {
        for table in ["audit", "audit_ends"] {
            let (_directory, mut journal) = journal();
            journal.connection.execute_batch(&format!("DROP TABLE {table}")).unwrap();
            assert_eq!(journal.audit().unwrap().faults, ["the chain over all runs is gone"]);
            end(&mut journal, "d");
            assert!(!journal.audit().unwrap().faults.is_empty());
        }
    }

    /// As of a file of the format before: its runs are taken as they are found when the next one ends.
    #[test]
    fn a_file_without_a_chain_gets_one_when_its_next_run_ends() {
        let (directory, journal) = journal();
        let older = "DROP TABLE audit; DROP TABLE audit_ends; PRAGMA user_version = 1";
        journal.connection.execute_batch(older).unwrap();
        drop(journal);
        let mut journal = Journal::open(&directory.path().join("journal.db")).unwrap();
        assert_eq!(journal.audit().unwrap(), Audit::default());
        assert_eq!(version(&journal.connection).unwrap(), 1);
        end(&mut journal, "d");
        assert_eq!(version(&journal.connection).unwrap(), SCHEMA_VERSION);
        let audit = journal.audit().unwrap();
        assert_eq!((audit.runs, audit.faults), (4, vec![]));
        journal.connection.execute("UPDATE runs SET asked_by = 'bob@vm' WHERE id = 'a'", []).unwrap();
        assert_eq!(journal.audit().unwrap().faults.len(), 1);
    }

    #[test]
    fn whatever_is_acknowledged_is_told() {
        let (_directory, mut journal) = journal();
        (0..TOLD).for_each(|run| end(&mut journal, &format!("more {run}")));
        journal.connection.execute("UPDATE runs SET asked_by = 'bob@vm'", []).unwrap();
        let faults = journal.audit().unwrap().faults;
        assert_eq!((faults.len(), faults[TOLD].as_str()), (TOLD + 1, "and 3 more"));
        let told = journal.acknowledge("ada@vm", 9).unwrap();
        assert_eq!((told.len(), &told[..TOLD]), (TOLD + 3, &faults[..TOLD]));
        assert_eq!(journal.audit().unwrap().acknowledged[0].faults, told);
    }

    #[test]
    fn each_run_follows_from_all_before_it() {
        let (_directory, mut journal) = journal();
        let before = journal.audit().unwrap().last;
        end(&mut journal, "d");
        assert_ne!(journal.audit().unwrap().last, before);
        // Made anew from what was edited, it fits, and its end is another one than was noted.
        let noted = journal.audit().unwrap().last;
        let edited =
            "UPDATE runs SET asked_by = 'bob@vm' WHERE id = 'a'; DROP TABLE audit; DROP TABLE audit_ends";
        journal.connection.execute_batch(edited).unwrap();
        journal.connection.execute_batch(TABLES).unwrap();
        for run in ["a", "b", "c", "d"] {
            add_link(&journal.connection, run).unwrap();
        }
        let audit = journal.audit().unwrap();
        assert_eq!(audit.faults, [""; 0]);
        assert_ne!(audit.last, noted);
    }
}
