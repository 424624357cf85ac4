//! Settings that processes find in files: 0600 in a 0700 directory of the account that reads them,
//! in memory (tmpfs) where the machine has such a place. They are made when a process starts, and
//! again where something took them away while it runs: a reboot, or whoever tidies the place.
//!
//! ```text
//! /dev/shm/windlass-UID/ENVIRONMENT/r12/ACCOUNT/KEY
//! ```

use std::fs;
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::statfs;
use windlass_core::name::ReleaseId;
use zeroize::Zeroizing;

use crate::account::Account;
use crate::failpoint;
use crate::layout::{self, Layout};

/// What the kernel calls tmpfs and ramfs.
const IN_MEMORY: [u64; 2] = [0x0102_1994, 0x8584_58f6];

/// Writes a setting to its file, unless it is there, and answers the path.
///
/// # Errors
/// The system's, and an account that does not exist.
pub(in crate::host) fn write(
    layout: &Layout,
    release: ReleaseId,
    user: Option<&str>,
    key: &str,
    value: &str,
) -> io::Result<PathBuf> {
    let account = user.map(Account::to_become).transpose()?.flatten();
    let directory = place(layout)?.join(release.to_string());
    make_own(&directory, passage())?;
    let directory = directory.join(account.as_ref().map_or("self", |account| &account.name));
    make_for(&directory, account.as_ref())?;
    let path = directory.join(key);
    if !is_there(&path, account.as_ref(), value) {
        put(&path, account.as_ref(), value)?;
    }
    Ok(path)
}

/// Removes the files of a release.
pub(in crate::host) fn forget(layout: &Layout, release: ReleaseId) {
    if let Some(place) = remembered(layout) {
        let _ = fs::remove_dir_all(place.join(release.to_string()));
    }
}

/// The releases that have files.
pub(in crate::host) fn releases(layout: &Layout) -> Vec<ReleaseId> {
    let entries = remembered(layout).and_then(|place| fs::read_dir(place).ok());
    entries
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .collect()
}

/// Removes all files of the environment.
pub(in crate::host) fn forget_all(layout: &Layout) {
    let Some(place) = remembered(layout) else { return };
    let _ = fs::remove_dir_all(&place);
    // Other environments may have theirs beside it; then this does nothing.
    if !place.starts_with(layout.root()) {
        let _ = place.parent().map(fs::remove_dir);
    }
    let _ = fs::remove_file(record(layout));
}

/// The environment's directory. Once chosen it stays: processes that run were told their paths.
fn place(layout: &Layout) -> io::Result<PathBuf> {
    if let Some(place) = remembered(layout)
        && make_place(layout, &place).is_ok()
    {
        return Ok(place);
    }
    let own = layout.root().join("settings");
    let candidates = candidates().map(|base| base.join(of_this_account()).join(id(layout)));
    for candidate in candidates.chain([own]) {
        if make_place(layout, &candidate).is_ok() {
            layout::replace_file(&record(layout), candidate.as_os_str().as_encoded_bytes(), 0o600)?;
            return Ok(candidate);
        }
    }
    Err(io::Error::other("there is no directory for the files of settings"))
}

/// Directories in memory. `/run` is for root; what lies in a user's own runtime directory goes when
/// they log out, so that it comes last.
fn candidates() -> impl Iterator<Item = PathBuf> {
    let root = rustix::process::geteuid().is_root().then(|| PathBuf::from("/run"));
    let user = std::env::var_os("XDG_RUNTIME_DIR").map(PathBuf::from);
    let all = root.into_iter().chain([PathBuf::from("/dev/shm")]).chain(user);
    all.filter(|path| path.is_absolute() && is_in_memory(path))
}

fn is_in_memory(path: &Path) -> bool {
    // The field is signed on some machines and wider on others.
    statfs(path).is_ok_and(|facts| IN_MEMORY.contains(&(facts.f_type as u64 & 0xffff_ffff)))
}

fn make_place(layout: &Layout, place: &Path) -> io::Result<()> {
    if let Some(above) = place.parent().filter(|_| !place.starts_with(layout.root())) {
        make_own(above, passage())?;
    }
    make_own(place, passage())
}

/// The mode of a directory that leads to those of accounts: where we are root, others pass it.
fn passage() -> u32 {
    if rustix::process::geteuid().is_root() { 0o711 } else { 0o700 }
}

