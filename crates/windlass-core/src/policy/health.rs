//! From single answers of a probe to a verdict.
//!
//! A [`Gate`] judges an instance that starts: it answers once, and its answer is final. A
//! [`Monitor`] judges an instance that runs: it wants several answers in a row before it changes
//! its mind.

use crate::spec::Check;
use crate::units::Span;

/// What a [`Gate`] has found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GateVerdict {
    /// Not yet known.
    Waiting,
    /// Enough successes in a row came in time. Final.
    Ready,
    /// They did not come in time. Final.
    Failed,
}

/// Judges an instance that starts, by its startup or readiness check.
#[derive(Debug, Clone)]
pub struct Gate {
    check: Check,
    streak: u32,
    verdict: GateVerdict,
}

impl Gate {
    /// A gate that has seen nothing.
    #[must_use]
    pub const fn new(check: Check) -> Self {
        Self { check, streak: 0, verdict: GateVerdict::Waiting }
    }

    /// When, after it was opened, the gate closes.
    #[must_use]
    pub const fn deadline(&self) -> Span {
        self.check.start_period
    }

    /// Takes an answer that came so long after the gate was opened.
    pub fn observe(&mut self, healthy: bool, since_open: Span) -> GateVerdict {
        if self.verdict == GateVerdict::Waiting && since_open <= self.deadline() {
            self.streak = if healthy { self.streak.saturating_add(1) } else { 0 };
            if self.streak >= self.check.healthy_after.max(1) {
                self.verdict = GateVerdict::Ready;
            }
        }
        self.passed(since_open)
    }

    /// Takes the passing of time.
    pub fn passed(&mut self, since_open: Span) -> GateVerdict {
        if self.verdict == GateVerdict::Waiting && since_open >= self.deadline() {
            self.verdict = GateVerdict::Failed;
        }
        self.verdict
    }
}

/// Whether an instance that runs is well.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Health {
    /// It is.
    Healthy,
    /// It is not.
    Unhealthy,
}

/// Judges an instance that runs, by its readiness or liveness check.
#[derive(Debug, Clone)]
pub struct Monitor {
    check: Check,
    health: Health,
    /// Answers in a row that speak against `health`.
    against: u32,
}

impl Monitor {
    /// A monitor of an instance that counts as healthy: its gate has passed it.
    #[must_use]
    pub const fn new(check: Check) -> Self {
        Self { check, health: Health::Healthy, against: 0 }
    }

    /// A monitor of an instance that has to answer first.
    #[must_use]
    pub const fn of_unproven(check: Check) -> Self {
        Self { check, health: Health::Unhealthy, against: 0 }
    }

    /// What it holds now.
    #[must_use]
    pub const fn health(&self) -> Health {
        self.health
    }

