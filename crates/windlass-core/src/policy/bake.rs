//! Whether a release that is being watched is bad: by its errors as soon as there are enough, by its
//! latency when the bake is over.
//!
//! Latency is judged with care, because a good release that is sent back is a failed deploy for
//! nothing. A fresh process is slow at first, a busy machine slows everybody down, and a few requests
//! prove little. So all of these must hold:
//!
//! - in both parts of the bake's second half (the first half, in which it loads and connects, says
//!   nothing) more than one in twenty requests took longer than they may, and so many more that it is
//!   no accident (Wilson's lower bound, 95 %);
//! - "longer than they may" is measured by the old release: what it took before the switch, or, where
//!   that is more, what it takes now, while it is warm and idle: a machine that is too busy slows it
//!   down as well;
//! - the difference is one that somebody would notice.
//!
//! A release that does not answer at all has nothing in its histogram. So it is also too slow when of
//! all requests that it was asked in the bake as many were waiting for all of the last quarter. That holds
//! also where nothing is known of the old release, if nothing at all was answered in the second half; then only
//! where that quarter is longer than a request is held on purpose (long polling), which nobody can tell from
//! silence by less.

use std::collections::BTreeSet;
use std::time::Duration;

use indexmap::IndexMap;

use crate::edge::{Counters, LATENCY_BOUNDS_MICROS};
use crate::event::Refused;
use crate::name::{InstanceId, Name, ReleaseId};
use crate::spec::Deploy;

/// A slowdown of less than this says nothing: the first requests to fresh processes on a busy machine
/// easily take a few milliseconds instead of one, whatever the release.
const NOTICEABLE_MICROS: u64 = 100_000;

/// The share of 4xx among a release's answers from which on it may be a jump.
const JUMP: f64 = 0.25;

/// The share of requests above the 95th percentile.
const SHARE: f64 = 0.05;

/// The quantile of the normal distribution for 95 % on one side.
const Z: f64 = 1.645;

/// A request that is held until there is news waits for as long as this at the most, as is usual.
const LONGEST_POLL: Duration = Duration::from_secs(60);

/// So few answers of the old release during the bake say nothing.
const FEWEST_ANSWERS: usize = 5;

/// Too many requests failed.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Errors {
    /// How many failed.
    pub bad: u64,
    /// Of how many.
    pub asked: u64,
    /// Their share, 0 to 1.
    pub rate: f64,
}

/// What is known of latencies when the bake is over.
#[derive(Debug, Clone, Default)]
pub struct Latencies {
    /// What the old release had counted before the switch.
    pub before: Counters,
    /// How long the old release took to answer its own health check during the second half of the
    /// bake, in microseconds; empty where it has none.
    pub control: Vec<u64>,
    /// What the new release counted in the third quarter of the bake, and in the fourth.
    pub quarters: [Counters; 2],
    /// What the new release has counted since the switch.
    pub all: Counters,
    /// How long a quarter of the bake is.
    pub quarter: Duration,
}

/// It is too slow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Slow {
    /// What more than one in twenty requests exceeded, in microseconds.
    pub limit: u64,
    /// How many did, in the second half of the bake; or how many still waited at its end.
    pub over: u64,
    /// Of how many; in all of the bake, where many still waited.
    pub asked: u64,
    /// The p95 of the old release, in microseconds: before, or now where that is more; 0 where nothing is
    /// known of it.
    pub usual: u64,
}

/// Judges the errors of the new release; `None` while there is nothing to hold against it.
#[must_use]
pub fn errors(rules: &Deploy, new: &Counters) -> Option<Errors> {
    let asked = new.served + new.failed;
    let bad = new.bad();
    let rate = bad as f64 / asked.max(1) as f64;
    (asked >= rules.min_requests && rate > rules.max_error_rate).then_some(Errors { bad, asked, rate })
}

/// What of the new release's answers were 4xx, where that is a jump: no reason to go back, because it may be
/// what it is for, and many clients may ask for what there is not; but somebody should look.
#[must_use]
pub fn refused(rules: &Deploy, before: &Counters, new: &Counters) -> Option<Refused> {
    let share = |counters: &Counters| counters.client_errors as f64 / counters.served.max(1) as f64;
    let jumped = share(new) >= JUMP && share(new) > 2.0 * share(before);
    (new.served >= rules.min_requests && jumped).then_some(Refused {
        refused: new.client_errors,
        answered: new.served,
        refused_before: before.client_errors,
        answered_before: before.served,
    })
}

/// Judges the latency of the new release when the bake is over; `None` when there is nothing to hold
/// against it.
#[must_use]
pub fn latency(rules: &Deploy, seen: &Latencies) -> Option<Slow> {
    let waiting = |usual: u64, limit: u64| {
        // Of all requests since the switch, not of the last quarter's: those that take long are always
        // among the ones that wait, however rare they are.
        let over = seen.quarters[1].waiting;
        let asked = seen.all.served + seen.all.failed + seen.all.waiting;
        let waited = u64::try_from(seen.quarter.as_micros()).unwrap_or(u64::MAX);
        let is_slow = waited >= limit && asked >= rules.min_requests && surely_more(over, asked);
        is_slow.then_some(Slow { limit, over, asked, usual })
    };
    let Some(usual) = p95(&seen.before) else {
        // What is usual is not known; that nothing is answered at all is not.
        let is_silent = seen.quarters.iter().all(|quarter| quarter.served + quarter.failed == 0);
        let waited = u64::try_from(seen.quarter.as_micros()).unwrap_or(u64::MAX);
        return waiting(0, waited).filter(|_| is_silent && seen.quarter > LONGEST_POLL);
    };
    let usual = usual.max(control_p95(&seen.control).unwrap_or(0));
    let limit = ((usual as f64 * rules.max_p95_ratio) as u64).max(usual.saturating_add(NOTICEABLE_MICROS));
    let counted = seen.quarters.each_ref().map(|quarter| over(quarter, limit));
    let (over, asked) = counted.iter().fold((0, 0), |sum, part| (sum.0 + part.0, sum.1 + part.1));
    let sure = counted.iter().all(|(over, asked)| surely_more(*over, *asked));
    if asked >= rules.min_requests && sure {
        return Some(Slow { limit, over, asked, usual });
    }
    waiting(usual, limit)
}

