//! Stopping what runs.

use super::script::Script;
use super::{Action, Change, Compensation, Observed, PLAN_VERSION, Phase, Plan, PlanError, Reason, Request};
use crate::name::Name;
use crate::units::Span;

/// Plans to stop these services, or, when none are named, all of them and then the resources.
pub(super) fn plan(services: &[Name], observed: &Observed) -> Result<Plan, PlanError> {
    let active = observed.active.as_ref().ok_or(PlanError::NothingDeployed)?;
    if let Some(unknown) = services.iter().find(|name| !active.spec.services.contains_key(*name)) {
        return Err(PlanError::UnknownService(
            unknown.clone(),
            active.spec.services.keys().cloned().collect(),
        ));
    }
    let chosen = |name: &Name| services.is_empty() || services.contains(name);

    let mut script = Script::default();
    script.then_step(Phase::Lock, Action::TakeLock, Compensation::Unneeded);
    let mut changes: Vec<Change> = Vec::new();
    // What needs others stops before them.
    for (name, service) in active.spec.services.iter().rev().filter(|(name, _)| chosen(name)) {
        script.then();
        let drain = if service.port.is_some() { active.spec.deploy.drain } else { Span::ZERO };
        let mut from = 0;
        for instance in observed.running(name) {
            let back = Action::StartInstance { instance: instance.id.clone(), ready: true };
            let stop = Action::StopInstance { instance: instance.id.clone(), drain };
            script.step(Phase::Retire, stop, Compensation::Always(back));
            from += 1;
        }
        if from > 0 {
            changes.push(Change { service: name.clone(), reason: Reason::Asked, from, to: 0 });
        }
    }
    let resources = observed.resources.iter().filter(|(_, seen)| seen.running && services.is_empty());
    let resources: Vec<Name> = resources.map(|(name, _)| name.clone()).collect();
    let mut instances = active.instances.clone();
    instances.retain(|name, _| !chosen(name));

    let nothing_runs = changes.is_empty() && resources.is_empty();
    if !nothing_runs {
        script.then_step(Phase::Commit, Action::Commit, Compensation::Unneeded);
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
        digests: indexmap::IndexMap::new(),
        base: observed.fingerprint(),
        changes,
        steps: if nothing_runs { Vec::new() } else { script.finish() },
    })
}
