//! Accounts of this machine, from `/etc/passwd` and `/etc/group`: a static binary has no name service
//! switch, and a service's account is a local one.

use std::io;
use std::os::unix::fs::lchown;
use std::path::Path;

use rustix::process::{Gid, Uid};
use rustix::thread::{set_thread_groups, set_thread_res_gid, set_thread_res_uid};

/// An account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    /// Its name.
    pub name: String,
    /// Its number.
    pub uid: u32,
    /// Its group's number.
    pub gid: u32,
    /// Its home directory.
    pub home: String,
    /// The numbers of all groups it belongs to, its own among them.
    pub groups: Vec<u32>,
}

/// What the account with this name or number is called; as it was given where there is none.
pub(crate) fn name(user: &str) -> String {
    Account::named(user).ok().flatten().map_or_else(|| user.to_owned(), |account| account.name)
}

impl Account {
    /// The account with this name or number, if there is one.
    ///
    /// # Errors
    /// When the list of accounts cannot be read.
    pub fn named(user: &str) -> io::Result<Option<Self>> {
        let passwd = std::fs::read("/etc/passwd")?;
        let group = std::fs::read("/etc/group").unwrap_or_default();
        Ok(find(user, &passwd, &group))
    }

    /// The account with this name or number, if a process has to change to it: `None` when it is our
    /// own.
    ///
    /// # Errors
    /// When there is no such account, or we are not root and it is not our own.
    pub fn to_become(user: &str) -> io::Result<Option<Self>> {
        let account = Self::named(user)?.ok_or_else(|| {
            io::Error::new(io::ErrorKind::NotFound, format!("there is no account {user:?}"))
        })?;
        if account.uid == rustix::process::geteuid().as_raw() {
            Ok(None)
        } else if is_root() {
            Ok(Some(account))
        } else {
            let reason = format!("only root can run a process as {user:?}");
            Err(io::Error::new(io::ErrorKind::PermissionDenied, reason))
        }
    }

    /// Makes the calling thread, and what it executes, this account's. Allocates nothing, so that it
    /// may be called between fork and exec.
    ///
    /// # Errors
    /// The system's.
    pub(crate) fn assume(&self, groups: &[Gid]) -> io::Result<()> {
        let (uid, gid) = (Uid::from_raw(self.uid), Gid::from_raw(self.gid));
        set_thread_groups(groups)?;
        set_thread_res_gid(gid, gid, gid)?;
        set_thread_res_uid(uid, uid, uid)?;
        Ok(())
    }

    /// Its groups, as [`assume`](Self::assume) wants them.
    pub(crate) fn group_ids(&self) -> Vec<Gid> {
        self.groups.iter().map(|gid| Gid::from_raw(*gid)).collect()
    }

    /// Gives it a file or directory; nothing is followed or descended into.
    ///
    /// # Errors
    /// The system's.
    pub fn give(&self, path: &Path) -> io::Result<()> {
        lchown(path, Some(self.uid), Some(self.gid))
    }
}

/// Whether we are root.
#[must_use]
pub fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// Somebody's name in an older encoding disables nobody's account.
fn find(user: &str, passwd: &[u8], group: &[u8]) -> Option<Account> {
    parse(user, &String::from_utf8_lossy(passwd), &String::from_utf8_lossy(group))
}

fn parse(user: &str, passwd: &str, group: &str) -> Option<Account> {
    let fields: Vec<&str> = passwd
        .lines()
        .map(|line| line.split(':').collect::<Vec<_>>())
        .find(|fields| fields.len() >= 4 && (fields[0] == user || fields[2] == user))?;
    let gid: u32 = fields[3].parse().ok()?;
    let mut groups = vec![gid];
    for line in group.lines() {
        let parts: Vec<&str> = line.split(':').collect();
        let (Some(number), Some(members)) = (parts.get(2), parts.get(3)) else { continue };
        if members.split(',').any(|member| member == fields[0])
            && let Ok(number) = number.parse::<u32>()
            && number != gid
        {
            groups.push(number);
        }
    }
    let home = fields.get(5).copied().unwrap_or("/").to_owned();
    Some(Account { name: fields[0].to_owned(), uid: fields[2].parse().ok()?, gid, home, groups })
}

#[cfg(test)]
mod tests {
    use super::*;

    const PASSWD: &str = "root:x:0:0:root:/root:/bin/sh\nweb:x:998:997::/srv:/bin/false\n";

    #[test]
    fn an_account_has_its_own_group_and_those_it_is_a_member_of() {
        let group = "root:x:0:\nweb:x:997:web\nssl:x:110:postgres,web\nbroken\n";
        let web = Account {
            name: "web".to_owned(),
            uid: 998,
            gid: 997,
            home: "/srv".to_owned(),
            groups: vec![997, 110],
        };
        assert_eq!(parse("web", PASSWD, group), Some(web.clone()));
        assert_eq!(parse("998", PASSWD, group), Some(web), "by its number");
    }

    #[test]
    fn a_name_that_is_no_utf_8_disables_no_other_account() {
        let passwd =
            [b"rene:x:1000:1000:Ren\xe9:/home/rene:/bin/sh\n".as_slice(), PASSWD.as_bytes()].concat();
        assert_eq!(find("web", &passwd, b"caf\xe9:x:110:web\n").map(|web| web.groups), Some(vec![997, 110]));
    }

    #[test]
    fn there_is_no_account_of_half_a_name() {
        assert_eq!(parse("we", PASSWD, ""), None);
        assert_eq!(parse("nobody", PASSWD, ""), None);
        assert_eq!(parse("web", "web:x:998\n", ""), None, "a broken line");
    }
}
