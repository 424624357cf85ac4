//! Directories whose files routes serve.

use std::path::Path;

use windlass_core::spec::{Destination, Spec, When};

/// A directory that a route serves, and that is not there.
#[derive(Debug, PartialEq, Eq)]
pub struct Absent {
    /// The route, by host and path.
    pub route: String,
    /// The directory, relative to the release.
    pub root: String,
}

/// What `spec` serves of a release and is not in `tree`. What releases share may come at any time.
#[must_use]
pub fn absent(spec: &Spec, tree: &Path) -> Vec<Absent> {
    let shared = |root: &str| {
        let within = |directory: &String| {
            root.strip_prefix(directory.as_str()).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        };
        root.starts_with("shared:") || spec.build.shared.iter().any(within)
    };
    let missing = spec.routes.iter().filter_map(|route| match &route.to {
        Destination::Files { root, .. } if !shared(root) && !tree.join(root).is_dir() => Some(Absent {
            route: format!("{}{}", route.host.as_deref().unwrap_or_default(), route.path),
            root: root.clone(),
        }),
        _ => None,
    });
    missing.collect()
}

/// Whether something that runs before requests come may still make directories: what it will make
/// nobody knows.
#[must_use]
pub fn may_be_made(spec: &Spec) -> bool {
    !spec.build.steps.is_empty() || spec.jobs.values().any(|job| job.when == When::BeforeStart)
}
