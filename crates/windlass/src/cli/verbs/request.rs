//! From a request to a run: observe, plan, begin, follow.

#[cfg(test)]
mod tests;

use std::cell::Cell;

use windlass_core::name::Name;
use windlass_core::plan::{Observed, Plan, Request, Wanted, left_behind, plan};
use windlass_core::protocol::{Answer, Ask, Claim, FingerprintKey, OpenRun, Values};
use windlass_core::spec::Spec;

use crate::cli::client::{Client, deployed, not_deployed, unexpected};
use crate::cli::consent;
use crate::cli::context::Context;
use crate::cli::failure::{Failure, REFUSED};
use crate::cli::follow::{self, Told};
use crate::cli::other_source;
use crate::cli::passed;
use crate::cli::project::Project;
use crate::cli::wait::{self, Patience};
use crate::project::origin::Whose;
use crate::random;

/// A new key for fingerprints, for an environment that has none yet.
pub(in crate::cli) fn new_key() -> Result<FingerprintKey, Failure> {
    let key = random::bytes().map_err(|error| Failure::failed(error.to_string(), ""))?;
    Ok(FingerprintKey(key))
}

/// How many runs of others are waited for before giving way.
const WAITS: u32 = 32;

/// How often a plan is made before giving way: as many others may begin in the same instant.
const PLANS: u32 = 32;

/// Plans and carries out what `wanted` makes of what was observed. A plan that was overtaken is made
/// again: by somebody else's run, which goes on, or holds the lock by then; or by a copy that ended or
/// came back meanwhile.
pub(in crate::cli) async fn carry_out(
    context: &Context,
    project: &Project,
    wanted: impl AsyncFn(&Observed, &FingerprintKey) -> Result<Wanted, Failure>,
) -> Result<u8, Failure> {
    carry_out_as(context, project, wanted, How::default()).await
}

/// How what is wanted is carried out.
pub(in crate::cli) struct How<'a> {
    /// What of it is told.
    pub(in crate::cli) told: Told,
    /// See [`Plan::anyway`].
    pub(in crate::cli) anyway: bool,
    /// The values of settings that the host side does not have. They are asked for when a run begins: each copy of them
    /// has to be wiped.
    pub(in crate::cli) values: &'a dyn Fn() -> Values,
    /// How a run that is committed already is waited for.
    pub(in crate::cli) patience: Patience,
}

impl Default for How<'_> {
    fn default() -> Self {
        Self { told: Told::Outcome, anyway: false, values: &Values::default, patience: Patience::Long }
    }
}

/// The same in another way.
pub(in crate::cli) async fn carry_out_as(
    context: &Context,
    project: &Project,
    wanted: impl AsyncFn(&Observed, &FingerprintKey) -> Result<Wanted, Failure>,
    how: How<'_>,
) -> Result<u8, Failure> {
    let mut plans = 0;
    loop {
        plans += 1;
        let (mut client, seen) = settled_and_seen(context, project, how.patience).await?;
        let (observed, key) = match seen {
            Some(seen) => seen,
            None => client.observe().await?,
        };
        other_source::refuse_in(context, project, &observed).await?;
        let key = key.map_or_else(new_key, Ok)?;
        let wanted = wanted(&observed, &key).await?;
        let mut plan = plan(&wanted, &observed).map_err(|error| Failure::usage(error.to_string(), ""))?;
        plan.anyway = how.anyway;
        if plan.is_empty() {
            return Ok(nothing_to_do(context, &plan));
        }
        context.interrupts.refuse().await?;
        let (values, passed, by) = ((how.values)(), passed::own(), context.who());
        let begin = Ask::Begin { plan: Box::new(plan), values, passed, key, by };
        match follow::run(context, project, client, begin, how.told).await {
            Err(failure) if failure.overtaken && plans < PLANS => {
                context.interrupts.refuse().await?;
                context.say(&format!("{}; it is planned again", failure.message));
            }
            other => return other,
        }
    }
}

