//! Giving what releases share to the account that the services run as, where root had it.

use std::ffi::OsStr;
use std::fs::File;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, fchown};
use std::path::{Path, PathBuf};
use std::rc::Rc;

use rustix::fs::{AtFlags, Dir, Mode, OFlags, ResolveFlags, chownat, openat2};
use rustix::io::Errno;
use rustix::process::{Gid, Uid};
use windlass_core::journal::Fault;
use windlass_core::name::{InstanceId, Name};
use windlass_core::plan::{Action, Plan};
use windlass_core::spec::{Job, Spec};

use crate::account::{self, Account};
use crate::host::Host;
use crate::host::instance::identity::Identity;
use crate::host::resource::lifecycle::blocking;
use crate::host::supervise::loops::note;

/// Where the kernel says whether an account may give another name to a file that is not its own.
const PROTECTED_HARDLINKS: &str = "/proc/sys/fs/protected_hardlinks";

/// How much is looked through.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Extent {
    /// The directories that are still root's.
    Roots,
    /// All of them: root may have made something in those that are the account's.
    All,
}

/// The account that the services run as, where it is another than ours, and one for all that name one:
/// what they share is theirs to write to.
pub(in crate::host) fn account(spec: &Spec) -> Option<Account> {
    let mut users = spec.services.values().filter_map(|service| service.user.as_deref());
    let first = users.next()?;
    users.all(|user| user == first).then(|| Account::to_become(first).ok().flatten())?
}

impl Host {
    /// Gives what releases share to the account that the services run as: once in a run, before its first job.
    pub(in crate::host) async fn hand_over_shared(&self, run: &str, plan: &Plan) -> Result<(), Fault> {
        let mut handed_over = self.handed_over.lock().await;
        if handed_over.as_deref() != Some(run) {
            let extent = if self.were_roots(plan) { Extent::All } else { Extent::Roots };
            self.hand_over(&plan.spec, extent).await?;
            *handed_over = Some(run.to_owned());
        }
        Ok(())
    }

    /// What a job that ran as root has made is the account's as well, or it could not write to the job's database.
    pub(in crate::host) async fn hand_over_after(&self, job: &Job, spec: &Spec) -> Result<(), Fault> {
        match is_root(job.user.as_deref()) {
            true => self.hand_over(spec, Extent::All).await,
            false => Ok(()),
        }
    }

    /// Copies that ran as root wrote to what is shared until they stopped: it is looked through again after the last
    /// of them, which this one may have been.
    pub(in crate::host) async fn hand_over_after_copy(
        &self,
        plan: &Plan,
        stopped: &InstanceId,
    ) -> Result<(), Fault> {
        if !self.were_roots(plan) || self.others_live(plan, stopped) {
            return Ok(());
        }
        self.hand_over(&plan.spec, Extent::All).await
    }

    /// A plan that changes no copy and has no job comes to its end with what cron jobs have made as root until now.
    pub(in crate::host) async fn hand_over_of_crons(&self, plan: &Plan) -> Result<(), Fault> {
        match self.before(plan).is_some_and(|before| crons_were_roots(&before, &plan.spec)) {
            true => self.hand_over(&plan.spec, Extent::All).await,
            false => Ok(()),
        }
    }

    /// The same after a run that began as root and went on meanwhile: the job runs as an account in the release that has
    /// come, or is about to.
    pub(in crate::host) fn hand_over_after_cron(self: &Rc<Self>, name: &Name) {
        let coming = self.open_plan().map(|(run, _)| run.row.plan.spec.clone());
        let in_force = self.in_force().map(|active| active.release.spec);
        let is_no_more = |spec: &Spec| spec.crons.get(name).is_none_or(|now| !is_root(now.user.as_deref()));
        let Some(spec) = coming.into_iter().chain(in_force).find(is_no_more) else { return };
        let host = self.clone();
        tokio::task::spawn_local(async move {
            if let Err(fault) = host.hand_over(&spec, Extent::All).await {
                note(&fault.message);
            }
        });
    }

