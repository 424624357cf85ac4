//! From what is wanted and what was seen to a plan.

use std::collections::BTreeSet;

use indexmap::IndexMap;

use super::change::{Fate, fate, removed};
use super::part::parts;
use super::rollout::Rollout;
use super::script::Script;
use super::{
    Action, Compensation, Observed, PLAN_VERSION, Phase, Plan, PlanError, Reason, Request, Rotated, Traffic,
    Tree, Wanted, credential, halt, job_digest, resource_digest, value,
};
use crate::name::{InstanceId, Name, ReleaseId};
use crate::spec::{Job, Port, Spec, Undo, When};
use crate::units::Span;

/// Plans how the world that was seen becomes the one that is wanted. A plan without steps says that
/// it is so already.
///
/// # Errors
/// [`PlanError`] when the request names what does not exist or contradicts the specification.
pub fn plan(wanted: &Wanted, observed: &Observed) -> Result<Plan, PlanError> {
    let mut spec = wanted.spec.clone();
    match &wanted.request {
        Request::Stop { services } => return halt::plan(services, observed),
        Request::Restart { services } => {
            known(&spec, services.iter())?;
            if !services.is_empty() {
                must_not_be_stopped(observed)?;
            }
        }
        Request::Scale { replicas } => {
            known(&spec, replicas.keys())?;
            must_not_be_stopped(observed)?;
            scale(&mut spec, replicas)?;
        }
        Request::Deploy | Request::Rollback { .. } | Request::Rotate { .. } => {}
    }
    if wanted.request != Request::Deploy && observed.active.is_none() {
        return Err(PlanError::NothingDeployed);
    }

    let release = ReleaseId(observed.next_release.max(1));
    carry(&mut spec, &wanted.request, observed)?;
    match &wanted.request {
        Request::Rotate { what: Rotated::Resource(name) } => {
            credential::renew(&mut spec, name, release, observed)?;
        }
        Request::Rotate { what: Rotated::Setting(name) } => value::renew(&mut spec, name, observed)?,
        _ => {}
    }
    let existing = reusable(wanted, observed);
    if existing.is_none() && wanted.source.path.is_empty() {
        return Err(PlanError::TreeMissing);
    }
    let tree = Tree { id: existing.unwrap_or(release), source: wanted.source.clone() };
    let mut fates: IndexMap<Name, Fate> = spec
        .services
        .iter()
        .map(|(name, service)| {
            (name.clone(), fate(&wanted.request, &spec, &wanted.source, observed, name, service))
        })
        .collect();
    let gone = removed(&spec, observed);

    let jobs = due_jobs(wanted, &spec, &tree, observed);
    let resources = due_resources(&spec, observed);
    let active = observed.active.as_ref();
    let unchanged = active.is_some_and(|a| a.spec == spec && a.tree.id == tree.id && !a.stopped)
        && existing.is_some()
        && fates.values().all(|f| f.change.reason == Reason::Unchanged)
        && gone.is_empty()
        && jobs.is_empty()
        && resources.is_empty()
        && credential::left(&spec, observed).next().is_none()
        && value::left(&spec, observed).next().is_none();

    let mut plan = Plan {
        version: PLAN_VERSION,
        request: wanted.request.clone(),
        release,
        previous: active.map(|a| a.release),
        tree,
        instances: fates.iter().map(|(name, fate)| (name.clone(), fate.instances())).collect(),
        digests: digests(&spec, &fates),
        anyway: false,
        base: observed.fingerprint(),
        changes: Vec::new(),
        parts: Vec::new(),
        steps: Vec::new(),
        spec,
    };
    if !unchanged {
        plan.parts = active.map(|active| parts(&plan.spec, &plan.tree, active)).unwrap_or_default();
        let mut script = Script::default();
        script.then_step(Phase::Preflight, Action::Preflight, Compensation::Unneeded);
        if existing.is_none() {
            build(&mut script, &plan);
        }
        script.then_step(Phase::Lock, Action::TakeLock, Compensation::Unneeded);
        start_resources(&mut script, &plan, &resources, observed);
        credential::add(&mut script, &plan);
        value::add(&mut script, &plan);
        run_jobs(&mut script, &plan.spec, &jobs);
        let active = active.filter(|a| !a.stopped);
        let old = active.map(|a| traffic_of(&a.spec, a.release, &a.instances)).unwrap_or_default();
        let fit = of_those_that_run(&old, observed);
        let rollout = Rollout { plan: &plan, fates: &fates, old, fit };
        rollout.write(&mut script);
        retire(&mut script, &plan, &fates, &gone, observed);
        clean_up(&mut script, &plan, observed);
        plan.steps = script.finish();
    }
    fates.extend(gone.into_iter().map(|fate| (fate.change.service.clone(), fate)));
    plan.changes = fates.into_values().map(|fate| fate.change).collect();
    Ok(plan)
}

