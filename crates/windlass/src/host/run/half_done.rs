//! Jobs that ended half-way, or could not be undone. Where a command of theirs undoes them, what it needs is
//! kept: the files and the settings of the release that it belongs to.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::PathBuf;

use windlass_core::journal::{Standing, half_done, half_done_for_good};
use windlass_core::name::{Name, ReleaseId};
use windlass_core::protocol::Refusal;

use crate::checksummed;
use crate::host::Host;
use crate::host::instance::identity::Identity;
use crate::host::run::handle::RunHandle;
use crate::host::run::no::No;
use crate::host::supervise::loops::note;
use crate::host::tree::removed::is_aside;
use crate::layout::Layout;

/// The release of each.
pub(in crate::host) type HalfDone = BTreeMap<Name, ReleaseId>;

/// Which of them.
#[derive(Debug, Clone, Copy)]
pub(in crate::host) enum Which {
    /// Those that a command of their own undoes.
    Undoable,
    /// Those that nothing undoes: a person looks whether they can run again.
    ForGood,
}

impl Which {
    const ALL: [Self; 2] = [Self::Undoable, Self::ForGood];

    /// What people are told of one.
    fn told(self, job: &Name, release: ReleaseId) -> String {
        match self {
            Self::Undoable => format!(
                "the job {job} ended half-way in {release} and was not undone: look whether it left something \
                 behind, then undo it (`windlass run {job} --undo`), or deploy what completes it"
            ),
            Self::ForGood => format!(
                "the job {job} ended half-way in {release}, and a part of what it does may be done, and stays: \
                 look whether it can run again, and deploy what completes it"
            ),
        }
    }
}

fn path(layout: &Layout, which: Which) -> PathBuf {
    layout.state().join(match which {
        Which::Undoable => "half-done.json",
        Which::ForGood => "half-done-for-good.json",
    })
}

/// As it was left. What cannot be read must not be taken for none: what is needed to undo a job would be removed.
fn read(layout: &Layout, which: Which) -> io::Result<HalfDone> {
    Ok(checksummed::read(&path(layout, which))?.unwrap_or_default())
}

pub(in crate::host) fn write(layout: &Layout, which: Which, jobs: &HalfDone) -> io::Result<()> {
    checksummed::write(&path(layout, which), jobs)
}

/// What a person has to do about a file that cannot be read.
const UNREADABLE: &str = "restore it from a backup; or look (`windlass runs`) which jobs ended half-way, and remove it. \
                          Until then nothing is removed that may be needed to undo one";

impl Host {
    /// The release in which a job is half-done that can be undone.
    ///
    /// # Errors
    /// When that cannot be read.
    pub(in crate::host) fn half_done_in(&self, job: &Name) -> Result<Option<ReleaseId>, No> {
        let jobs = read(&self.layout, Which::Undoable);
        let jobs = jobs.map_err(|error| No::new(Refusal::Failed, error.to_string(), UNREADABLE))?;
        Ok(jobs.get(job).copied())
    }

    /// The releases that are kept because a job is half-done in them that can be undone.
    ///
    /// # Errors
    /// When that cannot be read: then any of them may be.
    pub(in crate::host) fn kept_to_undo(&self) -> io::Result<BTreeSet<ReleaseId>> {
        Ok(read(&self.layout, Which::Undoable)?.into_values().collect())
    }

    /// Notes which jobs a run leaves half-done. Of each the newest counts: it began where the one
    /// before it had ended.
    pub(in crate::host) fn note_half_done(&self, run: &RunHandle) {
        let plan = &run.row.plan;
        let records = self.journal.borrow().records(&run.row.id).unwrap_or_default();
        let standing = Standing::of(plan, &records);
        let left = [half_done(plan, &standing), half_done_for_good(plan, &standing)];
        for (which, left) in Which::ALL.into_iter().zip(left) {
            // Whoever died may have done so before the job itself began: then it has no record of its own.
            let left = left.into_iter().filter(|job| self.has_begun(plan, job));
            self.change_half_done(which, |jobs| jobs.extend(left.map(|job| (job.clone(), plan.release))));
        }
    }

    /// A job was done to its end, or undone.
    pub(in crate::host) fn is_whole(&self, job: &Name) {
        for which in Which::ALL {
            self.change_half_done(which, |jobs| {
                jobs.remove(job);
            });
        }
    }

