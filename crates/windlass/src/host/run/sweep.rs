//! Removing what nobody needs once a run is over.

use std::collections::BTreeSet;
use std::path::PathBuf;

use windlass_core::name::{InstanceId, ReleaseId};

use crate::clock;
use crate::engine::{JournalError, Needed};
use crate::host::Host;
use crate::host::by_hand::command::is_label;
use crate::host::instance::identity::Identity;
use crate::host::logs::release_of;
use crate::host::settings::files;
use crate::host::settings::values;
use crate::host::supervise::loops::note;

impl Host {
    /// Removes the directories of instances that have ended and belong to nothing.
    pub(super) fn sweep(&self) {
        let Ok(active) = self.journal.borrow().active() else { return };
        let has_released = active.is_some();
        let instances = active.map(|active| active.release.instances).unwrap_or_default();
        let mut kept: BTreeSet<InstanceId> = instances.into_values().flatten().collect();
        // Another run may be about to start its own.
        for run in self.runs.borrow().values() {
            kept.extend(run.row.plan.instances.values().flatten().cloned());
        }
        // By their names: what stands in them may be damaged, or was never written.
        for name in names(self.layout.instances()).unwrap_or_default() {
            let Ok(id) = name.parse::<InstanceId>() else { continue };
            let directory = self.layout.instance(&id);
            if !kept.contains(&id) && !self.lives(&id) {
                let _ = std::fs::remove_dir_all(directory);
            }
        }
        // Before the first release there may be the tree of one in which a job is half-done.
        if has_released {
            self.forget_old_half_done();
        }
        self.forget_what_is_gone();
    }

    /// Removes what nobody needs of releases that nobody can go back to.
    pub(in crate::host) fn forget_what_is_gone(&self) {
        self.remove_trees_of_nobody();
        self.forget_old_releases();
    }

    /// Forgets what nobody needs of the journal. Where it cannot be said what is needed, everything is.
    pub(super) fn prune(&self) {
        let Some(mut needed) = self.needed() else { return };
        if let Err(error) = self.prune_but(&mut needed) {
            note(&format!("what nobody needs of the journal cannot be forgotten: {error}"));
        }
    }

    fn prune_but(&self, needed: &mut Needed) -> Result<(), JournalError> {
        let now = clock::wall_millis();
        // What is left of a release goes before its row, which says what of it is secret.
        let spare = self.journal.borrow().spare_releases(now, needed)?;
        self.forget_what_is_left_of(|release| spare.contains(&release));
        let Some(left) = self.left() else { return Ok(()) };
        needed.releases.extend(left);
        self.journal.borrow_mut().prune(now, needed)
    }

    /// What is needed of the journal beside what goes with a release ([`Self::left`]).
    fn needed(&self) -> Option<Needed> {
        let trees = names(self.layout.releases())?.iter().filter_map(|name| name.parse().ok()).collect();
        let mut releases = self.kept_to_undo().ok()?;
        let copies = names(self.layout.instances())?;
        releases
            .extend(copies.iter().filter_map(|name| name.parse::<InstanceId>().ok()).map(|id| id.release));
        // What of a log is secret, the settings of its release say.
        let logs = names(self.layout.logs())?;
        releases.extend(logs.iter().filter_map(|name| of_log(name)));
        releases
            .extend(crate::host::settings::rotation::unrevoked(&self.layout).into_iter().map(|(_, of)| of));
        for run in self.runs.borrow().values() {
            releases.extend(run.row.plan.previous.into_iter().chain([run.row.plan.release]));
        }
        for last in self.journal.borrow().run_records(1).ok()? {
            releases.extend(last.previous.into_iter().chain(last.release));
        }
        Some(Needed { trees, releases })
    }

    /// The releases of which there are values, or files with some.
    fn left(&self) -> Option<BTreeSet<ReleaseId>> {
        let mut releases: BTreeSet<ReleaseId> = values::releases(&self.layout).ok()?.into_iter().collect();
        releases.extend(files::releases(&self.layout));
        Some(releases)
    }

    /// The releases of which a copy lives.
    pub(super) fn living_releases(&self) -> BTreeSet<ReleaseId> {
        let copies = Identity::all(&self.layout).unwrap_or_default();
        copies.into_iter().map(|copy| copy.id).filter(|id| self.lives(id)).map(|id| id.release).collect()
    }

    /// Removes what is left of releases that nobody can go back to: the records of their jobs and builds, and the
    /// values of their settings. Their logs stay as those of services do ([`crate::host::logs`]): of a run that failed
    /// they are what says why.
    pub(super) fn forget_old_releases(&self) {
        // Whoever cannot read which there are must not take them for gone.
        let Ok(releases) = self.journal.borrow().trees() else { return };
        let open: Vec<ReleaseId> = self.runs.borrow().values().map(|run| run.row.plan.release).collect();
        let Ok(mut kept) = self.kept_to_undo() else { return };
        // A copy that could not be stopped may be started again with what it has.
        kept.extend(self.living_releases());
        let gone = |release: ReleaseId| {
            let available = releases.iter().any(|(id, tree)| *id == release && self.layout.is_sealed(*tree));
            !available && !open.contains(&release) && !kept.contains(&release)
        };
        self.forget_what_is_left_of(gone);
    }

