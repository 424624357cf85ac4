//! The values of settings that rotations exchange.

use super::script::Script;
use super::{Action, Compensation, Observed, Phase, Plan, PlanError, Request, Rotated};
use crate::spec::{Rotation, Setting, Spec};

/// Remembers which values were replaced, whatever the manifest or the release that is gone back to
/// knew, and lets none of them come back: a deploy with one is refused, and who goes back goes on with
/// the value that is in force.
pub(super) fn carry(spec: &mut Spec, request: &Request, observed: &Observed) -> Result<(), PlanError> {
    let Some(active) = &observed.active else { return Ok(()) };
    spec.revoked.clone_from(&active.spec.revoked);
    if !matches!(request, Request::Deploy | Request::Rollback { .. }) {
        return Ok(()); // They go on with what is active.
    }
    for (name, revoked) in &active.spec.revoked {
        let is_revoked =
            |setting: &Setting| setting.composed.is_none() && revoked.contains(&setting.fingerprint);
        let Some(setting) = spec.settings.get_mut(name).filter(|setting| is_revoked(setting)) else {
            continue;
        };
        let in_force = active.spec.settings.get(name);
        match in_force.filter(|setting| setting.composed.is_none() && !is_revoked(setting)) {
            Some(in_force) if matches!(request, Request::Rollback { .. }) => {
                setting.fingerprint.clone_from(&in_force.fingerprint);
            }
            _ => {
                let rotation = spec.rotation_of(name);
                let at = rotation.and_then(|rotation| rotation.at.as_ref()).map(|server| server.engine);
                return Err(PlanError::RevokedValue { name: name.clone(), at });
            }
        }
    }
    Ok(())
}

/// Notes that the value of a setting, and the name of the account that goes with it, is replaced by the one that `spec`
/// has the fingerprint of.
pub(super) fn renew(spec: &mut Spec, name: &str, observed: &Observed) -> Result<(), PlanError> {
    let names: Vec<String> = spec.exchanged(name).map(str::to_owned).collect();
    names.iter().try_for_each(|name| renew_one(spec, name, observed))
}

fn renew_one(spec: &mut Spec, name: &str, observed: &Observed) -> Result<(), PlanError> {
    let active = observed.active.as_ref().ok_or(PlanError::NothingDeployed)?;
    if active.stopped {
        return Err(PlanError::Stopped);
    }
    let (Some(old), Some(new), true) = (
        active.spec.settings.get(name).filter(|setting| setting.composed.is_none()),
        spec.settings.get(name),
        spec.rotation_of(name).is_some(),
    ) else {
        return Err(PlanError::NotRotated(name.to_owned()));
    };
    if old.fingerprint == new.fingerprint {
        return Err(PlanError::SameValue(name.to_owned()));
    }
    let revoked = spec.revoked.entry(name.to_owned()).or_default();
    // Whoever asks for one that was replaced before says that it is good again.
    revoked.retain(|fingerprint| *fingerprint != new.fingerprint);
    revoked.push(old.fingerprint.clone());
    Ok(())
}

/// The setting that this plan exchanges.
fn exchanged(plan: &Plan) -> Option<&String> {
    match &plan.request {
        Request::Rotate { what: Rotated::Setting(name) } => Some(name),
        _ => None,
    }
}

/// The step that makes the new value good, where there is one.
pub(super) fn add(script: &mut Script, plan: &Plan) {
    let Some((setting, rotation)) = exchanged(plan).and_then(|name| plan.spec.rotations.get_key_value(name))
    else {
        return;
    };
    if !rotation.creates() {
        return;
    }
    let undo = Action::RevokeValue { setting: setting.clone(), of: plan.release, undo: true };
    let compensation = match rotation.revokes() {
        true => Compensation::Always(undo),
        false => Compensation::Impossible(format!(
            "the new value of {setting} stays good at its source: the manifest has no `revoke` for it"
        )),
    };
    script.then_step(Phase::Resources, Action::AddValue { setting: setting.clone() }, compensation);
}

/// The step that asks whether the new value is good, where there is one.
pub(super) fn verify(script: &mut Script, plan: &Plan) {
    let rotated = exchanged(plan).and_then(|name| plan.spec.rotations.get_key_value(name));
    if let Some((setting, _)) = rotated.filter(|(_, rotation)| rotation.verifies()) {
        let verify = Action::VerifyValue { setting: setting.clone() };
        script.then_step(Phase::Gate, verify, Compensation::Unneeded);
    }
}

/// The revoking that earlier rotations could not do.
pub(super) fn left<'a>(spec: &'a Spec, observed: &'a Observed) -> impl Iterator<Item = Action> + 'a {
    let known = |setting: &str| spec.rotations.get(setting).is_some_and(Rotation::revokes);
    observed
        .unrevoked
        .iter()
        .filter(move |(setting, _)| known(setting))
        .map(|(setting, of)| Action::RevokeValue { setting: setting.clone(), of: *of, undo: false })
}

/// The steps, after the commit and the end of all that was given them, that revoke values.
pub(super) fn revoke(script: &mut Script, plan: &Plan, observed: &Observed) {
    let rotated = exchanged(plan).and_then(|name| plan.spec.rotations.get_key_value(name));
    let own = rotated.filter(|(_, rotation)| rotation.revokes()).map(|(setting, _)| Action::RevokeValue {
        setting: setting.clone(),
        of: plan.release,
        undo: false,
    });
    // One after another: what revokes one may sign in with the next.
    for revoke in left(&plan.spec, observed).chain(own) {
        script.then_step(Phase::Retire, revoke, Compensation::Unneeded);
    }
}
