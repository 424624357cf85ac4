//! Directories that releases share, and whose they are.

use std::fs::File;
use std::io;
use std::os::unix::fs::{MetadataExt, symlink};
use std::path::Path;

use rustix::fs::{CWD, Mode, OFlags, RenameFlags, ResolveFlags, openat2, renameat_with};
use rustix::io::Errno;
use windlass_core::journal::Fault;
use windlass_core::plan::Plan;
use windlass_core::spec::Spec;

use crate::account::Account;
use crate::host::Host;
use crate::host::resource::lifecycle::blocking;
use crate::host::tree::durable;
use crate::host::tree::removed::remove_tree;
use crate::layout;
use crate::project::source;

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
        let (root, directories) = (self.layout.shared(), plan.spec.build.shared.clone());
        let given = blocking(move || give(&root, &directories, &account)).await?;
        given.map_err(|error| Fault::new(format!("what releases share cannot be given away: {error}"), ""))
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
    durable::sync_all(&new)?;
    let placed = match renameat_with(CWD, &new, CWD, target, RenameFlags::NOREPLACE) {
        // Not every file system knows how not to replace; none replaces a directory that has something in it.
        Err(Errno::INVAL | Errno::NOSYS) => rustix::fs::rename(&new, target),
        placed => placed,
    };
    remove_tree(&place)?;
    match placed {
        Err(Errno::EXIST | Errno::NOTEMPTY) => Ok(()),
        placed => Ok(placed?),
    }
}

/// Gives shared directories that are still root's to the account: they were made before a manifest named
/// one. What is in them is left as it is, and so is what somebody gave to another.
fn give(shared: &Path, directories: &[String], account: &Account) -> io::Result<()> {
    let root = File::open(shared)?;
    for directory in directories {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        // Whoever may write above it must not have us give away what lies elsewhere.
        let beneath = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS;
        let directory = match openat2(&root, directory.as_str(), flags, Mode::empty(), beneath) {
            Ok(directory) => File::from(directory),
            // It is not there yet, or not ours to give.
            Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP | Errno::XDEV) => continue,
            Err(error) => return Err(error.into()),
        };
        if directory.metadata()?.uid() == 0 {
            std::os::unix::fs::fchown(&directory, Some(account.uid), Some(account.gid))?;
        }
    }
    Ok(())
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