/// What is in force and no specification is typed with: credentials, and which values were replaced.
/// Refuses what names services while everything is stopped: only they would start, and the rest stay down.
fn must_not_be_stopped(observed: &Observed) -> Result<(), PlanError> {
    match observed.active.as_ref().is_some_and(|active| active.stopped) {
        true => Err(PlanError::Stopped),
        false => Ok(()),
    }
}

fn carry(spec: &mut Spec, request: &Request, observed: &Observed) -> Result<(), PlanError> {
    credential::carry(spec, observed);
    value::carry(spec, request, observed)
}

/// The specification as a plan for `observed` has it.
///
/// # Errors
/// [`PlanError`] when a setting has a value that was replaced.
pub fn carried(mut spec: Spec, request: &Request, observed: &Observed) -> Result<Spec, PlanError> {
    carry(&mut spec, request, observed)?;
    Ok(spec)
}

/// The finished tree to run from, where there is one: the release's own for whatever goes on with a
/// release, and for a deploy one of the same source. Of the latter only those of releases that were committed: the tree of
/// another run that is still under way is removed when that run goes back.
fn reusable(wanted: &Wanted, observed: &Observed) -> Option<ReleaseId> {
    let active = observed.active.as_ref().map(|a| a.tree.id);
    let own = match &wanted.request {
        Request::Deploy => None,
        Request::Rollback { to, .. } => {
            observed.releases.iter().find(|(release, _)| release == to).map(|(_, tree)| *tree)
        }
        Request::Restart { .. } | Request::Scale { .. } | Request::Stop { .. } | Request::Rotate { .. } => {
            active
        }
    };
    if let Some(own) = own.filter(|own| observed.trees.iter().any(|tree| tree.id == *own)) {
        return Some(own);
    }
    let committed =
        |id: ReleaseId| Some(id) == active || observed.releases.iter().any(|(_, tree)| *tree == id);
    let same = |tree: &&Tree| tree.source.digest == wanted.source.digest && committed(tree.id);
    observed.trees.iter().rev().find(same).map(|tree| tree.id)
}

fn known<'a>(spec: &Spec, names: impl Iterator<Item = &'a Name>) -> Result<(), PlanError> {
    for name in names {
        if !spec.services.contains_key(name) {
            return Err(PlanError::UnknownService(name.clone(), spec.services.keys().cloned().collect()));
        }
    }
    Ok(())
}

fn scale(spec: &mut Spec, replicas: &IndexMap<Name, u32>) -> Result<(), PlanError> {
    for (name, count) in replicas {
        if let Some(service) = spec.services.get_mut(name) {
            match service.port {
                _ if *count <= 1 => {}
                _ if service.singleton => return Err(PlanError::SingletonReplicas(name.clone())),
                Some(Port::Fixed(port)) => return Err(PlanError::FixedPortReplicas(name.clone(), port)),
                _ => {}
            }
            service.replicas = *count;
        }
    }
    Ok(())
}

