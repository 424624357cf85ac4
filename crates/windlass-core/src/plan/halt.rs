//! Stopping what runs.

use indexmap::IndexMap;

use super::compose::traffic_of;
use super::script::Script;
use super::{
    Action, Activation, Change, Compensation, Observed, PLAN_VERSION, Phase, Plan, PlanError, Reason,
    Request, Traffic, resource_digest, service_digest,
};
use crate::name::{InstanceId, Name};
use crate::units::Span;

/// Plans to stop these services, or, when none are named, all of them and then the resources.
///
/// Requests are turned away first; then it is committed, so that whoever looks later knows that
/// nothing here should run; then everything stops, what needs others before them.
pub(super) fn plan(services: &[Name], observed: &Observed) -> Result<Plan, PlanError> {
    let active = observed.active.as_ref().ok_or(PlanError::NothingDeployed)?;
    if let Some(unknown) = services.iter().find(|name| !active.spec.services.contains_key(*name)) {
        return Err(PlanError::UnknownService(
            unknown.clone(),
            active.spec.services.keys().cloned().collect(),
        ));
    }
    let all = services.is_empty();
    let chosen = |name: &Name| all || services.contains(name);
    let resources: Vec<Name> = observed
        .resources
        .iter()
        .filter(|(_, seen)| seen.running && all)
        .map(|(name, _)| name.clone())
        .collect();
    let mut instances = active.instances.clone();
    for (_, ids) in instances.iter_mut().filter(|(name, _)| chosen(name)) {
        ids.clear();
    }
    let mut stopped: Vec<Name> = active.spec.services.keys().rev().cloned().collect();
    // Copies of services that the release does not name were left by a run that got stuck.
    let known = |name: &Name| active.spec.services.contains_key(name);
    stopped.extend(observed.instances.iter().map(|i| i.id.service.clone()).filter(|name| !known(name)));
    stopped.dedup();
    let changes: Vec<Change> = stopped
        .iter()
        .filter_map(|name| {
            let from = observed.running(name).count() as u32;
            let change = Change { service: name.clone(), reason: Reason::Asked, from, to: 0 };
            (chosen(name) && from > 0).then_some(change)
        })
        .collect();
    let nothing_to_do = changes.is_empty()
        && resources.is_empty()
        && instances == active.instances
        && (!all || active.stopped);

    let mut script = Script::default();
    if !nothing_to_do {
        script.then_step(Phase::Lock, Action::TakeLock, Compensation::Unneeded);
        turn_away(&mut script, active, &instances, all, left_over(active, observed));
        script.then_step(Phase::Commit, Action::Commit, Compensation::Unneeded);
        for change in &changes {
            script.then();
            let listens = active.spec.services.get(&change.service).is_some_and(|s| s.port.is_some());
            let drain = if listens { active.spec.deploy.drain } else { Span::ZERO };
            for instance in observed.running(&change.service) {
                let stop = Action::StopInstance { instance: instance.id.clone(), drain };
                script.step(Phase::Retire, stop, Compensation::Unneeded);
            }
        }
        // Whoever looks after the release may have had these back before the commit.
        let dead = observed.instances.iter().filter(|i| !i.running && chosen(&i.id.service));
        script.then();
        for instance in dead.filter(|i| is_own(active, &i.id)) {
            let stop = Action::StopInstance { instance: instance.id.clone(), drain: Span::ZERO };
            script.step(Phase::Retire, stop, Compensation::Unneeded);
        }
        script.then();
        for resource in resources {
            script.step(Phase::Retire, Action::StopResource { resource }, Compensation::Unneeded);
        }
    }

    Ok(Plan {
        version: PLAN_VERSION,
        request: Request::Stop { services: services.to_vec() },
        release: active.release,
        previous: Some(active.release),
        tree: active.tree.clone(),
        spec: active.spec.clone(),
        instances,
        digests: digests(active, observed),
        anyway: false,
        base: observed.fingerprint(),
        changes,
        parts: Vec::new(),
        steps: script.finish(),
    })
}

fn turn_away(
    script: &mut Script,
    active: &Activation,
    left: &IndexMap<Name, Vec<InstanceId>>,
    all: bool,
    left_over: bool,
) {
    let before = if active.stopped {
        Traffic::default()
    } else {
        traffic_of(&active.spec, active.release, &active.instances)
    };
    let after = if all || active.stopped {
        Traffic::default()
    } else {
        traffic_of(&active.spec, active.release, left)
    };
    if before != after || left_over {
        let back = Compensation::Always(Action::SwitchTraffic { traffic: before });
        script.then_step(Phase::Switch, Action::SwitchTraffic { traffic: after }, back);
    }
}

/// Whether copies run that the release does not count: requests may still go to them.
fn left_over(active: &Activation, observed: &Observed) -> bool {
    observed.instances.iter().any(|i| i.running && !is_own(active, &i.id))
}

fn is_own(active: &Activation, id: &InstanceId) -> bool {
    active.instances.get(&id.service).is_some_and(|ids| ids.contains(id))
}

/// What runs keeps the digest it was seen with.
fn digests(active: &Activation, observed: &Observed) -> IndexMap<Name, String> {
    let services = active.spec.services.iter().map(|(name, _)| {
        let seen = observed.running(name).next().map(|i| i.digest.clone());
        let digest = seen.unwrap_or_else(|| service_digest(&active.spec, name, &active.tree.source));
        (name.clone(), digest)
    });
    let resources =
        active.spec.resources.keys().map(|name| (name.clone(), resource_digest(&active.spec, name)));
    services.chain(resources).collect()
}
