//! `windlass rollback [RELEASE]`

use windlass_core::name::ReleaseId;
use windlass_core::plan::{Observed, Request, Wanted, same_but_for_scale_and_rotation};
use windlass_core::protocol::{Answer, Ask, ReleaseRecord, Values};
use windlass_core::spec::Undo;

use super::request;
use crate::cli::client::{Client, not_deployed, unexpected};
use crate::cli::context::Context;
use crate::cli::failure::{Failure, REFUSED};

pub(in crate::cli) async fn run(
    context: &Context,
    to: Option<ReleaseId>,
    anyway: bool,
) -> Result<u8, Failure> {
    let (project, mut client) = Client::of_deployed(context).await?;
    let observed = match client.ask(&Ask::Observe).await? {
        Answer::Observed { observed, .. } => observed,
        _ => return Err(unexpected()),
    };
    let to = target(&mut client, &observed, to).await?;
    let releases = match client.ask(&Ask::Releases).await? {
        Answer::Releases(releases) => releases,
        _ => return Err(unexpected()),
    };
    if let Some(what) = moved_on(&observed, &releases, to).filter(|_| !anyway) {
        return Err(Failure::new(
            REFUSED,
            format!("{to} does not know the schema of today: {what}"),
            "take the schema back first (restore a backup, or a migration of your own); \
             --anyway goes back in code alone",
        ));
    }
    let (spec, source) = match client.ask(&Ask::Recall { release: to }).await? {
        Answer::Recalled { spec, source } => (*spec, source),
        _ => return Err(unexpected()),
    };
    request::carry_out(context, &project, async |_, _| {
        let request = Request::Rollback { to, anyway };
        let wanted = Wanted { request, spec: spec.clone(), source: source.clone() };
        Ok((wanted, Values::default()))
    })
    .await
}

/// Which irreversible job has changed the schema since a release was active, as far as the jobs' own
/// schema commands tell.
fn moved_on(observed: &Observed, releases: &[ReleaseRecord], to: ReleaseId) -> Option<String> {
    let active = observed.active.as_ref()?;
    let schema = |release: ReleaseId| releases.iter().find(|r| r.release == release).map(|r| &r.schema);
    let (now, then) = (schema(active.release)?, schema(to)?);
    now.iter().find_map(|(job, now)| {
        let irreversible = active.spec.jobs.get(job).is_some_and(|job| job.undo == Undo::Irreversible);
        let then = then.get(job).filter(|then| *then != now)?;
        irreversible
            .then(|| format!("the job {job}, which is irreversible, has brought it from {then} to {now}"))
    })
}

/// The release that was asked for, or the newest one before the active one that runs other code: `restart`,
/// `scale` and `secrets rotate` make releases of the same.
async fn target(
    client: &mut Client,
    observed: &Observed,
    asked: Option<ReleaseId>,
) -> Result<ReleaseId, Failure> {
    let active = observed.active.as_ref().ok_or_else(not_deployed)?;
    if let Some(asked) = asked {
        let is_there = observed.releases.iter().any(|(release, _)| *release == asked);
        return is_there.then_some(asked).ok_or_else(|| {
            let what = format!("{asked} is not there to go back to");
            Failure::usage(what, format!("there are {}", available(observed)))
        });
    }
    let before: Vec<_> = observed.releases.iter().filter(|(release, _)| *release < active.release).collect();
    for (release, tree) in &before {
        if *tree != active.tree.id {
            return Ok(*release);
        }
        let spec = match client.ask(&Ask::Recall { release: *release }).await? {
            Answer::Recalled { spec, .. } => spec,
            _ => return Err(unexpected()),
        };
        if !same_but_for_scale_and_rotation(&spec, &active.spec) {
            return Ok(*release);
        }
    }
    Err(match before.is_empty() {
        true => Failure::usage("there is no release before this one", "see windlass releases"),
        false => Failure::usage(
            format!("there is no release before {} that runs other code", active.release),
            format!(
                "there are {}; `windlass rollback RELEASE` goes back to how one of these was scaled",
                available(observed)
            ),
        ),
    })
}

fn available(observed: &Observed) -> String {
    let known: Vec<String> = observed.releases.iter().map(|(release, _)| release.to_string()).collect();
    known.join(", ")
}