/// Reaches the host side. A run that was interrupted and that nobody follows is settled first: it
/// goes on when it is committed, and back when it is not. One that is committed and under way is waited for. Not
/// where it is another project's.
pub(in crate::cli) async fn settled(
    context: &Context,
    project: &Project,
    patience: Patience,
) -> Result<Client, Failure> {
    settled_and_seen(context, project, patience).await.map(|(client, _)| client)
}

/// What the host side saw, and the key of its fingerprints.
type Seen = (Box<Observed>, Option<FingerprintKey>);

/// The same, with what the host side saw, where that holds still: to look costs as much as the application is large.
async fn settled_and_seen(
    context: &Context,
    project: &Project,
    patience: Patience,
) -> Result<(Client, Option<Seen>), Failure> {
    let (mut client, mut seen) = judged(context, project).await?;
    for _ in 0..WAITS {
        let open = match client.ask(&Ask::OpenRun).await? {
            Answer::OpenRun(open) => open,
            _ => return Err(unexpected()),
        };
        let Some(run) = open else { break };
        wait::hurry(context, &mut client, &run, patience).await?;
        match &run.remaining {
            Some(remaining) if run.under_way => {
                wait::until_over(context, client, (&run, remaining), patience).await?;
            }
            None if run.under_way => break,
            _ => settle(context, project, client, &run, patience).await?,
        }
        context.interrupts.refuse().await?;
        client = Client::start(context, &project.layout).await?;
        seen = None;
    }
    Ok((client, seen))
}

/// Has an interrupted run go on, or back.
async fn settle(
    context: &Context,
    project: &Project,
    client: Client,
    run: &OpenRun,
    patience: Patience,
) -> Result<(), Failure> {
    context.say(&format!("{} was interrupted; it is settled first", run.headline));
    let (how, by) = (Claim::Abort, context.who());
    let claim = Ask::Claim { how, by, run: Some(run.run.clone()), interrupted: true };
    match follow::before(context, project, client, claim, patience).await {
        // Somebody else has taken it up meanwhile, or it was settled.
        Err(failure) if failure.overtaken => Ok(()),
        settled => settled.map(drop),
    }
}

/// Reaches the host side, unless what is there is another project's.
async fn judged(context: &Context, project: &Project) -> Result<(Client, Option<Seen>), Failure> {
    if let Some(mut client) = Client::reach(&project.layout).await? {
        let seen = client.observe().await?;
        let origin = other_source::refuse_in(context, project, &seen.0).await?;
        // A person may have taken long to say yes, and one of another build may have to give way.
        let is_asked = origin.is_some_and(|origin| origin.whose == Whose::Another);
        if !is_asked && client.is_of_this_build() {
            return Ok((client, Some(seen)));
        }
    } else {
        other_source::refuse(context, project).await?;
    }
    Ok((Client::start(context, &project.layout).await?, None))
}

/// Says that the world is as wanted.
pub(in crate::cli) fn nothing_to_do(context: &Context, plan: &Plan) -> u8 {
    let release = plan.previous.map(|release| release.to_string());
    let document = serde_json::json!({ "changed": false, "release": release });
    let so = if plan.request == Request::Deploy { "is as the manifest says" } else { "is so already" };
    context.print(&document, || format!("Nothing to do: {} {so}.", plan.title()));
    0
}

/// Carries out a request that changes only how the active release runs.
pub(in crate::cli) async fn change_active(context: &Context, request: Request) -> Result<u8, Failure> {
    let project = deployed(context)?;
    let wanted = async |observed: &Observed, _: &FingerprintKey| as_active(observed, request.clone());
    carry_out(context, &project, wanted).await
}

/// Stops all that runs. Only what goes wrong with it is told.
pub(in crate::cli) async fn stop_everything(context: &Context, project: &Project) -> Result<u8, Failure> {
    let wanted = async |observed: &Observed, _: &FingerprintKey| {
        as_active(observed, Request::Stop { services: Vec::new() })
    };
    carry_out_as(context, project, wanted, How { told: Told::Trouble, ..How::default() }).await
}

