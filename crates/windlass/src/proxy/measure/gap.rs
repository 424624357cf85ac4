//! The longest time in which no answer began although it was due.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

const SECOND: u64 = 1_000_000_000;

/// Who has been answered within that time was no long poll, whoever else was answered meanwhile; nanoseconds.
const PATIENCE: u64 = 5 * SECOND;

/// What lies no further apart happens at once: the answers after an outage, or a refusal and the next attempt; nanoseconds.
const AT_ONCE: u64 = SECOND;

const NEVER: u64 = u64::MAX;

/// Measures the longest time in which no answer began although it was due: while at least two requests waited, from
/// the second one on. One that waits alone may be a slow one; one that is held because nothing is ready counts as two.
///
/// What still waits says nothing, as it may be a long poll: a time without an answer counts once two that waited through
/// it have ended. However long they waited, they count
/// - when they end badly: refused, failed, or given up by the client;
/// - when they end well, and at once with the first answer after that time, and nothing was answered while they waited.
///   Who waited long while others were answered is a long poll. Within [`PATIENCE`] neither is asked.
///
/// Refusals in a row are one such time, until somebody is answered well.
///
/// Not to be told apart from outages, and told as such: long polls that begin together and end together with nothing
/// answered meanwhile (also when what ends them is the one request that is answered), and those that are lost while nothing
/// else is answered. Not to be told apart from long polls, and not
/// told: late answers that come one by one, more than [`AT_ONCE`] apart, to requests that all waited longer than
/// [`PATIENCE`]. None is lost then.
pub(in crate::proxy) struct Gap {
    origin: Instant,
    /// How many wait.
    waiting: AtomicU64,
    /// When the first of those that wait came where nobody waited; as all times here, nanoseconds since the origin.
    came: AtomicU64,
    /// When the last good answer began.
    mark: AtomicU64,
    /// The time without an answer of which those that end are asked. Without a good answer since, it goes on.
    from: AtomicU64,
    to: AtomicU64,
    /// When the first and the second of those came that waited through it, and have ended.
    first: AtomicU64,
    second: AtomicU64,
    longest: AtomicU64,
}

impl Gap {
    pub(in crate::proxy) fn new() -> Self {
        Self {
            origin: Instant::now(),
            waiting: AtomicU64::new(0),
            came: AtomicU64::new(0),
            mark: AtomicU64::new(0),
            from: AtomicU64::new(NEVER),
            to: AtomicU64::new(0),
            first: AtomicU64::new(NEVER),
            second: AtomicU64::new(NEVER),
            longest: AtomicU64::new(0),
        }
    }

    fn nanos(&self, at: Instant) -> u64 {
        u64::try_from(at.saturating_duration_since(self.origin).as_nanos()).unwrap_or(u64::MAX)
    }

    pub(in crate::proxy) fn request_begins(&self, began: Instant) {
        if self.waiting.fetch_add(1, Ordering::Relaxed) == 0 {
            self.came.store(self.nanos(began), Ordering::Relaxed);
        }
    }

    /// A request that began then waits no more, from `at` on; only a good answer ends the time without one.
    pub(in crate::proxy) fn wait_ends(&self, began: Instant, at: Instant, good: bool) {
        let (began, at) = (self.nanos(began), self.nanos(at));
        let alone = self.waiting.fetch_sub(1, Ordering::Relaxed) <= 1;
        let mark = match good {
            true => self.mark.fetch_max(at, Ordering::Relaxed),
            false => self.mark.load(Ordering::Relaxed),
        };
        let longest = self.longest.load(Ordering::Relaxed);
        // Most have nothing to tell.
        if good && at.saturating_sub(began) <= longest && at.saturating_sub(mark) <= longest {
            return;
        }
        self.ends(began, at, mark, good, alone);
        if good && alone {
            // Nobody is left who could have waited through it.
            self.ask_of(NEVER, at, NEVER);
        }
    }

    /// A request was held in that time, because nothing was ready. That it is held no more is no answer yet.
    pub(in crate::proxy) fn was_held(&self, since: Instant, until: Instant) {
        let (since, until, mark) = (self.nanos(since), self.nanos(until), self.mark.load(Ordering::Relaxed));
        self.ends(since, until, mark, false, false);
        self.ends(since, until, mark, false, false);
    }

