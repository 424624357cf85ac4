//! Forgetting what nobody reads any more, a little after each run: the state file must not grow for ever.
//!
//! The records of a run serve to go on with it, its plan to undo what it left half-done, the row of a release to
//! go back to it, and to know with what its copies were started. What a run did and cost is kept for longest.

use std::collections::BTreeSet;

use rusqlite::params;
use windlass_core::name::ReleaseId;

use super::{Journal, JournalError};
use crate::failpoint;

/// Of how many ended runs the records are kept.
const RECORDS: i64 = 20;

/// Of how many ended runs the plans are kept, whatever became of their releases.
const PLANS: i64 = 50;

/// How many ended runs are kept however old they are, and for how many days all.
const RUNS: i64 = 1000;
const RUN_DAYS: i64 = 400;

/// How many releases are kept however old they are, and for how many days all.
const RELEASES: i64 = 200;
const RELEASE_DAYS: i64 = 62;

/// How many rows of a table are dealt with at a time.
const AT_A_TIME: i64 = 100;

const DAY: i64 = 24 * 60 * 60 * 1000;

/// What is needed as the disk and the runs that are under way say.
#[derive(Debug, Clone, Default)]
pub struct Needed {
    /// The trees that are there.
    pub trees: BTreeSet<ReleaseId>,
    /// The releases that something is left of: copies, values, jobs that are half-done, values that are to be
    /// revoked; and those that a run goes to or comes from.
    pub releases: BTreeSet<ReleaseId>,
}

impl Needed {
    fn has(&self, release: ReleaseId) -> bool {
        self.trees.contains(&release) || self.releases.contains(&release)
    }
}

