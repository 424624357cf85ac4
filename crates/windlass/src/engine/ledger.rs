//! The ledger: releases, which one is active, which jobs were done. Same file as the journal, so
//! that the commit of a release is one transaction.

use indexmap::IndexMap;
use rusqlite::{OptionalExtension, Row, params};
use serde::de::DeserializeOwned;
use windlass_core::name::{InstanceId, Name, ReleaseId};
use windlass_core::plan::Source;
use windlass_core::spec::Spec;

use super::{Journal, JournalError};
use crate::{clock, failpoint};

/// A release in the ledger.
#[derive(Debug, Clone)]
pub struct ReleaseRow {
    /// Which.
    pub id: ReleaseId,
    /// The tree it runs from.
    pub tree: ReleaseId,
    /// What made it.
    pub headline: String,
    /// Who.
    pub by: String,
    /// When it became active, milliseconds since 1970.
    pub activated: i64,
    /// What runs.
    pub spec: Spec,
    /// What its tree was made from.
    pub source: Source,
    /// Its instances, by service.
    pub instances: IndexMap<Name, Vec<InstanceId>>,
    /// What its schema jobs said.
    pub schema: IndexMap<Name, String>,
}

impl ReleaseRow {
    /// As it stands in the list.
    #[must_use]
    pub fn listed(&self) -> Listed {
        Listed {
            id: self.id,
            tree: self.tree,
            headline: self.headline.clone(),
            by: self.by.clone(),
            activated: self.activated,
            source: self.source.clone(),
            schema: self.schema.clone(),
        }
    }
}

/// A release in the list of all: without what runs, which is long to read and seldom asked for.
#[derive(Debug, Clone)]
pub struct Listed {
    /// Which.
    pub id: ReleaseId,
    /// The tree it runs from.
    pub tree: ReleaseId,
    /// What made it.
    pub headline: String,
    /// Who.
    pub by: String,
    /// When it became active, milliseconds since 1970.
    pub activated: i64,
    /// What its tree was made from.
    pub source: Source,
    /// What its schema jobs said.
    pub schema: IndexMap<Name, String>,
}

/// The active release.
#[derive(Debug, Clone)]
pub struct Active {
    /// Which.
    pub release: ReleaseRow,
    /// Whether everything was stopped by hand.
    pub stopped: bool,
}

const COLUMNS: &str = "id, tree, headline, asked_by, activated, spec, source, instances, schema";

impl Journal {
    /// Makes a release the active one, in one transaction.
    ///
    /// # Errors
    /// [`JournalError::File`] when it cannot be written.
    pub fn activate(&mut self, release: &ReleaseRow, stopped: bool) -> Result<(), JournalError> {
        self.activate_and(release, stopped, None)
    }

    /// The same of a release that goes back to an earlier one: what jobs did after that may be taken back by
    /// other means, which nobody tells us. They are due again, but for those that only ever run once.
    ///
    /// # Errors
    /// [`JournalError::File`] when it cannot be written.
    pub fn activate_back(
        &mut self,
        release: &ReleaseRow,
        to: ReleaseId,
        once: &[Name],
    ) -> Result<(), JournalError> {
        self.activate_and(release, false, Some((to, once)))
    }

    fn activate_and(
        &mut self,
        release: &ReleaseRow,
        stopped: bool,
        back: Option<(ReleaseId, &[Name])>,
    ) -> Result<(), JournalError> {
        let transaction = self.connection.transaction()?;
        transaction.execute(
            &format!(
                "INSERT OR REPLACE INTO releases ({COLUMNS}) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)"
            ),
            params![
                number(release.id),
                number(release.tree),
                release.headline,
                release.by,
                release.activated,
                serde_json::to_string(&release.spec)?,
                serde_json::to_string(&release.source)?,
                serde_json::to_string(&release.instances)?,
                serde_json::to_string(&release.schema)?,
            ],
        )?;
        transaction.execute(
            "INSERT OR REPLACE INTO active VALUES (1, ?1, ?2)",
            params![number(release.id), stopped],
        )?;
        if let Some((to, once)) = back {
            // The row stays: it says which release `run JOB --undo` belongs to.
            let once = serde_json::to_string(once)?;
            transaction.execute(
                "UPDATE jobs SET digest = '' WHERE release > ?1 AND name NOT IN (SELECT value FROM json_each(?2))",
                params![number(to), once],
            )?;
        }
        failpoint::around_journal(|| transaction.commit())?;
        Ok(())
    }

