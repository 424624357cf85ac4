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
    if let Some(moved) = moved_on(&observed, &releases, to).filter(|_| !anyway) {
        return Err(Failure::new(
            REFUSED,
            format!("{to} does not know the schema of today: {}", moved.what),
            format!("{}; --anyway goes back in code alone", moved.first),
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

/// That the schema is not what a release knew, and what to do about that first.
#[derive(Debug, PartialEq)]
struct MovedOn {
    what: String,
    first: String,
}

/// Which job has changed the schema since a release was active, as far as the jobs' own schema commands tell;
/// not one that says that the release before can live with it, or that was undone by hand.
fn moved_on(observed: &Observed, releases: &[ReleaseRecord], to: ReleaseId) -> Option<MovedOn> {
    let active = observed.active.as_ref()?;
    let schema = |release: ReleaseId| releases.iter().find(|r| r.release == release).map(|r| &r.schema);
    let (now, then) = (schema(active.release)?, schema(to)?);
    now.iter().find_map(|(job, now)| {
        let then = then.get(job).filter(|then| *then != now)?;
        let (kind, first) = match &active.spec.jobs.get(job)?.undo {
            Undo::Compatible => return None,
            Undo::Irreversible => (
                ", which is irreversible,",
                "take the schema back first (restore a backup, or a migration of your own)".to_owned(),
            ),
            Undo::Command(_) if !observed.jobs_done.contains_key(job) => return None,
            Undo::Command(_) => ("", format!("take the schema back first: `windlass run {job} --undo`")),
        };
        Some(MovedOn { what: format!("the job {job}{kind} has brought it from {then} to {now}"), first })
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

#[cfg(test)]
mod tests {
    use windlass_core::plan::{Activation, Tree};
    use windlass_core::spec::When;
    use windlass_testkit::sample::{command, job, name, shop, source};

    use super::*;

    fn said(undo: Undo, is_done: bool, then: &str) -> Option<String> {
        let mut spec = shop();
        spec.jobs.insert(name("migrate"), job("up", When::BeforeStart, undo));
        let tree = Tree { id: ReleaseId(2), source: source("two") };
        let instances = indexmap::IndexMap::new();
        let active = Activation { release: ReleaseId(2), tree, spec, instances, stopped: false };
        let mut observed = Observed { active: Some(active), ..Observed::default() };
        if is_done {
            observed.jobs_done.insert(name("migrate"), String::new());
        }
        let record = |release, schema: &str| ReleaseRecord {
            release: ReleaseId(release),
            active: release == 2,
            available: true,
            headline: String::new(),
            tree: ReleaseId(release),
            commit: None,
            dirty: false,
            by: String::new(),
            activated: 0,
            schema: [(name("migrate"), schema.to_owned())].into_iter().collect(),
        };
        let moved = moved_on(&observed, &[record(2, "0002"), record(1, then)], ReleaseId(1))?;
        Some(format!("{}: {}", moved.what, moved.first))
    }

    #[test]
    fn a_schema_that_has_moved_on_is_told_with_what_takes_it_back() {
        let undo = || Undo::Command(command("down"));
        assert_eq!(
            said(undo(), true, "0001").unwrap(),
            "the job migrate has brought it from 0001 to 0002: take the schema back first: `windlass run migrate --undo`"
        );
        assert_eq!(said(undo(), false, "0001"), None, "it was undone by hand");
        assert_eq!(said(undo(), true, "0002"), None, "it has not moved");
        assert_eq!(said(Undo::Compatible, true, "0001"), None);
        assert!(
            said(Undo::Irreversible, false, "0001")
                .unwrap()
                .starts_with("the job migrate, which is irreversible,")
        );
    }
}
