//! Watching the new release while the old one is warm. What is too bad is decided by
//! `windlass_core::policy::bake`.

use std::time::{Duration, Instant};

use windlass_core::edge::{Counters, Report};
use windlass_core::journal::Fault;
use windlass_core::name::{InstanceId, Name};
use windlass_core::plan::Plan;
use windlass_core::policy::bake::{self, Errors, Latencies, Slow};
use windlass_core::spec::{Deploy, Probe};

use super::Acting;
use crate::health::{self, Target};
use crate::host::instance::identity::Identity;
use crate::host::preflight::frozen_hint;
use crate::runtime::process;

/// How things stand once it is back, and where it says why.
fn back(plan: &Plan) -> String {
    let so =
        if plan.previous.is_some() { "the old release has the requests again" } else { "nothing is live" };
    // Only a service that is asked something can be the cause.
    let is_new = |(service, ids): &(&Name, &Vec<InstanceId>)| {
        ids.iter().any(|id| id.release == plan.release)
            && plan.spec.services.get(*service).is_some_and(|service| service.port.is_some())
    };
    let services = plan.instances.iter().filter(is_new);
    let words: Vec<&str> =
        ["windlass logs"].into_iter().chain(services.map(|(name, _)| name.as_str())).collect();
    format!("{so}; see its log with `{} --release {}`", words.join(" "), plan.release)
}

/// How often the counters are looked at.
const PACE: Duration = Duration::from_millis(100);

/// How long an answer of the old release is waited for; and at the end, for one of the proxy.
const PATIENCE: Duration = Duration::from_secs(2);

impl Acting {
    /// Watches until the bake is over; fails as soon as the release proves bad.
    pub(super) async fn bake(&self, plan: &Plan) -> Result<String, Fault> {
        let began = Instant::now();
        let whole = plan.bake().as_duration();
        let rules = &plan.spec.deploy;
        let release = plan.release.to_string();
        let before = self.host.proxy().report().await.unwrap_or_default();
        let active = self.host.journal.borrow().active().ok().flatten();
        let active = active.map(|active| active.release.instances).unwrap_or_default();
        let old = bake::replaced(&active, &plan.instances, plan.release);
        let before = bake::sum(old.iter().filter_map(|old| before.releases.get(&old.to_string())));
        let control = self.control(plan).await;
        let mut answers = Vec::new();
        let mut marks: Vec<Counters> = Vec::new();
        loop {
            if let Some(id) = self.fallen(plan) {
                return Err(self.fell(plan, &id));
            }
            if let Some((id, why)) = self.dead(plan) {
                return Err(Fault::new(format!("{id} is not alive: {why}"), back(plan)));
            }
            // One that is away for a moment is asked again. At the end somebody has to know how it was.
            let report = match self.host.proxy().report().await {
                Some(report) => report,
                None if began.elapsed() < whole => {
                    tokio::time::sleep(PACE.min(whole.saturating_sub(began.elapsed()))).await;
                    continue;
                }
                None => self.last_report().await?,
            };
            let new = report.releases.get(&release).cloned().unwrap_or_default();
            if let Some(errors) = bake::errors(rules, &new) {
                return Err(too_many_errors(plan, errors));
            }
            // At the half and at three quarters of the bake.
            let due = whole / 4 * (2 + u32::try_from(marks.len()).unwrap_or(2));
            if marks.len() < 2 && began.elapsed() >= due {
                marks.push(new.clone());
            }
            let left = whole.saturating_sub(began.elapsed());
            if left.is_zero() {
                if let Some((service, why)) = unready_service(plan, &report, |id| self.host.unready(id)) {
                    return Err(Fault::new(
                        format!("no copy of {service} is ready at the end of the bake: {why}"),
                        back(plan),
                    ));
                }
                let quarters = match marks.as_slice() {
                    [half, third] => [bake::since(third, half), bake::since(&new, third)],
                    // The machine was away for most of the bake; there is nothing to compare.
                    _ => [Counters::default(), Counters::default()],
                };
                let seen = Latencies { before, control: answers, quarters, all: new, quarter: whole / 4 };
                return match bake::latency(rules, &seen) {
                    Some(slow) => Err(too_slow(plan, slow)),
                    None => Ok(summary(rules, &seen)),
                };
            }
            if let Some(target) = control.as_ref().filter(|_| began.elapsed() >= whole / 2) {
                answers.extend(target.ask(left.min(PATIENCE)).await);
            }
            tokio::time::sleep(left.min(PACE)).await;
        }
    }

