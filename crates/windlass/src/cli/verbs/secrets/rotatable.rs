//! `windlass secrets rotate`, without a name: what can be rotated.

use serde::Serialize;
use windlass_core::name::ReleaseId;
use windlass_core::protocol::{Answer, Ask, EnvironmentStatus};
use windlass_core::settings::Provenance;
use windlass_core::spec::{Credential, Spec};

use super::table::table;
use crate::cli::client::{Client, unexpected};
use crate::cli::context::{Context, complain};
use crate::cli::failure::{FAILED, Failure};
use crate::cli::project::Project;
use crate::settings::Found;

/// Something that `secrets rotate` takes.
#[derive(Serialize)]
struct Rotatable {
    name: String,
    /// `setting` or `resource`.
    kind: &'static str,
    /// Where its value is, for people.
    place: String,
    /// The releases whose rotations could not revoke the value before: it is good still. `None` where the host
    /// side could not be asked.
    unrevoked: Option<Vec<ReleaseId>>,
    /// The credentials of a resource that could not be revoked: those are good still, too.
    unrevoked_credentials: Option<Vec<Credential>>,
}

pub(super) async fn list(context: &Context, project: &Project) -> Result<u8, Failure> {
    let specified = context.known(project)?;
    // The list is of what is written down here: what is left unrevoked is only a note to it.
    let (status, code) = match status(context, project).await {
        Ok(status) => (Some(status), 0),
        Err(failure) => {
            complain(&format!("error: what is left unrevoked is not known: {}", failure.message));
            if !failure.hint.is_empty() {
                complain(&format!("  hint: {}", failure.hint));
            }
            (None, FAILED)
        }
    };
    let mut all = settings(specified.found(), status.as_ref());
    all.extend(resources(specified.spec(), status.as_ref()));
    context.answer(&all, || match all.is_empty() {
        true => "Nothing: no secret of the manifest has `rotate`, and no resource is private.".to_owned(),
        false => {
            let rows: Vec<_> = all.iter().map(|one| vec![one.name.clone(), shown(one)]).collect();
            table(&rows).trim_end().to_owned()
        }
    })?;
    Ok(code)
}

/// How everything is, where something was deployed.
async fn status(context: &Context, project: &Project) -> Result<EnvironmentStatus, Failure> {
    if !project.layout.journal().exists() {
        return Ok(EnvironmentStatus::default());
    }
    match Client::to_look(context).await?.ask(&Ask::Status).await? {
        Answer::Status(status) => Ok(*status),
        _ => Err(unexpected()),
    }
}

fn shown(one: &Rotatable) -> String {
    let mut shown = one.place.clone();
    for release in one.unrevoked.iter().flatten() {
        shown.push_str(&format!("; the value that {release} left is good still"));
    }
    for credential in one.unrevoked_credentials.iter().flatten() {
        shown.push_str(&format!("; {credential} is good still"));
    }
    shown
}

fn settings(found: &Found, status: Option<&EnvironmentStatus>) -> Vec<Rotatable> {
    let declared = found.declared.iter().filter(|(_, declared)| declared.rotate.is_some());
    declared
        .map(|(name, declared)| {
            let provenance = found.assembled.settings.get(name).map(|setting| &setting.value.provenance);
            let place = match provenance {
                Some(Provenance::File { .. } | Provenance::Sealed { .. }) => {
                    let at = declared.rotate.and_then(|made_up| made_up.at);
                    let at = at.map_or_else(String::new, |engine| format!(", at {}", engine.name()));
                    let with =
                        declared.account.as_ref().map_or_else(String::new, |name| format!(", with {name}"));
                    format!("in {}{at}{with}", provenance.map(ToString::to_string).unwrap_or_default())
                }
                Some(other) => format!("not from here: it comes from {other}"),
                None => "not yet: it has no value".to_owned(),
            };
            let unrevoked = status.map(|status| {
                let of_it = status.unrevoked.iter().filter(|unrevoked| unrevoked.setting == *name);
                of_it.map(|unrevoked| unrevoked.release).collect()
            });
            let unrevoked_credentials = status.map(|_| vec![]);
            Rotatable { name: name.clone(), kind: "setting", place, unrevoked, unrevoked_credentials }
        })
        .collect()
}

fn resources(spec: &Spec, status: Option<&EnvironmentStatus>) -> impl Iterator<Item = Rotatable> {
    let private = spec.resources.iter().filter(|(_, resource)| resource.is_private());
    private.map(move |(name, resource)| {
        let unrevoked_credentials = status.map(|status| {
            // A run may be about to revoke them.
            let left = status.unrevoked_credentials.iter().filter(|_| status.run.is_none());
            let of_it = left.filter(|unrevoked| unrevoked.resource == *name);
            of_it.map(|unrevoked| unrevoked.credential).collect()
        });
        Rotatable {
            name: name.to_string(),
            kind: "resource",
            place: format!("private {}", resource.engine.name()),
            unrevoked: status.map(|_| vec![]),
            unrevoked_credentials,
        }
    })
}
