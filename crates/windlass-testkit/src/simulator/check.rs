//! What must hold: safety after every event, wholeness when a run has ended.

use std::collections::BTreeSet;

use windlass_core::journal::{Standing, Verdict, half_done};
use windlass_core::name::InstanceId;
use windlass_core::plan::{Action, Request, resource_digest};
use windlass_core::spec::Service;

use crate::world::{Run, World, table_of};

/// What must hold at every instant.
///
/// # Errors
/// What does not.
pub fn safety(world: &World) -> Result<(), String> {
    if let Some(outrage) = world.outrages.first() {
        return Err(outrage.clone());
    }
    one_of_each_singleton(world)?;
    what_runs_can_sign_in(world)?;
    requests_reach_ready_copies(world)?;
    current_is_complete(world)
}

fn one_of_each_singleton(world: &World) -> Result<(), String> {
    let mut seen: Vec<(&InstanceId, bool)> = Vec::new();
    for (id, _) in world.instances.iter().filter(|(_, i)| i.running) {
        let single = world.service_of(id).is_some_and(Service::is_alone);
        let other = seen.iter().find(|(other, alone)| other.service == id.service && (*alone || single));
        if let Some((other, _)) = other {
            return Err(format!("singleton: {other} and {id} run at the same time"));
        }
        seen.push((id, single));
    }
    Ok(())
}

fn what_runs_can_sign_in(world: &World) -> Result<(), String> {
    for id in world.running() {
        for (name, seen) in &world.resources {
            let lost = world.signs_in(&id, name).filter(|credential| !seen.credentials.contains(credential));
            if let Some(credential) = lost {
                return Err(format!("credential: {id} runs, and {name} does not know {credential}"));
            }
        }
        for (setting, good) in &world.sources {
            if let Some(value) = world.given(&id, setting).filter(|value| !good.contains(value)) {
                return Err(format!("value: {id} runs with {value} of {setting}, which is good no more"));
            }
        }
    }
    Ok(())
}

fn requests_reach_ready_copies(world: &World) -> Result<(), String> {
    for id in world.traffic.pools.values().flatten() {
        let fit = world.instances.get(id).is_some_and(|i| i.ready || i.died);
        // What could not be started again, or must not while its successor may run, is reported;
        // requests go to the others.
        let given_up = |action: &Action| match action {
            Action::StopInstance { instance, .. } => instance == id,
            Action::StartInstance { instance, .. } => instance.service == id.service,
            _ => false,
        };
        if !fit && !world.runs.iter().any(|run| run.failed_to_undo(given_up)) {
            return Err(format!("traffic: requests go to {id}, which is not ready"));
        }
    }
    Ok(())
}

fn current_is_complete(world: &World) -> Result<(), String> {
    let sealed = |id| world.trees.get(&id).is_some_and(|tree| tree.sealed);
    if let Some(active) = &world.active
        && !sealed(active.tree.id)
    {
        return Err(format!("current: the active {} has no finished tree", active.release));
    }
    match world.current {
        Some(tree) if !sealed(tree) => {
            Err(format!("current: it names releases/{tree}, which is not finished"))
        }
        _ => Ok(()),
    }
}

/// A run that is over holds no lock.
///
/// # Errors
/// That it does.
pub fn lock_is_free(world: &World, run: usize) -> Result<(), String> {
    if world.holds_lock(run) { Err(format!("lock: run {run} is over and holds it")) } else { Ok(()) }
}

/// What must hold of a run at the instant at which its end is written.
///
/// # Errors
/// What does not.
pub fn wholeness(world: &World, index: usize) -> Result<(), String> {
    let run = &world.runs[index];
    let verdict = run.verdict().ok_or("ended: without a verdict")?;
    match verdict {
        Verdict::Done | Verdict::DoneWithProblems(_) => committed(world, run, *verdict == Verdict::Done),
        Verdict::Stuck { .. } => Ok(()),
        Verdict::Refused(_) | Verdict::Failed(_) | Verdict::RolledBack(_) => gone_back(world, run),
    }
    .map_err(|why| format!("{why} (ended {verdict:?})"))
}

