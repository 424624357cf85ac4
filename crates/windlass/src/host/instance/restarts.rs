//! How often a copy was started again, over all its keepers: each of them counts only for itself.

use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::checksummed;
use crate::runtime::process::Observation;

const FILE: &str = "restarts.json";

/// What the keepers before the present one have seen of a copy since a run started it.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::host) struct Restarts {
    /// How many times it was started again, the start of the present keeper among them.
    pub count: u32,
    /// Why the present keeper had to start it.
    pub reason: String,
}

impl Restarts {
    /// What stands in a copy's directory: nothing where it runs as it was first started.
    pub(in crate::host) fn read(directory: &Path) -> Self {
        checksummed::read(&directory.join(FILE)).ok().flatten().unwrap_or_default()
    }

    /// One more, by a keeper that follows the one that was `seen` last.
    pub(in crate::host) fn and_one(mut self, seen: Option<&Observation>, reason: &str) -> Self {
        let by_keeper = seen.map_or(0, Observation::restarts);
        self.count = self.count.saturating_add(by_keeper).saturating_add(1);
        reason.clone_into(&mut self.reason);
        self
    }

    /// Writes it. Only people read it: a copy must come up also where it cannot be noted.
    pub(in crate::host) fn write(&self, directory: &Path) {
        let _ = checksummed::write(&directory.join(FILE), self);
    }

    /// Counts afresh: a run starts the copy, as somebody asked it to.
    pub(in crate::host) fn forget(directory: &Path) {
        let _none = std::fs::remove_file(directory.join(FILE));
    }
}
