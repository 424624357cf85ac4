//! The longest time in which no answer began although it was due.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

/// How long a request counts as one that waits, in seconds, unless nothing is ready to answer it. Who has not been
/// answered for longer is asking for what takes long, or is kept waiting on purpose: a long poll.
const PATIENCE: u64 = 5;

/// Seconds that are told apart, a power of two: those that count, and more than one beside them. One line of the
/// processor's cache holds them.
const SLOTS: u64 = 8;

/// Measures the longest time in which no answer began although it was due: while at least two requests waited.
/// One that waits alone may be a slow one; one that is held because nothing is ready counts as two.
///
/// All that come while nobody is answered wait, and a time in which requests go on coming is measured to its end, however
/// long it is. What two long polls alone see is no such time.
pub(in crate::proxy) struct Gap {
    origin: Instant,
    /// How many wait that began in a second: the second in the upper half, how many in the lower one.
    began: [AtomicU64; SLOTS as usize],
    /// How many are held.
    held: AtomicU64,
    /// When the last answer began, or the second request came; nanoseconds since the origin.
    mark: AtomicU64,
    longest: AtomicU64,
}

impl Gap {
    pub(in crate::proxy) fn new() -> Self {
        Self {
            origin: Instant::now(),
            began: Default::default(),
            held: AtomicU64::new(0),
            mark: AtomicU64::new(0),
            longest: AtomicU64::new(0),
        }
    }

    fn nanos(&self, at: Instant) -> u64 {
        u64::try_from(at.saturating_duration_since(self.origin).as_nanos()).unwrap_or(u64::MAX)
    }

    /// How many wait.
    fn waiting(&self, now: u64) -> u64 {
        let second = second_of(now);
        let young = self.began.iter().map(|slot| slot.load(Ordering::Relaxed)).filter_map(|slot| {
            let (began, count) = parts(slot);
            (began + PATIENCE >= second).then_some(count)
        });
        young.sum::<u64>() + 2 * self.held.load(Ordering::Relaxed)
    }

    /// Called before a request is counted: of several that come at once one at the least sees that few waited before.
    fn comes(&self, now: u64) {
        if self.waiting(now) <= 1 {
            self.mark.store(now, Ordering::Relaxed);
        }
    }

    pub(in crate::proxy) fn request_begins(&self, began: Instant) {
        let now = self.nanos(began);
        self.comes(now);
        let (slot, second) = (self.slot(now), second_of(now));
        let _always_changed = slot.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |slot| {
            let (of, count) = parts(slot);
            // What is left there of another second counts no more.
            Some(second << 32 | if of == second { count + 1 } else { 1 })
        });
    }

    /// A request that began then waits no more, from `at` on; only a good answer ends the time without one.
    pub(in crate::proxy) fn wait_ends(&self, began: Instant, at: Instant, good: bool) {
        self.passes(self.nanos(at), good);
        let began = self.nanos(began);
        let second = second_of(began);
        let _counts_no_more = self.slot(began).fetch_update(Ordering::Relaxed, Ordering::Relaxed, |slot| {
            let (of, count) = parts(slot);
            (of == second && count > 0).then(|| slot - 1)
        });
    }

    /// A request is held, because nothing is ready.
    pub(in crate::proxy) fn hold_begins(&self, at: Instant) {
        self.comes(self.nanos(at));
        self.held.fetch_add(1, Ordering::Relaxed);
    }

    /// It is held no more; that is no answer yet.
    pub(in crate::proxy) fn hold_ends(&self, at: Instant) {
        self.passes(self.nanos(at), false);
        self.held.fetch_sub(1, Ordering::Relaxed);
    }

    fn passes(&self, now: u64, good: bool) {
        let gap = now.saturating_sub(self.mark.load(Ordering::Relaxed));
        if gap > self.longest.load(Ordering::Relaxed) && self.waiting(now) > 1 {
            self.longest.fetch_max(gap, Ordering::Relaxed);
        }
        if good {
            self.mark.store(now, Ordering::Relaxed);
        }
    }

    fn slot(&self, at: u64) -> &AtomicU64 {
        &self.began[(second_of(at) % SLOTS) as usize]
    }

    pub(in crate::proxy) fn longest_micros(&self) -> u64 {
        self.longest.load(Ordering::Relaxed) / 1000
    }

    pub(in crate::proxy) fn reset(&self) {
        self.longest.store(0, Ordering::Relaxed);
    }
}

