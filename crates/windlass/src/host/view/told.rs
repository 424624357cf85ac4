//! What is seen of all processes, and heard of their keepers whose files do not say it: on a disk that takes nothing they
//! cannot write down what they keep.

use std::borrow::Cow;
use std::collections::{BTreeSet, HashMap};
use std::path::{Path, PathBuf};

use futures_util::future::join_all;

use crate::engine::Active;
use crate::host::Host;
use crate::host::instance::identity::Identity;
use crate::runtime::process::{self, Observation};

/// By the keeper's directory.
#[derive(Default)]
pub(super) struct Told(HashMap<PathBuf, Option<Observation>>);

impl Told {
    /// What is in a directory; what has come since is looked at without asking.
    pub(super) fn of(&self, directory: &Path) -> Option<Cow<'_, Observation>> {
        match self.0.get(directory) {
            Some(seen) => seen.as_ref().map(Cow::Borrowed),
            None => process::observe(directory).map(Cow::Owned),
        }
    }
}

impl Host {
    /// Looks at all of them.
    pub(super) async fn told_by_keepers(&self, active: Option<&Active>) -> Told {
        let mut directories = vec![self.layout.proxy().join("keeper")];
        let all = Identity::all(&self.layout).unwrap_or_default();
        directories.extend(all.iter().map(|identity| self.layout.instance(&identity.id)));
        let coming = self.open_plan();
        let coming = coming.iter().map(|(run, _)| &run.row.plan.spec);
        let specs = active.into_iter().map(|active| &active.release.spec).chain(coming);
        let resources: BTreeSet<_> = specs.flat_map(|spec| spec.resources.keys()).collect();
        directories.extend(resources.into_iter().map(|name| self.layout.resource(name).join("keeper")));
        let seen = join_all(directories.into_iter().map(async |directory| {
            let seen = process::look(&directory).await;
            (directory, seen)
        }));
        Told(seen.await.into_iter().collect())
    }
}