    async fn hand_over(&self, spec: &Spec, extent: Extent) -> Result<(), Fault> {
        if spec.build.shared.is_empty() {
            return Ok(());
        }
        let Some(account) = account(spec) else { return Ok(()) };
        let (root, directories) = (self.layout.shared(), spec.build.shared.clone());
        let given = blocking(move || give(&root, &directories, &account, extent)).await?;
        given.map_err(|error| Fault::new(format!("what releases share cannot be given away: {error}"), ""))
    }

    /// Whether services or cron jobs of the release before ran as root that do so no more.
    fn were_roots(&self, plan: &Plan) -> bool {
        self.before(plan).is_some_and(|before| {
            let is_no_more =
                |name: &Name| plan.spec.services.get(name).is_none_or(|now| !is_root(now.user.as_deref()));
            let mut services = before.services.iter();
            services.any(|(name, then)| is_root(then.user.as_deref()) && is_no_more(name))
                || crons_were_roots(&before, &plan.spec)
        })
    }

    /// What ran before the plan's release, where that is a new one.
    fn before(&self, plan: &Plan) -> Option<Spec> {
        let before = plan.previous.filter(|before| *before != plan.release)?;
        self.journal.borrow().release(before).ok().flatten().map(|row| row.spec)
    }

    fn others_live(&self, plan: &Plan, stopped: &InstanceId) -> bool {
        let all = Identity::all(&self.layout).unwrap_or_default();
        let is_its = |copy: &Identity| plan.instances.values().flatten().any(|new| *new == copy.id);
        all.iter().any(|copy| copy.id != *stopped && !is_its(copy) && self.lives(&copy.id))
    }
}

/// Whether cron jobs of `before` ran as root that do so no more.
fn crons_were_roots(before: &Spec, now: &Spec) -> bool {
    let is_no_more = |name: &Name| now.crons.get(name).is_none_or(|now| !is_root(now.user.as_deref()));
    before.crons.iter().any(|(name, then)| is_root(then.user.as_deref()) && is_no_more(name))
}

/// Whether what has this `user` runs as root.
pub(in crate::host) fn is_root(user: Option<&str>) -> bool {
    account::is_root() && user.is_none_or(|user| matches!(Account::to_become(user), Ok(None)))
}

/// Why what root makes in directories of the services' account cannot be given to it, where the plan would have that
/// done: whoever may give another name to any file could have any file.
pub(in crate::host) fn unsafe_links(plan: &Plan) -> Option<&'static str> {
    let is_roots_job = |action: &Action| match action {
        Action::RunJob { job, .. } => plan.spec.jobs.get(job).is_some_and(|job| is_root(job.user.as_deref())),
        _ => false,
    };
    let is_done = !plan.spec.build.shared.is_empty()
        && plan.steps.iter().any(|step| is_roots_job(&step.action))
        && account(&plan.spec).is_some();
    (is_done && links_are_free()).then_some(FREE_LINKS)
}

/// What is wrong where links are free.
const FREE_LINKS: &str = "any account may give a second name to files that are not its own (fs.protected_hardlinks is 0), \
                          so what root makes in a directory of another account is not given to that";

/// What to do about it.
pub(in crate::host) const LINKS_HINT: &str =
    "set it: sysctl -w fs.protected_hardlinks=1; or have the jobs run as the account, by `user`";

fn links_are_free() -> bool {
    std::fs::read_to_string(PROTECTED_HARDLINKS).is_ok_and(|text| text.trim() == "0")
}