/// The releases by whose counts a new release is judged: those that answered for the services which get new
/// copies. A release that leaves a service alone answers for none of its requests.
#[must_use]
pub fn replaced(
    active: &IndexMap<Name, Vec<InstanceId>>,
    new: &IndexMap<Name, Vec<InstanceId>>,
    release: ReleaseId,
) -> BTreeSet<ReleaseId> {
    let is_new = |name: &Name| new.get(name).into_iter().flatten().any(|id| id.release == release);
    let replaced = active.iter().filter(|(name, _)| is_new(name));
    // As the proxy does, which counts a pool's requests for the newest copy's release.
    replaced.filter_map(|(_, ids)| ids.iter().map(|id| id.release).max()).collect()
}

/// What several releases counted, together.
#[must_use]
pub fn sum<'a>(counters: impl Iterator<Item = &'a Counters>) -> Counters {
    counters.fold(Counters::default(), |sum, more| {
        let buckets = sum.latency.len().max(more.latency.len());
        let at = |counters: &Counters, bucket: usize| counters.latency.get(bucket).copied().unwrap_or(0);
        Counters {
            served: sum.served + more.served,
            server_errors: sum.server_errors + more.server_errors,
            client_errors: sum.client_errors + more.client_errors,
            failed: sum.failed + more.failed,
            server_errors_rescued: sum.server_errors_rescued + more.server_errors_rescued,
            failed_rescued: sum.failed_rescued + more.failed_rescued,
            drained: sum.drained + more.drained,
            cut: sum.cut + more.cut,
            cut_at_drain: sum.cut_at_drain + more.cut_at_drain,
            cut_server_errors: sum.cut_server_errors + more.cut_server_errors,
            waiting: sum.waiting + more.waiting,
            latency: (0..buckets).map(|bucket| at(&sum, bucket) + at(more, bucket)).collect(),
        }
    })
}

/// What was counted since `then`. Those that wait are the ones that waited all the time, as far as is
/// sure: not even if all answers since then had been theirs would they have been answered.
#[must_use]
pub fn since(now: &Counters, then: &Counters) -> Counters {
    let latency = now.latency.iter().enumerate();
    let served = now.served.saturating_sub(then.served);
    let failed = now.failed.saturating_sub(then.failed);
    Counters {
        served,
        server_errors: now.server_errors.saturating_sub(then.server_errors),
        client_errors: now.client_errors.saturating_sub(then.client_errors),
        failed,
        server_errors_rescued: now.server_errors_rescued.saturating_sub(then.server_errors_rescued),
        failed_rescued: now.failed_rescued.saturating_sub(then.failed_rescued),
        drained: now.drained.saturating_sub(then.drained),
        cut: now.cut.saturating_sub(then.cut),
        cut_at_drain: now.cut_at_drain.saturating_sub(then.cut_at_drain),
        cut_server_errors: now.cut_server_errors.saturating_sub(then.cut_server_errors),
        waiting: then.waiting.saturating_sub(served + failed).min(now.waiting),
        latency: latency
            .map(|(at, count)| count.saturating_sub(then.latency.get(at).copied().unwrap_or(0)))
            .collect(),
    }
}

/// The upper bound of the bucket that holds the 95th percentile, in microseconds.
fn p95(counters: &Counters) -> Option<u64> {
    let total: u64 = counters.latency.iter().sum();
    let mut seen = 0;
    let buckets = counters.latency.iter().zip(LATENCY_BOUNDS_MICROS.iter().chain([&u64::MAX]));
    buckets.filter(|_| total > 0).find_map(|(count, bound)| {
        seen += count;
        (seen * 100 >= total * 95).then_some(*bound)
    })
}

fn control_p95(answers: &[u64]) -> Option<u64> {
    let mut sorted = answers.to_vec();
    sorted.sort_unstable();
    let at = (sorted.len() * 95).div_ceil(100).saturating_sub(1);
    sorted.get(at).copied().filter(|_| sorted.len() >= FEWEST_ANSWERS)
}

/// How many requests took at least `limit`, as far as the buckets tell for sure, and how many there
/// were.
fn over(counters: &Counters, limit: u64) -> (u64, u64) {
    let lower = [0].into_iter().chain(LATENCY_BOUNDS_MICROS);
    let over = counters.latency.iter().zip(lower).filter(|(_, from)| *from >= limit);
    (over.map(|(count, _)| count).sum(), counters.latency.iter().sum())
}

/// Whether the share of `over` in `asked` is more than [`SHARE`] and that is no accident: Wilson's
/// lower bound.
fn surely_more(over: u64, asked: u64) -> bool {
    if asked == 0 {
        return false;
    }
    let n = asked as f64;
    let share = over as f64 / n;
    let spread = Z * (share * (1.0 - share) / n + Z * Z / (4.0 * n * n)).sqrt();
    (share + Z * Z / (2.0 * n) - spread) / (1.0 + Z * Z / n) > SHARE
}

#[cfg(test)]
mod tests;
