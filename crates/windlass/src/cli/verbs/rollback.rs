//! `windlass rollback [RELEASE]`

use indexmap::IndexMap;
use windlass_core::name::{Name, ReleaseId};
use windlass_core::plan::{Observed, Request, Wanted, same_but_for_scale_and_rotation};
use windlass_core::protocol::{Answer, Ask, FingerprintKey, ReleaseRecord, Schema};
use windlass_core::spec::Undo;

use super::request::{self, How};
use crate::cli::client::{Client, deployed, not_deployed, unexpected};
use crate::cli::context::Context;
use crate::cli::failure::{Failure, REFUSED};
use crate::cli::wait::Patience;

pub(in crate::cli) async fn run(
    context: &Context,
    to: Option<ReleaseId>,
    anyway: bool,
    now: bool,
) -> Result<u8, Failure> {
    let project = deployed(context)?;
    let patience = if now { Patience::None } else { Patience::Short };
    // Which release is the one before says who is active once an open run is over.
    let mut client = request::settled(context, &project, patience).await?;
    let observed = match client.ask(&Ask::Observe).await? {
        Answer::Observed { observed, .. } => observed,
        _ => return Err(unexpected()),
    };
    let to = target(&mut client, &observed, to).await?;
    let releases = match client.ask(&Ask::Releases).await? {
        Answer::Releases(releases) => releases,
        _ => return Err(unexpected()),
    };
    let now = match anyway {
        true => IndexMap::new(),
        false => match client.ask(&Ask::Schema).await? {
            Answer::Schema(now) => now,
            _ => return Err(unexpected()),
        },
    };
    if let Some(moved) = moved_on(&observed, &releases, to, &now).filter(|_| !anyway) {
        return Err(Failure::new(
            REFUSED,
            format!("{to} may not know the schema of today: {}", moved.what),
            format!("{}; --anyway goes back in code alone", moved.first),
        ));
    }
    let (spec, source) = match client.ask(&Ask::Recall { release: to }).await? {
        Answer::Recalled { spec, source } => (*spec, source),
        _ => return Err(unexpected()),
    };
    let wanted = async |_: &Observed, _: &FingerprintKey| {
        let request = Request::Rollback { to, anyway };
        Ok(Wanted { request, spec: spec.clone(), source: source.clone() })
    };
    request::carry_out_as(context, &project, wanted, How { patience, ..How::default() }).await
}

/// What takes a schema back that no command of Windlass takes back.
const BY_HAND: &str = "take the schema back first (restore a backup, or a migration of your own)";

/// That the schema is not what a release knew, and what to do about that first.
#[derive(Debug, PartialEq)]
struct MovedOn {
    what: String,
    first: String,
}

/// Which job has changed the schema since a release was active; not one that says that the release before can
/// live with it. What counts is what the jobs' own commands say `now`: somebody may have taken it back by hand,
/// wholly or half.
fn moved_on(
    observed: &Observed,
    releases: &[ReleaseRecord],
    to: ReleaseId,
    now: &IndexMap<Name, Schema>,
) -> Option<MovedOn> {
    let active = observed.active.as_ref()?;
    let schema = |release: ReleaseId| releases.iter().find(|r| r.release == release).map(|r| &r.schema);
    let (recorded, then) = (schema(active.release)?, schema(to)?);
    active.spec.jobs.iter().find_map(|(job, declared)| {
        let Some(then) = then.get(job) else { return unrecorded(observed, releases, (job, to), now) };
        let (now, doubt) = match now.get(job) {
            Some(Schema::Is(now)) => (Some(now), None),
            Some(Schema::Unknown(why)) => (recorded.get(job), Some(why)),
            None => (Some(recorded.get(job)?), None),
        };
        if now == Some(then) {
            return None;
        }
        let (kind, first) = match &declared.undo {
            Undo::Compatible => return None,
            Undo::Irreversible => (", which is irreversible,", BY_HAND.to_owned()),
            Undo::Command(_) => ("", taken_back_by(observed, releases, (job, to), now)),
        };
        let what = match (now, doubt) {
            (Some(now), None) => format!("the job {job}{kind} has brought it from {then} to {now}"),
            (Some(now), Some(why)) => format!(
                "the job {job}{kind} has brought it from {then} to {now}, and what it is now cannot be told: {why}"
            ),
            (None, why) => format!(
                "what the job {job}{kind} has made of {then} cannot be told: {}",
                why.map_or("nobody has noted it", String::as_str)
            ),
        };
        Some(MovedOn { what, first })
    })
}

/// The same where nothing says what the schema was with that release: its manifest did not say how to read it.
/// Whether it has moved on since is for a person to know.
fn unrecorded(
    observed: &Observed,
    releases: &[ReleaseRecord],
    (job, to): (&Name, ReleaseId),
    now: &IndexMap<Name, Schema>,
) -> Option<MovedOn> {
    let active = observed.active.as_ref()?;
    let declared = active.spec.jobs.get(job).filter(|declared| declared.schema.is_some())?;
    let now = match now.get(job)? {
        Schema::Is(now) => Some(now),
        Schema::Unknown(_) => None,
    };
    let back = match &declared.undo {
        Undo::Compatible => return None,
        Undo::Irreversible => BY_HAND.to_owned(),
        Undo::Command(_) => taken_back_by(observed, releases, (job, to), now),
    };
    let is = now.map(|now| format!("; now it is {now}")).unwrap_or_default();
    Some(MovedOn {
        what: format!(
            "what the job {job} had made of it then is not on record, so that it cannot be told whether it has \
             changed it since{is}"
        ),
        first: format!("look whether {to} works with it; where it does not, {back}"),
    })
}