/// Gives to the account what is root's in shared directories, and the directories. These come last, so that what was
/// broken off is done again.
pub(super) fn give(
    shared: &Path,
    directories: &[String],
    account: &Account,
    extent: Extent,
) -> io::Result<()> {
    for directory in directories {
        let Some(top) = open(shared, directory)? else { continue };
        let is_roots = top.metadata()?.uid() == 0;
        if !is_roots && extent == Extent::Roots {
            continue;
        }
        // A run that comes to this is refused before it begins; what is left is looked through once more.
        if !is_roots && links_are_free() {
            continue;
        }
        give_contents(&top, account)
            .map_err(|error| io::Error::new(error.kind(), format!("shared/{directory}: {error}")))?;
        if is_roots {
            where_it_may_be(fchown(&top, Some(account.uid), Some(account.gid)))?;
        }
    }
    Ok(())
}

/// A shared directory, which another file system may be mounted at. `None`: it is not there, nobody may open it, or it leads elsewhere, as
/// whoever may write above it must not have us give that away.
pub(in crate::host) fn open(shared: &Path, directory: &str) -> io::Result<Option<File>> {
    let root = File::open(shared)?;
    within(&root, directory, OFlags::RDONLY | OFlags::DIRECTORY, ResolveFlags::empty())
}

/// Gives what is root's in a directory, and what somebody gave to another is left as it is. Nothing is followed,
/// nor another file system entered; and what has a second name may have it anywhere. Directories come last, and inner
/// ones first: nobody else may make anything where it is looked through. However deep they are, few are open.
fn give_contents(top: &File, account: &Account) -> io::Result<()> {
    let owner = (Some(Uid::from_raw(account.uid)), Some(Gid::from_raw(account.gid)));
    let same = ResolveFlags::NO_XDEV;
    let mut left = vec![PathBuf::from(".")];
    let mut roots = Vec::new();
    while let Some(path) = left.pop() {
        let Some(directory) = within(top, &path, OFlags::RDONLY | OFlags::DIRECTORY, same)? else { continue };
        for entry in Dir::read_from(&directory)? {
            let entry = entry?;
            let name = entry.file_name();
            if matches!(name.to_bytes(), b"." | b"..") {
                continue;
            }
            let Some(found) = within(&directory, name, OFlags::PATH | OFlags::NOFOLLOW, same)? else {
                continue;
            };
            let facts = found.metadata()?;
            if facts.is_dir() {
                let inner = path.join(OsStr::from_bytes(name.to_bytes()));
                roots.extend((facts.uid() == 0).then(|| inner.clone()));
                left.push(inner);
            } else if facts.uid() == 0 && facts.nlink() == 1 {
                where_it_may_be(chownat(&found, "", owner.0, owner.1, AtFlags::EMPTY_PATH))?;
            }
        }
    }
    for path in roots.iter().rev() {
        let found = within(top, path, OFlags::PATH | OFlags::NOFOLLOW | OFlags::DIRECTORY, same)?;
        let Some(found) = found.filter(|found| found.metadata().is_ok_and(|facts| facts.uid() == 0)) else {
            continue;
        };
        where_it_may_be(chownat(&found, "", owner.0, owner.1, AtFlags::EMPTY_PATH))?;
    }
    Ok(())
}

/// A file system may let nobody be given anything, not even by root (NFS that squashes root, CIFS, what is mounted
/// read-only), nor a file that is immutable: that is as it was before, and whoever needs it otherwise sees to it.
fn where_it_may_be(given: Result<(), impl Into<io::Error>>) -> io::Result<()> {
    use io::ErrorKind::{PermissionDenied, ReadOnlyFilesystem, Unsupported};
    match given.map_err(Into::into) {
        Err(error) if matches!(error.kind(), PermissionDenied | ReadOnlyFilesystem | Unsupported) => Ok(()),
        given => given,
    }
}

