//! A copy that was given up as a crash loop is tried again: after a pause, and at once when what it needs
//! answers again. What it lacked may be back, and nobody should have to come for that.

use std::time::Duration;

use crate::units::Span;

/// The longest pause, unless the first one is longer.
const LONGEST: Span = Span::from_secs(600);

/// A crash loop: it begins when the copy is given up, and lasts until it has run well.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CrashLoop {
    /// How often it was tried again.
    tries: u32,
    /// Since when it is given up, on a clock that only goes forward; `None` while it is being tried.
    since: Option<Duration>,
    /// Whether something that it needs did not answer when it was looked at last.
    lacks: bool,
}

impl CrashLoop {
    /// It was looked at, and is given up.
    pub fn given_up(&mut self, now: Duration) {
        self.since.get_or_insert(now);
    }

    /// Whether nothing of it is being tried now.
    #[must_use]
    pub const fn is_given_up(&self) -> bool {
        self.since.is_some()
    }

    /// It is tried again.
    pub fn tried(&mut self) {
        *self = Self { tries: self.tries.saturating_add(1), ..Self::default() };
    }

    /// What it needs was asked. Answers whether all of it answers, and did not all answer before.
    pub fn has_hope(&mut self, all_answer: bool) -> bool {
        std::mem::replace(&mut self.lacks, !all_answer) && all_answer
    }

    /// How long it is left alone yet; `None`: for good. The pause is `again` at first and doubles with each
    /// try, up to ten minutes; where `again` is zero it is not tried at all.
    #[must_use]
    pub fn left(&self, again: Span, now: Duration) -> Option<Span> {
        if again.is_zero() {
            return None;
        }
        let doubled = again.as_millis().saturating_mul(2_u64.saturating_pow(self.tries));
        let pause = Span::from_millis(doubled.min(LONGEST.max(again).as_millis()));
        let waited = self.since.map_or(Duration::ZERO, |since| now.saturating_sub(since));
        let left = pause.as_duration().saturating_sub(waited);
        Some(Span::from_millis(u64::try_from(left.as_millis()).unwrap_or(u64::MAX)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: Span = Span::from_secs(60);

    fn pauses(again: Span, tries: usize) -> Vec<Option<Span>> {
        let mut crash_loop = CrashLoop::default();
        let pause = |_| {
            crash_loop.given_up(Duration::ZERO);
            let left = crash_loop.left(again, Duration::ZERO);
            crash_loop.tried();
            left
        };
        (0..tries).map(pause).collect()
    }

    #[test]
    fn each_pause_is_twice_the_last_up_to_ten_minutes() {
        let minutes = |pauses: [u64; 6]| pauses.map(|minutes| Some(Span::from_secs(minutes * 60)));
        assert_eq!(pauses(MINUTE, 6), minutes([1, 2, 4, 8, 10, 10]));
        assert_eq!(pauses(Span::from_secs(3600), 2), [Some(Span::from_secs(3600)); 2]);
        assert_eq!(pauses(MINUTE, 100).last(), Some(&Some(LONGEST)), "nothing overflows");
    }

    // proves: DC-3
    #[test]
    fn without_a_pause_it_is_left_alone_for_good() {
        assert_eq!(pauses(Span::ZERO, 3), [None; 3]);
    }

    #[test]
    fn the_pause_goes_by_from_when_it_was_given_up() {
        let mut crash_loop = CrashLoop::default();
        crash_loop.given_up(Duration::from_secs(100));
        crash_loop.given_up(Duration::from_secs(120));
        let left = |now| crash_loop.left(MINUTE, Duration::from_secs(now));
        assert_eq!(left(120), Some(Span::from_secs(40)));
        assert_eq!([left(160), left(200)], [Some(Span::ZERO); 2]);
    }

    #[test]
    fn there_is_hope_once_when_what_it_lacked_is_back() {
        let mut crash_loop = CrashLoop::default();
        let hopes = [true, false, false, true, true, false, true].map(|all| crash_loop.has_hope(all));
        assert_eq!(hopes, [false, false, false, true, false, false, true]);
    }
}
