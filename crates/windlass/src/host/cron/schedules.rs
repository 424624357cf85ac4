//! Since when each cron job has the schedule that it has: what a new schedule names in the past was never
//! due. Kept on disk, because what an old one missed while the host side was away is.

use std::collections::BTreeMap;
use std::path::PathBuf;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use windlass_core::name::Name;
use windlass_core::spec::Cron;

use crate::checksummed;
use crate::host::supervise::loops::note;
use crate::layout::Layout;

/// A schedule in force.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct InForce {
    schedule: String,
    time_zone: String,
    since: Timestamp,
}

/// The schedules in force, by job.
pub(in crate::host) struct Schedules {
    path: PathBuf,
    in_force: BTreeMap<Name, InForce>,
}

impl Schedules {
    /// As they were left. Where that cannot be read, all of them are new, and that is said.
    pub(in crate::host) fn read(layout: &Layout) -> Self {
        let path = layout.state().join("cron-schedules.json");
        let in_force = checksummed::read(&path).unwrap_or_else(|error| {
            note(&format!(
                "{error}: the schedules of cron jobs count as those of the release, and as old as it"
            ));
            None
        });
        Self { path, in_force: in_force.unwrap_or_default() }
    }

    /// Since when this is the schedule of a job; a new one is so since its release was `activated`.
    pub(in crate::host) fn since(&mut self, name: &Name, cron: &Cron, activated: Timestamp) -> Timestamp {
        let is_same = |known: &&InForce| known.schedule == cron.schedule && known.time_zone == cron.time_zone;
        if let Some(known) = self.in_force.get(name).filter(is_same) {
            return known.since;
        }
        let (schedule, time_zone) = (cron.schedule.clone(), cron.time_zone.clone());
        self.in_force.insert(name.clone(), InForce { schedule, time_zone, since: activated });
        self.write();
        activated
    }

    /// Forgets those of jobs that are none any more: one that is put back is new.
    pub(in crate::host) fn keep(&mut self, is_job: impl Fn(&Name) -> bool) {
        let before = self.in_force.len();
        self.in_force.retain(|name, _| is_job(name));
        if self.in_force.len() < before {
            self.write();
        }
    }

    fn write(&self) {
        if let Err(error) = checksummed::write(&self.path, &self.in_force) {
            note(&format!("since when cron jobs have their schedules cannot be noted: {error}"));
        }
    }
}

#[cfg(test)]
impl Schedules {
    /// All of them, in words.
    pub(in crate::host) fn shown(&self) -> String {
        format!("{:?}", self.in_force)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::testing;

    #[test]
    fn a_schedule_is_as_old_as_the_release_that_brought_it() {
        let place = tempfile::tempdir().unwrap();
        let layout = Layout::at(place.path().to_owned());
        layout.make().unwrap();
        let at = |second: i64| Timestamp::from_second(second).unwrap();
        let name = Name::new("bill").unwrap();
        let since = |schedule: &str, activated| {
            Schedules::read(&layout).since(&name, &testing::cron(schedule), activated)
        };
        assert_eq!(since("@daily", at(10)), at(10));
        assert_eq!(since("@daily", at(20)), at(10), "another release with the same");
        assert_eq!(since("@hourly", at(30)), at(30));
        Schedules::read(&layout).keep(|_| false);
        assert_eq!(since("@hourly", at(40)), at(40), "put back");
    }
}
