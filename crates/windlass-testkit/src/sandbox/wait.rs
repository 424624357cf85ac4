//! Waiting for what nothing announces, never for ever.

use std::time::{Duration, Instant};

/// Looks until there is something; fails after 90 seconds, naming what was waited for: a machine that is busy with other
/// things may be ten times slower than one that is not.
pub fn until<T>(what: &str, look: impl FnMut() -> Option<T>) -> T {
    until_within(Duration::from_secs(90), what, look)
}

/// The same with a time limit of its own.
pub fn until_within<T>(limit: Duration, what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + limit;
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(Instant::now() < deadline, "waited {limit:?} for {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}
