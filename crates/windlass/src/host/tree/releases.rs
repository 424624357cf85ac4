//! Trees: copied from the source, built, sealed, removed.

use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use indexmap::IndexMap;
use windlass_core::journal::Fault;
use windlass_core::launch::Status;
use windlass_core::name::ReleaseId;
use windlass_core::plan::Plan;
use windlass_core::spec::{Command, Limits};

use crate::host::Host;
use crate::host::once::errand::Errand;
use crate::host::once::outcome;
use crate::host::preflight::machine::Lack;
use crate::host::preflight::programs;
use crate::host::resource::lifecycle::blocking;
use crate::host::settings::{passed, values};
use crate::host::supervise::loops::note;
use crate::host::tree::brought::{Before, Brought};
use crate::host::tree::carried::{Places, Stray};
use crate::host::tree::contents;
use crate::host::tree::durable;
use crate::host::tree::handover;
use crate::host::tree::removed::{put_aside, remove_put_aside, remove_tree};
use crate::host::tree::shared;
use crate::project::source::{self, Carried, Selection};
use crate::runtime::process;
use crate::{failpoint, layout, processes};

/// How long a run waits for a tree's files to be removed. Where that takes longer, it goes on beside what follows.
const REMOVAL: Duration = Duration::from_secs(1);

impl Host {
    /// Copies the selected source files into the tree's directory, and carries over what
    /// the build says from the newest tree.
    pub(in crate::host) async fn fetch_source(
        &self,
        plan: &Plan,
        tree: ReleaseId,
        line: &dyn Fn(String),
    ) -> Result<String, Fault> {
        if self.layout.is_sealed(tree) {
            return Ok("it is there already".to_owned());
        }
        let unfinished = self.layout.tree(tree);
        let selection = Selection {
            root: PathBuf::from(&plan.tree.source.path),
            exclude: plan.spec.build.exclude.clone(),
            include: plan.spec.build.include.clone(),
            without: plan.tree.source.without.clone(),
        };
        let newest = self.newest_tree();
        let from =
            newest.as_ref().and_then(|tree| tree.file_name()).unwrap_or_default().display().to_string();
        let cache: Vec<(String, PathBuf)> = newest
            .iter()
            .flat_map(|tree| plan.spec.build.cache.iter().map(|name| (name.clone(), tree.join(name))))
            .filter(|(_, directory)| directory.is_dir())
            .collect();
        if !cache.is_empty() {
            let names: Vec<&str> = cache.iter().map(|(name, _)| name.as_str()).collect();
            line(format!("and, as [build] cache says, {} of releases/{from}", names.join(", ")));
        }
        let wanted = plan.tree.source.digest.clone();
        let trees = self.trees.clone();
        let places = Places::new(&self.layout.releases());
        let copy = unfinished.clone();
        let result = blocking(move || {
            let _alone = alone(&trees);
            remove_tree(&unfinished)?;
            let copied = source::copy(&selection, &unfinished)?;
            let mut carried = String::new();
            for (name, from) in cache {
                let to = unfinished.join(&name);
                remove_tree(&to)?;
                let Carried { files, bytes } = source::carry(&from, &to)?;
                places.settle(&to, tree)?;
                carried += &format!("; {name}: {files} files, {}", human(bytes));
            }
            Ok::<_, io::Error>((copied, carried))
        })
        .await?;
        let (copied, carried) = result.map_err(|error| {
            Fault::new(
                format!("the source cannot be copied: {error}"),
                remedy(&error, "free some disk space, or exclude files"),
            )
        })?;
        if copied.digest(&plan.spec) != wanted {
            return Err(Fault::new(
                "the source changed while the deploy began",
                "deploy again when your editor or checkout has settled; what is written all the time, \
                 such as a log, belongs in [build] exclude",
            ));
        }
        keep(copy).await?;
        Ok(format!("{} files, {}{carried}", copied.files, human(copied.bytes)))
    }

    fn newest_tree(&self) -> Option<PathBuf> {
        let active = self.journal.borrow().active().ok().flatten();
        active.map(|active| self.layout.tree(active.release.tree))
    }

