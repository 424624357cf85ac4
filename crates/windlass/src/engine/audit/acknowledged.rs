//! What a person has looked at, and accepts as it is: who did, when, and what exactly, as a link of the chain.
//!
//! It covers the faults that there were, each as it was then. What is altered once more, or besides, is a fault
//! again; and so is all of it where the acknowledgement itself is altered or removed.

use rusqlite::{Connection, OptionalExtension, params};
use uuid::Uuid;
use windlass_core::protocol::Acknowledged;

use super::{End, Entry, Fault, adopt, end, find, gap, has_table, hash, lossy};
use crate::engine::{Journal, JournalError};
use crate::failpoint;

/// How its name in the chain begins: no run is called so.
const NAME: &str = "acknowledgement ";

const ROW: &str = "SELECT id, at, by, faults FROM acknowledged WHERE id = ?1";

impl Journal {
    /// Accepts whatever is not as it was written down, as `by` asked for at the time `at` (milliseconds since 1970).
    /// Answers all that that is: nothing where all is well, and then nothing is written.
    ///
    /// # Errors
    /// [`JournalError`] when the file cannot be read or written.
    pub fn acknowledge(&mut self, by: &str, at: i64) -> Result<Vec<String>, JournalError> {
        let transaction = self.connection.transaction()?;
        let mut faults = find(&transaction)?.faults;
        if faults.is_empty() {
            return Ok(Vec::new());
        }
        // Where the chain is gone this begins another, which all runs are missing from.
        adopt(&transaction, "")?;
        for fault in find(&transaction)?.faults {
            if !faults.contains(&fault) {
                faults.push(fault);
            }
        }
        let told = in_words(&faults);
        add(&transaction, faults, by, at)?;
        failpoint::around_journal(|| transaction.commit())?;
        Ok(told)
    }
}

/// All of them: nobody accepts what is not shown.
fn in_words(faults: &[Fault]) -> Vec<String> {
    faults.iter().map(|fault| fault.what.clone()).collect()
}

/// Adds it behind the last link that is there, wherever the chain is said to end.
fn add(connection: &Connection, mut faults: Vec<Fault>, by: &str, at: i64) -> Result<(), JournalError> {
    let there = connection
        .query_row("SELECT seq, link FROM audit ORDER BY seq DESC LIMIT 1", [], |row| {
            Ok((row.get(0)?, row.get_ref(1)?.as_bytes().map(<[u8]>::to_vec)?))
        })
        .optional()?;
    let there = there.map(|(seq, link)| End { seq, link: String::from_utf8_lossy(&link).into_owned() });
    let begin = || end(connection, "forgotten");
    let before = match there {
        Some(there) => there,
        None => begin()?.unwrap_or(End { seq: 0, link: String::new() }),
    };
    let said = end(connection, "last")?.map_or(0, |last| last.seq);
    let seq = before.seq.max(said) + 1;
    if seq != before.seq + 1 {
        faults.push(gap("runs are missing before this".to_owned(), before.seq, seq));
    }
    let id = format!("{NAME}{}", Uuid::now_v7());
    connection.execute(
        "INSERT INTO acknowledged (id, at, by, faults) VALUES (?1, ?2, ?3, ?4)",
        params![id, at, by, serde_json::to_string(&faults)?],
    )?;
    let body = hash(connection, ROW, &id)?.unwrap_or_default();
    let entry = Entry { seq, run: id, body, plan: String::new(), records: String::new() };
    let link = entry.link(&before.link);
    connection.execute(
        "INSERT INTO audit (seq, run, body, plan, records, link) VALUES (?1, ?2, ?3, '', '', ?4)",
        params![entry.seq, entry.run, entry.body, link],
    )?;
    connection
        .execute("INSERT OR REPLACE INTO audit_ends VALUES ('last', ?1, ?2)", params![entry.seq, link])?;
    Ok(())
}

/// Whether what has this name in the chain is no run.
pub(super) fn is_one(run: &str) -> bool {
    run.starts_with(NAME)
}

/// An acknowledgement, and what it covers.
type Read = (Acknowledged, Vec<Fault>);

/// The acknowledgement that a link is of, or how it is now, where that is not how it was; `None` where it is a run's.
pub(super) fn read(
    connection: &Connection,
    entry: &Entry,
) -> Result<Option<Result<Read, String>>, JournalError> {
    if !is_one(&entry.run) {
        return Ok(None);
    }
    if !has_table(connection, "acknowledged")? {
        return Ok(Some(Err(String::new())));
    }
    let now = hash(connection, ROW, &entry.run)?.unwrap_or_default();
    if now != entry.body {
        return Ok(Some(Err(now)));
    }
    let mut statement = connection.prepare_cached(ROW)?;
    let mut rows = statement.query([&entry.run])?;
    let Some(row) = rows.next()? else { return Ok(Some(Err(now))) };
    let Ok(faults) = serde_json::from_str::<Vec<Fault>>(&lossy(row, 3)?) else { return Ok(Some(Err(now))) };
    let acknowledged = Acknowledged { at: row.get(1)?, by: lossy(row, 2)?, faults: in_words(&faults) };
    Ok(Some(Ok((acknowledged, faults))))
}

/// Forgets those whose links are forgotten.
pub(super) fn forget(connection: &Connection) -> Result<(), JournalError> {
    if has_table(connection, "acknowledged")? {
        connection.execute("DELETE FROM acknowledged WHERE id NOT IN (SELECT run FROM audit)", [])?;
    }
    Ok(())
}