    /// The active release.
    ///
    /// # Errors
    /// [`JournalError`] when it cannot be read.
    pub fn active(&self) -> Result<Option<Active>, JournalError> {
        let found: Option<(i64, bool)> = self
            .connection
            .query_row("SELECT release, stopped FROM active", [], |row| Ok((row.get(0)?, row.get(1)?)))
            .optional()?;
        let Some((id, stopped)) = found else { return Ok(None) };
        let release = self.release(ReleaseId(u64::try_from(id).unwrap_or_default()))?;
        Ok(release.map(|release| Active { release, stopped }))
    }

    /// The copies of the active release, none while it is stopped: a small part of it, which is asked for
    /// often.
    ///
    /// # Errors
    /// [`JournalError`] when they cannot be read.
    pub fn active_copies(&self) -> Result<Vec<InstanceId>, JournalError> {
        let mut statement = self.connection.prepare_cached(
            "SELECT instances FROM active JOIN releases ON releases.id = active.release WHERE NOT stopped",
        )?;
        let mut rows = statement.query([])?;
        let Some(row) = rows.next()? else { return Ok(Vec::new()) };
        let instances: IndexMap<Name, Vec<InstanceId>> = json(row, 0)?;
        Ok(instances.into_values().flatten().collect())
    }

    /// One release.
    ///
    /// # Errors
    /// [`JournalError`] when it cannot be read.
    pub fn release(&self, id: ReleaseId) -> Result<Option<ReleaseRow>, JournalError> {
        let mut statement =
            self.connection.prepare_cached(&format!("SELECT {COLUMNS} FROM releases WHERE id = ?1"))?;
        let mut rows = statement.query([number(id)])?;
        rows.next()?.map(read).transpose()
    }

    /// All releases, newest first, but for those of which what is written cannot be read: one damaged row must
    /// not take everything else with it. The active one has to be readable.
    ///
    /// # Errors
    /// [`JournalError`] when they cannot be read.
    pub fn releases(&self) -> Result<Vec<Listed>, JournalError> {
        let active: Option<i64> =
            self.connection.query_row("SELECT release FROM active", [], |row| row.get(0)).optional()?;
        let mut statement = self.connection.prepare_cached(
            "SELECT id, tree, headline, asked_by, activated, source, schema FROM releases ORDER BY id DESC",
        )?;
        let mut rows = statement.query([])?;
        let mut releases = Vec::new();
        while let Some(row) = rows.next()? {
            match listed(row) {
                Err(JournalError::Unreadable(_)) if Some(row.get(0)?) != active => {}
                listed => releases.push(listed?),
            }
        }
        Ok(releases)
    }

    /// Every release that was ever active and its tree, also where nothing else of it can be read: whoever
    /// removes what nobody needs goes by these.
    ///
    /// # Errors
    /// [`JournalError`] when they cannot be read.
    pub fn trees(&self) -> Result<Vec<(ReleaseId, ReleaseId)>, JournalError> {
        let mut statement =
            self.connection.prepare_cached("SELECT id, tree FROM releases ORDER BY id DESC")?;
        let mut rows = statement.query([])?;
        let mut trees = Vec::new();
        while let Some(row) = rows.next()? {
            trees.push((id(row, 0)?, id(row, 1)?));
        }
        Ok(trees)
    }

    /// The directory that was deployed last, whatever became of it.
    ///
    /// # Errors
    /// [`JournalError`] when that cannot be read.
    pub fn last_source(&self) -> Result<Option<String>, JournalError> {
        let mut statement = self.connection.prepare_cached(
            "SELECT json_extract(plan, '$.tree.source.path') AS source FROM runs \
             WHERE json_valid(plan) AND source <> '' ORDER BY rowid DESC LIMIT 1",
        )?;
        let mut rows = statement.query([])?;
        Ok(rows.next()?.map(|row| row.get(0)).transpose()?)
    }

    /// Whether a run is not over.
    ///
    /// # Errors
    /// [`JournalError`] when that cannot be read.
    pub fn has_open_runs(&self) -> Result<bool, JournalError> {
        let query = "SELECT EXISTS (SELECT 1 FROM runs WHERE ended IS NULL)";
        Ok(self.connection.query_row(query, [], |row| row.get(0))?)
    }