const fn second_of(nanos: u64) -> u64 {
    nanos / 1_000_000_000
}

const fn parts(slot: u64) -> (u64, u64) {
    (slot >> 32, slot & 0xffff_ffff)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    /// A gap, asked by milliseconds.
    struct Asked(Gap);

    impl Asked {
        fn new() -> Self {
            Self(Gap::new())
        }

        fn at(&self, millis: u64) -> Instant {
            self.0.origin + Duration::from_millis(millis)
        }

        fn begins(&self, at: u64) {
            self.0.request_begins(self.at(at));
        }

        fn ends(&self, began: u64, at: u64, good: bool) {
            self.0.wait_ends(self.at(began), self.at(at), good);
        }

        /// The longest so far, in milliseconds; it is measured anew from here on.
        fn longest(&self) -> u64 {
            let longest = self.0.longest_micros() / 1000;
            self.0.reset();
            longest
        }
    }

    #[test]
    fn it_counts_only_while_answers_are_due() {
        let gap = Asked::new();
        gap.begins(0);
        gap.ends(0, 900, true);
        assert_eq!(gap.longest(), 0, "a slow request alone is no outage");
        gap.begins(1000);
        gap.begins(1001);
        gap.ends(1000, 1005, true);
        gap.ends(1001, 1099, true);
        assert_eq!(gap.longest(), 4);
        (0..3).for_each(|_| gap.begins(2000));
        gap.ends(2000, 2003, false);
        gap.ends(2000, 2007, true);
        assert_eq!(gap.longest(), 7, "a refusal is no answer");
        gap.ends(2000, 2008, true);
    }

    #[test]
    fn what_is_held_is_nobodys_slowness() {
        let gap = Asked::new();
        gap.begins(3000);
        gap.0.hold_begins(gap.at(3001));
        gap.0.hold_ends(gap.at(33_001));
        gap.ends(3000, 33_002, true);
        assert_eq!(gap.longest(), 30_000, "however long, and alone");
    }

    #[test]
    fn long_polls_alone_are_no_gap() {
        let gap = Asked::new();
        for number in 0..4 {
            gap.begins(number);
        }
        gap.ends(0, 25_000, true);
        // The next one comes at once, as they do.
        gap.begins(25_001);
        gap.ends(1, 26_000, true);
        gap.ends(2, 30_000, true);
        gap.ends(3, 30_001, true);
        assert_eq!(gap.longest(), 0);
        // Beside them a request that is slow is one that waits alone.
        gap.begins(40_000);
        gap.ends(40_000, 43_000, true);
        assert_eq!(gap.longest(), 0);
        gap.ends(25_001, 50_001, true);
    }

    #[test]
    fn while_requests_go_on_coming_a_gap_is_as_long_as_it_is() {
        let gap = Asked::new();
        let came: Vec<u64> = (0..40).map(|number| 10_000 + number * 500).collect();
        came.iter().for_each(|at| gap.begins(*at));
        gap.ends(10_000, 30_000, true);
        assert_eq!(gap.longest(), 19_500, "since the second came");
        came[1..].iter().for_each(|at| gap.ends(*at, 30_001, true));
        assert_eq!(gap.longest(), 1);
        assert_eq!(gap.0.waiting(gap.0.nanos(gap.at(30_001))), 0);
        // They wait for their answers before they ask again.
        (0..8).for_each(|_| gap.begins(31_000));
        (0..8).for_each(|_| gap.ends(31_000, 34_500, true));
        assert_eq!(gap.longest(), 3500);
    }
}
