//! Watching the new release while the old one is warm.

use std::time::{Duration, Instant};

use windlass_core::edge::{Counters, LATENCY_BOUNDS_MICROS, Report};
use windlass_core::journal::Fault;
use windlass_core::plan::Plan;

use super::Acting;
use crate::host::identity::Identity;
use crate::runtime::process;

/// What became of it, for people.
const BACK: &str = "the old release has the requests again; see its log with `windlass logs`";

/// How often the counters are looked at.
const PACE: Duration = Duration::from_millis(200);

/// A slowdown of less than this says nothing: the first requests to fresh processes on a busy machine easily take
/// a few milliseconds instead of one, whatever the release.
const NOTICEABLE_MICROS: u64 = 100_000;

impl Acting {
    /// Watches until the bake is over; fails as soon as the release proves bad.
    pub(super) async fn bake(&self, plan: &Plan) -> Result<String, Fault> {
        let began = Instant::now();
        let whole = plan.spec.deploy.bake.as_duration();
        let release = plan.release.to_string();
        let previous = self.host.proxy().report().await.unwrap_or_default();
        let mut warm: Option<Counters> = None;
        loop {
            if let Some(id) = self.fallen(plan) {
                let mut fault = Fault::new(
                    format!("{id} ended while the release was watched"),
                    "the old release has the requests again; the lines above are the end of its log",
                );
                if let Ok(identity) = Identity::read(&self.host.layout.instance(&id)) {
                    fault.tail = self.host.tail(&identity);
                }
                return Err(fault);
            }
            let report = self.host.proxy().report().await.unwrap_or_default();
            let new = report.releases.get(&release).cloned().unwrap_or_default();
            judge_errors(plan, &new)?;
            if warm.is_none() && began.elapsed() >= whole / 2 {
                warm = Some(new.clone());
            }
            let left = whole.saturating_sub(began.elapsed());
            if left.is_zero() {
                judge_latency(plan, &previous, &since(&new, &warm.unwrap_or_default()))?;
                return Ok(summary(report.releases.get(&release)));
            }
            tokio::time::sleep(left.min(PACE)).await;
        }
    }

    /// An instance of the new release that ended or had to be started again.
    fn fallen(&self, plan: &Plan) -> Option<windlass_core::name::InstanceId> {
        let mut new = plan.instances.values().flatten().filter(|id| id.release == plan.release);
        new.find(|id| {
            let seen = process::observe(&self.host.layout.instance(id));
            seen.is_none_or(|seen| !seen.keeper_alive || seen.has_ended() || seen.restarts() > 0)
        })
        .cloned()
    }
}

fn judge_errors(plan: &Plan, new: &Counters) -> Result<(), Fault> {
    let rules = &plan.spec.deploy;
    let asked = new.served + new.failed;
    if asked < rules.min_requests {
        return Ok(());
    }
    let bad = new.server_errors + new.failed;
    let rate = bad as f64 / asked as f64;
    if rate > rules.max_error_rate {
        let message = format!(
            "{bad} of {asked} requests to {} failed ({:.1} %, and {:.1} % are allowed)",
            plan.release,
            rate * 100.0,
            rules.max_error_rate * 100.0
        );
        return Err(Fault::new(message, BACK));
    }
    Ok(())
}

/// Whether a p95 (both in microseconds) is worse than the ratio allows, and by so much that somebody would notice.
fn is_slower(new: u64, old: u64, ratio: f64) -> bool {
    new as f64 > old as f64 * ratio && new.saturating_sub(old) >= NOTICEABLE_MICROS
}

/// Judges the second half of the bake: the first requests of every release are slow, because it
/// loads, compiles and connects only then, and that says nothing about the release.
fn judge_latency(plan: &Plan, before: &Report, warm: &Counters) -> Result<(), Fault> {
    let rules = &plan.spec.deploy;
    let old = plan.previous.and_then(|previous| before.releases.get(&previous.to_string()));
    let (Some((slow, _)), Some((_, usual))) = (p95(warm), old.and_then(p95)) else { return Ok(()) };
    if warm.served + warm.failed >= rules.min_requests && is_slower(slow, usual, rules.max_p95_ratio) {
        let message = format!(
            "{} takes {slow} us or more (p95), {usual} us at the most before: more than {} times as slow",
            plan.release, rules.max_p95_ratio
        );
        return Err(Fault::new(message, BACK));
    }
    Ok(())
}

/// What was counted since `then`.
fn since(now: &Counters, then: &Counters) -> Counters {
    let latency = now.latency.iter().enumerate();
    Counters {
        served: now.served.saturating_sub(then.served),
        failed: now.failed.saturating_sub(then.failed),
        latency: latency
            .map(|(at, count)| count.saturating_sub(then.latency.get(at).copied().unwrap_or(0)))
            .collect(),
        ..Counters::default()
    }
}

/// Between which bounds the 95th percentile lies, in microseconds. Two releases are told apart by
/// the near ends of their bounds: they may lie in neighbouring buckets and be equally fast.
fn p95(counters: &Counters) -> Option<(u64, u64)> {
    let total: u64 = counters.latency.iter().sum();
    let mut seen = 0;
    let mut below = 0;
    for (count, bound) in counters.latency.iter().zip(LATENCY_BOUNDS_MICROS.iter().chain([&u64::MAX])) {
        seen += count;
        if total > 0 && seen * 100 >= total * 95 {
            return Some((below, *bound));
        }
        below = *bound;
    }
    None
}

fn summary(counters: Option<&Counters>) -> String {
    match counters {
        Some(counters) => format!(
            "{} requests, {} errors",
            counters.served + counters.failed,
            counters.server_errors + counters.failed
        ),
        None => "no requests came".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counted(counts: &[(usize, u64)]) -> Counters {
        let mut latency = vec![0; LATENCY_BOUNDS_MICROS.len() + 1];
        counts.iter().for_each(|(at, count)| latency[*at] = *count);
        Counters { served: latency.iter().sum(), latency, ..Counters::default() }
    }

    #[test]
    fn the_95th_percentile_lies_between_the_bounds_of_its_bucket() {
        assert_eq!(p95(&counted(&[])), None);
        assert_eq!(p95(&counted(&[(0, 1)])), Some((0, 100)));
        assert_eq!(p95(&counted(&[(3, 95), (11, 5)])), Some((500, 1_000)));
        assert_eq!(p95(&counted(&[(3, 94), (11, 6)])), Some((25_000, 50_000)));
        assert_eq!(p95(&counted(&[(20, 1)])), Some((10_000_000, u64::MAX)));
    }

    #[test]
    fn what_a_cold_release_took_does_not_count() {
        let cold = counted(&[(14, 20)]);
        let all = counted(&[(11, 40), (14, 20)]);
        let warm = since(&all, &cold);
        assert_eq!((warm.served, p95(&warm)), (40, Some((25_000, 50_000))));
        assert_eq!(since(&all, &Counters::default()).served, 60);
    }

    #[test]
    fn only_a_slowdown_that_somebody_would_notice_counts() {
        assert!(!is_slower(7_500, 2_000, 3.0), "cold caches on a busy machine");
        assert!(!is_slower(900_000, 400_000, 3.0), "slower, but within the ratio");
        assert!(is_slower(250_000, 50_000, 3.0));
    }
}
