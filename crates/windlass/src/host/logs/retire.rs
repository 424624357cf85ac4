//! Logs of services of earlier releases, and of jobs and builds of those that nobody can go back to: nobody writes to
//! them, so no keeper looks after them. As every log they are compressed after a day and kept for thirty (HS-20), and
//! those of one service, of one job or of the builds never take more room than one log may, however many copies, runs
//! or steps it has.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::rc::Rc;
use std::time::{Duration, Instant, SystemTime};

use windlass_core::name::InstanceId;

use super::{KEEP, ROTATE_AT, find, kept, open};
use crate::host::Host;
use crate::host::settings::masked;
use crate::host::supervise::loops::note;
use crate::layout::Layout;
use crate::runtime::process::log;

/// How often it is looked what can be put away.
const PACE: Duration = Duration::from_secs(3600);

/// How long a log is kept after its last line.
const AGE: Duration = Duration::from_secs(30 * 24 * 3600);

/// How much the ended logs of one name may take, in bytes: as much as one that grows all the
/// time keeps, were nothing of it compressed.
const ROOM: u64 = ROTATE_AT.0 * KEEP as u64;

impl Host {
    /// Puts logs away as long as the host side lives, and whenever a run is over: builds that fail one after another
    /// leave what they printed.
    pub(in crate::host) async fn put_logs_away(self: Rc<Self>) {
        let mut aged: Option<Instant> = None;
        loop {
            // However often runs are over in between.
            let is_due = aged.is_none_or(|aged| aged.elapsed() >= PACE);
            self.put_away_once(is_due).await;
            if is_due {
                aged = Some(Instant::now());
            }
            let _run_or_pace = tokio::time::timeout(PACE, self.run_over.notified()).await;
        }
    }

    async fn put_away_once(&self, ages: bool) {
        let _not_while_they_are_deleted = self.putting_away.lock().await;
        if self.ending.get() {
            return;
        }
        let there = self.layout.clone();
        let done = tokio::task::spawn_blocking(move || {
            let now = SystemTime::now();
            (retire(&there, now, ROOM), if ages { masked::age(&there, now) } else { Ok(()) })
        });
        if let Ok((logs, values)) = done.await {
            for (what, error) in [("logs", logs.err()), ("values", values.err())] {
                if let Some(error) = error {
                    note(&format!("old {what} cannot be put away: {error}"));
                }
            }
        }
    }
}

/// The logs of services that a copy may write to, alive or started again: its own, and the one that copies of a release
/// shared once.
pub(super) fn written_to(layout: &Layout) -> BTreeSet<String> {
    let entries = std::fs::read_dir(layout.instances()).into_iter().flatten().flatten();
    let instances = entries.filter_map(|entry| entry.file_name().to_str()?.parse::<InstanceId>().ok());
    instances.flat_map(|id| [id.to_string(), format!("{}.{}", id.service, id.release)]).collect()
}

/// The logs of jobs and builds whose records are there: they may be under way, or somebody can go back to their release.
fn recorded(layout: &Layout) -> BTreeSet<String> {
    let entries = std::fs::read_dir(layout.jobs()).into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.file_name().into_string().ok()).collect()
}

/// Compresses what is a day old, and removes what is too old or more than there is `room` for (bytes). A
/// log that cannot be put away hinders no other.
fn retire(layout: &Layout, now: SystemTime, room: u64) -> io::Result<()> {
    let labels = open::labels(layout);
    // Looked at behind the logs: whoever has one had its directory before.
    let mut live = written_to(layout);
    live.extend(recorded(layout));
    let mut ended: BTreeMap<String, Vec<_>> = BTreeMap::new();
    for label in labels.into_iter().filter(|label| !live.contains(label)) {
        let of_service = find::service_part(&label).map(|part| (part.service, part.release, part.copy));
        let whose = of_service.or_else(|| {
            let (release, what) = find::of_job(&label)?;
            let (name, step) =
                what.split_once('.').map_or((what, None), |(name, step)| (name, step.parse().ok()));
            Some((name, release, step))
        });
        if let Some((name, release, number)) = whose {
            ended.entry(name.to_owned()).or_default().push((release, number, layout.log(&label)));
        }
    }
    let mut outcome = Ok(());
    for logs in ended.values_mut() {
        // The newest first: it is the oldest that has to give way.
        logs.sort_by(|a, b| b.cmp(a));
        let mut taken = 0_u64;
        for (number, (.., path)) in logs.iter().enumerate() {
            let age = age(path, now);
            let size = log::rotate(&kept(path)).and_then(|()| size(path));
            taken = taken.saturating_add(*size.as_ref().unwrap_or(&0));
            let gone = match age > AGE || (number > 0 && taken > room) {
                true => remove(path),
                false => Ok(()),
            };
            outcome = outcome.and(size.map(drop)).and(gone);
        }
    }
    outcome
}