    /// Runs one command of the build.
    pub(in crate::host) async fn build(
        &self,
        plan: &Plan,
        tree: ReleaseId,
        index: usize,
        line: &dyn Fn(String),
    ) -> Result<String, Fault> {
        if self.layout.is_sealed(tree) {
            return Ok("it is there already".to_owned());
        }
        let Some(step) = plan.spec.build.steps.get(index) else { return Ok(String::new()) };
        let label = build_label(plan, index);
        self.power_stayed_on(&step.command, &label)?;
        let errand = Errand {
            label: &label,
            log: &label,
            command: &step.command,
            directory: self.layout.tree(tree),
            env: &plan.spec.build.env,
            user: None,
            release: plan.release,
            // Nothing has been started yet, and a build must not depend on what is.
            resources: &IndexMap::new(),
            limits: Limits::default(),
            timeout: step.timeout,
        };
        let (launch, mut env) = self.errand(&errand).await?;
        let mut values = values::read(&self.layout, plan.release).map_err(|error| {
            Fault::new(format!("the settings of {} cannot be read: {error}", plan.release), "")
        })?;
        let passed = passed::for_build(&mut values, &plan.spec);
        passed.0.iter().for_each(|(name, value)| env.set(name, value));
        let ended = self.run_to_end(&self.layout.job(&label), &launch, env, line).await?;
        let what = format!("the build step `{}`", step.command);
        let mask = self.redactor(plan.release);
        let tail = crate::host::logs::tail(Path::new(&launch.log.path), 40, &mask);
        let whole = outcome::whole_log("build", plan.release);
        outcome::must_succeed(&what, &ended, step.timeout, (tail, &whole))?;
        keep(self.layout.tree(tree)).await?;
        Ok(String::new())
    }

    /// Refuses what a command of the build made before the machine was started last: whether its outcome is on the disk or
    /// not, its files may be there in part. Another run of it might take these for whole ones.
    fn power_stayed_on(&self, command: &Command, label: &str) -> Result<(), Fault> {
        let record = self.layout.job(label);
        let status = process::observe(&record).and_then(|seen| seen.status);
        let of_another_boot = |status: Status| status.is_of_another_boot(processes::boot());
        match process::is_of_another_boot(&record) || status.is_some_and(of_another_boot) {
            true => Err(Fault::new(
                format!(
                    "the machine was started anew after the build step `{command}` began: what it made may be there in part"
                ),
                "deploy again: the release is built anew",
            )),
            false => Ok(()),
        }
    }

    /// Marks the tree as finished, durably, after linking what releases share into it and writing down
    /// what it holds.
    pub(in crate::host) async fn seal_tree(&self, plan: &Plan, tree: ReleaseId) -> Result<String, Fault> {
        let unsealed = self.layout.tree(tree);
        let seal = self.layout.seal(tree);
        let place = self.layout.shared();
        let links = plan.spec.build.shared.clone();
        let account = handover::account(&plan.spec);
        let keep_free = plan.spec.deploy.min_free_disk;
        // Before a job changes anything.
        let (of, built) = (plan.spec.clone(), unsealed.clone());
        let lacks = move || {
            let unfit = programs::unfit(&of, &built);
            programs::out_of_reach(&of, Some(&built)).into_iter().chain(unfit).next()
        };
        if let Some(Lack { what, hint, .. }) = blocking(lacks).await? {
            return Err(Fault::new(what, hint));
        }
        let (source, spec) = (plan.tree.clone(), plan.spec.clone());
        let trees = self.trees.clone();
        let places = Places::new(&self.layout.releases());
        let active = self.journal.borrow().active().ok().flatten().map(|active| active.release);
        let active = active.filter(|active| active.tree != tree);
        let active =
            active.map(|active| (active.tree, self.layout.tree(active.tree), active.spec.build.shared));
        let result = blocking(move || {
            let _alone = alone(&trees);
            if seal.is_file() {
                return Ok(Ok(String::new()));
            }
            let (mut shares_more, mut brought) = (false, Vec::new());
            for directory in links {
                let before = active.as_ref().filter(|(_, _, shared)| !shared.contains(&directory));
                let from = before.map(|(_, root, _)| Before { root, keep_free });
                let linked = shared::link(&unsealed, &place, &directory, account.as_ref(), from)?;
                let Brought { files, left } = linked.brought;
                shares_more |= linked.made || files > 0;
                if let Some((release, ..)) = before {
                    brought.extend(told(*release, &directory, files, &left));
                }
            }
            if let Some(stray) = places.stray(&unsealed, tree, &spec)? {
                return Ok(Err(stray));
            }
            let text = contents::write_down(&unsealed, &source, &spec)?;
            // Then the seal, so that a sealed tree is a whole one also after a power cut.
            failpoint::around(|| {
                if shares_more { durable::sync_all(&unsealed) } else { durable::sync_tree(&unsealed) }
            })?;
            layout::replace_file(&seal, &text, 0o644).map(|()| Ok(brought.join("; ")))
        })
        .await?;
        let stray = result.map_err(|error: io::Error| {
            Fault::new(
                format!("releases/{tree} cannot be sealed: {error}"),
                remedy(&error, "free some disk space, or mount a larger disk at the directory below shared/"),
            )
        })?;
        match stray {
            Ok(brought) => Ok(brought),
            Err(Stray { path, of }) => Err(Fault::new(
                format!(
                    "{} of {tree} is run by a program of {of}: its first line names releases/{of}, and would \
                     name nothing when that is removed",
                    path.display()
                ),
                "take its directory out of `cache` and `shared` of [build], and deploy: then it is built anew",
            )),
        }
    }

