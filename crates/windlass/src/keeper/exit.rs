//! How exactly a process ended.

use std::io::Read;
use std::os::unix::fs::OpenOptionsExt;

use rustix::process::WaitStatus;
use windlass_core::launch::Exit;

use super::signal;

const KILL: i32 = 9;

/// What the kernel's answer means. `group_ran_out` tells whether its memory limit killed one of the
/// group since it started, `machine_ran_out` whether the kernel says so of this process.
pub(super) fn classify(status: WaitStatus, group_ran_out: bool, machine_ran_out: impl Fn() -> bool) -> Exit {
    match (status.exit_status(), status.terminating_signal()) {
        // A shell reports the death of its command, and ends, with 128 and the signal.
        (Some(code), _) if code == 128 + KILL && group_ran_out => Exit::OutOfMemory,
        (Some(code), _) => Exit::Code(code),
        (None, Some(KILL)) if group_ran_out || machine_ran_out() => Exit::OutOfMemory,
        (None, Some(number)) => Exit::Signal(signal::name(number)),
        (None, None) => Exit::Unknown,
    }
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
    fn a_record_of_the_kernel_counts_when_it_is_later_than_the_start() {
        let record = b"3,1234,50000000,-;Out of memory: Killed process 77 (web) total-vm:1kB";
        assert!(is_later(record, 4_900));
        assert!(!is_later(record, 5_100));
        assert!(contains(record, "Killed process 77 ("));
        assert!(!contains(record, "Killed process 7 ("));
    }
}
