//! Where everything of an environment lies. See `docs/design/0001-trunk.md`.

use std::fs::{File, Metadata, Permissions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use windlass_core::name::{InstanceId, Name, ReleaseId};

use crate::failpoint;

/// SQLite opens no file whose path has more bytes: 512 with what it writes behind it (`-journal`).
const LONGEST_JOURNAL: usize = 504;

/// The directories of one environment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Layout {
    root: PathBuf,
}

impl Layout {
    /// The environment's directory below Windlass's home: `WINDLASS_HOME`, else `/var/lib/windlass`
    /// for root and `$XDG_STATE_HOME/windlass` (`~/.local/state/windlass`) for others.
    ///
    /// # Errors
    /// When there is no home directory to put it in.
    pub fn of(app: &Name, environment: &Name) -> io::Result<Self> {
        Ok(Self::at(home()?.join(app.as_str()).join(environment.as_str())))
    }

    /// The environment in this directory.
    #[must_use]
    pub fn at(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into() }
    }

    /// The environment's directory.
    #[must_use]
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The link to the active release's tree.
    #[must_use]
    pub fn current(&self) -> PathBuf {
        self.root.join("current")
    }

    /// Where trees lie.
    #[must_use]
    pub fn releases(&self) -> PathBuf {
        self.root.join("releases")
    }

    /// A tree. It is built where it will run, because build tools write absolute paths into what
    /// they make; it may be run once [`is_sealed`](Self::is_sealed).
    #[must_use]
    pub fn tree(&self, id: ReleaseId) -> PathBuf {
        self.releases().join(id.to_string())
    }

    /// The file whose presence says that a tree is finished.
    #[must_use]
    pub fn seal(&self, id: ReleaseId) -> PathBuf {
        self.tree(id).join(".windlass-sealed")
    }

    /// Whether a tree is finished.
    #[must_use]
    pub fn is_sealed(&self, id: ReleaseId) -> bool {
        self.seal(id).is_file()
    }

    /// What releases share.
    #[must_use]
    pub fn shared(&self) -> PathBuf {
        self.root.join("shared")
    }

    /// Keeper directories of all instances.
    #[must_use]
    pub fn instances(&self) -> PathBuf {
        self.root.join("instances")
    }

    /// An instance's keeper directory.
    #[must_use]
    pub fn instance(&self, id: &InstanceId) -> PathBuf {
        self.instances().join(id.to_string())
    }

    /// Keeper directories of all that runs once.
    #[must_use]
    pub fn jobs(&self) -> PathBuf {
        self.root.join("jobs")
    }

    /// The keeper directory of something that runs once.
    #[must_use]
    pub fn job(&self, label: &str) -> PathBuf {
        self.jobs().join(label)
    }

    /// A resource's data and its keeper directory.
    #[must_use]
    pub fn resource(&self, name: &Name) -> PathBuf {
        self.root.join("resources").join(name.as_str())
    }

    /// The log of something.
    #[must_use]
    pub fn log(&self, label: &str) -> PathBuf {
        self.logs().join(format!("{label}.log"))
    }

    /// The log of a copy of a service.
    #[must_use]
    pub fn service_log(&self, id: &InstanceId) -> PathBuf {
        self.log(&id.to_string())
    }

    /// Where logs lie.
    #[must_use]
    pub fn logs(&self) -> PathBuf {
        self.root.join("logs")
    }

    /// The proxy's directory.
    #[must_use]
    pub fn proxy(&self) -> PathBuf {
        self.root.join("proxy")
    }

    /// The host side's directory.
    #[must_use]
    pub fn host(&self) -> PathBuf {
        self.root.join("host")
    }

    /// What the engine writes.
    #[must_use]
    pub fn state(&self) -> PathBuf {
        self.root.join("state")
    }

    /// The journal's file.
    #[must_use]
    pub fn journal(&self) -> PathBuf {
        self.state().join("journal.db")
    }

    /// The values of a release's settings.
    #[must_use]
    pub fn settings(&self, release: ReleaseId) -> PathBuf {
        self.state().join("settings").join(format!("{release}.json"))
    }

    /// Whether the state can lie here at all.
    ///
    /// # Errors
    /// That the path is too long for SQLite.
    pub fn fits(&self) -> io::Result<()> {
        let path = self.journal();
        let there = path.ancestors().find_map(|above| Some((above, above.canonicalize().ok()?)));
        // Collected, because a rest that is empty would add a slash.
        let real = there.and_then(|(above, real)| {
            Some(real.components().chain(path.strip_prefix(above).ok()?.components()).collect::<PathBuf>())
        });
        let length = real.as_ref().unwrap_or(&path).as_os_str().len();
        match length.saturating_sub(LONGEST_JOURNAL) {
            0 => Ok(()),
            beyond => Err(io::Error::new(
                io::ErrorKind::InvalidFilename,
                format!("its path is {beyond} bytes longer than that of a state may be"),
            )),
        }
    }

    /// Makes the directories. Only the owner can look into those that hold state; releases and what
    /// they share can be read by the accounts that services run as.
    ///
    /// # Errors
    /// When one cannot be made.
    pub fn make(&self) -> io::Result<()> {
        for open in [self.root.clone(), self.releases(), self.shared(), self.root.join("resources")] {
            make_dir(&open, 0o755)?;
        }
        for closed in [
            self.instances(),
            self.jobs(),
            self.logs(),
            self.proxy(),
            self.host(),
            self.state(),
            self.state().join("settings"),
        ] {
            make_dir(&closed, 0o700)?;
        }
        Ok(())
    }
}

