//! How exactly a process ended.

use std::io::Read;
use std::os::fd::OwnedFd;
use std::os::unix::fs::OpenOptionsExt;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use windlass_core::launch::Exit;

use super::signal;
use crate::sys;

const KILL: i32 = 9;

/// What the kernel's answer means. `group_ran_out` tells whether its memory limit killed one of the
/// group since it started, `machine_ran_out` whether the kernel says so of this process.
pub(super) fn classify(status: i32, group_ran_out: bool, machine_ran_out: impl Fn() -> bool) -> Exit {
    if libc::WIFEXITED(status) {
        return match libc::WEXITSTATUS(status) {
            // A shell reports the death of its command, and ends, with 128 and the signal.
            code if code == 128 + KILL && group_ran_out => Exit::OutOfMemory,
            code => Exit::Code(code),
        };
    }
    match libc::WTERMSIG(status) {
        KILL if group_ran_out || machine_ran_out() => Exit::OutOfMemory,
        number => Exit::Signal(signal::name(number)),
    }
}

/// What the kernel tells of a process that is not our child and has ended, once its parent has taken notice;
/// `None` where that takes longer than `patience`, or the kernel (before 6.15) tells parents only.
pub(super) fn of_adopted(pidfd: &OwnedFd, patience: Duration) -> Option<i32> {
    match sys::exit_status(pidfd) {
        Ok(Some(status)) => return Some(status),
        Ok(None) | Err(Errno::SRCH) => {}
        // Such a kernel never tells, and before 6.9 not even when the parent has taken notice.
        Err(_) => return None,
    }
    // That its parent has taken notice is not asked for, and told all the same.
    let mut noticed = [PollFd::new(pidfd, PollFlags::empty())];
    let _in_time = poll(&mut noticed, Timespec::try_from(patience).ok().as_ref());
    sys::exit_status(pidfd).ok().flatten()
}

/// Whether the kernel's log says that it killed this process for want of memory. Where the log may
/// not be read the answer is no: a guess would be worse than the plain signal.
pub(super) fn killed_for_memory(pid: i32, start_ticks: u64) -> bool {
    let open = std::fs::OpenOptions::new()
        .read(true)
        .custom_flags(libc::O_NONBLOCK | libc::O_CLOEXEC)
        .open("/dev/kmsg");
    let Ok(mut log) = open else { return false };
    let mark = format!("Killed process {pid} (");
    let mut record = [0_u8; 2048];
    loop {
        match log.read(&mut record) {
            Ok(0) => return false,
            Ok(length) if is_later(&record[..length], start_ticks) && contains(&record[..length], &mark) => {
                return true;
            }
            Ok(_) => {}
            // Records were overwritten while we read: the next read goes on with the oldest.
            Err(e) if e.raw_os_error() == Some(libc::EPIPE) => {}
            Err(_) => return false,
        }
    }
}

fn contains(record: &[u8], mark: &str) -> bool {
    record.windows(mark.len()).any(|window| window == mark.as_bytes())
}

/// Whether a record (`level,sequence,microseconds,...;text`) is later than a start in ticks: the
/// number of a process may have been another's before.
fn is_later(record: &[u8], start_ticks: u64) -> bool {
    let start = start_ticks.saturating_mul(1_000_000 / rustix::param::clock_ticks_per_second().max(1));
    std::str::from_utf8(record)
        .ok()
        .and_then(|text| text.split(',').nth(2)?.parse::<u64>().ok())
        .is_some_and(|at| at >= start)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_of_the_kernel_is_a_code_or_a_signal() {
        assert_eq!(classify(7 << 8, false, || false), Exit::Code(7));
        assert_eq!(classify(137 << 8, true, || false), Exit::OutOfMemory);
        assert_eq!(classify(15, true, || true), Exit::Signal("SIGTERM".into()));
        assert_eq!(classify(9, false, || false), Exit::Signal("SIGKILL".into()));
        assert_eq!(classify(9, false, || true), Exit::OutOfMemory);
    }

    #[test]
    fn a_kernel_that_does_not_tell_is_not_waited_for() {
        // Nor does it of what is no process.
        let file = OwnedFd::from(std::fs::File::open("/proc/self/stat").unwrap());
        assert_eq!(sys::exit_status(&file), Err(Errno::NOTTY));
        let began = std::time::Instant::now();
        assert_eq!(of_adopted(&file, Duration::from_secs(30)), None);
        assert!(began.elapsed() < Duration::from_secs(15));
    }

    #[test]
    fn a_record_of_the_kernel_counts_when_it_is_later_than_the_start() {
        let record = b"3,1234,50000000,-;Out of memory: Killed process 77 (web) total-vm:1kB";
        assert!(is_later(record, 4_900));
        assert!(!is_later(record, 5_100));
        assert!(contains(record, "Killed process 77 ("));
        assert!(!contains(record, "Killed process 7 ("));
    }
}
