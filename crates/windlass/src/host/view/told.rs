//! What keepers say whose files do not: on a disk that takes nothing they cannot write down what they keep.

use std::collections::{BTreeSet, HashMap};
use std::path::{Path, PathBuf};

use futures_util::future::join_all;
use windlass_core::launch::Status;

use crate::engine::Active;
use crate::host::Host;
use crate::host::instance::identity::Identity;
use crate::runtime::process;

/// By the keeper's directory.
#[derive(Default)]
pub(super) struct Told(HashMap<PathBuf, Status>);

impl Told {
    pub(super) fn by(&self, directory: &Path) -> Option<&Status> {
        self.0.get(directory)
    }
}

impl Host {
    /// Asks all keepers of which that is so.
    pub(super) async fn told_by_keepers(&self, active: Option<&Active>) -> Told {
        let mut directories = vec![self.layout.proxy().join("keeper")];
        let all = Identity::all(&self.layout).unwrap_or_default();
        directories.extend(all.iter().map(|identity| self.layout.instance(&identity.id)));
        let coming = self.open_plan();
        let coming = coming.iter().map(|(run, _)| &run.row.plan.spec);
        let specs = active.into_iter().map(|active| &active.release.spec).chain(coming);
        let resources: BTreeSet<_> = specs.flat_map(|spec| spec.resources.keys()).collect();
        directories.extend(resources.into_iter().map(|name| self.layout.resource(name).join("keeper")));
        let told = join_all(directories.into_iter().map(|directory| async {
            let status = process::told(&directory).await?;
            Some((directory, status))
        }));
        Told(told.await.into_iter().flatten().collect())
    }
}