impl Journal {
    /// Forgets what is neither needed nor new.
    ///
    /// # Errors
    /// [`JournalError::File`] when it cannot be written: it is tried again after the next run.
    pub fn prune(&mut self, now: i64, needed: &Needed) -> Result<(), JournalError> {
        let transaction = self.connection.transaction()?;
        let rows = |sql: &str, arguments: &[i64]| -> Result<Vec<(i64, ReleaseId, ReleaseId)>, JournalError> {
            let mut statement = transaction.prepare_cached(sql)?;
            let release = |value: i64| ReleaseId(u64::try_from(value).unwrap_or_default());
            let found = statement.query_map(rusqlite::params_from_iter(arguments), |row| {
                Ok((row.get(0)?, release(row.get(1)?), release(row.get(2)?)))
            })?;
            Ok(found.collect::<Result<_, _>>()?)
        };
        let mut changed = 0;
        for (run, ..) in rows(
            "SELECT rowid, release, release FROM runs
             WHERE rowid IN (SELECT rowid FROM runs WHERE ended IS NOT NULL ORDER BY rowid DESC LIMIT -1 OFFSET ?1)
             AND EXISTS (SELECT 1 FROM records WHERE run = id) ORDER BY rowid LIMIT ?2",
            &[RECORDS, AT_A_TIME],
        )? {
            changed += transaction
                .execute("DELETE FROM records WHERE run = (SELECT id FROM runs WHERE rowid = ?1)", [run])?;
        }
        let plans = rows(
            "SELECT rowid, release, release FROM runs
             WHERE rowid IN (SELECT rowid FROM runs WHERE ended IS NOT NULL ORDER BY rowid DESC LIMIT -1 OFFSET ?1)
             AND plan <> '' ORDER BY rowid LIMIT ?2",
            &[PLANS, AT_A_TIME],
        )?;
        for (run, ..) in plans.into_iter().filter(|(_, release, _)| !needed.has(*release)) {
            changed += transaction.execute("UPDATE runs SET plan = '' WHERE rowid = ?1", [run])?;
        }
        changed += transaction.execute(
            "DELETE FROM runs WHERE rowid IN (
                 SELECT rowid FROM runs
                 WHERE rowid IN (SELECT rowid FROM runs WHERE ended IS NOT NULL ORDER BY rowid DESC LIMIT -1 OFFSET ?1)
                 AND plan = '' AND ended < ?2 AND NOT EXISTS (SELECT 1 FROM records WHERE run = id)
                 ORDER BY rowid LIMIT ?3)",
            params![RUNS, now - RUN_DAYS * DAY, AT_A_TIME],
        )?;
        let releases = rows(
            "SELECT id, id, tree FROM releases
             WHERE activated < ?1 AND id NOT IN (SELECT id FROM releases ORDER BY id DESC LIMIT ?2)
             AND id NOT IN (SELECT release FROM active) AND id NOT IN (SELECT release FROM jobs)
             ORDER BY id LIMIT ?3",
            &[now - RELEASE_DAYS * DAY, RELEASES, AT_A_TIME],
        )?;
        let gone = |(_, release, tree): &(i64, ReleaseId, ReleaseId)| {
            !needed.has(*release) && !needed.trees.contains(tree)
        };
        for (release, ..) in releases.into_iter().filter(gone) {
            changed += transaction.execute("DELETE FROM releases WHERE id = ?1", [release])?;
        }
        if changed > 0 {
            failpoint::around(|| transaction.commit())?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use windlass_core::event::RunRecord;
    use windlass_core::journal::{Direction, Record};
    use windlass_core::plan::{Observed, Plan, Request, Wanted, plan};
    use windlass_testkit::sample::{name, shop, source};

    use super::*;
    use crate::engine::ReleaseRow;

    const NOW: i64 = 2000 * DAY;

    fn planned(release: u64) -> Plan {
        let wanted = Wanted { request: Request::Deploy, spec: shop(), source: source("one") };
        plan(&wanted, &Observed { next_release: release, ..Observed::default() }).unwrap()
    }

    /// A journal of so many runs that ended, one release each, the first of them very old; and one that is open.
    fn journal(runs: u64) -> (tempfile::TempDir, Journal) {
        let directory = tempfile::tempdir().unwrap();
        let mut journal = Journal::open(&directory.path().join("journal.db")).unwrap();
        journal.connection.pragma_update(None, "synchronous", "OFF").unwrap();
        let text = serde_json::to_string(&planned(1)).unwrap();
        for release in 1..=runs {
            let id = release.to_string();
            journal.begin(&id, &planned(1), "somebody").unwrap();
            journal.append(&id, &[Record::Intent { step: 0, direction: Direction::Forward }]).unwrap();
            journal.end(&id, &RunRecord { run: id.clone(), ended: DAY, ..RunRecord::default() }).unwrap();
            let number = i64::try_from(release).unwrap();
            let set = "UPDATE runs SET release = ?1, plan = ?2 WHERE id = ?3";
            journal.connection.execute(set, params![number, text, id]).unwrap();
            let row = ReleaseRow {
                id: ReleaseId(release),
                tree: ReleaseId(release),
                headline: String::new(),
                by: String::new(),
                activated: DAY,
                spec: shop(),
                source: source("one"),
                instances: indexmap::IndexMap::new(),
                schema: indexmap::IndexMap::new(),
            };
            journal.activate(&row, false).unwrap();
        }
        journal.begin("open", &planned(runs + 1), "somebody").unwrap();
        journal.append("open", &[Record::Intent { step: 0, direction: Direction::Forward }]).unwrap();
        (directory, journal)
    }

    fn count(journal: &Journal, what: &str) -> i64 {
        journal.connection.query_row(&format!("SELECT count(*) {what}"), [], |row| row.get(0)).unwrap()
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 12, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn what_somebody_reads_survives(
            runs in 1..300_u64,
            trees in prop::collection::btree_set(1..300_u64, 0..4),
            others in prop::collection::btree_set(1..300_u64, 0..4),
            done in 1..300_u64,
        ) {
            let (_directory, mut journal) = journal(runs);
            let done = ReleaseId(done.min(runs));
            journal.job_done(&name("migrate"), "digest", done).unwrap();
            let set = |ids: &BTreeSet<u64>| ids.iter().map(|id| ReleaseId(*id)).collect::<BTreeSet<_>>();
            let needed = Needed { trees: set(&trees), releases: set(&others) };
            for _ in 0..4 {
                journal.prune(NOW, &needed).unwrap();
            }
            // An open run goes on as if nothing had been.
            prop_assert_eq!(journal.open_runs().unwrap().len(), 1);
            prop_assert_eq!(journal.records("open").unwrap().len(), 1);
            let newest = |release: u64, of: i64| i64::try_from(runs - release).unwrap() < of;
            let active = journal.active().unwrap().map(|active| active.release.id);
            prop_assert_eq!(active, Some(ReleaseId(runs)));
            for release in 1..=runs {
                let id = ReleaseId(release);
                let is_needed = needed.has(id);
                prop_assert_eq!(journal.plan_of_release(id).unwrap().is_some(), is_needed || newest(release, PLANS));
                let is_known = is_needed || id == done || newest(release, RELEASES);
                prop_assert_eq!(journal.release(id).unwrap().is_some(), is_known, "{}", id);
                let of_run = format!("FROM records WHERE run = '{release}'");
                prop_assert_eq!(count(&journal, &of_run) > 0, newest(release, RECORDS));
            }
            prop_assert_eq!(journal.run_records(1000).unwrap().len() as u64, runs);
        }
    }

    #[test]
    fn a_journal_of_many_years_does_not_grow_for_ever() {
        let (_directory, mut journal) = journal(3);
        // As many rows as that, without the hours it takes to make them one by one.
        let more = "WITH RECURSIVE n(i) AS (SELECT 4 UNION ALL SELECT i + 1 FROM n WHERE i < 1500)
                    INSERT INTO runs (id, release, plan, asked_by, began, ended, record)
                    SELECT 'x' || i, i, '', '', 0, ?1, NULL FROM n";
        journal.connection.execute(more, [DAY]).unwrap();
        for _ in 0..20 {
            journal.prune(NOW, &Needed::default()).unwrap();
        }
        assert_eq!(count(&journal, "FROM runs WHERE ended IS NOT NULL"), RUNS);
        assert_eq!(count(&journal, "FROM records"), 1, "those of the open run");
        // What is young stays, however many there are.
        let (_directory, mut young) = self::journal(60);
        young.connection.execute("UPDATE releases SET activated = ?1", [NOW - DAY]).unwrap();
        young.prune(NOW, &Needed::default()).unwrap();
        assert_eq!(count(&young, "FROM releases"), 60);
    }
}
