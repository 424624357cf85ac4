//! What a process that lives for long holds only while it works, it gives back when it rests.

use std::time::Duration;

use crate::{clock, sys};

/// How often it is looked whether the process rests.
const PACE: Duration = Duration::from_secs(2);

/// A process that used less of a processor than this since the last look rests: its own clocks,
/// checks and the looks at it take less.
const AT_REST: Duration = Duration::from_millis(20);

/// What makes it worth while to give back again: a run takes more, and has other code mapped than a
/// process needs that rests.
const WORKED: Duration = Duration::from_millis(20);

/// Gives the program's code back whenever the process comes to rest after its start or after work, for
/// as long as it is polled. Page by page it comes back from the kernel's cache when it is needed.
pub(crate) async fn give_back() {
    let (mut looked, mut given) = (clock::processor(), Duration::ZERO);
    loop {
        tokio::time::sleep(PACE).await;
        let now = clock::processor();
        let rests = now.saturating_sub(looked) < AT_REST;
        looked = now;
        if rests && (given.is_zero() || now.saturating_sub(given) > WORKED) {
            sys::release_code();
            given = now;
        }
    }
}
