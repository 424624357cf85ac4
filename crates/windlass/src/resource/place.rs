//! Where a private resource lives.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rustix::fs::{FlockOperation, flock};
use windlass_core::launch::{Launch, Log};
use windlass_core::name::Name;
use windlass_core::spec::{Limits, Restart, RestartWhen, Stop};
use windlass_core::units::Span;

use super::fault::Fault;
use super::files;
use crate::account::{self, Account};

/// Where a private resource lives, and what it is called.
#[derive(Debug, Clone)]
pub struct Place {
    /// The application.
    pub app: Name,
    /// The environment.
    pub environment: Name,
    /// The resource.
    pub name: Name,
    /// Its directory, absolute. Where Windlass runs as root the server has an account of its own,
    /// which must be able to pass (`x`) all directories above this one.
    pub directory: PathBuf,
    /// Where its output goes.
    pub log: Log,
}

/// How long another process may take to make the directory ready.
const PATIENCE: Duration = Duration::from_secs(120);

impl Place {
    /// What the resource is called in configurations.
    pub(super) fn label(&self) -> String {
        format!("{}-{}-{}", self.app, self.environment, self.name)
    }

    /// Makes the directory, and holds its lock: also against what a Windlass that was killed has
    /// left running, when that was given the file.
    pub(super) fn lock(&self, account: Option<&Account>) -> Result<File, Fault> {
        files::passable_directory(&self.directory, account)?;
        if let Some(account) = account {
            passable(&self.directory, account)?;
        }
        self.hold()
    }

    /// Holds the lock of a directory that is there already.
    pub(super) fn hold(&self) -> Result<File, Fault> {
        let path = self.directory.join("lock");
        // Whoever can open it can hold it: nobody else. One from before was open to all.
        let open = || {
            let file = File::options()
                .create(true)
                .truncate(false)
                .write(true)
                .read(true)
                .mode(0o600)
                .open(&path)?;
            file.set_permissions(fs::Permissions::from_mode(0o600)).map(|()| file)
        };
        let file = open().map_err(Fault::at("open", &path))?;
        let deadline = Instant::now() + PATIENCE;
        loop {
            match flock(&file, FlockOperation::NonBlockingLockExclusive) {
                Ok(()) => return Ok(file),
                Err(rustix::io::Errno::WOULDBLOCK) if Instant::now() < deadline => {
                    std::thread::sleep(Duration::from_millis(20));
                }
                Err(rustix::io::Errno::WOULDBLOCK) => {
                    let message = format!("another process has held {} for {PATIENCE:?}", path.display());
                    return Err(Fault::new(message, "see which with fuser, and end it"));
                }
                Err(error) => return Err(Fault::at("lock", &path)(error.into())),
            }
        }
    }

    /// The process to keep.
    pub(super) fn launch(&self, argv: Vec<String>, account: Option<&Account>, signal: &str) -> Launch {
        Launch {
            label: self.name.to_string(),
            argv,
            directory: self.directory.display().to_string(),
            user: account.map(|account| account.name.clone()),
            restart: Restart {
                when: RestartWhen::Always,
                backoff: Span::from_millis(500),
                backoff_max: Span::from_secs(30),
                // A database is never given up: what keeps it from starting, a full disk say, passes.
                limit: u32::MAX,
                window: Span::from_secs(300),
            },
            stop: Stop { signal: signal.to_owned(), grace: Span::from_secs(60), quiet: None },
            // The servers are told their memory in their own configuration; a limit from outside
            // that counts address space instead of memory would end them.
            limits: Limits::default(),
            log: self.log.clone(),
            ..Launch::default()
        }
    }

    /// A path below the directory, as text for a configuration.
    pub(super) fn text(&self, below: &str) -> Result<String, Fault> {
        let path = self.directory.join(below);
        if !path.is_absolute() {
            return Err(Fault::new(
                format!("{} is not absolute", path.display()),
                "name an absolute directory",
            ));
        }
        path.to_str().map(ToOwned::to_owned).ok_or_else(|| {
            Fault::new(format!("the path {} is not UTF-8", path.display()), "choose another directory")
        })
    }
}

/// The account that the server runs as: where we are root, the one its package made, if it did.
pub(super) fn account(name: &str) -> Result<Option<Account>, Fault> {
    if !account::is_root() {
        return Ok(None);
    }
    Account::named(name).map_err(Fault::at("read", Path::new("/etc/passwd")))
}

/// That `account` can get to `directory`.
fn passable(directory: &Path, account: &Account) -> Result<(), Fault> {
    for above in directory.ancestors().skip(1) {
        let facts = fs::metadata(above).map_err(Fault::at("look at", above))?;
        if facts.mode() & bit_of(account, facts.uid(), facts.gid()) == 0 {
            return Err(Fault::new(
                format!("the account {} cannot pass the directory {}", account.name, above.display()),
                format!("run: chmod o+x {}", above.display()),
            ));
        }
    }
    Ok(())
}

/// The bit that says whether an account may pass a directory of this owner and group.
fn bit_of(account: &Account, uid: u32, gid: u32) -> u32 {
    if uid == account.uid {
        0o100
    } else if account.groups.contains(&gid) {
        0o010
    } else {
        0o001
    }
}

/// Deletes a resource's directory; it is out of the way at once, and a crash leaves nothing that
/// could be taken for data.
pub(super) fn remove(directory: &Path) -> Result<(), Fault> {
    let doomed = directory.with_added_extension("removed");
    files::remove_directory(&doomed)?;
    match fs::rename(directory, &doomed) {
        Ok(()) => {}
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(Fault::at("remove", directory)(error)),
    }
    files::sync_parent(directory).map_err(Fault::at("remove", directory))?;
    files::remove_directory(&doomed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_account_passes_by_any_of_its_groups() {
        let account = Account {
            name: "postgres".into(),
            uid: 100,
            gid: 101,
            home: String::new(),
            groups: vec![101, 110],
        };
        let bits = [(100, 110), (0, 101), (0, 110), (0, 0)].map(|(uid, gid)| bit_of(&account, uid, gid));
        assert_eq!(bits, [0o100, 0o010, 0o010, 0o001]);
    }
}