/// Makes a directory of our own. Whoever made one of that name before us in a place where everybody
/// may write could read what we put there, so it must be ours.
fn make_own(path: &Path, mode: u32) -> io::Result<()> {
    match fs::DirBuilder::new().mode(mode).create(path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
        made => made?,
    }
    let facts = fs::symlink_metadata(path)?;
    if !facts.is_dir() || facts.uid() != rustix::process::geteuid().as_raw() {
        return Err(io::Error::other(format!("{} is not ours", path.display())));
    }
    fs::set_permissions(path, fs::Permissions::from_mode(mode))
}

fn make_for(path: &Path, account: Option<&Account>) -> io::Result<()> {
    let Some(account) = account else { return make_own(path, 0o700) };
    if fs::symlink_metadata(path).is_err() {
        make_own(path, 0o700)?;
        account.give(path)?;
    }
    // What leads here is ours alone, so nobody can have put another one in its place.
    let facts = fs::symlink_metadata(path)?;
    if facts.is_dir() && facts.uid() == account.uid {
        return Ok(());
    }
    fs::remove_dir_all(path)?;
    make_own(path, 0o700)?;
    account.give(path)
}

/// Whether the file is there, with this value, for nobody else to read.
fn is_there(path: &Path, account: Option<&Account>, value: &str) -> bool {
    let uid = account.map_or(rustix::process::geteuid().as_raw(), |account| account.uid);
    let good = fs::symlink_metadata(path)
        .is_ok_and(|facts| facts.is_file() && facts.uid() == uid && facts.mode() & 0o077 == 0);
    good && fs::read(path).map(Zeroizing::new).is_ok_and(|bytes| *bytes == value.as_bytes())
}

/// Writes the file whole, or not at all.
fn put(path: &Path, account: Option<&Account>, value: &str) -> io::Result<()> {
    let beside = path.with_added_extension(format!("{}.new", uuid::Uuid::now_v7().simple()));
    // The directory is the account's: it may put links there, which a new file does not follow.
    let mut file = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&beside)?;
    let written = file.write_all(value.as_bytes()).and_then(|()| match account {
        Some(account) => std::os::unix::fs::fchown(&file, Some(account.uid), Some(account.gid)),
        None => Ok(()),
    });
    // It is made anew where a power cut takes it; that it is there or not is all that counts.
    let renamed = written.and_then(|()| failpoint::around(|| fs::rename(&beside, path)));
    if renamed.is_err() {
        let _ = fs::remove_file(&beside);
    }
    renamed
}

fn record(layout: &Layout) -> PathBuf {
    layout.state().join("settings").join("place")
}

fn remembered(layout: &Layout) -> Option<PathBuf> {
    let bytes = fs::read(record(layout)).ok()?;
    let path = PathBuf::from(String::from_utf8(bytes).ok()?);
    // Only a directory of this environment is made and removed, whatever stands in the record.
    let is_ours = || path.ends_with(Path::new(&of_this_account()).join(id(layout)));
    let is_in_memory = || path.ancestors().nth(2).is_some_and(is_in_memory);
    let own = path == layout.root().join("settings") || (is_ours() && is_in_memory());
    own.then_some(path)
}

/// The directory of all environments of this account.
fn of_this_account() -> String {
    format!("windlass-{}", rustix::process::geteuid().as_raw())
}