    /// What the proxy has counted when the bake is over.
    async fn last_report(&self) -> Result<Report, Fault> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            match self.host.proxy().report().await {
                Some(report) => return Ok(report),
                None if Instant::now() > deadline => break,
                None => tokio::time::sleep(PACE).await,
            }
        }
        let hint = match self.host.proxy().frozen() {
            Some(pid) => frozen_hint(pid),
            None => "see logs/proxy.log in the environment's directory, and deploy again".to_owned(),
        };
        Err(Fault::new(
            "the proxy does not answer at the end of the bake, so nobody knows how the release did",
            hint,
        ))
    }

    /// The copy of the old release that is asked during the bake: its answers say how busy the machine
    /// is, because it is warm and has nothing else to do.
    async fn control(&self, plan: &Plan) -> Option<Control> {
        let active = self.host.journal.borrow().active().ok().flatten()?;
        let old = active.release.instances.values().flatten();
        for id in old.filter(|id| plan.instances.get(&id.service).is_none_or(|new| !new.contains(id))) {
            let Ok(identity) = Identity::read(&self.host.layout.instance(id)) else { continue };
            let probe = identity.service.checks.readiness.as_ref().map(|check| check.probe.clone());
            if let Some(probe @ Probe::Http { .. }) = probe
                && let Ok(target) = self.host.target(&identity).await
            {
                return Some(Control { probe, target });
            }
        }
        None
    }

    fn fell(&self, plan: &Plan, id: &InstanceId) -> Fault {
        // Its last end says more than that it ended: out of memory, a signal, an exit code.
        let seen = process::observe(&self.host.layout.instance(id));
        let exit = seen.and_then(|seen| seen.status).and_then(|status| status.last_exit);
        let how = exit.map(|exit| format!(": {exit}")).unwrap_or_default();
        let fault = Fault::new(
            format!("{id} ended while the release was watched{how}"),
            match plan.previous {
                Some(_) => "the old release has the requests again",
                None => "nothing is live",
            },
        );
        let identity = Identity::read(&self.host.layout.instance(id));
        let tail = identity.map(|identity| self.host.tail(&identity)).unwrap_or_default();
        fault.with_tail(tail, "its log")
    }

    /// A copy of the new release that is not alive, as its check says, and is being ended for that.
    fn dead(&self, plan: &Plan) -> Option<(InstanceId, String)> {
        let health = self.host.health.borrow();
        let new = plan.instances.values().flatten().filter(|id| id.release == plan.release);
        new.filter_map(|id| Some((id.clone(), health.get(id)?.dead.clone()?))).next()
    }

    /// An instance of the new release that ended or had to be started again.
    fn fallen(&self, plan: &Plan) -> Option<InstanceId> {
        let mut new = plan.instances.values().flatten().filter(|id| id.release == plan.release);
        new.find(|id| {
            let seen = process::observe(&self.host.layout.instance(id));
            // What may end, and has ended well, has done what it was for. One that has lost its keeper goes on, and gets
            // another.
            seen.is_none_or(|seen| (!seen.is_under_way() && !seen.ended_well()) || seen.restarts() > 0)
        })
        .cloned()
    }
}

/// A service of which no new copy is ready. Whoever asked was answered by the old release, so that no
/// request need have failed.
fn unready_service(
    plan: &Plan,
    report: &Report,
    found: impl Fn(&InstanceId) -> Option<String>,
) -> Option<(Name, String)> {
    let seen = |id: &InstanceId| {
        let endpoint = report.endpoints.get(&id.to_string()).filter(|endpoint| !endpoint.healthy)?;
        Some(endpoint.reason.clone().unwrap_or_default())
    };
    plan.instances.iter().find_map(|(service, ids)| {
        let new = ids.iter().filter(|id| id.release == plan.release);
        // Why not, of all of them or of none.
        let whys: Option<Vec<String>> = new.map(|id| found(id).or_else(|| seen(id))).collect();
        Some((service.clone(), whys?.into_iter().next()?))
    })
}