/// What the active release runs.
fn as_active(observed: &Observed, request: Request) -> Result<Wanted, Failure> {
    let active = observed.active.as_ref().ok_or_else(not_deployed)?;
    Ok(Wanted { request, spec: active.spec.clone(), source: active.tree.source.clone() })
}

/// Refuses an encrypted file of settings that the active release has left behind, or that is another
/// one altogether: somebody may have put an old password back.
pub(in crate::cli) fn refuse_older_secrets(
    observed: &Observed,
    spec: &Spec,
    allowed: bool,
) -> Result<(), Failure> {
    match older_secrets(observed, spec) {
        Some(why) if !allowed => Err(Failure::new(
            REFUSED,
            why,
            "bring the newer file back (git log), or deploy with --allow-older-secrets",
        )),
        _ => Ok(()),
    }
}

/// Why the encrypted file must not follow the active release's, if it must not.
pub(in crate::cli) fn older_secrets(observed: &Observed, spec: &Spec) -> Option<String> {
    let before = observed.active.as_ref()?.spec.sealed.as_ref()?;
    spec.sealed.as_ref()?.behind(before)
}

/// Refuses a deploy after which nothing runs any more, unless it was allowed or a person says yes: a
/// manifest of which only the head is left looks just so.
pub(in crate::cli) async fn refuse_no_services(
    context: &Context,
    observed: &Observed,
    spec: &Spec,
    allowed: &Cell<bool>,
) -> Result<(), Failure> {
    let Some(why) = no_services(observed, spec).filter(|_| !allowed.get()) else { return Ok(()) };
    let question = format!("In {} ({}) {why}. Type {} to go on:", spec.app, spec.environment, spec.app);
    let hint = "see whether that is the right manifest and environment; `windlass stop` stops everything and keeps the \
                release; --allow-no-services deploys it all the same";
    consent::ask_or_refuse(context, &question, spec.app.as_str(), allowed, Failure::new(REFUSED, why, hint))
        .await
}

/// What a deploy of `spec` would end, where everything ends.
pub(in crate::cli) fn no_services(observed: &Observed, spec: &Spec) -> Option<String> {
    let active = observed.active.as_ref().filter(|active| !active.stopped)?;
    let running: Vec<&str> =
        active.instances.iter().filter(|(_, ids)| !ids.is_empty()).map(|(name, _)| name.as_str()).collect();
    if running.is_empty() || !spec.services.is_empty() {
        return None;
    }
    let running = running.join(", ");
    Some(format!(
        "every service that runs ({running}) would be stopped and none started, as the manifest has none"
    ))
}

/// Refuses a deploy that puts the application on a new server in place of one that has its data, unless it was allowed
/// or a person says yes.
pub(in crate::cli) async fn refuse_left_behind(
    context: &Context,
    observed: &Observed,
    spec: &Spec,
    allowed: &Cell<bool>,
) -> Result<(), Failure> {
    let Some(why) = left_behind(observed, spec).filter(|_| !allowed.get()) else { return Ok(()) };
    let question = format!("In {} ({}) {why}. Type {} to go on:", spec.app, spec.environment, spec.app);
    let hint = "what was renamed keeps its data under the name that it had: give it that again, or deploy both side by side, copy \
                the data, and then take the old one out; --allow-new-data deploys it all the same";
    consent::ask_or_refuse(context, &question, spec.app.as_str(), allowed, Failure::new(REFUSED, why, hint))
        .await
}

/// Names of services as typed.
pub(in crate::cli) fn names(typed: Vec<String>) -> Result<Vec<Name>, Failure> {
    let names = typed.into_iter().map(Name::new);
    names.collect::<Result<_, _>>().map_err(|error| Failure::usage(error.to_string(), "see windlass status"))
}
