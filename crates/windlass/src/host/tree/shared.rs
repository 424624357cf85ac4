//! Directories that releases share, and whose they are.

use std::fs::File;
use std::io;
use std::os::unix::fs::{MetadataExt, fchown, symlink};
use std::path::{Path, PathBuf};

use rustix::fs::{
    AtFlags, CWD, Dir, Mode, OFlags, RenameFlags, ResolveFlags, chownat, openat2, renameat_with,
};
use rustix::io::Errno;
use rustix::process::{Gid, Uid};
use windlass_core::journal::Fault;
use windlass_core::plan::Plan;
use windlass_core::spec::Spec;

use crate::account::Account;
use crate::host::Host;
use crate::host::resource::lifecycle::blocking;
use crate::host::tree::durable;
use crate::host::tree::removed::remove_tree;
use crate::project::source;
use crate::{failpoint, layout};

/// How the name begins of the place where a shared directory is made.
const NEW: &str = ".windlass-new-";

/// The account that the services run as, where it is another than ours, and one for all that name one:
/// what they share is theirs to write to.
pub(in crate::host) fn account(spec: &Spec) -> Option<Account> {
    let mut users = spec.services.values().filter_map(|service| service.user.as_deref());
    let first = users.next()?;
    users.all(|user| user == first).then(|| Account::to_become(first).ok().flatten())?
}

impl Host {
    /// Gives what releases share to the account that the services run as.
    pub(in crate::host) async fn hand_over_shared(&self, plan: &Plan) -> Result<(), Fault> {
        let Some(account) = account(&plan.spec) else { return Ok(()) };
        let changed = self.account_before(plan).is_some_and(|before| before.as_ref() != Some(&account));
        let (root, directories) = (self.layout.shared(), plan.spec.build.shared.clone());
        let given = blocking(move || give(&root, &directories, &account, changed)).await?;
        given.map_err(|error| Fault::new(format!("what releases share cannot be given away: {error}"), ""))
    }

    /// The account of the active release's services: `Some(None)` where that is ours.
    fn account_before(&self, plan: &Plan) -> Option<Option<Account>> {
        let active = self.journal.borrow().active().ok().flatten()?;
        (active.release.id != plan.release).then(|| account(&active.release.spec))
    }

    /// What releases share and another account than the services' new one had until now. It is not given away by
    /// a run: the old copies write to it until they stop, and again when the run goes back.
    pub(in crate::host) fn shared_of_another(&self, plan: &Plan) -> Vec<(PathBuf, Account, Account)> {
        let Some(account) = account(&plan.spec) else { return Vec::new() };
        let Some(Some(before)) = self.account_before(plan) else { return Vec::new() };
        let paths = plan.spec.build.shared.iter().map(|directory| self.layout.shared().join(directory));
        let is_his = |path: &PathBuf| path.metadata().is_ok_and(|facts| facts.uid() == before.uid);
        let his = paths.filter(|_| before.uid != account.uid).filter(is_his);
        his.map(|path| (path, before.clone(), account.clone())).collect()
    }

    /// The shared directories that this run gives to an account, which were root's.
    pub(in crate::host) fn shared_to_give(&self, plan: &Plan) -> Option<String> {
        let account = account(&plan.spec)?;
        let is_roots = |directory: &&String| {
            self.layout.shared().join(directory).metadata().is_ok_and(|facts| facts.uid() == 0)
        };
        let given: Vec<String> = plan
            .spec
            .build
            .shared
            .iter()
            .filter(is_roots)
            .map(|directory| format!("shared/{directory}"))
            .collect();
        (!given.is_empty())
            .then(|| format!("{} and what root has in it becomes {}'s", given.join(", "), account.name))
    }
}

/// Links a shared directory into a tree. Whether it had to be made first.
pub(in crate::host) fn link(
    tree: &Path,
    shared: &Path,
    directory: &str,
    account: Option<&Account>,
) -> io::Result<bool> {
    let target = shared.join(directory);
    let link = tree.join(directory);
    let missing = !target.exists();
    if missing {
        make(tree, &target, &link, account)?;
    }
    if link.is_symlink() {
        std::fs::remove_file(&link)?;
    }
    remove_tree(&link)?;
    if let Some(parent) = link.parent() {
        std::fs::create_dir_all(parent)?;
    }
    symlink(&target, &link)?;
    Ok(missing)
}