/// How long ago its last line was written.
fn age(path: &Path, now: SystemTime) -> Duration {
    let changed = std::fs::metadata(path).and_then(|seen| seen.modified());
    changed.ok().and_then(|changed| now.duration_since(changed).ok()).unwrap_or_default()
}

/// What a log and its rotated files take on the disk, in bytes.
fn size(path: &Path) -> io::Result<u64> {
    let sizes =
        log::files(path)?.into_iter().map(|file| std::fs::metadata(file).map(|seen| seen.blocks() * 512));
    sizes.sum()
}

/// Removes a log with its rotated files; itself last, so that what is left is found again.
fn remove(path: &Path) -> io::Result<()> {
    log::files(path)?.into_iter().rev().try_for_each(std::fs::remove_file)
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: Duration = Duration::from_secs(24 * 3600);

    struct Sample {
        layout: Layout,
        _directory: tempfile::TempDir,
    }

    impl Sample {
        fn new(labels: &[&str]) -> Self {
            let directory = tempfile::tempdir().unwrap();
            let layout = Layout::at(directory.path());
            layout.make().unwrap();
            for label in labels {
                std::fs::write(layout.log(label), format!("of {label}\n")).unwrap();
            }
            Self { layout, _directory: directory }
        }

        fn names(&self) -> Vec<String> {
            let entries = std::fs::read_dir(self.layout.logs()).unwrap();
            let mut names: Vec<String> =
                entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
            names.sort();
            names
        }
    }

    // proves: HS-20
    #[test]
    fn logs_of_earlier_releases_go_after_thirty_days_and_others_stay() {
        let former = ["web.r1", "web.r2", "r1.migrate", "r2.migrate", "access", "nightly"];
        let sample = Sample::new(&[&former[..], &["web.r2.1", "web.r2.2"]].concat());
        std::fs::write(sample.layout.logs().join("web.r1.log.1.gz"), "x").unwrap();
        std::fs::create_dir(sample.layout.instances().join("web.r2.1")).unwrap();
        // Its release is there to go back to.
        std::fs::create_dir(sample.layout.job("r2.migrate")).unwrap();
        retire(&sample.layout, SystemTime::now() + 29 * DAY, ROOM).unwrap();
        assert_eq!(sample.names().len(), 9, "{:?}", sample.names());
        retire(&sample.layout, SystemTime::now() + 31 * DAY, ROOM).unwrap();
        let left = ["access.log", "nightly.log", "r2.migrate.log", "web.r2.1.log", "web.r2.log"];
        assert_eq!(sample.names(), left, "a copy of before writes to the one that it shared");
    }

    #[test]
    fn builds_that_fail_one_after_another_take_no_more_room_than_one_log_may() {
        let steps = ["r2.build.1", "r2.build.2", "r10.build.1", "r10.build.2", "r10.migrate"];
        let sample = Sample::new(&steps);
        for label in steps {
            std::fs::write(sample.layout.log(label), vec![1; 100_000]).unwrap();
        }
        std::fs::create_dir(sample.layout.job("r2.build.1")).unwrap();
        retire(&sample.layout, SystemTime::now(), 150_000).unwrap();
        let left = ["r10.build.2.log", "r10.migrate.log", "r2.build.1.log"];
        assert_eq!(sample.names(), left, "the last step of the newest, and what has a record");
    }

    #[test]
    fn a_service_that_is_deployed_often_takes_no_more_room_than_one_log_may() {
        let sample = Sample::new(&["web.r1", "web.r2.9", "web.r10.1", "web.r10.2", "worker.r1.1"]);
        for label in ["web.r2.9", "web.r10.1", "web.r10.2"] {
            std::fs::write(sample.layout.logs().join(format!("{label}.log.1.gz")), vec![1; 100_000]).unwrap();
        }
        retire(&sample.layout, SystemTime::now(), 250_000).unwrap();
        let both = ["web.r10.1.log", "web.r10.1.log.1.gz", "web.r10.2.log", "web.r10.2.log.1.gz"];
        assert_eq!(sample.names(), [&both[..], &["worker.r1.1.log"]].concat());
        retire(&sample.layout, SystemTime::now(), 150_000).unwrap();
        assert_eq!(sample.names(), [&both[2..], &["worker.r1.1.log"]].concat());
    }
}