    /// Forgets those that are older than all releases that are kept to go back to, unless somebody is at it.
    pub(in crate::host) fn forget_old_half_done(&self) {
        let Ok(releases) = self.journal.borrow().trees() else { return };
        let available = releases.iter().filter(|(_, tree)| self.layout.is_sealed(*tree));
        let Some(oldest) = available.map(|(release, _)| *release).min() else { return };
        for which in Which::ALL {
            self.change_half_done(which, |jobs| {
                jobs.retain(|job, of| *of >= oldest || self.by_hand.borrow().contains(job));
            });
        }
    }

    fn change_half_done(&self, which: Which, change: impl FnOnce(&mut HalfDone)) {
        let changed = read(&self.layout, which).and_then(|before| {
            let mut jobs = before.clone();
            change(&mut jobs);
            if jobs == before { Ok(()) } else { write(&self.layout, which, &jobs) }
        });
        if let Err(error) = changed {
            note(&format!("which jobs are half-done cannot be noted: {error}"));
        }
    }

    /// Removes the trees that were kept and that nothing needs any more.
    pub(in crate::host) fn remove_trees_of_nobody(&self) {
        // Whoever cannot read them must not think that there are none.
        let (Ok(open), Ok(releases), Ok(to_undo)) =
            (self.journal.borrow().open_runs(), self.journal.borrow().trees(), self.kept_to_undo())
        else {
            return;
        };
        let needed: BTreeSet<ReleaseId> = (releases.iter().map(|(_, tree)| *tree))
            .chain(open.iter().map(|run| run.plan.tree.id))
            .chain(to_undo)
            .collect();
        let (mut any_aside, mut unneeded) = (false, Vec::new());
        for entry in std::fs::read_dir(self.layout.releases()).into_iter().flatten().flatten() {
            any_aside |= is_aside(&entry.path());
            let tree = entry.file_name().to_str().and_then(|name| name.parse::<ReleaseId>().ok());
            let Some(tree) = tree.filter(|tree| !needed.contains(tree) && self.was_never_live(*tree)) else {
                continue;
            };
            unneeded.push(tree);
        }
        // Those of before among them: the host side may have ended while it was at it. Nobody waits for it.
        if any_aside || !unneeded.is_empty() {
            drop(self.remove_unneeded(unneeded));
        }
    }

    /// Whether a release is known that went back, and nothing of it runs. The journal may be a new one, to
    /// which older trees, from which something may run yet, say nothing.
    fn was_never_live(&self, release: ReleaseId) -> bool {
        let is_known = matches!(self.journal.borrow().plan_of_release(release), Ok(Some(_)));
        let copies = Identity::all(&self.layout).unwrap_or_default();
        is_known
            && self.works_in(release).is_none()
            && !copies.iter().any(|copy| copy.id.release == release && self.lives(&copy.id))
    }

    /// The jobs that are half-done, for people.
    pub(in crate::host) fn half_done_jobs(&self) -> Vec<String> {
        let told = Which::ALL.into_iter().flat_map(|which| match read(&self.layout, which) {
            Ok(jobs) => jobs.into_iter().map(|(job, release)| which.told(&job, release)).collect(),
            Err(error) => vec![format!("{error}: {UNREADABLE}")],
        });
        told.collect()
    }
}

#[cfg(test)]
mod tests {
    use windlass_core::event::RunRecord;
    use windlass_testkit::sandbox::until;

    use crate::host::testing;

    #[tokio::test]
    async fn a_tree_of_nobody_is_not_taken_from_who_is_still_at_it() {
        let (_place, host) = testing::host();
        let run = testing::run("one", testing::first(|_| {}));
        host.journal.borrow_mut().begin(&run.id, &run.plan, &run.by).unwrap();
        host.journal.borrow_mut().end(&run.id, &RunRecord::default()).unwrap();
        let tree = host.layout.tree(run.plan.tree.id);
        std::fs::create_dir_all(&tree).unwrap();
        let at_it = host.trees.clone();
        let at_it = at_it.lock().unwrap();
        host.remove_trees_of_nobody();
        assert!(tree.exists(), "somebody is at it");
        drop(at_it);
        until("it to be gone", || (!tree.exists()).then_some(()));
    }
}