/// Windlass's home, where environments lie.
///
/// # Errors
/// When there is no home directory to put it in.
pub fn home() -> io::Result<PathBuf> {
    if let Some(home) = std::env::var_os("WINDLASS_HOME").filter(|home| !home.is_empty()) {
        return std::path::absolute(home);
    }
    if rustix::process::geteuid().is_root() {
        return Ok(PathBuf::from("/var/lib/windlass"));
    }
    let state = std::env::var_os("XDG_STATE_HOME").filter(|dir| !dir.is_empty()).map(PathBuf::from);
    let home = || std::env::var_os("HOME").filter(|dir| !dir.is_empty()).map(PathBuf::from);
    let state = state.or_else(|| Some(home()?.join(".local/state"))).ok_or_else(|| {
        io::Error::new(io::ErrorKind::NotFound, "neither WINDLASS_HOME nor HOME is set: set WINDLASS_HOME")
    })?;
    Ok(state.join("windlass"))
}

/// Makes a directory with this mode, whatever the umask, and those above it so that other accounts can pass: a private
/// database works below them under its own. One that exists is left as it is.
///
/// # Errors
/// When it cannot be made.
pub fn make_dir(path: &Path, mode: u32) -> io::Result<()> {
    if path.is_dir() {
        return Ok(());
    }
    if let Some(above) = path.parent().filter(|above| *above != Path::new("")) {
        make_dir(above, 0o755)?;
    }
    // With its own mode from the first moment on: nobody can look in before it is closed.
    match std::fs::DirBuilder::new().mode(mode).create(path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists && path.is_dir() => return Ok(()),
        made => made?,
    }
    std::fs::set_permissions(path, std::os::unix::fs::PermissionsExt::from_mode(mode))
}

/// Replaces a file by one with these contents: written beside it, synced, renamed, and the directory
/// synced, so that at any moment either the old or the new one is there, whole.
///
/// # Errors
/// When one of these fails; the old file is still there then.
pub fn replace_file(path: &Path, contents: &[u8], mode: u32) -> io::Result<()> {
    failpoint::around_file(|| replace(path, contents, mode, None))
}

/// The same for a file that is a person's: its owner, its group and its mode stay.
///
/// # Errors
/// When one of these fails, or there is no such file, or it belongs to an account that a file cannot be
/// given to by this one; the old file is still there then.
pub fn rewrite_file(path: &Path, contents: &[u8]) -> io::Result<()> {
    let facts = std::fs::metadata(path)?;
    failpoint::around_file(|| replace(path, contents, 0o600, Some(&facts)))
}

/// Whether this account may do that, as far as can be seen before.
#[must_use]
pub fn may_rewrite(facts: &Metadata) -> bool {
    let own = rustix::process::geteuid();
    own.is_root() || facts.uid() == own.as_raw()
}

/// The same for what need not survive a power cut: nothing is synced, which can take long on a busy disk.
///
/// # Errors
/// When it cannot be written; the old file is still there then.
pub fn replace_passing_file(path: &Path, contents: &[u8]) -> io::Result<()> {
    put_in_place(path, 0o600, |file| file.write_all(contents))
}

fn replace(path: &Path, contents: &[u8], mode: u32, like: Option<&Metadata>) -> io::Result<()> {
    put_in_place(path, mode, |file| {
        file.write_all(contents)?;
        like.map_or(Ok(()), |facts| liken(file, facts))?;
        file.sync_all()
    })?;
    sync_dir(path.parent().unwrap_or(Path::new("/")))
}

/// Renames a file that `write` fills to `path`.
fn put_in_place(path: &Path, mode: u32, write: impl FnOnce(&mut File) -> io::Result<()>) -> io::Result<()> {
    let directory = path.parent().unwrap_or(Path::new("/"));
    let beside = directory.join(beside(&path.file_name().unwrap_or_default().to_string_lossy()));
    let _ = std::fs::remove_file(&beside);
    let mut file = std::fs::OpenOptions::new().write(true).create_new(true).mode(mode).open(&beside)?;
    let renamed = write(&mut file).and_then(|()| std::fs::rename(&beside, path));
    if renamed.is_err() {
        let _ = std::fs::remove_file(&beside);
    }
    renamed
}

