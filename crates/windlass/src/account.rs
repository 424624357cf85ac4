//! Accounts, from `/etc/passwd` and `/etc/group`: a static binary has no name service switch, and a
//! service's account is a local one.

use std::fs;

use rustix::process::{Gid, Uid};
use rustix::thread::{set_thread_groups, set_thread_res_gid, set_thread_res_uid};

/// Who a process runs as.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Account {
    pub(super) uid: Uid,
    pub(super) gid: Gid,
    /// All groups it belongs to, its own among them.
    pub(super) groups: Vec<Gid>,
}

/// Looks up an account by name or number.
///
/// # Errors
/// What is wrong and what to do, when there is no such account.
pub(super) fn find(user: &str) -> Result<Account, String> {
    let passwd = fs::read_to_string("/etc/passwd").map_err(|e| format!("cannot read /etc/passwd: {e}"))?;
    let group = fs::read_to_string("/etc/group").unwrap_or_default();
    parse(user, &passwd, &group)
        .ok_or_else(|| format!("there is no account {user:?} on this machine: create it, or correct `user`"))
}

/// Makes the calling thread (and what it executes) run as this account, where it is another.
///
/// # Errors
/// What is wrong and what to do.
pub(crate) fn assume(user: &str) -> Result<(), String> {
    let account = find(user)?;
    if !rustix::process::geteuid().is_root() {
        let same = account.uid == rustix::process::geteuid();
        return if same { Ok(()) } else { Err(format!("only root can run a command as {user}")) };
    }
    set_thread_groups(&account.groups)
        .and_then(|()| set_thread_res_gid(account.gid, account.gid, account.gid))
        .and_then(|()| set_thread_res_uid(account.uid, account.uid, account.uid))
        .map_err(|error| format!("cannot become {user}: {error}"))
}

fn parse(user: &str, passwd: &str, group: &str) -> Option<Account> {
    let fields: Vec<&str> = passwd
        .lines()
        .map(|line| line.split(':').collect::<Vec<_>>())
        .find(|fields| fields.len() >= 4 && (fields[0] == user || fields[2] == user))?;
    let gid: u32 = fields[3].parse().ok()?;
    let mut groups = vec![Gid::from_raw(gid)];
    for line in group.lines() {
        let parts: Vec<&str> = line.split(':').collect();
        let (Some(number), Some(members)) = (parts.get(2), parts.get(3)) else { continue };
        if members.split(',').any(|member| member == fields[0])
            && let Ok(number) = number.parse::<u32>()
            && number != gid
        {
            groups.push(Gid::from_raw(number));
        }
    }
    Some(Account { uid: Uid::from_raw(fields[2].parse().ok()?), gid: Gid::from_raw(gid), groups })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_account_has_its_own_group_and_those_it_is_a_member_of() {
        let passwd = "root:x:0:0:root:/root:/bin/sh\nweb:x:998:997::/srv:/bin/false\n";
        let group = "root:x:0:\nweb:x:997:web\nssl:x:110:postgres,web\nbroken\n";
        let account = parse("web", passwd, group).unwrap();
        assert_eq!(account.uid, Uid::from_raw(998));
        assert_eq!(account.groups, [Gid::from_raw(997), Gid::from_raw(110)]);
        assert_eq!(parse("998", passwd, group).unwrap(), account);
        assert_eq!(parse("nobody", passwd, group), None);
    }
}