    /// Takes an answer that came `since_start` after the instance's start; answers with the new
    /// health when this answer changed it. Failures within the start period do not count.
    pub fn observe(&mut self, healthy: bool, since_start: Span) -> Option<Health> {
        match (self.health, healthy) {
            (Health::Healthy, true) | (Health::Unhealthy, false) => self.against = 0,
            (Health::Healthy, false) if since_start < self.check.start_period => self.against = 0,
            _ => self.against = self.against.saturating_add(1),
        }
        let (wanted, other) = match self.health {
            Health::Healthy => (self.check.unhealthy_after, Health::Unhealthy),
            Health::Unhealthy => (self.check.healthy_after, Health::Healthy),
        };
        if self.against < wanted.max(1) {
            return None;
        }
        (self.health, self.against) = (other, 0);
        Some(other)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::Probe;
    use proptest::prelude::*;

    fn check(healthy_after: u32, unhealthy_after: u32, start_period: u64) -> Check {
        Check {
            probe: Probe::Tcp,
            interval: Span::from_secs(1),
            timeout: Span::from_secs(1),
            start_period: Span::from_secs(start_period),
            healthy_after,
            unhealthy_after,
        }
    }

    fn secs(n: usize) -> Span {
        Span::from_secs(n as u64)
    }

    #[test]
    fn a_slow_start_just_in_time_passes_and_just_late_fails() {
        let mut gate = Gate::new(check(1, 3, 10));
        assert_eq!(gate.observe(false, Span::from_millis(9_000)), GateVerdict::Waiting);
        assert_eq!(gate.observe(true, Span::from_millis(9_999)), GateVerdict::Ready);
        let mut gate = Gate::new(check(1, 3, 10));
        assert_eq!(gate.observe(false, Span::from_millis(9_999)), GateVerdict::Waiting);
        assert_eq!(gate.observe(true, Span::from_millis(10_001)), GateVerdict::Failed);
        assert_eq!(gate.observe(true, Span::from_millis(10_002)), GateVerdict::Failed);
    }

    /// What a command asks is often what all copies share: they fall together, and are needed again together.
    #[test]
    fn a_rise_wants_no_more_answers_after_many_falls() {
        let mut monitor = Monitor::new(check(2, 2, 0));
        for _ in 0..6 {
            let changes = [false, false, true, true].map(|healthy| monitor.observe(healthy, Span::ZERO));
            assert_eq!(changes, [None, Some(Health::Unhealthy), None, Some(Health::Healthy)]);
        }
    }

    #[test]
    fn failures_in_the_start_period_do_not_count() {
        let mut monitor = Monitor::new(check(1, 2, 10));
        assert!((1..10).all(|at| monitor.observe(false, secs(at)).is_none()));
        assert_eq!(monitor.observe(false, secs(10)), None);
        assert_eq!(monitor.observe(false, secs(11)), Some(Health::Unhealthy));
    }

    #[test]
    fn who_has_to_answer_first_is_unhealthy_until_then() {
        let mut monitor = Monitor::of_unproven(check(2, 1, 0));
        assert_eq!((monitor.health(), monitor.observe(true, secs(1))), (Health::Unhealthy, None));
        assert_eq!(monitor.observe(false, secs(2)), None);
        assert_eq!(monitor.observe(true, secs(3)), None);
        assert_eq!(monitor.observe(true, secs(4)), Some(Health::Healthy));
    }

    proptest! {
        #[test]
        fn a_gate_answers_once_and_only_after_enough_successes_in_a_row(
            answers in prop::collection::vec(any::<bool>(), 0..60),
            wanted in 1..5_u32, period in 1..70_u64,
        ) {
            let mut gate = Gate::new(check(wanted, 3, period));
            let mut decided = None;
            for (at, &healthy) in answers.iter().enumerate() {
                let verdict = gate.observe(healthy, secs(at + 1));
                if let Some(decided) = decided {
                    prop_assert_eq!(verdict, decided);
                } else if verdict == GateVerdict::Ready {
                    let streak = answers[..=at].iter().rev().take_while(|&&healthy| healthy).count();
                    prop_assert!(streak >= wanted as usize && at < period as usize);
                } else if verdict == GateVerdict::Failed {
                    prop_assert!(at + 1 >= period as usize);
                }
                if verdict != GateVerdict::Waiting {
                    decided = Some(verdict);
                }
            }
        }

        #[test]
        fn a_monitor_changes_only_after_enough_answers_in_a_row(
            answers in prop::collection::vec(any::<bool>(), 0..200),
            up in 1..5_u32, down in 1..5_u32,
        ) {
            let mut monitor = Monitor::new(check(up, down, 0));
            let mut changes = 0_u32;
            for (at, &healthy) in answers.iter().enumerate() {
                let Some(health) = monitor.observe(healthy, secs(at + 1)) else { continue };
                changes += 1;
                prop_assert_eq!(health == Health::Healthy, changes.is_multiple_of(2));
                let streak = answers[..=at].iter().rev().take_while(|&&a| a == healthy).count();
                let wanted = if health == Health::Healthy { up } else { down };
                prop_assert!(streak >= wanted as usize);
            }
        }
    }
}