/// What tells environments apart: several may be called the same, each in a home of its own.
fn id(layout: &Layout) -> String {
    let root = layout.root();
    let hash = blake3::hash(root.as_os_str().as_encoded_bytes()).to_hex();
    let names: Vec<String> = root
        .iter()
        .rev()
        .take(2)
        .map(|part| part.to_string_lossy().chars().filter(char::is_ascii_alphanumeric).take(20).collect())
        .collect();
    format!("{}-{}", names.into_iter().rev().collect::<Vec<_>>().join("-"), &hash[..12])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn layout(home: &Path) -> Layout {
        let layout = Layout::at(home.join("shop/local"));
        layout.make().unwrap();
        layout
    }

    fn mode(path: &Path) -> u32 {
        fs::symlink_metadata(path).unwrap().mode() & 0o777
    }

    // proves: HS-18
    #[test]
    fn a_file_is_for_its_reader_alone_comes_again_and_goes_with_its_release() {
        let home = tempfile::tempdir().unwrap();
        let layout = layout(home.path());
        let value = "line\n\"quotes\" $HOME % \u{1f511}\n".repeat(2000);
        let path = write(&layout, ReleaseId(3), None, "KEY", &value).unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), value);
        assert_eq!((mode(&path), mode(path.parent().unwrap())), (0o600, 0o700));
        let base = path.ancestors().nth(4).unwrap();
        assert!(path.starts_with(home.path()) || is_in_memory(base), "{}", path.display());
        let made = fs::metadata(&path).unwrap().ino();
        assert_eq!(write(&layout, ReleaseId(3), None, "KEY", &value).unwrap(), path);
        assert_eq!(fs::metadata(&path).unwrap().ino(), made, "what is there stays");

        // As after a reboot.
        fs::remove_dir_all(path.ancestors().nth(3).unwrap()).unwrap();
        assert_eq!(write(&layout, ReleaseId(3), None, "KEY", "other").unwrap(), path);
        assert_eq!(fs::read_to_string(&path).unwrap(), "other");
        write(&layout, ReleaseId(4), None, "KEY", "x").unwrap();
        let mut found = releases(&layout);
        found.sort_unstable();
        assert_eq!(found, [ReleaseId(3), ReleaseId(4)]);
        forget(&layout, ReleaseId(3));
        assert_eq!(releases(&layout), [ReleaseId(4)]);
        assert!(!path.exists());
        forget_all(&layout);
        assert!(releases(&layout).is_empty() && !path.ancestors().nth(3).unwrap().exists());
    }

    // proves: HS-18
    #[test]
    fn an_account_reads_its_own_files_and_no_other_does() {
        use std::os::unix::process::CommandExt as _;

        // Only root can give a file to somebody.
        let Some(account) =
            Account::named("nobody").unwrap().filter(|_| rustix::process::geteuid().is_root())
        else {
            return;
        };
        let home = tempfile::tempdir().unwrap();
        let layout = layout(home.path());
        let path = write(&layout, ReleaseId(1), Some("nobody"), "KEY", "secret").unwrap();
        let facts = fs::symlink_metadata(&path).unwrap();
        assert_eq!((facts.uid(), facts.mode() & 0o777), (account.uid, 0o600));
        let read_as = |uid: u32| {
            let mut cat = std::process::Command::new("cat");
            cat.arg(&path).uid(uid).gid(uid).current_dir("/").stderr(std::process::Stdio::null());
            String::from_utf8(cat.output().unwrap().stdout).unwrap()
        };
        assert_eq!((read_as(account.uid).as_str(), read_as(account.uid - 1).as_str()), ("secret", ""));
        // What the account puts in its place is replaced, and not followed.
        fs::remove_file(&path).unwrap();
        std::os::unix::fs::symlink("/etc/passwd", &path).unwrap();
        assert_eq!(write(&layout, ReleaseId(1), Some("nobody"), "KEY", "secret").unwrap(), path);
        assert_eq!(read_as(account.uid), "secret");
        assert!(write(&layout, ReleaseId(1), Some("no-such-account"), "KEY", "x").is_err());
        forget_all(&layout);
    }

    #[test]
    fn what_others_put_in_the_place_is_not_used() {
        let home = tempfile::tempdir().unwrap();
        let layout = layout(home.path());
        let path = write(&layout, ReleaseId(1), None, "KEY", "secret").unwrap();
        let elsewhere = home.path().join("elsewhere");
        fs::write(&elsewhere, "theirs").unwrap();
        fs::remove_file(&path).unwrap();
        std::os::unix::fs::symlink(&elsewhere, &path).unwrap();
        write(&layout, ReleaseId(1), None, "KEY", "secret").unwrap();
        assert_eq!(fs::read_to_string(&elsewhere).unwrap(), "theirs");
        assert!(fs::symlink_metadata(&path).unwrap().is_file());
        // A record that was tampered with leads nowhere else.
        fs::write(record(&layout), home.path().as_os_str().as_encoded_bytes()).unwrap();
        forget_all(&layout);
        assert!(elsewhere.exists());
        write(&layout, ReleaseId(1), None, "KEY", "secret").unwrap();
        forget_all(&layout);
    }
}
