//! The two clocks. Wall time is for people and records; whatever expires goes by the boot clock,
//! which no administrator, time server or leap second moves.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rustix::time::{ClockId, clock_gettime};

/// Milliseconds since 1970.
#[must_use]
pub fn wall_millis() -> i64 {
    match SystemTime::now().duration_since(UNIX_EPOCH) {
        Ok(since) => i64::try_from(since.as_millis()).unwrap_or(i64::MAX),
        Err(before) => -i64::try_from(before.duration().as_millis()).unwrap_or(i64::MAX),
    }
}

/// Time since the machine was booted, suspended time included.
#[must_use]
pub fn since_boot() -> Duration {
    read(ClockId::Boottime)
}

/// The processor time that all threads of this process have used.
#[must_use]
pub fn processor() -> Duration {
    read(ClockId::ProcessCPUTime)
}

fn read(clock: ClockId) -> Duration {
    let time = clock_gettime(clock);
    Duration::new(
        u64::try_from(time.tv_sec).unwrap_or_default(),
        u32::try_from(time.tv_nsec).unwrap_or_default(),
    )
}