/// A copy of the old release that is asked.
struct Control {
    probe: Probe,
    target: Target,
}

impl Control {
    /// How long it took to answer, in microseconds; a late answer counts as long as it was waited for.
    async fn ask(&self, patience: Duration) -> Option<u64> {
        let began = Instant::now();
        match health::probe(&self.probe, &self.target, patience).await {
            // It is being stopped or refuses: that says nothing of the machine.
            Err(_) if began.elapsed() < patience => None,
            _ => u64::try_from(began.elapsed().as_micros()).ok(),
        }
    }
}

fn too_many_errors(plan: &Plan, errors: Errors) -> Fault {
    let message = format!(
        "{} of {} requests to {} failed ({:.1} %, and {:.1} % are allowed)",
        errors.bad,
        errors.asked,
        plan.release,
        errors.rate * 100.0,
        plan.spec.deploy.max_error_rate * 100.0
    );
    Fault::new(message, back(plan))
}

fn too_slow(plan: &Plan, slow: Slow) -> Fault {
    let millis = |micros: u64| micros as f64 / 1000.0;
    if slow.usual == 0 {
        let message = format!(
            "{} of {} requests to {} got no answer in the last {:.0} ms of the bake, and none did in its second half",
            slow.over,
            slow.asked,
            plan.release,
            millis(slow.limit)
        );
        return Fault::new(message, back(plan));
    }
    let message = format!(
        "{} of {} requests to {} took more than {:.0} ms; the old release answers 95 % within {:.0} ms",
        slow.over,
        slow.asked,
        plan.release,
        millis(slow.limit),
        millis(slow.usual)
    );
    Fault::new(message, back(plan))
}

fn summary(rules: &Deploy, seen: &Latencies) -> String {
    let new = &seen.all;
    let (asked, bad) = (new.served + new.failed, new.bad());
    if asked == 0 {
        return "no requests came".to_owned();
    }
    let refused = match (bake::refused(rules, &seen.before, new), new.client_errors) {
        (Some(refused), _) => format!("; {refused}"),
        (None, 0) => String::new(),
        (None, refused) => format!(", {refused} answered with 4xx"),
    };
    format!("{asked} requests, {bad} errors{refused}")
}

#[cfg(test)]
mod tests {
    use std::rc::Rc;

    use windlass_core::edge::EndpointReport;
    use windlass_core::units::Span;
    use windlass_testkit::sample::{name, web, worker};

    use super::*;
    use crate::host::testing;

    #[tokio::test]
    async fn a_bake_of_which_nobody_knows_how_it_was_does_not_pass() {
        let (_place, host) = testing::host();
        let acting = Acting { host, emit: Rc::new(|_| ()) };
        let plan = testing::first(|spec| spec.deploy.bake = Span::from_millis(100));
        let fault = acting.bake(&plan).await.unwrap_err();
        assert!(fault.message.starts_with("the proxy does not answer at the end of the bake"), "{fault}");
    }

    /// What a check of the host side's own says counts as what the proxy's says; one of two copies is enough.
    #[test]
    fn a_service_is_not_ready_when_none_of_its_new_copies_is() {
        let plan = testing::first(|spec| {
            spec.services.insert(name("web"), web("serve"));
            spec.services.insert(name("worker"), worker("work"));
        });
        let found = |unready: &'static [&str]| {
            unready_service(&plan, &Report::default(), |id| {
                unready.contains(&id.to_string().as_str()).then(|| format!("{id} says no"))
            })
        };
        let why = |service, why: &str| Some((name(service), why.to_owned()));
        assert_eq!(found(&["web.r1.1"]), None);
        assert_eq!(found(&["web.r1.1", "web.r1.2"]), why("web", "web.r1.1 says no"));
        assert_eq!(found(&["web.r1.2", "worker.r1.1"]), why("worker", "worker.r1.1 says no"));
        let down = EndpointReport { reason: Some("no connection".to_owned()), ..EndpointReport::default() };
        let endpoints = [("web.r1.1".to_owned(), down.clone()), ("web.r1.2".to_owned(), down)];
        let report = Report { endpoints: endpoints.into_iter().collect(), ..Report::default() };
        assert_eq!(unready_service(&plan, &report, |_| None), why("web", "no connection"));
    }
}
