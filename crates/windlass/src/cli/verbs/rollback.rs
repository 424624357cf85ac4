//! `windlass rollback [RELEASE]`

use windlass_core::name::ReleaseId;
use windlass_core::plan::{Observed, Request, Wanted};
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
    let to = target(&observed, to)?;
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
    request::carry_out(context, &project, |_, _| {
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

/// The release that was asked for, or the one before the active one.
fn target(observed: &Observed, asked: Option<ReleaseId>) -> Result<ReleaseId, Failure> {
    let active = observed.active.as_ref().ok_or_else(not_deployed)?;
    let available = || observed.releases.iter().map(|(release, _)| *release);
    let before = || available().find(|release| *release < active.release);
    let to = asked
        .or_else(before)
        .ok_or_else(|| Failure::usage("there is no release before this one", "see windlass releases"))?;
    if available().any(|release| release == to) {
        return Ok(to);
    }
    let known: Vec<String> = available().map(|release| release.to_string()).collect();
    Err(Failure::usage(format!("{to} is not there to go back to"), format!("there are {}", known.join(", "))))
}