    /// Removes a tree, finished or not, unless it is another release's than the plan's and something still
    /// runs in it: a cron job or a command of `windlass run` goes on in the release that it began in. The
    /// next run's clean-up finds the tree again.
    pub(in crate::host) async fn remove_tree(&self, plan: &Plan, tree: ReleaseId) -> Result<String, Fault> {
        if tree != plan.tree.id
            && let Some(user) = self.works_in(tree)
        {
            return Ok(format!("releases/{tree} stays: {user} still runs in it; the next deploy removes it"));
        }
        let (path, seal) = (self.layout.tree(tree), self.layout.seal(tree));
        let trees = self.trees.clone();
        let result = blocking(move || {
            // Who was cancelled may still be at it.
            let _alone = alone(&trees);
            // A tree that is being removed must never look like one that can be run.
            match std::fs::remove_file(&seal) {
                Err(error) if error.kind() != io::ErrorKind::NotFound && path.exists() => return Err(error),
                _ => {}
            }
            put_aside(&path)
        })
        .await?;
        let failed = |error: io::Error| {
            Fault::new(format!("releases/{tree} cannot be removed: {error}"), "remove it by hand")
        };
        result.map_err(failed)?;
        match tokio::time::timeout(REMOVAL, self.remove_what_is_aside()).await {
            Ok(Ok(())) => Ok(String::new()),
            // The tree is gone for everybody; another's that is stuck is no fault of this run.
            Ok(Err(error)) => Ok(format!("what is put aside cannot be removed, remove it by hand: {error}")),
            Err(_) => Ok(format!(
                "removing the files of releases/{tree} takes longer, and goes on beside what follows"
            )),
        }
    }

    /// Removes the trees that were put aside; it goes on where nobody waits for it.
    pub(in crate::host) fn remove_what_is_aside(&self) -> impl Future<Output = io::Result<()>> + use<> {
        self.remove_unneeded(Vec::new())
    }

    /// The same, and before that puts these aside.
    pub(in crate::host) fn remove_unneeded(
        &self,
        unneeded: Vec<ReleaseId>,
    ) -> impl Future<Output = io::Result<()>> + use<> {
        let releases = self.layout.releases();
        let trees = self.trees.clone();
        let unneeded: Vec<_> =
            unneeded.into_iter().map(|tree| (tree, self.layout.tree(tree), self.layout.seal(tree))).collect();
        let removal = tokio::task::spawn_blocking(move || {
            if !unneeded.is_empty() {
                // Who was cancelled may still be at it.
                let _alone = alone(&trees);
                for (tree, path, seal) in unneeded {
                    // What is being removed must never look like what can be run.
                    let _ = std::fs::remove_file(&seal);
                    if let Err(error) = put_aside(&path) {
                        note(&format!("releases/{tree} cannot be removed: {error}"));
                    }
                }
            }
            remove_put_aside(&releases).inspect_err(|error| {
                note(&format!("trees that were put aside cannot be removed: {error}"));
            })
        });
        async move { removal.await.unwrap_or_else(|error| Err(io::Error::other(error))) }
    }
}

