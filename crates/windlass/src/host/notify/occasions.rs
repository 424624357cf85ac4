//! When there is something to tell.

use std::rc::Rc;
use std::time::{Duration, Instant};

use indexmap::IndexMap;
use windlass_core::event::RunRecord;
use windlass_core::journal::Verdict;
use windlass_core::name::{InstanceId, Name};
use windlass_core::notice::Notice;
use windlass_core::plan::Plan;
use windlass_core::spec::Occasion;
use windlass_core::units::Span;

use super::streak::Streak;
use crate::clock;
use crate::engine::Active;
use crate::host::Host;
use crate::runtime::process::{Ended, Observation};

/// What lasts is told of again after this time.
const DAY: Duration = Duration::from_secs(24 * 3600);

impl Host {
    /// A run has ended.
    pub(in crate::host) fn tell_of_run(self: &Rc<Self>, plan: &Plan, record: &RunRecord, verdict: &Verdict) {
        let (app, environment) = (plan.spec.app.as_str(), plan.spec.environment.as_str());
        if let Some(notice) = Notice::of_run(app, environment, record, verdict) {
            self.tell(&plan.spec, plan.release, &notice);
        }
    }

    /// A copy was given up as a crash loop; it is tried again after this pause, unless that is zero.
    pub(in crate::host) fn tell_of_crash_loop(
        self: &Rc<Self>,
        active: &Active,
        id: &InstanceId,
        ended: &Ended,
        again: Span,
    ) {
        let then = match again.is_zero() {
            true => "is not started again".to_owned(),
            false => format!("is tried again in {again}, and ever more seldom"),
        };
        let summary = format!("{id} ended too often and {then}");
        let reason = ended.exit.as_ref().map(|exit| format!("it ended the last time with: {exit}"));
        self.tell_now(active, Occasion::CrashLoop, &id.to_string(), summary, reason);
    }

    /// A private resource was looked at: one that does not stay up is told of once, and goes on being started.
    pub(in crate::host) fn tell_of_failing_resource(
        self: &Rc<Self>,
        active: &Active,
        name: &Name,
        seen: &Observation,
    ) {
        let (restarts, now) = (seen.restarts(), Instant::now());
        let is_to_be_told = self
            .post
            .streaks
            .borrow_mut()
            .entry(name.clone())
            .or_insert_with(|| Streak::new(restarts, now))
            .is_to_be_told(restarts, now);
        if is_to_be_told {
            let summary = format!("{name} does not stay up; it is started again and again");
            let exit = seen.status.as_ref().and_then(|status| status.last_exit.as_ref());
            let reason = exit.map(|exit| format!("it ended the last time with: {exit}"));
            self.tell_now(active, Occasion::CrashLoop, name.as_str(), summary, reason);
        }
    }

    /// A copy was restarted because it was not alive.
    pub(in crate::host) fn tell_of_unhealthy(self: &Rc<Self>, active: &Active, id: &InstanceId, why: String) {
        let summary = format!("{id} was not alive and is restarted");
        self.tell_now(active, Occasion::Unhealthy, &id.to_string(), summary, Some(why));
    }

    /// Copies of a service that runs were looked at, each of which may take so long to `start`: those that are not
    /// ready, and why.
    pub(in crate::host) fn tell_of_unready(
        self: &Rc<Self>,
        active: &Active,
        service: &Name,
        unready: &IndexMap<InstanceId, String>,
        start: Span,
    ) {
        let ids: Vec<InstanceId> = unready.keys().cloned().collect();
        let told = self.post.unready.borrow_mut().look(service, &ids, start.as_duration(), Instant::now());
        let Some((id, lasted)) = told else { return };
        let copies = active.release.instances.get(service).map_or(0, Vec::len);
        let others = match copies.saturating_sub(unready.len()) {
            0 => format!("; no copy of {service} is"),
            ready => format!("; {ready} of {copies} are"),
        };
        let summary = format!("{id} has not been ready for {}{others}", Span::from_secs(lasted.as_secs()));
        self.tell_now(active, Occasion::Unhealthy, &id.to_string(), summary, unready.get(&id).cloned());
    }

    /// What is wrong with certificates, as the proxy says, is told of once a day, and what is new of it at once.
    pub(in crate::host) fn tell_of_certificates(self: &Rc<Self>, active: &Active, problems: &[String]) {
        if !is_to_be_told(&mut self.post.certificates.borrow_mut(), problems, Instant::now()) {
            return;
        }
        let (app, _) = self.names();
        let summary = "a certificate cannot be used, or soon not any more".to_owned();
        self.tell_now(active, Occasion::Certificate, app.as_str(), summary, Some(problems.join("; ")));
    }

    /// A cron job failed.
    pub(in crate::host) fn tell_of_cron(self: &Rc<Self>, active: &Active, name: &Name, why: String) {
        let summary = format!("the cron job {name} failed");
        self.tell_now(active, Occasion::CronFailed, name.as_str(), summary, Some(why));
    }

    fn tell_now(
        self: &Rc<Self>,
        active: &Active,
        occasion: Occasion,
        subject: &str,
        summary: String,
        reason: Option<String>,
    ) {
        let (app, environment) = self.names();
        let notice = Notice {
            occasion,
            app: app.to_string(),
            environment: environment.to_string(),
            subject: subject.to_owned(),
            summary,
            reason,
            by: None,
            at: clock::wall_millis(),
        };
        self.tell(&active.release.spec, active.release.id, &notice);
    }
}

/// Whether these problems are told of now, which is noted in `told`.
fn is_to_be_told(told: &mut Option<(Instant, Vec<String>)>, problems: &[String], now: Instant) -> bool {
    if problems.is_empty() {
        *told = None;
        return false;
    }
    let is_known = told.as_ref().is_some_and(|(at, known)| {
        now.saturating_duration_since(*at) < DAY && problems.iter().all(|problem| known.contains(problem))
    });
    if !is_known {
        *told = Some((now, problems.to_vec()));
    }
    !is_known
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_certificate_is_told_of_although_one_was_told_of_today() {
        let (mut told, now) = (None, Instant::now());
        let (one, other) = ("a.pem has expired".to_owned(), "b.pem has expired".to_owned());
        assert!(is_to_be_told(&mut told, std::slice::from_ref(&one), now));
        assert!(!is_to_be_told(&mut told, std::slice::from_ref(&one), now));
        assert!(is_to_be_told(&mut told, &[one.clone(), other], now));
        assert!(!is_to_be_told(&mut told, std::slice::from_ref(&one), now), "it is one less");
        assert!(is_to_be_told(&mut told, std::slice::from_ref(&one), now + DAY));
        assert!(!is_to_be_told(&mut told, &[], now));
        assert!(is_to_be_told(&mut told, &[one], now), "it came again");
    }
}
