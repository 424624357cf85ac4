//! Files that nobody but their owner may read: they stay so in a release, where those who run it can read them then.

use std::collections::BTreeSet;
use std::fs::Permissions;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use windlass_core::spec::Spec;

use super::Listing;
use crate::account::{self, Account};

/// A file's mode in a release: what git knows of it, and whether it is its owner's alone.
pub(super) fn mode(of_source: u32) -> u32 {
    match (of_source & 0o111 != 0, is_closed(of_source)) {
        (false, false) => 0o644,
        (true, false) => 0o755,
        (false, true) => 0o600,
        (true, true) => 0o700,
    }
}

pub(super) fn is_closed(mode: u32) -> bool {
    mode & 0o077 == 0
}

/// The accounts, other than ours, that a release is run by.
#[must_use]
pub fn accounts(spec: &Spec) -> BTreeSet<&str> {
    let services = spec.services.values().map(|service| &service.user);
    let jobs = spec.jobs.values().map(|job| &job.user);
    let crons = spec.crons.values().map(|cron| &cron.user);
    services.chain(jobs).chain(crons).filter_map(Option::as_deref).collect()
}

impl Listing {
    /// The files that are their owner's alone.
    pub(super) fn closed(&self) -> impl Iterator<Item = &str> {
        let is_closed =
            |(_, entry): &(&String, &String)| entry.starts_with("600 ") || entry.starts_with("700 ");
        self.entries.iter().filter(is_closed).map(|(path, _)| path.as_str())
    }

    /// Gives them, in the copy at `root`, to the account that the release is run by; where root copied them for several, all
    /// may read them, as no mode lets just these.
    ///
    /// # Errors
    /// When that cannot be done.
    pub fn give_closed(&self, root: &Path, spec: &Spec) -> io::Result<()> {
        let accounts = accounts(spec);
        if !account::is_root() || accounts.is_empty() {
            return Ok(());
        }
        let one = accounts.first().filter(|_| accounts.len() == 1);
        let account = one.map(|name| Account::to_become(name)).transpose()?.flatten();
        for path in self.closed() {
            let path = root.join(path);
            match &account {
                Some(account) => account.give(&path)?,
                None if one.is_some() => {}
                None => {
                    let mode = path.symlink_metadata()?.permissions().mode();
                    std::fs::set_permissions(
                        &path,
                        Permissions::from_mode(mode | (mode & 0o500) >> 3 | (mode & 0o500) >> 6),
                    )?;
                }
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::MetadataExt;

    use windlass_core::name::Name;
    use windlass_testkit::sample::{shop, web};

    use super::*;
    use crate::project::source::{Selection, copy};

    /// The modes of a release's files, whether each is still ours, and the digest, where services run as these.
    fn release(users: &[&str]) -> (Vec<(u32, bool)>, String) {
        let place = tempfile::tempdir().unwrap();
        let [root, to] = ["source", "r1"].map(|name| place.path().join(name));
        std::fs::create_dir(&root).unwrap();
        let modes = [("a", 0o600), ("b", 0o700), ("c", 0o640), ("d", 0o755)];
        for (name, mode) in modes {
            std::fs::write(root.join(name), "").unwrap();
            std::fs::set_permissions(root.join(name), Permissions::from_mode(mode)).unwrap();
        }
        let mut spec = shop();
        for user in users {
            let mut service = web("serve");
            service.user = Some((*user).to_owned());
            spec.services.insert(Name::new(*user).unwrap(), service);
        }
        let (exclude, include, without) = (vec![], vec![], vec![]);
        let copied = copy(&Selection { root, exclude, include, without }, &to).unwrap();
        copied.give_closed(&to, &spec).unwrap();
        let own = rustix::process::geteuid().as_raw();
        let facts = modes.map(|(name, _)| to.join(name).metadata().unwrap());
        let facts = facts.iter().map(|facts| (facts.mode() & 0o777, facts.uid() == own));
        (facts.collect(), copied.digest(&spec))
    }

    #[test]
    fn a_file_that_only_its_owner_may_read_is_for_the_account_that_runs_the_release() {
        let (facts, ours) = release(&[]);
        assert_eq!(facts, [(0o600, true), (0o700, true), (0o644, true), (0o755, true)]);
        if !account::is_root() {
            eprintln!("passed over: only root can give files away");
            return;
        }
        let (facts, one) = release(&["nobody"]);
        assert_eq!(facts, [(0o600, false), (0o700, false), (0o644, true), (0o755, true)]);
        // Another account needs a release of its own.
        let (_, other) = release(&["daemon"]);
        assert!(ours != one && one != other);
        let (facts, _) = release(&["nobody", "daemon"]);
        assert_eq!(facts, [(0o644, true), (0o755, true), (0o644, true), (0o755, true)]);
    }
}