    /// One ends that came at `began`, and after which none waits if it was `alone`. The last good answer before was at
    /// `mark`.
    fn ends(&self, began: u64, at: u64, mark: u64, good: bool, alone: bool) {
        // In this order: with the end of a time its beginning is seen.
        let to = self.to.load(Ordering::Acquire);
        let from = self.from.load(Ordering::Acquire);
        let is_long_poll =
            |from: u64| good && at.saturating_sub(began) > PATIENCE && began.saturating_add(AT_ONCE) < from;
        // One after another, and none beside them, is nobody's outage.
        let next = if alone { to } else { to.saturating_add(AT_ONCE) };
        if from == mark && began < next {
            // It has gone on until now.
            self.to.fetch_max(at, Ordering::Release);
            if !is_long_poll(from) {
                self.count(began, from, at);
            }
            return;
        }
        let (length, after) = (to.saturating_sub(from), at.saturating_sub(to));
        let longest = self.longest.load(Ordering::Relaxed);
        let is_in_time = !good || after < AT_ONCE || at.saturating_sub(began) <= PATIENCE;
        if began < to && length > longest && is_in_time && !is_long_poll(from) {
            self.count(began, from, to);
        }
        let since = if good { mark.max(self.came.load(Ordering::Relaxed)) } else { mark };
        let new = at.saturating_sub(since);
        // The one before is asked of for as long as another that waited through it may end.
        if (after >= AT_ONCE || new > length) && (!good || new > longest) {
            self.ask_of(since, at, if is_long_poll(since) { NEVER } else { began });
        }
    }

    /// One that came at `began` waited through the time from `from` to `to`.
    fn count(&self, began: u64, from: u64, to: u64) {
        let other = self.first.fetch_min(began, Ordering::AcqRel).max(began);
        let second = self.second.fetch_min(other, Ordering::AcqRel).min(other);
        self.longest.fetch_max(to.saturating_sub(from.max(second)), Ordering::Relaxed);
    }

    /// From here on it is asked who waited through this time; who came at `first` did.
    fn ask_of(&self, from: u64, to: u64, first: u64) {
        self.second.store(NEVER, Ordering::Release);
        self.first.store(first, Ordering::Release);
        self.from.store(from, Ordering::Release);
        self.to.store(to, Ordering::Release);
    }

    pub(in crate::proxy) fn longest_micros(&self) -> u64 {
        self.longest.load(Ordering::Relaxed) / 1000
    }

    /// From here on two more must have waited.
    pub(in crate::proxy) fn reset(&self) {
        self.first.store(NEVER, Ordering::Release);
        self.second.store(NEVER, Ordering::Release);
        self.longest.store(0, Ordering::Relaxed);
    }
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

        /// Requests that are answered in 5 ms, one each half second.
        fn traffic(&self, from: u64, to: u64) {
            (from..to).step_by(500).for_each(|at| self.answered(at));
        }

        fn answered(&self, at: u64) {
            self.begins(at);
            self.ends(at, at + 5, true);
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
        assert_eq!(gap.longest(), 4, "since the second came");
        (0..3).for_each(|_| gap.begins(2000));
        gap.ends(2000, 2003, false);
        gap.ends(2000, 2007, true);
        assert_eq!(gap.longest(), 7, "a refusal is no answer");
        gap.ends(2000, 2008, true);
        // Each takes two seconds, one after another.
        (0..4).for_each(|number| gap.begins(3000 + number));
        (0..4).for_each(|number| gap.ends(3000 + number, 5000 + 2000 * number, true));
        assert_eq!(gap.longest(), 1999, "what is told is over, and somebody else waited through it");
    }

    #[test]
    fn what_is_held_is_nobodys_slowness() {
        let gap = Asked::new();
        gap.begins(3000);
        gap.0.was_held(gap.at(3001), gap.at(33_001));
        assert_eq!(gap.longest(), 30_000, "however long, and alone");
        gap.ends(3000, 33_002, true);
        assert_eq!(gap.longest(), 0, "told already");
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
        assert_eq!(gap.longest(), 0);
    }

    #[test]
    fn long_polls_beside_others_are_no_gap() {
        let gap = Asked::new();
        (0..3).for_each(|_| gap.begins(0));
        gap.traffic(100, 25_000);
        // A message to all.
        gap.ends(0, 25_000, true);
        gap.ends(0, 25_001, true);
        gap.traffic(25_100, 30_000);
        assert_eq!(gap.longest(), 0);
        // Its client goes.
        gap.ends(0, 30_000, false);
        assert_eq!(gap.longest(), 0);
    }