    /// Whether there was ever a release.
    ///
    /// # Errors
    /// [`JournalError`] when that cannot be read.
    pub fn has_releases(&self) -> Result<bool, JournalError> {
        Ok(self.connection.query_row("SELECT EXISTS (SELECT 1 FROM releases)", [], |row| row.get(0))?)
    }

    /// The releases of which what is written cannot be read.
    ///
    /// # Errors
    /// [`JournalError`] when nothing can be.
    pub fn unreadable(&self) -> Result<Vec<ReleaseId>, JournalError> {
        let readable: Vec<ReleaseId> = self.releases()?.into_iter().map(|release| release.id).collect();
        let all = self.trees()?.into_iter().map(|(release, _)| release);
        Ok(all.filter(|release| !readable.contains(release)).collect())
    }

    /// The highest release number that any run has reserved.
    ///
    /// # Errors
    /// [`JournalError`] when it cannot be read.
    pub fn last_release_number(&self) -> Result<u64, JournalError> {
        let value: i64 =
            self.connection
                .query_row("SELECT value FROM numbers WHERE name = 'release'", [], |row| row.get(0))?;
        Ok(u64::try_from(value).unwrap_or_default())
    }

    /// Notes that a job was done.
    ///
    /// # Errors
    /// [`JournalError::File`] when it cannot be written.
    pub fn job_done(&mut self, job: &Name, digest: &str, release: ReleaseId) -> Result<(), JournalError> {
        failpoint::around_journal(|| {
            self.connection.execute(
                "INSERT OR REPLACE INTO jobs VALUES (?1, ?2, ?3, ?4)",
                params![job.as_str(), digest, number(release), clock::wall_millis()],
            )
        })?;
        Ok(())
    }

    /// Forgets that a job was done: it was undone.
    ///
    /// # Errors
    /// [`JournalError::File`] when it cannot be written.
    pub fn job_undone(&mut self, job: &Name) -> Result<(), JournalError> {
        self.connection.execute("DELETE FROM jobs WHERE name = ?1", [job.as_str()])?;
        Ok(())
    }

    /// The release in which a job was done last, and has not been undone since.
    ///
    /// # Errors
    /// [`JournalError`] when it cannot be read.
    pub fn job_done_in(&self, job: &Name) -> Result<Option<ReleaseId>, JournalError> {
        let mut statement = self.connection.prepare_cached("SELECT release FROM jobs WHERE name = ?1")?;
        let mut rows = statement.query([job.as_str()])?;
        rows.next()?.map(|row| id(row, 0)).transpose()
    }

    /// The digests of the jobs that were done.
    ///
    /// # Errors
    /// [`JournalError`] when they cannot be read.
    pub fn jobs_done(&self) -> Result<IndexMap<Name, String>, JournalError> {
        let mut statement = self.connection.prepare_cached("SELECT name, digest FROM jobs ORDER BY name")?;
        let rows = statement.query_map([], |row| Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?)))?;
        let mut jobs = IndexMap::new();
        for row in rows {
            let (name, digest) = row?;
            if let Ok(name) = Name::new(name) {
                jobs.insert(name, digest);
            }
        }
        Ok(jobs)
    }

    /// When a cron job was last due, and how that run ended.
    ///
    /// # Errors
    /// [`JournalError`] when it cannot be read.
    pub fn cron(&self, name: &Name) -> Result<Option<(i64, Option<String>)>, JournalError> {
        Ok(self
            .connection
            .query_row("SELECT last, outcome FROM crons WHERE name = ?1", [name.as_str()], |row| {
                Ok((row.get(0)?, row.get(1)?))
            })
            .optional()?)
    }

    /// Notes when a cron job was due, and how its run ended.
    ///
    /// # Errors
    /// [`JournalError::File`] when it cannot be written.
    pub fn set_cron(&mut self, name: &Name, last: i64, outcome: Option<&str>) -> Result<(), JournalError> {
        self.connection.execute(
            // Until the run of this tick has ended, what is known is how the one before did.
            "INSERT INTO crons VALUES (?1, ?2, ?3) \
             ON CONFLICT (name) DO UPDATE SET last = ?2, outcome = coalesce(?3, outcome)",
            params![name.as_str(), last, outcome],
        )?;
        Ok(())
    }
}

