//! `windlass apply FILE`

use std::cell::Cell;

use windlass_core::plan::{Request, carried};
use windlass_core::protocol::{Answer, Ask};

use super::plan_file::PlanFile;
use super::request;
use crate::cli::args;
use crate::cli::client::{Client, unexpected};
use crate::cli::context::Context;
use crate::cli::failure::{Failure, REFUSED};
use crate::cli::follow::{self, Told};
use crate::cli::own_files;
use crate::cli::rotation;

pub(in crate::cli) async fn run(context: &Context, args: &args::Apply) -> Result<u8, Failure> {
    let PlanFile { key, mut plan, .. } = PlanFile::read(&args.plan)?;
    let project = context.project_with_settings()?;
    rotation::settle(context, &project).await?;
    if (&plan.spec.app, &plan.spec.environment) != (&project.app, &project.environment) {
        return Err(Failure::usage(
            format!("the plan is for {}", plan.title()),
            format!("add --env {}, or plan again", plan.spec.environment),
        ));
    }
    let stale = |what: &str| {
        Failure::new(REFUSED, format!("the plan is stale: {what}"), "plan again, and apply that")
    };
    // The plan may lie in the project, and what this command prints may go there.
    let mut without = own_files::below(&project.directory, &[&args.plan]);
    without.extend(plan.tree.source.without.clone());
    without.sort();
    without.dedup();
    let specification = context.specification(&project)?;
    let mut client = Client::start(&project.layout).await?;
    let (observed, kept) = match client.ask(&Ask::Observe).await? {
        Answer::Observed { observed, key } if observed.fingerprint() == plan.base => (observed, key),
        Answer::Observed { .. } => return Err(stale("the environment has changed since it was made")),
        _ => return Err(unexpected()),
    };
    // Only a first deploy brings its own.
    let key = kept.or(key).ok_or_else(|| stale("the environment has changed since it was made"))?;
    let (wanted, values) = context.wanted(&project, &specification, &key, without)?;
    request::refuse_older_secrets(&observed, &plan.spec, args.allow_older_secrets)?;
    if carried(wanted.spec, &plan.request, &observed).as_ref() != Ok(&plan.spec) {
        return Err(stale("the manifest or a setting has changed since it was made"));
    }
    // A plan without a step is stale too: that there is nothing to do is no longer true.
    if plan.request == Request::Deploy && wanted.source.digest != plan.tree.source.digest {
        return Err(stale("the source has changed since it was made"));
    }
    if plan.request == Request::Deploy {
        let may_stop_all = Cell::new(args.allow_no_services);
        request::refuse_no_services(context, &observed, &plan.spec, &may_stop_all).await?;
    }
    if plan.is_empty() {
        return Ok(request::nothing_to_do(context, &plan));
    }
    plan.tree.source.without = wanted.source.without;
    context.interrupts.refuse().await?;
    let begin = Ask::Begin { plan: Box::new(plan), values, key, by: context.who() };
    follow::run(context, &project, client, begin, Told::Outcome).await
}