fn committed(world: &World, run: &Run, wholly: bool) -> Result<(), String> {
    let plan = &run.plan;
    let active = world.active.as_ref().ok_or("new: the ledger names no release")?;
    if active.release != plan.release || active.instances != plan.instances {
        return Err(format!("new: the ledger names {}, not {}", active.release, plan.release));
    }
    if world.current != Some(active.tree.id) {
        return Err("new: current does not name the active release".into());
    }
    let wanted: BTreeSet<InstanceId> = plan.instances.values().flatten().cloned().collect();
    let running = world.running();
    if let Some(lost) = wanted.difference(&running).find(|id| !has_died(world, id)) {
        return Err(format!("new: {lost} does not run"));
    }
    if !wholly {
        return Ok(());
    }
    if let Some(left) = running.difference(&wanted).next() {
        let own = plan.changes.iter().any(|change| change.service == left.service);
        if own || !matches!(plan.request, Request::Stop { .. }) {
            return Err(format!("new: {left} still runs"));
        }
    }
    // Stopping what gets no requests leaves the proxy's table as it is, also one that a run before could not clear up.
    let untouched = matches!(plan.request, Request::Stop { .. })
        && run.before.as_deref().is_some_and(|before| before.traffic == world.traffic);
    if world.traffic != table_of(Some(active)) && !untouched {
        return Err("new: requests do not go where the release says".into());
    }
    for (setting, good) in &world.sources {
        let wanted = plan.spec.settings.get(setting).map(|setting| &setting.fingerprint);
        if good.iter().collect::<Vec<_>>() != Vec::from_iter(wanted)
            && !matches!(plan.request, Request::Stop { .. })
        {
            return Err(format!("new: {good:?} of {setting} are good, not {wanted:?} alone"));
        }
    }
    resources_as_said(world, run)
}

fn resources_as_said(world: &World, run: &Run) -> Result<(), String> {
    let stops = match &run.plan.request {
        Request::Stop { services } if services.is_empty() => true,
        Request::Stop { .. } => return Ok(()),
        _ => false,
    };
    for (name, seen) in &world.resources {
        let wanted = run.plan.spec.resources.get(name).filter(|r| r.is_private() && !stops);
        let wanted = wanted.map(|_| resource_digest(&run.plan.spec, name));
        if seen.running != wanted.is_some() || wanted.is_some_and(|digest| digest != seen.digest) {
            return Err(format!("new: the resource {name} is not as the release says"));
        }
        let credential = run.plan.spec.resources.get(name).and_then(|resource| resource.credential());
        if let Some(credential) = credential.filter(|_| !stops)
            && seen.credentials != [credential]
        {
            return Err(format!("new: {name} knows {:?}, not {credential} alone", seen.credentials));
        }
    }
    Ok(())
}

fn gone_back(world: &World, run: &Run) -> Result<(), String> {
    let plan = &run.plan;
    let stop = matches!(plan.request, Request::Stop { .. });
    let kept = !half_done(plan, &Standing::of(plan, &run.records)).is_empty();
    if !stop && !kept && plan.tree.id == plan.release && world.trees.contains_key(&plan.release) {
        return Err(format!("old: releases/{} is left behind", plan.release));
    }
    let Some(before) = run.before.as_deref() else { return Ok(()) };
    if world.active != before.active || world.releases != before.releases {
        return Err("old: the ledger is not what it was".into());
    }
    let own: BTreeSet<InstanceId> =
        before.active.iter().flat_map(|a| a.instances.values().flatten()).cloned().collect();
    let (was, is) = (before.running(), world.running());
    if let Some(lost) = was.intersection(&own).find(|id| !is.contains(*id) && !has_died(world, id)) {
        return Err(format!("old: {lost} no longer runs"));
    }
    if let Some(left) = is.difference(&was).find(|id| !own.contains(*id)) {
        return Err(format!("old: {left} of the failed release still runs"));
    }
    if world.traffic != before.traffic && world.traffic != table_of(before.active.as_ref()) {
        let (is, was) = (&world.traffic.pools, &before.traffic.pools);
        return Err(format!("old: requests go to {is:?} and not where they went, {was:?}"));
    }
    for (setting, good) in &world.sources {
        let active = before.active.as_ref().and_then(|active| active.spec.settings.get(setting));
        let first = || active.map(|setting| setting.fingerprint.clone()).into_iter().collect();
        let old: Vec<String> = before.sources.get(setting).cloned().unwrap_or_else(first);
        if *good != old {
            return Err(format!("old: {good:?} of {setting} are good, not {old:?}"));
        }
    }
    for (name, seen) in &world.resources {
        let old = before.resources.get(name);
        let owned = before.active.as_ref().is_some_and(|a| a.spec.resources.contains_key(name));
        if !owned && old.is_some_and(|old| old.running) {
            continue; // A run that got stuck had left it: nothing needs it, and it may be stopped.
        }
        if old.is_none_or(|old| !old.running) == seen.running
            || old.is_some_and(|old| seen.running && old != seen)
        {
            return Err(format!("old: the resource {name} is not as it was"));
        }
    }
    Ok(())
}

fn has_died(world: &World, id: &InstanceId) -> bool {
    world.instances.get(id).is_some_and(|instance| instance.died)
}