/// What a file is called until it takes the place of `name`. Whatever keeps `.env.production` out of git,
/// such as `.env*` or `.env.*`, keeps this out too.
fn beside(name: &str) -> String {
    format!(".{}.{}.new", name.trim_start_matches('.'), std::process::id())
}

/// Removes what those left beside files who died while they replaced them: it may hold secrets. For who is
/// alone there with what it writes.
pub fn sweep(directory: &Path) {
    for entry in std::fs::read_dir(directory).into_iter().flatten().flatten() {
        if entry.file_name().to_str().and_then(writer_of).is_some_and(is_dead) {
            let _it_stays = std::fs::remove_file(entry.path());
        }
    }
}

/// Who writes, or wrote, a file that is to take another's place.
fn writer_of(name: &str) -> Option<u32> {
    name.strip_prefix('.')?.strip_suffix(".new")?.rsplit_once('.')?.1.parse().ok()
}

/// Whether nobody has that number any more, or we have it now.
fn is_dead(pid: u32) -> bool {
    pid == std::process::id() || !crate::processes::exists(pid)
}

/// Gives a file the owner, the group and the mode of another one.
fn liken(file: &File, facts: &Metadata) -> io::Result<()> {
    let now = file.metadata()?;
    let differs = |now: u32, then: u32| (now != then).then_some(then);
    let (owner, group) = (differs(now.uid(), facts.uid()), differs(now.gid(), facts.gid()));
    if owner.is_some() || group.is_some() {
        std::os::unix::fs::fchown(file, owner, group)?;
    }
    // After the owner, for whom it is.
    file.set_permissions(Permissions::from_mode(facts.mode() & 0o777))
}

/// Makes what was renamed, made or removed in a directory survive a power cut.
///
/// # Errors
/// When the directory cannot be synced.
pub fn sync_dir(path: &Path) -> io::Result<()> {
    std::fs::File::open(path)?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_is_rewritten_stays_whose_it_was() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(".env");
        std::fs::write(&path, "A=1").unwrap();
        std::fs::set_permissions(&path, Permissions::from_mode(0o640)).unwrap();
        // Nobody else can give a file away.
        let is_root = rustix::process::geteuid().is_root();
        if is_root {
            std::os::unix::fs::chown(&path, Some(4711), Some(4712)).unwrap();
        }
        let facts = |path: &Path| {
            let facts = std::fs::metadata(path).unwrap();
            (facts.uid(), facts.gid(), facts.mode() & 0o777)
        };
        let before = facts(&path);
        rewrite_file(&path, b"A=2").unwrap();
        assert_eq!(facts(&path), before);
        assert_eq!(std::fs::read(&path).unwrap(), b"A=2");
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1);
        assert!(rewrite_file(&dir.path().join("none"), b"").is_err());
    }

    #[test]
    fn a_path_that_sqlite_does_not_open_is_known_before() {
        let dir = tempfile::tempdir().unwrap();
        let at = |length: usize| {
            let mut root = dir.path().canonicalize().unwrap();
            let rest = length - root.as_os_str().len() - "/state/journal.db".len();
            // Names have at most 255 bytes.
            root.extend(["a".repeat(150), "b".repeat(150), "c".repeat(rest - 303)]);
            Layout::at(root)
        };
        let fits = at(LONGEST_JOURNAL);
        fits.fits().unwrap();
        fits.make().unwrap();
        crate::engine::Journal::open(&fits.journal()).unwrap();
        fits.fits().unwrap();
        let beyond = at(LONGEST_JOURNAL + 1);
        let why = beyond.fits().unwrap_err().to_string();
        assert_eq!(why, "its path is 1 bytes longer than that of a state may be");
        beyond.make().unwrap();
        assert!(crate::engine::Journal::open(&beyond.journal()).is_err());
    }

    #[test]
    fn what_the_dead_left_is_swept_and_nothing_else() {
        let dir = tempfile::tempdir().unwrap();
        let (dead, own) = (i32::MAX, std::process::id());
        let left = [format!(".r12.json.{dead}.new"), format!(".r13.json.{own}.new")];
        let stays =
            [".r14.json.1.new".to_owned(), "r12.json".into(), ".x.new".into(), format!("r.{dead}.new")];
        for name in left.iter().chain(&stays) {
            std::fs::write(dir.path().join(name), "").unwrap();
        }
        sweep(dir.path());
        assert!(left.iter().all(|name| !dir.path().join(name).exists()));
        assert!(stays.iter().all(|name| dir.path().join(name).exists()));
    }

    #[test]
    fn what_is_written_beside_a_file_is_as_hidden_from_git() {
        let pid = std::process::id();
        for (name, beside_it) in [
            (".env", format!(".env.{pid}.new")),
            (".env.production", format!(".env.production.{pid}.new")),
            ("secrets.production.enc", format!(".secrets.production.enc.{pid}.new")),
        ] {
            assert_eq!(beside(name), beside_it);
        }
    }
}