    fn forget_what_is_left_of(&self, gone: impl Fn(ReleaseId) -> bool) {
        for (directory, is_log) in [(self.layout.jobs(), false), (self.layout.logs(), true)] {
            for entry in std::fs::read_dir(&directory).into_iter().flatten().flatten() {
                let name = entry.file_name().to_string_lossy().into_owned();
                let release = name.split_once('.').and_then(|(first, _)| first.parse::<ReleaseId>().ok());
                // What `windlass run` ran leaves nothing, unless the host side died meanwhile.
                let command = name.split_once(".log").map_or(name.as_str(), |(label, _)| label);
                let left = is_label(command) && !self.runs_command(command);
                let path = entry.path();
                if !left && (is_log || !release.is_some_and(&gone)) {
                    continue;
                }
                let _ =
                    if path.is_dir() { std::fs::remove_dir_all(path) } else { std::fs::remove_file(path) };
            }
        }
        for release in values::releases(&self.layout).unwrap_or_default() {
            if gone(release) {
                self.forget_values(release, &self.settings(release));
            }
        }
        for release in files::releases(&self.layout).into_iter().filter(|release| gone(*release)) {
            files::forget(&self.layout, release);
        }
    }
}

/// The names in a directory; `None` where they cannot be read.
fn names(directory: PathBuf) -> Option<Vec<String>> {
    let entries = match std::fs::read_dir(directory) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Some(Vec::new()),
        entries => entries.ok()?,
    };
    entries.map(|entry| Some(entry.ok()?.file_name().to_string_lossy().into_owned())).collect()
}

/// The release whose processes wrote a file in the directory of logs.
fn of_log(file: &str) -> Option<ReleaseId> {
    release_of(file.split_once(".log")?.0)
}

#[cfg(test)]
mod tests {
    use indexmap::IndexMap;
    use windlass_core::name::ReleaseId;
    use windlass_core::protocol::Values;
    use windlass_testkit::sample::{name, web};

    use crate::host::run::handle::RunHandle;
    use crate::host::settings::values;
    use crate::host::testing;

    #[test]
    fn what_another_open_run_has_planned_is_not_swept_away() {
        let (_place, host) = testing::host();
        let plan = testing::first(|spec| drop(spec.services.insert(name("web"), web("serve"))));
        let id = plan.instances["web"][0].clone();
        host.identify(&plan, &id).unwrap();
        let directory = host.layout.instance(&id);
        host.journal.borrow_mut().activate(&testing::row(7), false).unwrap();
        let run = RunHandle::new(testing::run("a", plan), false);
        host.runs.borrow_mut().insert("a".to_owned(), run);
        host.sweep();
        assert!(directory.exists());
        host.runs.borrow_mut().clear();
        host.sweep();
        assert!(!directory.exists());
    }

    #[test]
    fn a_copy_whose_files_are_damaged_is_swept_away_like_any_other() {
        let (_place, host) = testing::host();
        let directory = host.layout.instances().join("web.r1.1");
        std::fs::create_dir(&directory).unwrap();
        std::fs::write(directory.join("instance.json"), "").unwrap();
        host.journal.borrow_mut().activate(&testing::row(7), false).unwrap();
        host.sweep();
        assert!(!directory.exists());
    }

    /// As after a year of restarts at night.
    #[test]
    fn a_release_that_others_on_its_tree_have_followed_goes_with_its_values_once_its_logs_have() {
        let (_place, host) = testing::host();
        std::fs::create_dir(host.layout.releases().join("r1")).unwrap();
        host.journal.borrow_mut().activate(&testing::row(1), false).unwrap();
        let more = "WITH RECURSIVE n(i) AS (SELECT 2 UNION ALL SELECT i + 1 FROM n WHERE i < 250)
                    INSERT INTO releases (id, tree, headline, asked_by, activated, spec, source, instances, schema)
                    SELECT i, 1, '', '', 0, spec, source, instances, schema FROM n JOIN releases ON id = 1";
        let journal = rusqlite::Connection::open(host.layout.journal()).unwrap();
        journal.execute(more, []).unwrap();
        for release in [5, 6] {
            let values =
                Values([("NAME".to_owned(), "value".to_owned())].into_iter().collect::<IndexMap<_, _>>());
            values::write(&host.layout, ReleaseId(release), &values).unwrap();
        }
        std::fs::write(host.layout.log("web.r6"), "").unwrap();
        std::fs::write(host.layout.log("r7.migrate"), "").unwrap();
        host.prune();
        let is_known = |release| host.journal.borrow().release(ReleaseId(release)).unwrap().is_some();
        assert!(
            !is_known(5) && is_known(6) && is_known(7),
            "a log is masked by what is known of its release"
        );
        assert_eq!(values::releases(&host.layout).unwrap(), [ReleaseId(6)]);
        assert!(host.layout.log("r7.migrate").exists());
    }
}
