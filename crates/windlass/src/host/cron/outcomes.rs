//! How runs of cron jobs ended: noted, and told of where it was not well. Also of those that the host side did
//! not see end, because it was started again meanwhile.

use std::path::{Path, PathBuf};
use std::rc::Rc;

use windlass_core::journal::Fault;
use windlass_core::launch::{End, Exit};
use windlass_core::name::Name;

use crate::clock;
use crate::engine::Active;
use crate::host::Host;
use crate::host::once::outcome::{Ended, in_words};
use crate::host::tree::handover::is_root;
use crate::runtime::process::{self, Observation};

/// The file in a run's directory that says which end of it was noted.
const NOTED: &str = "noted";

/// The file in a run's directory that says that it was asked to end: by a person, or to make way for the next.
const ASKED: &str = "asked-to-end";

/// How the word begins of a run that never was.
const LEFT_OUT: &str = "left out: ";

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
        // What ends with all of the environment was asked to. With the machine, nobody asked.
        let was_asked = self.ending.get() || run.directory.join(ASKED).exists();
        let is_told = has_failed(&ran, was_asked);
        let outcome = ran.map_or_else(|fault| fault.message, |ended| in_words(&ended));
        if is_told {
            self.tell_of_cron(active, name, outcome.clone());
        }
        // What is shown is how the newest run ended that has, also where an older one beside it took longer. Where each
        // begins before the last has ended, the newest of all never has.
        let noted = self.cron_ends.borrow().get(name).copied();
        if noted.is_none_or(|noted| noted < run.number) {
            self.cron_ends.borrow_mut().insert(name.clone(), run.number);
            let recorded = self.journal.borrow().cron(name);
            // Where its beginning could not be noted, its end is what is known of when it ran.
            if let Ok(recorded) = recorded {
                let last = recorded.map_or_else(clock::wall_millis, |(last, _)| last);
                let _ = self.journal.borrow_mut().set_cron(name, last, Some(&outcome));
            }
        }
        if let Some(seen) = process::observe(&run.directory) {
            note_end(&run.directory, &seen);
            if is_root(seen.launch.user.as_deref()) {
                self.hand_over_after_cron(name);
            }
        }
        let _there_is_none = std::fs::remove_file(run.directory.join(ASKED));
    }

    /// Takes up the runs that a host side before this one began, and whose end nobody has noted.
    pub(super) fn take_up_cron_runs(self: &Rc<Self>) {
        let Some(active) = self.in_force() else { return };
        for name in active.release.spec.crons.keys() {
            let all: Vec<(Observation, PathBuf)> = self
                .directories(name)
                .into_iter()
                .filter_map(|directory| Some((process::observe(&directory)?, directory)))
                .collect();
            let last = self.journal.borrow().cron(name).ok().flatten().and_then(|(_, outcome)| outcome);
            if is_of_before(last.as_deref(), &all) {
                for (seen, directory) in all.iter().filter(|(seen, _)| seen.has_ended()) {
                    note_end(directory, seen);
                }
            }
            let mut left: Vec<(i64, PathBuf)> = all
                .into_iter()
                .filter(|(seen, directory)| !is_noted(seen, directory))
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
}

/// Notes that a run is asked to end, before it is: how it ends says nothing of whether it works.
pub(in crate::host) fn note_asked(directory: &Path) {
    // Where it cannot be, its end is told of, as any.
    let _told = std::fs::write(directory.join(ASKED), "");
}

/// Whether a run did not go well. One that was stopped without being asked was cut off, as by the machine's end.
fn has_failed(ran: &Result<Ended, Fault>, was_asked: bool) -> bool {
    match ran {
        Ok(ended) if ended.end == End::Stopped => !was_asked,
        Ok(ended) => ended.exit != Some(Exit::Code(0)),
        Err(_) => true,
    }
}

/// Whether the ends of these runs are of a Windlass that told of them and noted them in no file: none has one, and
/// the end of one is known.
fn is_of_before(last: Option<&str>, all: &[(Observation, PathBuf)]) -> bool {
    let is_known = last.is_some_and(|last| !last.starts_with(LEFT_OUT));
    is_known && all.iter().all(|(_, directory)| !directory.join(NOTED).exists())
}

fn is_noted(seen: &Observation, directory: &Path) -> bool {
    if !seen.has_ended() {
        // One that has only begun has no word of its own yet, and needs none.
        return seen.status.is_none() && !seen.is_under_way();
    }
    std::fs::read_to_string(directory.join(NOTED)).is_ok_and(|noted| noted == end_of(seen).to_string())
}

fn note_end(directory: &Path, seen: &Observation) {
    // A power cut may take it: better told twice than never.
    let _told_again = std::fs::write(directory.join(NOTED), end_of(seen).to_string());
}

/// When its state began, milliseconds since 1970; of one that ended: when.
fn end_of(seen: &Observation) -> i64 {
    seen.status.as_ref().map_or(0, |status| status.since)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::testing;

    #[test]
    fn a_run_whose_beginning_was_not_noted_ran_when_it_ended() {
        let (place, host) = testing::host();
        let name = Name::new("nightly").unwrap();
        let run = host.count_cron_run(&name, place.path().join("none"));
        let active = Active { release: testing::row(1), stopped: false };
        let before = clock::wall_millis();
        host.cron_ended(
            &active,
            &run,
            Ok(Ended { end: End::Finished, exit: Some(Exit::Code(0)), restarts: 0 }),
        );
        let (last, _) = host.journal.borrow().cron(&name).unwrap().unwrap();
        assert!(last >= before, "{last}");
    }

    #[test]
    fn of_runs_beside_each_other_the_newest_that_has_ended_is_shown() {
        let (place, host) = testing::host();
        let name = Name::new("nightly").unwrap();
        let active = Active { release: testing::row(1), stopped: false };
        let runs = [0, 1, 2].map(|_| host.count_cron_run(&name, place.path().join("none")));
        let outcome_after = |run: &CronRun, code: i32| {
            let ended = Ended { end: End::Finished, exit: Some(Exit::Code(code)), restarts: 0 };
            host.cron_ended(&active, run, Ok(ended));
            host.journal.borrow().cron(&name).unwrap().unwrap().1.unwrap()
        };
        assert_eq!(outcome_after(&runs[1], 7), "failed: exit code 7", "the third goes on");
        assert_eq!(outcome_after(&runs[0], 0), "failed: exit code 7", "an older one took longer");
        assert_eq!(outcome_after(&runs[2], 0), "ended well");
    }

    #[test]
    fn what_somebody_stopped_has_not_failed() {
        let failed =
            |end, exit, was_asked| has_failed(&Ok(Ended { end, exit: Some(exit), restarts: 0 }), was_asked);
        let ended = |end, exit| failed(end, exit, false);
        let by_signal = Exit::Signal("SIGTERM".to_owned());
        assert!(!failed(End::Stopped, by_signal.clone(), true));
        assert!(failed(End::Stopped, by_signal, false), "when the machine went down");
        assert!(!ended(End::Finished, Exit::Code(0)));
        assert!(ended(End::Finished, Exit::Code(1)));
        assert!(ended(End::TimedOut, Exit::Signal("SIGKILL".to_owned())));
        assert!(has_failed(&Err(Fault::new("it cannot be started", "")), true));
    }

    #[test]
    fn ends_that_a_windlass_before_told_of_are_told_from_those_that_nobody_saw() {
        let place = tempfile::tempdir().unwrap();
        let seen = Observation {
            launch: windlass_core::launch::Launch::default(),
            status: None,
            keeper_alive: false,
            process_alive: false,
        };
        let all = [(seen.clone(), place.path().to_owned())];
        assert!(is_of_before(Some("exit code 1"), &all));
        assert!(!is_of_before(None, &all), "its first run");
        assert!(!is_of_before(Some("left out: the run before had not ended"), &all), "its first run");
        note_end(place.path(), &seen);
        assert!(!is_of_before(Some("exit code 1"), &all));
    }
}
