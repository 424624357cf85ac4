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
mod rotate;

pub(crate) use archive::files;
pub(crate) use cut::{MARK, gone, start};
pub(crate) use rotate::rotate;

use crate::sys;

/// How often the size is looked at when nothing suggests haste.
const LEISURELY: Duration = Duration::from_secs(1);
/// How often at most.
const HASTY: Duration = Duration::from_millis(20);

/// When one log is rotated.
pub(super) struct Rotation {
    log: Log,
    due: Instant,
    looked: Instant,
    size: u64,
    day: i64,
    helper: Option<Pid>,
}

impl Rotation {
    pub(super) fn new(log: &Log) -> Self {
        let now = Instant::now();
        Self { log: log.clone(), due: now + HASTY, looked: now, size: 0, day: 0, helper: None }
    }

    /// When it wants to look next.
    pub(super) fn due(&self) -> Instant {
        self.due
    }

    /// The process that rotates at the moment.
    pub(super) fn helper(&self) -> Option<Pid> {
        self.helper
    }

    /// Whether this is the helper's end.
    pub(super) fn is_over(&mut self, pid: Pid) -> bool {
        let over = self.helper == Some(pid);
        if over {
            self.helper = None;
            self.due = Instant::now() + HASTY;
        }
        over
    }

    /// Waits for the helper, so that nothing of a keeper outlives it.
    pub(super) fn finish(&mut self) {
        while let Some(helper) = self.helper.take() {
            if let Err(rustix::io::Errno::INTR) = rustix::process::waitpid(Some(helper), WaitOptions::empty())
            {
                self.helper = Some(helper);
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
        if size > self.log.rotate_at.0 || (day != self.day && size > 0) {
            self.day = day;
            match sys::fork() {
                Ok(Some(helper)) => self.helper = Some(helper),
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

    #[test]
    fn a_flood_is_looked_at_more_often() {
        let second = Duration::from_secs(1);
        assert_eq!(haste(0, second, 1), LEISURELY);
        assert_eq!(haste(10, second, 1000), LEISURELY);
        assert_eq!(haste(100, second, 100), second / 2);
        assert_eq!(haste(u64::MAX / 2, second, 1), HASTY);
    }
}