/// Makes a shared directory: beside its place, where nobody else can reach it, until it is whole. Another
/// run may do so for its own tree at the same time, as builds need no lock: the first one counts.
fn make(tree: &Path, target: &Path, link: &Path, account: Option<&Account>) -> io::Result<()> {
    let beside = target.parent().unwrap_or(target);
    layout::make_dir(beside, 0o755)?;
    let own = tree.file_name().unwrap_or_default().to_string_lossy();
    let place = beside.join(format!("{NEW}{own}"));
    remove_tree(&place)?;
    layout::make_dir(&place, 0o700)?;
    let new = place.join("directory");
    layout::make_dir(&new, 0o755)?;
    // What the source ships there is where the shared directory begins.
    if link.is_dir() && !link.is_symlink() {
        source::carry(link, &new)?;
    }
    if let Some(account) = account {
        give_all(&new, account)?;
    }
    failpoint::around(|| durable::sync_all(&new))?;
    let placed = failpoint::around(|| match renameat_with(CWD, &new, CWD, target, RenameFlags::NOREPLACE) {
        // Not every file system knows how not to replace; none replaces a directory that has something in it.
        Err(Errno::INVAL | Errno::NOSYS) => rustix::fs::rename(&new, target),
        placed => placed,
    });
    remove_tree(&place)?;
    match placed {
        Err(Errno::EXIST | Errno::NOTEMPTY) => Ok(()),
        placed => Ok(placed?),
    }
}

/// Gives shared directories that are still root's to the account, with all of root's in them: services ran as
/// root before. The directory itself comes last, so that what was broken off is done again. Where the account
/// `changed`, so does what root made since in one that is the account's already.
fn give(shared: &Path, directories: &[String], account: &Account, changed: bool) -> io::Result<()> {
    let root = File::open(shared)?;
    for directory in directories {
        // Whoever may write above it must not have us give away what lies elsewhere.
        let Some(directory) = beneath(&root, directory, OFlags::RDONLY | OFlags::DIRECTORY)? else {
            continue;
        };
        let is_roots = directory.metadata()?.uid() == 0;
        if is_roots || changed {
            give_contents(&directory, account)?;
        }
        if is_roots {
            fchown(&directory, Some(account.uid), Some(account.gid))?;
        }
    }
    Ok(())
}

/// Gives what is root's in a directory, and what somebody gave to another is left as it is. Nothing is followed,
/// nor another file system entered; and what has a second name may have it anywhere.
fn give_contents(directory: &File, account: &Account) -> io::Result<()> {
    for entry in Dir::read_from(directory)? {
        let entry = entry?;
        let name = entry.file_name();
        if matches!(name.to_bytes(), b"." | b"..") {
            continue;
        }
        let Some(found) = beneath(directory, name, OFlags::PATH | OFlags::NOFOLLOW)? else { continue };
        let facts = found.metadata()?;
        if facts.is_dir() {
            let inner = beneath(&found, ".", OFlags::RDONLY | OFlags::DIRECTORY)?;
            inner.map_or(Ok(()), |inner| give_contents(&inner, account))?;
        }
        if facts.uid() == 0 && (facts.is_dir() || facts.nlink() == 1) {
            let (uid, gid) = (Uid::from_raw(account.uid), Gid::from_raw(account.gid));
            chownat(&found, "", Some(uid), Some(gid), AtFlags::EMPTY_PATH)?;
        }
    }
    Ok(())
}

/// What lies in a directory. `None`: it is not there, or not ours to give.
fn beneath(directory: &File, name: impl rustix::path::Arg, flags: OFlags) -> io::Result<Option<File>> {
    let within = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_XDEV;
    match openat2(directory, name, flags | OFlags::CLOEXEC, Mode::empty(), within) {
        Ok(found) => Ok(Some(File::from(found))),
        Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP | Errno::XDEV) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// Gives away a directory that was just made, with all that is in it, where only we can reach it.
fn give_all(path: &Path, account: &Account) -> io::Result<()> {
    account.give(path)?;
    if path.symlink_metadata()?.is_dir() {
        for entry in std::fs::read_dir(path)? {
            give_all(&entry?.path(), account)?;
        }
    }
    Ok(())
}
