//! What a process that lives for long holds only while it works, it gives back when it rests.

use std::time::Duration;

use crate::sys;

/// How often it is looked whether the process rests.
const PACE: Duration = Duration::from_secs(2);

/// A process that used less of a processor than this since the last look rests: its own clocks,
/// checks and the looks at it take less.
const AT_REST: Duration = Duration::from_millis(20);

/// What makes it worth while to give back again: by then other code than that of the resting process
/// may have been mapped.
const WORKED: Duration = Duration::from_millis(100);

/// Gives the program's code back whenever the process comes to rest after its start or after work, for
/// as long as it is polled. Page by page it comes back from the kernel's cache when it is needed.
pub(crate) async fn give_back() {
    let (mut looked, mut given) = (used(), Duration::ZERO);
    loop {
        tokio::time::sleep(PACE).await;
        let now = used();
        let rests = now.saturating_sub(looked) < AT_REST;
        looked = now;
        if rests && (given.is_zero() || now.saturating_sub(given) > WORKED) {
            sys::release_code();
            given = now;
        }
    }
}

/// The processor time of all this process's threads.
fn used() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    Duration::new(
        u64::try_from(time.tv_sec).unwrap_or_default(),
        u32::try_from(time.tv_nsec).unwrap_or_default(),
    )
}