/// What takes a job's schema back a step: undoing it in the release in which it was done last or, where that was
/// undone already, in the one that brought the schema to what it is `now`.
fn taken_back_by(
    observed: &Observed,
    releases: &[ReleaseRecord],
    (job, to): (&Name, ReleaseId),
    now: Option<&String>,
) -> String {
    let brought = |release: &&ReleaseRecord| release.release > to && release.schema.get(job) == now;
    match releases.iter().filter(brought).map(|release| release.release).min() {
        _ if observed.jobs_done.contains_key(job) => {
            format!("take the schema back first: `windlass run {job} --undo`")
        }
        Some(release) if now.is_some() => {
            format!("take the schema back first: `windlass run {job} --undo --release {release}`")
        }
        _ => BY_HAND.to_owned(),
    }
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
    use windlass_core::spec::{Job, When};
    use windlass_testkit::sample::{command, job, name, shop, source};

    use super::*;

    /// What is said of going back from r3 to r1, where the schema was 0001, then 0002, and with r3 0003.
    fn said(undo: Undo, is_done: bool, now: Schema) -> Option<String> {
        going_back(undo, is_done, now, true)
    }

    fn going_back(undo: Undo, is_done: bool, now: Schema, on_record: bool) -> Option<String> {
        let mut spec = shop();
        let schema = Some(command("show"));
        spec.jobs.insert(name("migrate"), Job { schema, ..job("up", When::BeforeStart, undo) });
        let tree = Tree { id: ReleaseId(3), source: source("three") };
        let instances = IndexMap::new();
        let active = Activation { release: ReleaseId(3), tree, spec, instances, stopped: false };
        let mut observed = Observed { active: Some(active), ..Observed::default() };
        if is_done {
            observed.jobs_done.insert(name("migrate"), String::new());
        }
        let record = |release| ReleaseRecord {
            release: ReleaseId(release),
            active: release == 3,
            available: true,
            headline: String::new(),
            tree: ReleaseId(release),
            commit: None,
            dirty: false,
            by: String::new(),
            activated: 0,
            schema: [(name("migrate"), format!("000{release}"))]
                .into_iter()
                .filter(|_| on_record || release > 1)
                .collect(),
        };
        let now = [(name("migrate"), now)].into_iter().collect();
        let moved = moved_on(&observed, &[record(3), record(2), record(1)], ReleaseId(1), &now)?;
        Some(format!("{}: {}", moved.what, moved.first))
    }

    fn is(now: &str) -> Schema {
        Schema::Is(now.to_owned())
    }

    #[test]
    fn a_schema_that_has_moved_on_is_told_with_what_takes_it_back() {
        let undo = || Undo::Command(command("down"));
        assert_eq!(
            said(undo(), true, is("0003")).unwrap(),
            "the job migrate has brought it from 0001 to 0003: take the schema back first: `windlass run migrate --undo`"
        );
        assert_eq!(said(undo(), true, is("0001")), None, "it was taken back");
        assert_eq!(said(Undo::Compatible, true, is("0003")), None);
        assert_eq!(said(Undo::Irreversible, true, is("0001")), None, "a backup was restored");
        let irreversible = said(Undo::Irreversible, true, is("0003")).unwrap();
        assert!(irreversible.starts_with("the job migrate, which is irreversible,"), "{irreversible}");
    }

    #[test]
    fn a_schema_that_was_taken_back_half_way_is_not_that_of_the_release() {
        assert_eq!(
            said(Undo::Command(command("down")), false, is("0002")).unwrap(),
            "the job migrate has brought it from 0001 to 0002: take the schema back first: `windlass run migrate \
             --undo --release r2`"
        );
    }

    #[test]
    fn where_nobody_can_say_what_the_schema_is_the_last_word_counts() {
        let unknown = Schema::Unknown("no answer".to_owned());
        assert_eq!(
            said(Undo::Command(command("down")), true, unknown).unwrap(),
            "the job migrate has brought it from 0001 to 0003, and what it is now cannot be told: no answer: take \
             the schema back first: `windlass run migrate --undo`"
        );
    }

    #[test]
    fn a_release_of_which_the_schema_is_not_on_record_is_not_gone_back_to_in_silence() {
        assert_eq!(
            going_back(Undo::Command(command("down")), true, is("0003"), false).unwrap(),
            "what the job migrate had made of it then is not on record, so that it cannot be told whether it has \
             changed it since; now it is 0003: look whether r1 works with it; where it does not, take the schema back \
             first: `windlass run migrate --undo`"
        );
        let unknown = Schema::Unknown("no answer".to_owned());
        assert!(going_back(Undo::Irreversible, true, unknown, false).is_some());
        assert_eq!(
            going_back(Undo::Compatible, true, is("0003"), false),
            None,
            "every release can live with it"
        );
    }
}