    #[test]
    fn long_polls_that_come_back_at_once_do_not_wait_for_what_others_ask() {
        let gap = Asked::new();
        gap.answered(0);
        (0..5).for_each(|_| gap.begins(10));
        gap.answered(4910);
        assert_eq!(gap.longest(), 0);
        (0..5).for_each(|number| gap.ends(10, 25_010 + number, true));
        assert_eq!(gap.longest(), 0);
    }

    #[test]
    fn lost_requests_are_a_gap_as_long_as_they_waited() {
        let gap = Asked::new();
        let clients = || 0..4_u64;
        clients().for_each(|client| gap.answered(client));
        clients().for_each(|client| gap.begins(10 + client));
        clients().for_each(|client| {
            gap.ends(10 + client, 30_010 + client, false);
            gap.begins(30_015 + client);
        });
        assert_eq!(gap.0.longest_micros() / 1000, 30_002, "since the second came");
        clients().for_each(|client| gap.ends(30_015 + client, 60_015 + client, false));
        assert_eq!(gap.longest(), 60_007, "they asked again at once");
        // Another outage, after a good answer.
        gap.answered(70_000);
        [80_000, 80_001].into_iter().for_each(|at| gap.begins(at));
        [80_000, 80_001].into_iter().for_each(|at| gap.ends(at, at + 7000, false));
        assert_eq!(gap.longest(), 7000);
        // Failures hours apart are none.
        [100_000, 200_000].into_iter().for_each(|at| {
            gap.begins(at);
            gap.ends(at, at + 1000, false);
        });
        assert_eq!(gap.longest(), 0);
    }

    #[test]
    fn late_answers_are_a_gap_as_long_as_nobody_was_answered() {
        let gap = Asked::new();
        let clients = || 0..4_u64;
        clients().for_each(|client| gap.begins(9980 + client));
        clients().for_each(|client| {
            gap.ends(9980 + client, 9990 + 3 * client, true);
            gap.begins(9991 + 3 * client);
        });
        assert_eq!(gap.longest(), 9);
        clients().for_each(|client| {
            gap.ends(9991 + 3 * client, 22_000 + client, true);
            gap.answered(22_000 + client);
        });
        assert_eq!(gap.longest(), 22_000 - 9999);
        // Who asks again at once is no witness, and hides none.
        gap.answered(22_100);
        assert_eq!(gap.longest(), 0);
    }

    #[test]
    fn refusals_of_one_who_asks_again_and_again_are_no_gap() {
        let gap = Asked::new();
        for at in (0..60_000).step_by(900) {
            gap.begins(at);
            gap.ends(at, at + 3, false);
            if at % 9900 == 0 {
                gap.answered(at + 100);
            }
        }
        assert_eq!(gap.longest(), 0);
    }

    #[test]
    fn where_few_ask_a_gap_begins_with_the_second() {
        for good in [true, false] {
            let gap = Asked::new();
            (0..20_000).step_by(4000).for_each(|at| gap.answered(at));
            assert_eq!(gap.longest(), 0);
            let came = [20_000, 24_000, 28_000];
            came.into_iter().for_each(|at| gap.begins(at));
            // All at last, or each after half a minute.
            came.into_iter().for_each(|at| gap.ends(at, if good { 32_000 } else { at + 30_000 }, good));
            assert_eq!(gap.longest(), if good { 8000 } else { 34_000 });
        }
    }

    #[test]
    fn while_requests_go_on_coming_a_gap_is_as_long_as_it_is() {
        let gap = Asked::new();
        let came: Vec<u64> = (0..40).map(|number| 10_000 + number * 500).collect();
        came.iter().for_each(|at| gap.begins(*at));
        // The last one first.
        came.iter().rev().for_each(|at| gap.ends(*at, 30_000, true));
        assert_eq!(gap.longest(), 19_500, "since the second came");
        // They wait for their answers before they ask again.
        (0..8).for_each(|_| gap.begins(31_000));
        (0..8).for_each(|_| gap.ends(31_000, 34_500, true));
        assert_eq!(gap.longest(), 3500);
        // Nothing is asked for a time, and then much: that is not a long time to compare with.
        [60_000, 60_001, 60_002].into_iter().for_each(|at| gap.begins(at));
        [60_000, 60_001].into_iter().for_each(|at| gap.ends(at, at + 5, true));
        [60_010, 60_011].into_iter().for_each(|at| gap.begins(at));
        [60_010, 60_011].into_iter().for_each(|at| gap.ends(at, 60_800, true));
        assert_eq!(gap.longest(), 789);
    }
}