fn read(row: &Row<'_>) -> Result<ReleaseRow, JournalError> {
    Ok(ReleaseRow {
        id: id(row, 0)?,
        tree: id(row, 1)?,
        headline: row.get(2)?,
        by: row.get(3)?,
        activated: row.get(4)?,
        spec: json(row, 5)?,
        source: json(row, 6)?,
        instances: json(row, 7)?,
        schema: json(row, 8)?,
    })
}

fn id(row: &Row<'_>, column: usize) -> Result<ReleaseId, JournalError> {
    Ok(ReleaseId(u64::try_from(row.get::<_, i64>(column)?).unwrap_or_default()))
}

fn listed(row: &Row<'_>) -> Result<Listed, JournalError> {
    Ok(Listed {
        id: id(row, 0)?,
        tree: id(row, 1)?,
        headline: text(row, 2)?,
        by: text(row, 3)?,
        activated: row.get(4)?,
        source: json(row, 5)?,
        schema: json(row, 6)?,
    })
}

/// A text for people, as far as it is one.
fn text(row: &Row<'_>, column: usize) -> Result<String, JournalError> {
    let bytes = row.get_ref(column)?.as_bytes().map_err(rusqlite::Error::from)?;
    Ok(String::from_utf8_lossy(bytes).into_owned())
}

pub(super) fn json<T: DeserializeOwned>(row: &Row<'_>, column: usize) -> Result<T, JournalError> {
    // What is damaged need not even be text.
    Ok(serde_json::from_slice(row.get_ref(column)?.as_bytes().map_err(rusqlite::Error::from)?)?)
}

fn number(id: ReleaseId) -> i64 {
    i64::try_from(id.0).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use windlass_testkit::sample::{name, shop, source};

    use super::*;

    fn row(id: u64) -> ReleaseRow {
        ReleaseRow {
            id: ReleaseId(id),
            tree: ReleaseId(id),
            headline: String::new(),
            by: String::new(),
            activated: 0,
            spec: shop(),
            source: source("one"),
            instances: IndexMap::new(),
            schema: IndexMap::new(),
        }
    }

    fn journal() -> (tempfile::TempDir, Journal) {
        let directory = tempfile::tempdir().unwrap();
        let journal = Journal::open(&directory.path().join("journal.db")).unwrap();
        (directory, journal)
    }

    #[test]
    fn what_was_done_after_the_release_that_is_gone_back_to_is_due_again() {
        let (_directory, mut journal) = journal();
        for (job, release) in [("old", 1), ("new", 2), ("seed", 2)] {
            journal.job_done(&name(job), "digest", ReleaseId(release)).unwrap();
        }
        journal.activate_back(&row(3), ReleaseId(1), &[name("seed")]).unwrap();
        let done: Vec<(Name, String)> = journal.jobs_done().unwrap().into_iter().collect();
        let digest = |digest: &str| digest.to_owned();
        let expected =
            [(name("new"), digest("")), (name("old"), digest("digest")), (name("seed"), digest("digest"))];
        assert_eq!(done, expected);
        assert_eq!(journal.job_done_in(&name("new")).unwrap(), Some(ReleaseId(2)), "it can still be undone");
        assert_eq!(journal.active().unwrap().unwrap().release.id, ReleaseId(3));
    }

    #[test]
    fn a_damaged_row_is_passed_over_and_told_unless_it_is_the_active_one() {
        let (_directory, mut journal) = journal();
        for id in 1..4 {
            journal.activate(&row(id), false).unwrap();
        }
        let damage = |id: u64, what: &str| {
            let set = format!("UPDATE releases SET source = {what} WHERE id = {id}");
            journal.connection.execute(&set, []).unwrap();
        };
        damage(1, "CAST(x'7bff' AS TEXT)");
        damage(2, "'{\"cut'");
        let ids: Vec<u64> = journal.releases().unwrap().iter().map(|release| release.id.0).collect();
        assert_eq!(ids, [3]);
        assert_eq!(journal.unreadable().unwrap(), [ReleaseId(2), ReleaseId(1)]);
        assert_eq!(journal.trees().unwrap().len(), 3, "nobody takes them for gone");
        damage(3, "''");
        assert!(matches!(journal.releases(), Err(JournalError::Unreadable(_))));
        assert!(journal.has_releases().unwrap());
    }
}
