//! How runs of cron jobs ended: noted, and told of where it was not well. Also of those that the host side did
//! not see end, because it was started again meanwhile.

use std::path::PathBuf;
use std::rc::Rc;

use windlass_core::journal::Fault;
use windlass_core::launch::Exit;
use windlass_core::name::Name;

use crate::engine::Active;
use crate::host::Host;
use crate::host::once::outcome::{Ended, in_words};
use crate::runtime::process::{self, Observation};

/// The file in a run's directory that says which end of it was noted.
const NOTED: &str = "noted";

/// A run.
pub(super) struct CronRun {
    name: Name,
    directory: PathBuf,
    /// Its number among those of its job, since the host side was started.
    number: u64,
}

impl Host {
    /// The next run of a job, in this directory.
    pub(super) fn count_cron_run(&self, name: &Name, directory: PathBuf) -> CronRun {
        let mut starts = self.cron_starts.borrow_mut();
        let number = *starts.entry(name.clone()).and_modify(|number| *number += 1).or_insert(0);
        CronRun { name: name.clone(), directory, number }
    }

    /// Notes how a run ended, and tells of one that failed.
    pub(super) fn cron_ended(self: &Rc<Self>, active: &Active, run: &CronRun, ran: Result<Ended, Fault>) {
        let name = &run.name;
        let well = matches!(&ran, Ok(ended) if ended.exit == Some(Exit::Code(0)));
        let outcome = ran.map_or_else(|fault| fault.message, |ended| in_words(&ended));
        if !well {
            self.tell_of_cron(active, name, outcome.clone());
        }
        // What is shown is how the newest run ended, also where an older one beside it took longer.
        if self.cron_starts.borrow().get(name) == Some(&run.number) {
            let last = self.journal.borrow().cron(name).ok().flatten().map_or(0, |(last, _)| last);
            let _ = self.journal.borrow_mut().set_cron(name, last, Some(&outcome));
        }
        if let Some(seen) = process::observe(&run.directory) {
            // A power cut may take it: better told twice than never.
            let _told_again = std::fs::write(run.directory.join(NOTED), end_of(&seen).to_string());
        }
    }

    /// Takes up the runs that a host side before this one began, and whose end nobody has noted.
    pub(super) fn take_up_cron_runs(self: &Rc<Self>) {
        let Some(active) = self.in_force() else { return };
        for name in active.release.spec.crons.keys() {
            let mut left: Vec<(i64, PathBuf)> = self
                .directories(name)
                .into_iter()
                .filter_map(|directory| Some((process::observe(&directory)?, directory)))
                .filter(|(seen, directory)| !self.is_noted(name, seen, directory))
                .map(|(seen, directory)| (end_of(&seen), directory))
                .collect();
            left.sort();
            for (_, directory) in left {
                let run = self.count_cron_run(name, directory);
                let (host, active) = (self.clone(), active.clone());
                tokio::task::spawn_local(async move {
                    let ran = process::outlast(&run.directory).await;
                    let failed = |error: process::RuntimeError| Fault::new(error.to_string(), "");
                    host.cron_ended(&active, &run, ran.map_err(failed));
                });
            }
        }
    }

    fn is_noted(&self, name: &Name, seen: &Observation, directory: &std::path::Path) -> bool {
        let Some(ended) = seen.ended() else {
            // One that has only begun has no word of its own yet, and needs none.
            return seen.status.is_none() && !seen.is_under_way();
        };
        match std::fs::read_to_string(directory.join(NOTED)) {
            Ok(noted) => noted == end_of(seen).to_string(),
            Err(_) => {
                let known = self.journal.borrow().cron(name).ok().flatten().and_then(|(_, outcome)| outcome);
                known == Some(in_words(&ended))
            }
        }
    }
}

/// When its state began, milliseconds since 1970; of one that ended: when.
fn end_of(seen: &Observation) -> i64 {
    seen.status.as_ref().map_or(0, |status| status.since)
}
