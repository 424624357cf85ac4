//! Forgetting what nobody reads any more, a little after each run: the state file must not grow for ever.
//!
//! The records of a run serve to go on with it, its plan to undo what it left half-done, the row of a release to
//! go back to it, and to know with what its copies were started. What a run did and cost is kept for longest.

use std::collections::{BTreeMap, BTreeSet};

use rusqlite::{Connection, params};
use windlass_core::name::ReleaseId;

use super::{Journal, JournalError, audit};
use crate::failpoint;

/// Of how many ended runs the records are kept.
pub(super) const RECORDS: i64 = 20;

/// Of how many ended runs the plans are kept, whatever became of their releases.
pub(super) const PLANS: i64 = 50;

/// How many ended runs are kept however old they are, and for how many days all.
pub(super) const RUNS: i64 = 1000;
const RUN_DAYS: i64 = 400;

/// How many releases are kept however old they are, and for how many days all.
const RELEASES: i64 = 200;
const RELEASE_DAYS: i64 = 62;

/// How many rows of a table are dealt with at a time.
const AT_A_TIME: i64 = 100;
const A_FEW: usize = AT_A_TIME as usize;

/// The runs after which so many have ended.
const OLD: &str = "FROM audit JOIN runs ON id = audit.run
     WHERE seq <= (SELECT seq FROM audit_ends WHERE name = 'last') - ?1";

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
        let mut changed = 0;
        for (run, _) in rows(
            &transaction,
            &format!(
                "SELECT runs.rowid, release {OLD} AND EXISTS (SELECT 1 FROM records WHERE run = id)
                 ORDER BY seq LIMIT ?2"
            ),
            &[RECORDS, AT_A_TIME],
        )? {
            changed += transaction
                .execute("DELETE FROM records WHERE run = (SELECT id FROM runs WHERE rowid = ?1)", [run])?;
        }
        let plans = format!("SELECT runs.rowid, release {OLD} AND runs.plan <> '' ORDER BY seq");
        let plans = rows(&transaction, &plans, &[PLANS])?;
        // Those that are needed do not count: behind them nothing would ever be forgotten.
        let plans = plans.into_iter().filter(|(_, release)| !needed.has(*release));
        for (run, _) in plans.take(A_FEW) {
            changed += transaction.execute("UPDATE runs SET plan = '' WHERE rowid = ?1", [run])?;
        }
        changed += transaction.execute(
            &format!(
                "DELETE FROM runs WHERE rowid IN (
                     SELECT runs.rowid {OLD} AND runs.plan = '' AND ended < ?2
                     AND NOT EXISTS (SELECT 1 FROM records WHERE run = id) ORDER BY seq LIMIT ?3)"
            ),
            params![RUNS, now - RUN_DAYS * DAY, AT_A_TIME],
        )?;
        changed += audit::forget(&transaction)?;
        for release in spare(&transaction, now, needed)? {
            let release = i64::try_from(release.0).unwrap_or(i64::MAX);
            changed += transaction.execute("DELETE FROM releases WHERE id = ?1", [release])?;
        }
        if changed > 0 {
            failpoint::around_journal(|| transaction.commit())?;
        }
        Ok(())
    }

    /// The releases of which [`Self::prune`] would forget the rows, a few at a time.
    ///
    /// # Errors
    /// [`JournalError::File`] when they cannot be read.
    pub fn spare_releases(&self, now: i64, needed: &Needed) -> Result<Vec<ReleaseId>, JournalError> {
        spare(&self.connection, now, needed)
    }
}

/// The old releases that are neither needed nor the newest of a tree that is there: a restart every night makes
/// one, and all of them run from the same tree.
fn spare(connection: &Connection, now: i64, needed: &Needed) -> Result<Vec<ReleaseId>, JournalError> {
    let newest = rows(connection, "SELECT max(id), tree FROM releases GROUP BY tree", &[])?;
    let newest: BTreeMap<ReleaseId, i64> = newest.into_iter().map(|(id, tree)| (tree, id)).collect();
    let old = rows(
        connection,
        "SELECT id, tree FROM releases
         WHERE activated < ?1 AND id NOT IN (SELECT id FROM releases ORDER BY id DESC LIMIT ?2)
         AND id NOT IN (SELECT release FROM active) AND id NOT IN (SELECT release FROM jobs)
         ORDER BY id",
        &[now - RELEASE_DAYS * DAY, RELEASES],
    )?;
    let stands_for_its_tree =
        |id: i64, tree: ReleaseId| needed.trees.contains(&tree) && newest.get(&tree) == Some(&id);
    let spare = old.into_iter().filter(|(id, tree)| !stands_for_its_tree(*id, *tree));
    Ok(spare.map(|(id, _)| release(id)).filter(|id| !needed.has(*id)).take(A_FEW).collect())
}