/// Puts a tree on the disk that is not finished: what the journal calls done must be there after a power cut too, or a
/// run that is resumed would seal, and serve, what is left of it.
async fn keep(tree: PathBuf) -> Result<(), Fault> {
    let kept = blocking(move || failpoint::around(|| durable::sync_tree(&tree))).await?;
    kept.map_err(|error| {
        Fault::new(
            format!("the release's files cannot be written to the disk: {error}"),
            "free some disk space",
        )
    })
}

/// What is said of a directory that releases share from now on.
fn told(release: ReleaseId, directory: &str, files: u64, left: &BTreeSet<PathBuf>) -> Vec<String> {
    let mut told = Vec::new();
    if files > 0 {
        let (files, are) = match files {
            1 => ("1 file".to_owned(), "is"),
            files => (format!("{files} files"), "are"),
        };
        told.push(format!(
            "{files} that the application wrote to releases/{release}/{directory} {are} in shared/{directory}; what {release} \
             writes there until it stops stays behind"
        ));
    }
    if let Some(first) = left.first() {
        let more = if left.len() == 1 { String::new() } else { format!(" (and {} more)", left.len() - 1) };
        told.push(format!(
            "the database releases/{release}/{}{more} was not taken over into shared/{directory}: copy it there while nothing \
             writes to it",
            first.display()
        ));
    }
    told
}

/// Waits for whoever makes or removes a tree, which goes on where nobody waits for it any more.
fn alone(trees: &Mutex<()>) -> MutexGuard<'_, ()> {
    trees.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The name of a build step's keeper and log.
pub(in crate::host) fn build_label(plan: &Plan, index: usize) -> String {
    format!("{}.build.{}", plan.release, index + 1)
}

/// What to do about files that cannot be written, which most often is for want of room.
fn remedy(error: &io::Error, room: &'static str) -> &'static str {
    match error.kind() {
        io::ErrorKind::InvalidFilename => {
            "no path may be longer than 4095 bytes, with that of the release before it: give it a shorter one, or leave \
             it out by [build] exclude"
        }
        io::ErrorKind::InvalidInput => "see what the steps of [build] put there",
        _ => room,
    }
}

fn human(bytes: u64) -> String {
    match bytes {
        0..10_000 => format!("{bytes} bytes"),
        10_000..10_000_000 => format!("{} kB", bytes / 1000),
        _ => format!("{} MB", bytes / 1_000_000),
    }
}

#[cfg(test)]
mod tests {
    use windlass_core::launch::{End, Exit, Launch, ProcessState};

    use super::*;
    use crate::host::testing;
    use crate::keeper::files::{self, BOOT, Durability, LAUNCH, STATUS};

    #[tokio::test]
    async fn what_a_step_of_the_build_made_does_not_count_once_the_machine_was_started_anew() {
        let (_place, host) = testing::host();
        let plan = testing::first(|_| {});
        std::fs::create_dir_all(host.layout.tree(plan.tree.id)).unwrap();
        let record = host.layout.job(&build_label(&plan, 0));
        std::fs::create_dir_all(&record).unwrap();
        files::replace(&record.join(LAUNCH), &Launch::default(), Durability::UntilReboot).unwrap();
        for (boot, counts) in [(processes::boot(), true), ("another", false)] {
            let ended = Status {
                keeper: 1,
                state: ProcessState::Ended(End::Finished),
                restarts: 0,
                last_exit: Some(Exit::Code(0)),
                since: 0,
                note: None,
                degraded: None,
                hangs: Vec::new(),
                boot: boot.to_owned(),
            };
            files::replace(&record.join(STATUS), &ended, Durability::Forever).unwrap();
            let built = host.build(&plan, plan.tree.id, 0, &|_| {}).await;
            assert_eq!(built.is_ok(), counts, "{built:?}");
            assert!(counts || built.is_err_and(|fault| fault.message.contains("started anew")));
        }
        // It was begun, and what its keeper wrote first had not reached the disk. Nor had what stands in the file of the boot.
        for boot in ["another", ""] {
            std::fs::remove_file(record.join(STATUS)).ok();
            std::fs::write(record.join(BOOT), boot).unwrap();
            let built = host.build(&plan, plan.tree.id, 0, &|_| {}).await;
            assert!(built.as_ref().is_err_and(|fault| fault.message.contains("started anew")), "{built:?}");
        }
    }
}
