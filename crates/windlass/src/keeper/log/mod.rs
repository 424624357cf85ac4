//! Log rotation: no line is lost, and no pipe is needed that could break.
//!
//! The process appends to its log file itself. When the file has grown too big, its oldest lines are
//! compressed into `NAME.1.gz` and then taken from its front, under the hands of the process.
//! [`rotate`] does that, in a process of its own for as long as it takes, so that the
//! keeper never waits for a disk.

use std::fs::File;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use rustix::process::{Pid, WaitOptions};
use windlass_core::launch::Log;

mod archive;
mod cut;
mod open;
mod rotate;

pub(crate) use archive::{compress_former, files, today};
pub(crate) use cut::{MARK, gone, start};
pub(crate) use open::{append, is_lost, is_open_in, lost_in, open};
pub(crate) use rotate::rotate;

use crate::sys;

/// How often the size is looked at when nothing suggests haste.
const LEISURELY: Duration = Duration::from_secs(1);
/// How often at most.
const HASTY: Duration = Duration::from_millis(20);
/// How long it waits at most after a rotation that failed: the disk may stay full for long.
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

/// When one log is rotated.
pub(super) struct Rotation {
    log: Log,
    due: Instant,
    looked: Instant,
    size: u64,
    /// The day whose first lines have been looked at.
    day: i64,
    /// The process that rotates, and on which day it began.
    helper: Option<(Pid, i64)>,
    /// How long it waits after the next one that fails.
    pause: Duration,
}

impl Rotation {
    pub(super) fn new(log: &Log) -> Self {
        let now = Instant::now();
        Self {
            log: log.clone(),
            due: now + HASTY,
            looked: now,
            size: 0,
            day: 0,
            helper: None,
            pause: LEISURELY,
        }
    }

    /// When it wants to look next.
    pub(super) fn due(&self) -> Instant {
        self.due
    }

    /// The process that rotates at the moment.
    pub(super) fn helper(&self) -> Option<Pid> {
        self.helper.map(|(pid, _)| pid)
    }

    /// Whether this is the helper's end, which ended well or not.
    pub(super) fn is_over(&mut self, pid: Pid, well: bool) -> bool {
        let day = self.helper.filter(|(helper, _)| *helper == pid).map(|(_, day)| day);
        if let Some(day) = day {
            self.helper = None;
            // A day whose rotation failed, on a full disk say, is rotated later, and not with the next.
            if well {
                self.day = day;
            }
            let pause = if well { HASTY } else { self.pause };
            self.due = Instant::now() + pause;
            self.pause = if well { LEISURELY } else { (self.pause * 2).min(LONGEST_PAUSE) };
        }
        day.is_some()
    }

    /// Waits for the helper, so that nothing of a keeper outlives it.
    pub(super) fn finish(&mut self) {
        while let Some((helper, day)) = self.helper.take() {
            if let Err(rustix::io::Errno::INTR) = rustix::process::waitpid(Some(helper), WaitOptions::empty())
            {
                self.helper = Some((helper, day));
            }
        }
    }

    /// Looks, if it is time, and has the log rotated, if it is due. The helper gives up `lock`: it
    /// must not seem to be the keeper.
    pub(super) fn look(&mut self, lock: &mut Option<File>) {
        let now = Instant::now();
        if now < self.due {
            return;
        }
        self.due = now + LEISURELY;
        if self.helper.is_some() {
            return;
        }
        let Ok(seen) = std::fs::metadata(PathBuf::from(&self.log.path)) else { return };
        // Blocks, not the length: where the front cannot be cut off, it becomes a hole.
        let size = seen.len().min(seen.blocks() * 512);
        let day = archive::today();
        if self.is_too_long(size) || (day != self.day && size > 0) {
            match sys::fork() {
                Ok(Some(helper)) => self.helper = Some((helper, day)),
                Ok(None) => {
                    lock.take();
                    let done = rotate(&self.log);
                    std::process::exit(i32::from(done.is_err()));
                }
                Err(_) => {}
            }
        } else {
            let grown = size.saturating_sub(self.size);
            let room = self.log.rotate_at.0.saturating_sub(size);
            self.due = now + haste(grown, now - self.looked, room);
        }
        self.size = size;
        self.looked = now;
    }

    /// Whether there are more lines than there may be. What stands for those that were taken away is none
    /// of them, and is looked at only when it matters.
    fn is_too_long(&self, size: u64) -> bool {
        let most = self.log.rotate_at.0;
        let front =
            || File::open(&self.log.path).and_then(|file| Ok((cut::start(&file)?, file.metadata()?.len())));
        size > most && front().is_ok_and(|(start, end)| end.saturating_sub(start) > most)
    }
}

/// Half the time that the room lasts at this rate of growth.
fn haste(grown: u64, within: Duration, room: u64) -> Duration {
    if grown == 0 {
        return LEISURELY;
    }
    let lasts = within.as_secs_f64() * room as f64 / grown as f64;
    Duration::from_secs_f64((lasts / 2.0).clamp(HASTY.as_secs_f64(), LEISURELY.as_secs_f64()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use windlass_core::units::Bytes;

    #[test]
    fn what_stands_for_archived_lines_does_not_make_a_log_too_long() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("web.log").display().to_string();
        let note = format!("{MARK}earlier lines are in web.log.1.gz (1){}\n", " ".repeat(300));
        let rotation = Rotation::new(&Log { path: path.clone(), rotate_at: Bytes(1000), keep: 1 });
        let is_too_long = |lines: usize| {
            std::fs::write(&path, format!("{note}{}", "1234567\n".repeat(lines))).unwrap();
            rotation.is_too_long(std::fs::metadata(&path).unwrap().len())
        };
        assert!(!is_too_long(125), "a helper would find nothing to do, again and again");
        assert!(is_too_long(126));
    }

    #[test]
    fn after_a_failure_it_waits_longer_each_time() {
        let mut rotation = Rotation::new(&Log { path: String::new(), rotate_at: Bytes(1), keep: 1 });
        let helper = Pid::from_raw(4711).unwrap();
        let mut over = |well: bool| {
            rotation.helper = Some((helper, 1));
            let began = Instant::now();
            assert!(rotation.is_over(helper, well));
            (rotation.due() - began).as_secs()
        };
        assert_eq!([over(false), over(false), over(false), over(true), over(false)], [1, 2, 4, 0, 1]);
    }

    #[test]
    fn a_day_counts_as_rotated_when_it_was() {
        let mut rotation = Rotation::new(&Log { path: String::new(), rotate_at: Bytes(1), keep: 1 });
        let helper = Pid::from_raw(4711).unwrap();
        let mut day_after = |day: i64, well: bool| {
            rotation.helper = Some((helper, day));
            rotation.is_over(helper, well);
            rotation.day
        };
        assert_eq!([day_after(7, true), day_after(8, false), day_after(8, true)], [7, 7, 8]);
    }

    #[test]
    fn a_flood_is_looked_at_more_often() {
        let second = Duration::from_secs(1);
        assert_eq!(haste(0, second, 1), LEISURELY);
        assert_eq!(haste(10, second, 1000), LEISURELY);
        assert_eq!(haste(100, second, 100), second / 2);
        assert_eq!(haste(u64::MAX / 2, second, 1), HASTY);
    }
}
