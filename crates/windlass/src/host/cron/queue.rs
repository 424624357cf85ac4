//! Runs of cron jobs that wait for the end of another: kept on disk, so that a host side that dies
//! meanwhile leaves none out.

use std::collections::BTreeSet;
use std::io;
use std::path::PathBuf;

use windlass_core::name::Name;

use crate::checksummed;
use crate::host::supervise::loops::note;
use crate::layout::Layout;

/// The jobs whose next run waits.
pub(in crate::host) struct Queue {
    path: PathBuf,
    names: BTreeSet<Name>,
    /// Whether that stands on the disk.
    is_noted: bool,
}

impl Queue {
    /// As it was left. One that cannot be read is empty, and that is said: the next tick comes.
    pub(in crate::host) fn read(layout: &Layout) -> Self {
        let path = layout.state().join("cron-queue.json");
        let names = checksummed::read(&path).unwrap_or_else(|error| {
            note(&format!(
                "{error}: no run of a cron job waits any more, and the next ones come when they are due"
            ));
            None
        });
        Self { path, names: names.unwrap_or_default(), is_noted: true }
    }

    pub(in crate::host) fn names(&self) -> impl Iterator<Item = &Name> {
        self.names.iter()
    }

    pub(in crate::host) fn has(&self, name: &Name) -> bool {
        self.names.contains(name)
    }

    /// Leaves out what is no job any more, or of an environment that was stopped.
    pub(in crate::host) fn keep(&mut self, is_job: impl Fn(&Name) -> bool) {
        let before = self.names.len();
        self.names.retain(is_job);
        if self.names.len() < before || !self.is_noted {
            // What stays noted is left out again by whoever reads it.
            let _ = self.write();
        }
    }

    /// A run that cannot be noted waits all the same.
    pub(in crate::host) fn put_in(&mut self, name: &Name) {
        if self.names.insert(name.clone())
            && let Err(error) = self.write()
        {
            note(&format!("that a run of the cron job {name} waits cannot be noted: {error}"));
        }
    }

    /// Whether it is durably out, and may begin.
    pub(in crate::host) fn take_out(&mut self, name: &Name) -> bool {
        self.names.remove(name);
        let written = self.write();
        if let Err(error) = &written {
            self.names.insert(name.clone());
            note(&format!("the cron job {name} is not started: {error}"));
        }
        written.is_ok()
    }

    fn write(&mut self) -> io::Result<()> {
        let written = checksummed::write(&self.path, &self.names);
        self.is_noted = written.is_ok();
        written
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_waits_outlives_whoever_noted_it() {
        let directory = tempfile::tempdir().unwrap();
        let layout = Layout::at(directory.path());
        std::fs::create_dir_all(layout.state()).unwrap();
        let (nightly, hourly) = (Name::new("nightly").unwrap(), Name::new("hourly").unwrap());
        let mut queue = Queue::read(&layout);
        queue.put_in(&nightly);
        queue.put_in(&hourly);
        assert!(Queue::read(&layout).has(&nightly));
        assert!(queue.take_out(&nightly));
        let again = Queue::read(&layout);
        assert!(!again.has(&nightly) && again.has(&hourly));
        queue.keep(|name| *name == nightly);
        assert!(!Queue::read(&layout).has(&hourly));
        queue.put_in(&hourly);
        std::fs::write(layout.state().join("cron-queue.json"), "[").unwrap();
        assert!(!Queue::read(&layout).has(&hourly));
    }
}
