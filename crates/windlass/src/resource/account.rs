//! Accounts of this machine.

use std::io;
use std::os::unix::fs::chown;
use std::path::Path;

/// An account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    /// Its name.
    pub name: String,
    /// Its number.
    pub uid: u32,
    /// Its group's number.
    pub gid: u32,
}

impl Account {
    /// The account called `name`, if there is one.
    ///
    /// # Errors
    /// When the list of accounts cannot be read.
    pub fn named(name: &str) -> io::Result<Option<Self>> {
        Ok(find(&std::fs::read_to_string("/etc/passwd")?, name))
    }

    /// The account called `name`, if a process has to change to it: `None` when it is our own.
    ///
    /// # Errors
    /// When there is no such account, or we are not root and it is not our own.
    pub fn to_become(name: &str) -> io::Result<Option<Self>> {
        let account = Self::named(name)?.ok_or_else(|| {
            io::Error::new(io::ErrorKind::NotFound, format!("there is no account {name:?}"))
        })?;
        let own = rustix::process::geteuid().as_raw();
        if account.uid == own {
            Ok(None)
        } else if own == 0 {
            Ok(Some(account))
        } else {
            let reason = format!("only root can run a process as {name:?}");
            Err(io::Error::new(io::ErrorKind::PermissionDenied, reason))
        }
    }

    /// Gives it a file or directory; nothing is followed or descended into.
    ///
    /// # Errors
    /// The system's.
    pub fn give(&self, path: &Path) -> io::Result<()> {
        chown(path, Some(self.uid), Some(self.gid))
    }
}

/// Whether we are root.
#[must_use]
pub fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

fn find(passwd: &str, name: &str) -> Option<Account> {
    passwd.lines().find_map(|line| {
        let mut fields = line.split(':');
        if fields.next()? != name {
            return None;
        }
        let _password = fields.next()?;
        Some(Account {
            name: name.to_owned(),
            uid: fields.next()?.parse().ok()?,
            gid: fields.next()?.parse().ok()?,
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accounts_are_found_by_name() {
        let passwd = "root:x:0:0:root:/root:/bin/bash\nada:x:1000:1001::/home/ada:/bin/sh\n";
        assert_eq!(find(passwd, "ada"), Some(Account { name: "ada".into(), uid: 1000, gid: 1001 }));
        assert_eq!(find(passwd, "ad"), None);
    }
}
