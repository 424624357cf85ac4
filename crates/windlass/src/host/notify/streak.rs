//! A resource that ends again and again. It is never given up, so that nothing but counting tells.

use std::time::{Duration, Instant};

/// So many ends in a row are told of.
const OFTEN: u32 = 5;

/// A resource that ran so long without an end is well again; between two starts lie 30 seconds at the most.
const WELL: Duration = Duration::from_secs(120);

/// What was seen of a resource.
pub(super) struct Streak {
    /// How often it had been started again when the row began, and when it was looked at last.
    first: u32,
    last: u32,
    changed: Instant,
    told: bool,
}

impl Streak {
    pub(super) fn new(restarts: u32, now: Instant) -> Self {
        Self { first: restarts, last: restarts, changed: now, told: false }
    }

    /// Whether it is to be told now that a resource does not stay up, which has been started again so often.
    pub(super) fn is_to_be_told(&mut self, restarts: u32, now: Instant) -> bool {
        if restarts < self.last || (restarts == self.last && now.duration_since(self.changed) > WELL) {
            *self = Self::new(restarts, now);
            return false;
        }
        if restarts > self.last {
            (self.last, self.changed) = (restarts, now);
        }
        let often = !self.told && self.last - self.first >= OFTEN;
        self.told |= often;
        often
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_of_ends_is_told_of_once() {
        let began = Instant::now();
        let mut streak = Streak::new(3, began);
        let told: Vec<bool> =
            (1..=20).map(|n| streak.is_to_be_told(3 + n, began + Duration::from_secs(30) * n)).collect();
        assert_eq!(told.iter().position(|told| *told), Some(4));
        assert_eq!(told.iter().filter(|told| **told).count(), 1);
        // It has been well for a while, and is not any more.
        let later = began + Duration::from_secs(3000);
        assert!(!streak.is_to_be_told(23, later));
        let again: Vec<bool> =
            (1..=5).map(|n| streak.is_to_be_told(23 + n, later + Duration::from_secs(n.into()))).collect();
        assert_eq!(again, [false, false, false, false, true]);
    }

    #[test]
    fn ends_now_and_then_are_no_row() {
        let began = Instant::now();
        let mut streak = Streak::new(0, began);
        for n in 1..50 {
            let at = began + Duration::from_secs(600) * n;
            assert!(!streak.is_to_be_told(n - 1, at) && !streak.is_to_be_told(n, at));
        }
        assert!(!streak.is_to_be_told(0, began + Duration::from_secs(1 << 20)), "another keeper");
    }
}