/// What lies in a directory. `None`: it is not there, or not ours to give.
pub(super) fn within(
    directory: &File,
    name: impl rustix::path::Arg,
    flags: OFlags,
    more: ResolveFlags,
) -> io::Result<Option<File>> {
    let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | more;
    match openat2(directory, name, flags | OFlags::CLOEXEC, Mode::empty(), resolve) {
        Ok(found) => Ok(Some(File::from(found))),
        Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP | Errno::XDEV) => Ok(None),
        // Not even root may look into it.
        Err(Errno::ACCESS | Errno::PERM) => Ok(None),
        Err(Errno::NAMETOOLONG) => {
            let why =
                "its directories are nested so deeply that none of the innermost can be named; remove them";
            Err(io::Error::new(io::ErrorKind::InvalidFilename, why))
        }
        Err(error) => Err(error.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn web() -> Account {
        Account { name: "web".into(), uid: 4711, gid: 4712, home: "/".into(), groups: vec![4712] }
    }

    /// What is mounted is gone with the process that sees it.
    #[test]
    fn a_volume_is_given_and_another_in_it_is_not() {
        const PLACE: &str = "WINDLASS_TEST_VOLUME";
        const SCRIPT: &str = "mount -t tmpfs none \"$1/media\"; mkdir \"$1/media/inner\"; touch \"$1/media/photo\"; \
                              mount -t tmpfs none \"$1/media/inner\"; touch \"$1/media/inner/file\"; \
                              exec \"$2\" --exact host::tree::handover::tests::a_volume_is_given_and_another_in_it_is_not";
        if let Some(place) = std::env::var_os(PLACE).map(PathBuf::from) {
            give(&place, &["media".to_owned()], &web(), Extent::Roots).unwrap();
            let owner = |path: &str| place.join(path).metadata().unwrap().uid();
            assert_eq!(["media", "media/photo", "media/inner/file"].map(owner), [4711, 4711, 0]);
            std::fs::write(place.join("seen"), "").unwrap();
            return;
        }
        let apart = |words: &[&str]| {
            let mut unshare = std::process::Command::new("unshare");
            unshare.arg("--mount").args(words);
            unshare
        };
        if !account::is_root() || !apart(&["true"]).status().is_ok_and(|ended| ended.success()) {
            eprintln!("passed over: only root can mount file systems");
            return;
        }
        let place = tempfile::tempdir().unwrap();
        std::fs::create_dir(place.path().join("media")).unwrap();
        let mut inside = apart(&["sh", "-ec", SCRIPT, "sh"]);
        inside.arg(place.path()).arg(std::env::current_exe().unwrap()).env(PLACE, place.path());
        let ended = inside.output().unwrap();
        assert!(ended.status.success() && place.path().join("seen").exists(), "{ended:?}");
    }

    /// Deeper than there are descriptors for, at three to a level.
    #[test]
    fn a_deep_directory_is_given_and_one_that_is_too_deep_is_told_of() {
        if !account::is_root() {
            eprintln!("passed over: only root can give files away");
            return;
        }
        let place = tempfile::tempdir().unwrap();
        let [media, aside] = ["media", "aside"].map(|name| place.path().join(name));
        let below = |name: &str, levels| media.join(vec![name; levels].into_iter().collect::<PathBuf>());
        let give = |extent| give(place.path(), &["media".to_owned()], &web(), extent);
        let deep = below("d", 400);
        std::fs::create_dir_all(&deep).unwrap();
        std::fs::write(deep.join("photo"), "").unwrap();
        give(Extent::Roots).unwrap();
        for path in [media.clone(), media.join("d"), deep.join("photo")] {
            assert_eq!(path.metadata().unwrap().uid(), 4711);
        }
        // Put into its like, it is longer than any path.
        let long = "x".repeat(200);
        std::fs::create_dir_all(below(&long, 12)).unwrap();
        std::fs::rename(media.join(&long), &aside).unwrap();
        std::fs::create_dir_all(below(&long, 12)).unwrap();
        std::fs::rename(&aside, below(&long, 12).join("more")).unwrap();
        let told = give(Extent::All).unwrap_err().to_string();
        assert!(told.contains("shared/media: its directories are nested so deeply"), "{told}");
    }
}