/// Pairs of a number and a release.
fn rows(
    connection: &Connection,
    sql: &str,
    arguments: &[i64],
) -> Result<Vec<(i64, ReleaseId)>, JournalError> {
    let mut statement = connection.prepare_cached(sql)?;
    let found = statement
        .query_map(rusqlite::params_from_iter(arguments), |row| Ok((row.get(0)?, release(row.get(1)?))))?;
    Ok(found.collect::<Result<_, _>>()?)
}

fn release(number: i64) -> ReleaseId {
    ReleaseId(u64::try_from(number).unwrap_or_default())
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
            let number = i64::try_from(release).unwrap();
            let set = "UPDATE runs SET release = ?1, plan = ?2 WHERE id = ?3";
            journal.connection.execute(set, params![number, text, id]).unwrap();
            journal.append(&id, &[Record::Intent { step: 0, direction: Direction::Forward }]).unwrap();
            journal.end(&id, &RunRecord { run: id.clone(), ended: DAY, ..RunRecord::default() }).unwrap();
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
            prop_assert_eq!(journal.audit().unwrap().faults, Vec::<String>::new());
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
        for run in 4..=1500 {
            audit::seal(&journal.connection, &format!("x{run}")).unwrap();
        }
        for _ in 0..20 {
            journal.prune(NOW, &Needed::default()).unwrap();
        }
        assert_eq!(count(&journal, "FROM runs WHERE ended IS NOT NULL"), RUNS);
        // What is left still follows from what was forgotten.
        assert_eq!(count(&journal, "FROM audit"), RUNS);
        let audit = journal.audit().unwrap();
        assert_eq!((audit.runs, audit.faults), (1000, vec![]));
        journal
            .connection
            .execute("UPDATE audit_ends SET link = 'other' WHERE name = 'forgotten'", [])
            .unwrap();
        assert_eq!(journal.audit().unwrap().faults.len(), 1);
        assert_eq!(count(&journal, "FROM records"), 1, "those of the open run");
    }

    /// So many releases that are as old and run from the same tree, and after them as many of trees of their own.
    fn on_one_tree(releases: i64, activated: i64) -> (tempfile::TempDir, Journal) {
        let (directory, journal) = journal(1);
        let more = "WITH RECURSIVE n(i) AS (SELECT 2 UNION ALL SELECT i + 1 FROM n WHERE i < 2 * ?1)
                    INSERT INTO releases (id, tree, headline, asked_by, activated, spec, source, instances, schema)
                    SELECT i, CASE WHEN i <= ?1 THEN 1 ELSE i END, '', '', 0, spec, source, instances, schema
                    FROM n JOIN releases ON id = 1";
        journal.connection.execute(more, [releases]).unwrap();
        journal.connection.execute("UPDATE releases SET activated = ?1", [activated]).unwrap();
        journal.connection.execute("UPDATE active SET release = ?1", [2 * releases]).unwrap();
        (directory, journal)
    }

    #[test]
    fn of_old_releases_on_one_tree_only_the_newest_stays_and_hides_no_other() {
        let (_directory, mut journal) = on_one_tree(300, DAY);
        let needed = Needed { trees: [ReleaseId(1)].into(), releases: [ReleaseId(7)].into() };
        for _ in 0..5 {
            journal.prune(NOW, &needed).unwrap();
        }
        let mut left = journal.trees().unwrap();
        left.retain(|(release, _)| release.0 <= 400);
        let left: Vec<u64> = left.into_iter().map(|(release, _)| release.0).collect();
        assert_eq!(left, [300, 7, 1], "the newest, what is needed, and the one that the tree was made for");
        assert_eq!(count(&journal, "FROM releases"), RELEASES + 3);
    }

    #[test]
    fn what_is_young_stays_however_many_there_are() {
        let (_directory, mut journal) = on_one_tree(RELEASES, NOW - DAY);
        for _ in 0..5 {
            journal.prune(NOW, &Needed::default()).unwrap();
        }
        assert_eq!(count(&journal, "FROM releases"), 2 * RELEASES);
    }
}