fn digests(spec: &Spec, fates: &IndexMap<Name, Fate>) -> IndexMap<Name, String> {
    let services = fates.iter().map(|(name, fate)| (name.clone(), fate.digest.clone()));
    let resources = spec.resources.keys().map(|name| (name.clone(), resource_digest(spec, name)));
    services.chain(resources).collect()
}

/// The jobs that a deploy runs before anything starts: seeds that never ran, and the others unless
/// they are unchanged and ran in this very tree. Going back runs none: the schema stays, and who wants it
/// taken back does that first (`windlass run JOB --undo`).
fn due_jobs(wanted: &Wanted, spec: &Spec, tree: &Tree, observed: &Observed) -> Vec<Name> {
    if wanted.request != Request::Deploy {
        return Vec::new();
    }
    let due = |name: &Name, job: &Job| match job.when {
        When::Once => !observed.once_done.contains(name),
        When::BeforeStart | When::AfterSwitch => {
            observed.jobs_done.get(name) != Some(&job_digest(spec, name, tree))
        }
        When::Manual => false,
    };
    spec.jobs.iter().filter(|(name, job)| due(name, job)).map(|(name, _)| name.clone()).collect()
}

fn due_resources(spec: &Spec, observed: &Observed) -> Vec<Name> {
    let due = |name: &Name| {
        let digest = resource_digest(spec, name);
        observed.resources.get(name).is_none_or(|seen| !seen.running || seen.digest != digest)
    };
    let private = spec.resources.iter().filter(|(_, resource)| resource.is_private());
    private.map(|(name, _)| name).filter(|name| due(name)).cloned().collect()
}

fn build(script: &mut Script, plan: &Plan) {
    let tree = plan.tree.id;
    let discard = Compensation::Always(Action::RemoveTree { tree });
    script.then_step(Phase::Build, Action::FetchSource { tree }, discard);
    for index in 0..plan.spec.build.steps.len() {
        script.then_step(Phase::Build, Action::Build { tree, index }, Compensation::Unneeded);
    }
    script.then_step(Phase::Build, Action::SealTree { tree }, Compensation::Unneeded);
}

fn start_resources(script: &mut Script, plan: &Plan, due: &[Name], observed: &Observed) {
    script.then();
    for name in due {
        let before = observed.active.as_ref().filter(|a| a.spec.resources.contains_key(name));
        let running = observed.resources.get(name).is_some_and(|seen| seen.running);
        let undo = match before {
            Some(active) if running => Action::StartResource { resource: name.clone(), of: active.release },
            _ => Action::StopResource { resource: name.clone() },
        };
        // One whose credential is exchanged starts with the one it knows.
        let renews = matches!(&plan.request, Request::Rotate { what: Rotated::Resource(new) } if new == name);
        let of = before.filter(|_| renews).map_or(plan.release, |active| active.release);
        let start = Action::StartResource { resource: name.clone(), of };
        script.step(Phase::Resources, start, Compensation::Always(undo));
    }
    script.then();
}

fn run_jobs(script: &mut Script, spec: &Spec, due: &[Name]) {
    for (name, job) in due.iter().filter_map(|name| spec.jobs.get_key_value(name)) {
        if job.when != When::AfterSwitch {
            run_job(script, Phase::Migrate, name, job);
        }
    }
}

fn run_job(script: &mut Script, phase: Phase, name: &Name, job: &Job) {
    let action = |undo| Action::RunJob { job: name.clone(), undo };
    let compensation = match &job.undo {
        Undo::Compatible => Compensation::Unneeded,
        Undo::Command(_) => Compensation::WhenDone(action(true)),
        Undo::Irreversible => Compensation::Impossible(format!(
            "what the job {name} did stays: it is declared irreversible, and only the code goes back"
        )),
    };
    script.then_step(phase, action(false), compensation);
}

