//! Looking at an environment, to make a plan from. Changes nothing.

use std::cell::RefCell;
use std::collections::HashMap;
use std::io;

use indexmap::IndexMap;
use windlass_core::name::{InstanceId, Name, ReleaseId};
use windlass_core::plan::{Activation, Observed, ObservedInstance, ObservedResource, Tree, resource_digest};
use windlass_core::spec::When;

use crate::checksummed;
use crate::engine::{Journal, JournalError, Listed};
use crate::host::instance::identity::Outline;
use crate::host::tree::contents;
use crate::layout::Layout;
use crate::runtime::process;

/// Looks at an environment whose host side may or may not run.
///
/// # Errors
/// When its state cannot be read.
pub fn observe_from_disk(layout: &Layout) -> Result<Observed, JournalError> {
    let journal = match layout.journal().exists() {
        true => Journal::open_to_read(&layout.journal()),
        false => Err(JournalError::Missing),
    };
    match journal {
        Ok(journal) => observe(layout, &journal),
        Err(JournalError::Missing) if !layout.current().is_symlink() => {
            Ok(Observed { next_release: 1, ..Observed::default() })
        }
        Err(error) => Err(error),
    }
}

/// Looks at an environment.
///
/// # Errors
/// When its state cannot be read.
pub fn observe(layout: &Layout, journal: &Journal) -> Result<Observed, JournalError> {
    let releases = journal.releases()?;
    let trees = trees(layout, &releases);
    let available = |tree: ReleaseId| trees.iter().any(|t| t.id == tree);
    let mut active = journal.active()?.map(|active| Activation {
        tree: Tree { id: active.release.tree, source: active.release.source.clone() },
        release: active.release.id,
        instances: active.release.instances.clone(),
        spec: active.release.spec,
        stopped: active.stopped,
    });
    let lost = Lost { layout, known: RefCell::default() };
    if let Some(active) = active.as_mut().filter(|active| lost.are(active.release)) {
        // They are like none any more: what is deployed next brings its own.
        active.spec.settings.values_mut().for_each(|setting| setting.fingerprint.clear());
    }
    let jobs_done = journal.jobs_done()?;
    let once = |name: &&Name| {
        let spec = active.as_ref().map(|a| &a.spec);
        spec.and_then(|spec| spec.jobs.get(*name)).is_none_or(|job| job.when == When::Once)
    };
    let resources = resources(layout, active.as_ref());
    let is_left = active.is_none() && (!resources.is_empty() || journal.has_open_runs()?);
    Ok(Observed {
        left_by: if is_left { journal.last_source()? } else { None },
        next_release: journal.last_release_number()? + 1,
        instances: instances(layout, &lost).unwrap_or_default(),
        resources,
        unrevoked: crate::host::settings::rotation::unrevoked(layout),
        once_done: jobs_done.keys().filter(once).cloned().collect(),
        jobs_done,
        releases: releases.iter().filter(|r| available(r.tree)).map(|r| (r.id, r.tree)).collect(),
        trees,
        active,
    })
}

/// The releases whose values are damaged.
struct Lost<'a> {
    layout: &'a Layout,
    /// Many copies have those of one.
    known: RefCell<HashMap<ReleaseId, bool>>,
}

impl Lost<'_> {
    fn are(&self, release: ReleaseId) -> bool {
        *self
            .known
            .borrow_mut()
            .entry(release)
            .or_insert_with(|| checksummed::is_damaged(&self.layout.settings(release)).unwrap_or_default())
    }
}

fn trees(layout: &Layout, releases: &[Listed]) -> Vec<Tree> {
    let mut trees: IndexMap<ReleaseId, Tree> = IndexMap::new();
    for release in releases.iter().rev() {
        if layout.is_sealed(release.tree) {
            let mut tree = Tree { id: release.tree, source: release.source.clone() };
            if contents::was_found_damaged(&layout.tree(release.tree)) {
                // It is like no source any more: what is deployed next is built.
                tree.source.digest.clear();
            }
            trees.entry(release.tree).or_insert(tree);
        }
    }
    trees.into_values().collect()
}

fn instances(layout: &Layout, lost: &Lost<'_>) -> io::Result<Vec<ObservedInstance>> {
    let mut all: Vec<ObservedInstance> = Outline::all(layout)?
        .into_iter()
        .map(|identity| {
            let seen = process::observe(&layout.instance(&identity.id));
            // Where the launch is damaged, a keeper that lives is all that can be known.
            let running = match seen {
                Some(seen) => seen.is_under_way(),
                None => process::is_kept(&layout.instance(&identity.id)),
            };
            let alone = identity.is_alone();
            // A copy that could not be started again is to be replaced.
            let digest = if lost.are(identity.id.release) { String::new() } else { identity.digest };
            ObservedInstance { id: identity.id, digest, running, alone }
        })
        .collect();
    // What runs although nobody can say any more what it is: it is like nothing that is wanted, so
    // that the next run replaces it.
    for entry in std::fs::read_dir(layout.instances()).into_iter().flatten().flatten() {
        let Some(id) = entry.file_name().to_str().and_then(|name| name.parse::<InstanceId>().ok()) else {
            continue;
        };
        if !all.iter().any(|known| known.id == id) && process::is_kept(&entry.path()) {
            all.push(ObservedInstance { id, digest: String::new(), running: true, alone: true });
        }
    }
    all.sort_by(|a, b| a.id.cmp(&b.id));
    Ok(all)
}

fn resources(layout: &Layout, active: Option<&Activation>) -> IndexMap<Name, ObservedResource> {
    let mut found = IndexMap::new();
    let Ok(entries) = std::fs::read_dir(layout.root().join("resources")) else { return found };
    for name in entries.flatten().filter_map(|entry| Name::new(entry.file_name().to_string_lossy()).ok()) {
        let running = process::is_under_way(&layout.resource(&name).join("keeper"));
        let digest = active.map(|active| resource_digest(&active.spec, &name)).unwrap_or_default();
        let credentials = crate::resource::credentials(&layout.resource(&name));
        found.insert(name, ObservedResource { digest, running, credentials });
    }
    found.sort_keys();
    found
}

#[cfg(test)]
mod tests {
    use crate::host::testing;

    #[test]
    fn where_a_first_deploy_comes_from_is_known_as_long_as_it_is_not_over() {
        let (_place, host) = testing::host();
        let seen = || super::observe(&host.layout, &host.journal.borrow()).unwrap();
        assert_eq!(seen().left_by, None);
        let run = testing::run("one", testing::first(|_| {}));
        host.journal.borrow_mut().begin(&run.id, &run.plan, &run.by).unwrap();
        assert_eq!(seen().left_by.as_deref(), Some("/src/shop"));
    }
}
