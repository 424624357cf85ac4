//! What the application signs in to its private resources with.

use super::script::Script;
use super::{Action, Compensation, Observed, Phase, Plan, PlanError, Request, Rotated};
use crate::name::{Name, ReleaseId};
use crate::spec::{Credential, Reference, Resource, Source, Spec};

/// Gives the specification the credentials that are in force: those of the active release, whatever
/// the manifest or the release that is gone back to knew; so neither a deploy nor going back brings
/// one back that was revoked. A resource that comes back after a while has kept its own.
pub(super) fn carry(spec: &mut Spec, observed: &Observed) {
    for (name, resource) in &mut spec.resources {
        let active = observed.active.as_ref().and_then(|active| active.spec.resources.get(name));
        let kept = || observed.resources.get(name).and_then(|seen| seen.credentials.last().copied());
        let credential = active.and_then(|active| active.credential()).or_else(kept);
        *resource = resource.clone().with_credential(credential.unwrap_or(Credential::FIRST));
    }
}

/// Gives a resource a new credential, named after the release.
pub(super) fn renew(
    spec: &mut Spec,
    name: &Name,
    release: ReleaseId,
    observed: &Observed,
) -> Result<(), PlanError> {
    let active = observed.active.as_ref().ok_or(PlanError::NothingDeployed)?;
    let private = |spec: &Spec| -> Vec<Name> {
        spec.resources.iter().filter(|(_, r)| r.is_private()).map(|(name, _)| name.clone()).collect()
    };
    match spec.resources.get_mut(name).filter(|resource| resource.is_private()) {
        Some(_) if active.stopped => Err(PlanError::Stopped),
        Some(resource) => {
            *resource = resource.clone().with_credential(Credential::of(release));
            Ok(())
        }
        None => {
            Err(elsewhere(spec, name)
                .unwrap_or_else(|| PlanError::UnknownResource(name.clone(), private(spec))))
        }
    }
}

/// Why there is nothing to renew, where the resource is somebody else's.
fn elsewhere(spec: &Spec, name: &Name) -> Option<PlanError> {
    let Resource { engine, source: Source::External { url } } = spec.resources.get(name)? else {
        return None;
    };
    let settings = url.references().filter_map(|reference| match reference {
        Reference::Setting(key) => Some(key),
        _ => None,
    });
    // Of several the one that is rotated, or may be: a secret.
    let rank = |key: &&String| {
        let is_secret = spec.settings.get(*key).is_some_and(|setting| setting.secret);
        (spec.rotations.contains_key(*key), is_secret)
    };
    let setting = settings.max_by_key(rank).cloned();
    let is_rotated = setting.as_ref().is_some_and(|key| spec.rotations.contains_key(key));
    Some(PlanError::ResourceElsewhere { name: name.clone(), engine: *engine, setting, is_rotated })
}

/// The step that lets the new credential sign in, where there is one.
pub(super) fn add(script: &mut Script, plan: &Plan) {
    let Request::Rotate { what: Rotated::Resource(name) } = &plan.request else { return };
    let Some(credential) = plan.spec.resources.get(name).and_then(|resource| resource.credential()) else {
        return;
    };
    let add = Action::AddCredential { resource: name.clone(), credential };
    let undo = Action::RevokeCredential { resource: name.clone(), credential };
    script.then_step(Phase::Resources, add, Compensation::Always(undo));
}

/// What resources of this specification let sign in although it does not: what a rotation replaces,
/// and what one that could not end left.
pub(super) fn left<'a>(
    spec: &'a Spec,
    observed: &'a Observed,
) -> impl Iterator<Item = (&'a Name, Credential)> + 'a {
    observed.resources.iter().flat_map(|(name, seen)| {
        // A resource that goes is only stopped.
        let resource = spec.resources.get(name);
        let left = resource.into_iter().flat_map(|resource| unrevoked(resource, &seen.credentials));
        left.map(move |credential| (name, credential))
    })
}

/// Those of the `credentials` that a resource lets sign in, and that this specification of it does not. One that does
/// not know what it should is never left without any.
pub fn unrevoked<'a>(
    resource: &Resource,
    credentials: &'a [Credential],
) -> impl Iterator<Item = Credential> + use<'a> {
    let wanted = resource.credential();
    let known = wanted.filter(|wanted| credentials.contains(wanted) || !wanted.is_first());
    credentials.iter().copied().filter(move |credential| known.is_some_and(|known| known != *credential))
}

/// The steps, after the commit and the end of all that signed in with them, that revoke credentials.
pub(super) fn revoke(script: &mut Script, spec: &Spec, observed: &Observed) {
    for (resource, credential) in left(spec, observed) {
        let revoke = Action::RevokeCredential { resource: resource.clone(), credential };
        script.step(Phase::Retire, revoke, Compensation::Unneeded);
    }
}