/// Who gets requests when `instances` of `spec` do. A service without any is stopped.
pub(super) fn traffic_of(
    spec: &Spec,
    release: ReleaseId,
    instances: &IndexMap<Name, Vec<InstanceId>>,
) -> Traffic {
    let listens = |name: &Name| spec.services.get(name).is_some_and(|service| service.port.is_some());
    let pools = instances.iter().filter(|(name, ids)| listens(name) && !ids.is_empty());
    Traffic {
        release: Some(release),
        pools: pools.map(|(name, ids)| (name.clone(), ids.clone())).collect(),
        fallback: IndexMap::new(),
    }
}

/// The same without the copies that do not run. A service that has none left is still one that is meant
/// to run.
fn of_those_that_run(traffic: &Traffic, observed: &Observed) -> Traffic {
    let mut fit = traffic.clone();
    for ids in fit.pools.values_mut() {
        ids.retain(|id| observed.runs(id));
    }
    fit
}

/// After the commit: jobs that come last, and an end to what is no longer needed.
fn retire(
    script: &mut Script,
    plan: &Plan,
    fates: &IndexMap<Name, Fate>,
    gone: &[Fate],
    observed: &Observed,
) {
    let stopped_already = script_stops(script);
    script.then();
    for fate in fates.values().chain(gone) {
        let name = &fate.change.service;
        let before = observed.active.as_ref().and_then(|a| a.spec.services.get(name));
        let listens =
            plan.spec.services.get(name).into_iter().chain(before).any(|service| service.port.is_some());
        let drain = if listens { plan.spec.deploy.drain } else { Span::ZERO };
        for instance in fate
            .stop
            .iter()
            .chain(&fate.leftovers)
            .chain(&fate.dead)
            .filter(|id| !stopped_already.contains(id))
        {
            let stop = Action::StopInstance { instance: instance.clone(), drain };
            script.step(Phase::Retire, stop, Compensation::Unneeded);
        }
    }
    script.then();
    credential::revoke(script, &plan.spec, observed);
    value::revoke(script, plan, observed);
    script.then();
    let wanted = |name: &Name| plan.spec.resources.get(name).is_some_and(crate::spec::Resource::is_private);
    for (name, seen) in &observed.resources {
        if seen.running && !wanted(name) {
            let stop = Action::StopResource { resource: name.clone() };
            script.step(Phase::Retire, stop, Compensation::Unneeded);
        }
    }
    if plan.request == Request::Deploy {
        for (name, job) in plan.spec.jobs.iter().filter(|(_, job)| job.when == When::AfterSwitch) {
            if observed.jobs_done.get(name) != Some(&job_digest(&plan.spec, name, &plan.tree)) {
                run_job(script, Phase::Retire, name, job);
            }
        }
    }
}

fn script_stops(script: &Script) -> BTreeSet<InstanceId> {
    let stops = script.steps().iter().filter_map(|step| match &step.action {
        Action::StopInstance { instance, .. } => Some(instance.clone()),
        _ => None,
    });
    stops.collect()
}

/// Trees that no kept release runs from are removed. Kept are the new release's, those of the
/// releases before it until there are as many as the specification says, and those from which
/// copies run on.
fn clean_up(script: &mut Script, plan: &Plan, observed: &Observed) {
    let mut kept: Vec<ReleaseId> = vec![plan.tree.id];
    for (_, tree) in &observed.releases {
        if kept.len() < plan.spec.deploy.keep as usize && !kept.contains(tree) {
            kept.push(*tree);
        }
    }
    let running_on: BTreeSet<ReleaseId> = plan.instances.values().flatten().map(|id| id.release).collect();
    for (release, tree) in &observed.releases {
        if running_on.contains(release) && !kept.contains(tree) {
            kept.push(*tree);
        }
    }
    script.then();
    for tree in observed.trees.iter().filter(|tree| !kept.contains(&tree.id)) {
        script.step(Phase::CleanUp, Action::RemoveTree { tree: tree.id }, Compensation::Unneeded);
    }
}
