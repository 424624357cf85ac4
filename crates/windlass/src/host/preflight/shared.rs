//! Whether the account that the services run as may write to what releases share.

use std::os::unix::fs::MetadataExt;
use std::path::Path;

use windlass_core::spec::Spec;

use crate::access::may_write;
use crate::account::{self, Account};
use crate::host::preflight::machine::Lack;
use crate::host::tree::handover;
use crate::layout::Layout;

/// What was found of them.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Shares {
    /// Those that the account may not write to, and nobody gives to it.
    pub(super) lacks: Vec<Lack>,
    /// The same of what is so already.
    pub(super) notes: Vec<String>,
    /// That a deploy gives some to the account, which were root's.
    pub(super) given: Option<String>,
}

/// Looks at the directories that are there. What was the account's that the services of the active release, which is
/// described `before`, run as, and is not the new one's, would keep these from writing. Else nothing gets worse, and it may
/// be meant to be read only: that is told.
///
/// What is another's is not given away by a run: the old copies write to it until they stop, and again when the run
/// goes back.
pub(super) fn look(spec: &Spec, layout: &Layout, before: Option<&Spec>) -> Shares {
    let mut shares = Shares::default();
    let Some(account) = handover::account(spec) else { return shares };
    let former = before.and_then(handover::account).filter(|former| *former != account);
    let mut given = Vec::new();
    for directory in &spec.build.shared {
        let place = layout.shared().join(directory);
        let Ok(facts) = place.metadata() else { continue };
        let can_be_given = handover::open(&layout.shared(), directory).is_ok_and(|found| found.is_some());
        if can_be_given && facts.uid() == 0 {
            given.push(format!("shared/{directory}"));
        } else if may_write(&account, &place) == Some(false) {
            let lack = match can_be_given {
                true => of_another(&place, facts.uid(), &account),
                false => elsewhere(&place, facts.uid(), &account),
            };
            match former.as_ref().is_some_and(|former| former.uid == facts.uid()) {
                true => shares.lacks.push(lack),
                false => shares.notes.push(format!("{}: {}", lack.what, lack.hint)),
            }
        }
    }
    shares.given = (!given.is_empty())
        .then(|| format!("{} and what root has in it becomes {}'s", given.join(", "), account.name));
    shares
}

fn of_another(place: &Path, owner: u32, account: &Account) -> Lack {
    let (place, now) = (place.display(), &account.name);
    if owner == account.uid {
        let what = format!("{place} is {now}'s, which the services run as, and does not let it write");
        return Lack::new("shared-of-another", "build.shared", what, format!("let it: chmod u+rwx {place}"));
    }
    let owner = account::name(&owner.to_string());
    let what = format!("{place} is {owner}'s, and the services now run as {now}, who could not write there");
    let hint = format!(
        "give it away, after which the old release cannot write there any more: chown -R --from={owner} {now}: {place}"
    );
    Lack::new("shared-of-another", "build.shared", what, hint)
}

fn elsewhere(place: &Path, owner: u32, account: &Account) -> Lack {
    let now = &account.name;
    let target = place.canonicalize().unwrap_or_else(|_| place.to_owned());
    let what = format!(
        "{} leads to {}, which is not given away, and the services now run as {now}, who could not write there",
        place.display(),
        target.display()
    );
    let owner = account::name(&owner.to_string());
    let hint = format!("give it away: chown -R --from={owner} {now}: {}", target.display());
    Lack::new("shared-elsewhere", "build.shared", what, hint)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt, chown, symlink};

    use super::*;
    use crate::host::testing;

    /// The codes of what lacks, how many notes there are, and what is given.
    fn found(layout: &Layout, before: Option<&str>) -> (Vec<&'static str>, usize, Option<String>) {
        let of = |user: &str| {
            let text = format!(
                "[app]\nname = \"shop\"\n[build]\nshared = [\"media\"]\n[services.web]\ncommand = \"serve\"\nuser = {user:?}\n"
            );
            let (manifest, _) = windlass_core::manifest::load(&text);
            windlass_core::resolve::resolve(&manifest.unwrap(), "local", &indexmap::IndexMap::new()).unwrap()
        };
        let shares = look(&of("daemon"), layout, before.map(of).as_ref());
        (shares.lacks.iter().map(|lack| lack.code).collect(), shares.notes.len(), shares.given)
    }

    #[test]
    fn a_directory_counts_by_who_may_write_to_it() {
        if !account::is_root() {
            eprintln!("passed over: only root runs services as somebody else");
            return;
        }
        let (place, host) = testing::host();
        std::fs::set_permissions(place.path(), PermissionsExt::from_mode(0o711)).unwrap();
        let layout = &host.layout;
        assert_eq!(found(layout, None), (vec![], 0, None), "it is made yet");
        let media = layout.shared().join("media");
        std::fs::create_dir_all(&media).unwrap();
        let given = Some("shared/media and what root has in it becomes daemon's".to_owned());
        assert_eq!(found(layout, None), (vec![], 0, given));
        // Whatever ran before, if anything did.
        chown(&media, Some(4711), Some(4711)).unwrap();
        assert_eq!(found(layout, None), (vec![], 1, None), "it may be meant so");
        assert_eq!(found(layout, Some("nobody")), (vec![], 1, None));
        assert_eq!(found(layout, Some("daemon")), (vec![], 1, None), "it was so before");
        chown(&media, Some(Account::named("nobody").unwrap().unwrap().uid), None).unwrap();
        assert_eq!(found(layout, Some("nobody")), (vec!["shared-of-another"], 0, None));
        assert_eq!(found(layout, None), (vec![], 1, None), "nothing that runs is kept from writing");
        std::fs::set_permissions(&media, PermissionsExt::from_mode(0o777)).unwrap();
        assert_eq!(found(layout, None), (vec![], 0, None));
        // What is root's and cannot be given is no gift.
        let elsewhere = place.path().join("elsewhere");
        std::fs::create_dir(&elsewhere).unwrap();
        std::fs::remove_dir(&media).unwrap();
        symlink(&elsewhere, &media).unwrap();
        assert_eq!(found(layout, None), (vec![], 1, None));
        chown(&elsewhere, Some(Account::named("daemon").unwrap().unwrap().uid), None).unwrap();
        assert_eq!(found(layout, None), (vec![], 0, None));
    }
}
