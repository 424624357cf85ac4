//! Watching the new release while the old one is warm.

use std::time::{Duration, Instant};

use windlass_core::edge::{Counters, LATENCY_BOUNDS_MICROS, Report};
use windlass_core::journal::Fault;
use windlass_core::plan::Plan;

use super::Acting;
use crate::host::identity::Identity;
use crate::runtime::process;

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
            judge(plan, &release, &previous, &report)?;
            let left = whole.saturating_sub(began.elapsed());
            if left.is_zero() {
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

fn judge(plan: &Plan, release: &str, before: &Report, now: &Report) -> Result<(), Fault> {
    let rules = &plan.spec.deploy;
    let Some(new) = now.releases.get(release) else { return Ok(()) };
    let asked = new.served + new.failed;
    if asked < rules.min_requests {
        return Ok(());
    }
    let bad = new.server_errors + new.failed;
    let rate = bad as f64 / asked as f64;
    let back = "the old release has the requests again; see its log with `windlass logs`";
    if rate > rules.max_error_rate {
        let message = format!(
            "{bad} of {asked} requests to {release} failed ({:.1} %, and {:.1} % are allowed)",
            rate * 100.0,
            rules.max_error_rate * 100.0
        );
        return Err(Fault::new(message, back));
    }
    let old = plan.previous.and_then(|previous| before.releases.get(&previous.to_string()));
    let (Some(slow), Some(usual)) = (p95(new), old.and_then(p95)) else { return Ok(()) };
    if is_slower(slow, usual, rules.max_p95_ratio) {
        let message = format!(
            "{release} answers in {} ms (p95), {} ms before: more than {} times as slow",
            slow as f64 / 1000.0,
            usual as f64 / 1000.0,
            rules.max_p95_ratio
        );
        return Err(Fault::new(message, back));
    }
    Ok(())
}

/// Whether a p95 (both in microseconds) is worse than the ratio allows, and by so much that somebody would notice.
fn is_slower(new: u64, old: u64, ratio: f64) -> bool {
    new as f64 > old as f64 * ratio && new.saturating_sub(old) >= NOTICEABLE_MICROS
}

/// The upper bound of the bucket that holds the 95th percentile, in microseconds.
fn p95(counters: &Counters) -> Option<u64> {
    let total: u64 = counters.latency.iter().sum();
    let mut seen = 0;
    for (count, bound) in counters.latency.iter().zip(LATENCY_BOUNDS_MICROS.iter().chain([&u64::MAX])) {
        seen += count;
        if total > 0 && seen * 100 >= total * 95 {
            return Some(*bound);
        }
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

    #[test]
    fn only_a_slowdown_that_somebody_would_notice_counts() {
        assert!(!is_slower(7_500, 2_000, 3.0), "cold caches on a busy machine");
        assert!(!is_slower(900_000, 400_000, 3.0), "slower, but within the ratio");
        assert!(is_slower(250_000, 50_000, 3.0));
    }
}
