//! Whether a process that ended by itself is started again, and when. Pure: time is an argument.

use std::time::{Duration, Instant};

use windlass_core::launch::{End, Exit};
use windlass_core::spec::{Restart, RestartWhen};

/// The restarts that still count.
#[derive(Debug, Default)]
pub(super) struct History {
    restarts: Vec<Instant>,
    /// How many in a row, for the back-off.
    streak: u32,
}

/// What follows an end.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// Start it again at this time.
    Restart(Instant),
    /// Leave it.
    End(End),
}

impl History {
    /// Decides about a process that ended with `exit` after it `ran` for a while, and counts the
    /// restart if there is to be one.
    pub(super) fn next(&mut self, policy: &Restart, exit: &Exit, ran: Duration, now: Instant) -> Next {
        match policy.when {
            // It did not end by itself: who declares what "alive" means wants it started again.
            _ if matches!(exit, Exit::NotAlive(_)) => {}
            RestartWhen::Never => return Next::End(End::Finished),
            RestartWhen::OnFailure if exit.is_success() => return Next::End(End::Finished),
            RestartWhen::Always | RestartWhen::OnFailure => {}
        }
        let window = policy.window.as_duration();
        if ran >= window {
            self.restarts.clear();
            self.streak = 0;
        }
        self.restarts.retain(|at| now.duration_since(*at) < window);
        if self.restarts.len() >= policy.limit as usize {
            return Next::End(End::CrashLoop);
        }
        let wait = policy.backoff.as_duration().saturating_mul(2_u32.saturating_pow(self.streak));
        self.streak = self.streak.saturating_add(1);
        self.restarts.push(now);
        Next::Restart(now + wait.min(policy.backoff_max.as_duration()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use windlass_core::units::Span;

    fn policy(when: RestartWhen) -> Restart {
        Restart {
            when,
            backoff: Span::from_millis(100),
            backoff_max: Span::from_millis(500),
            limit: 4,
            window: Span::from_secs(10),
        }
    }

    fn waits(history: &mut History, ran: Duration, count: usize) -> Vec<Option<u128>> {
        let mut now = Instant::now();
        (0..count)
            .map(|_| match history.next(&policy(RestartWhen::Always), &Exit::Code(1), ran, now) {
                Next::Restart(at) => {
                    let wait = at - now;
                    now = at + ran;
                    Some(wait.as_millis())
                }
                Next::End(End::CrashLoop) => None,
                Next::End(other) => panic!("{other:?}"),
            })
            .collect()
    }

    #[test]
    fn waits_double_up_to_the_longest_and_end_in_a_crash_loop() {
        let waits = waits(&mut History::default(), Duration::ZERO, 5);
        assert_eq!(waits, [Some(100), Some(200), Some(400), Some(500), None]);
    }

    #[test]
    fn a_process_that_ran_a_window_counts_as_well_again() {
        let waits = waits(&mut History::default(), Duration::from_secs(10), 20);
        assert!(waits.iter().all(|wait| *wait == Some(100)), "{waits:?}");
    }

    #[test]
    fn restarts_older_than_the_window_do_not_count() {
        // It fails every 3 s: at most 4 restarts lie within any 10 s, and the fifth is refused.
        let three = waits(&mut History::default(), Duration::from_secs(3), 6);
        assert_eq!(three.iter().flatten().count(), 6, "{three:?}");
    }

    #[test]
    fn a_job_that_succeeded_is_finished() {
        let mut history = History::default();
        let now = Instant::now();
        let mut next = |when, exit| history.next(&policy(when), &exit, Duration::ZERO, now);
        assert_eq!(next(RestartWhen::OnFailure, Exit::Code(0)), Next::End(End::Finished));
        assert_eq!(next(RestartWhen::Never, Exit::Code(3)), Next::End(End::Finished));
        assert!(matches!(next(RestartWhen::Always, Exit::Code(0)), Next::Restart(_)));
        assert!(matches!(next(RestartWhen::Never, Exit::NotAlive(String::new())), Next::Restart(_)));
        assert!(matches!(next(RestartWhen::OnFailure, Exit::OutOfMemory), Next::Restart(_)));
    }
}
