//! `windlass apply FILE`

use std::cell::Cell;

use windlass_core::plan::{Plan, Tree, carried};
use windlass_core::protocol::{Answer, Ask};

use super::plan_file::PlanFile;
use super::request;
use crate::cli::args;
use crate::cli::client::{Client, unexpected};
use crate::cli::context::Context;
use crate::cli::failure::{Failure, REFUSED};
use crate::cli::follow::{self, Told};
use crate::cli::other_source;
use crate::cli::own_files;
use crate::cli::passed;
use crate::cli::rotation;

pub(in crate::cli) async fn run(context: &Context, args: &args::Apply) -> Result<u8, Failure> {
    let PlanFile { key, plan, .. } = PlanFile::read(&args.plan)?;
    let project = context.project_to_deploy()?;
    project.checkout.ask_ahead();
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
    other_source::refuse(context, &project).await?;
    let mut client = Client::start(context, &project.layout).await?;
    let (observed, kept) = match client.ask(&Ask::Observe).await? {
        Answer::Observed { observed, key } if observed.fingerprint() == plan.base => (observed, key),
        Answer::Observed { .. } => return Err(stale("the environment has changed since it was made")),
        _ => return Err(unexpected()),
    };
    // Only a first deploy brings its own.
    let key = kept.or(key).ok_or_else(|| stale("the environment has changed since it was made"))?;
    let wanted = context.wanted(&project, &specification, &key, without)?;
    request::refuse_older_secrets(&observed, &plan.spec, args.allow_older_secrets)?;
    if carried(wanted.spec.clone(), &plan.request, &observed).as_ref() != Ok(&plan.spec) {
        return Err(stale("the manifest or a setting has changed since it was made"));
    }
    // A plan without a step is stale too: that there is nothing to do is no longer true.
    if wanted.source.digest != plan.tree.source.digest {
        return Err(stale("the source has changed since it was made"));
    }
    let known = plan;
    let plan = windlass_core::plan::plan(&wanted, &observed)
        .map_err(|error| Failure::usage(error.to_string(), ""))?;
    if !is_same(&plan, &known) {
        return Err(stale("its steps are not those that are planned now"));
    }
    let may_stop_all = Cell::new(args.allow_no_services);
    request::refuse_no_services(context, &observed, &plan.spec, &may_stop_all).await?;
    let may_leave_data = Cell::new(args.allow_new_data);
    request::refuse_left_behind(context, &observed, &plan.spec, &may_leave_data).await?;
    if plan.is_empty() {
        return Ok(request::nothing_to_do(context, &plan));
    }
    context.interrupts.refuse().await?;
    let plan = Plan { anyway: args.anyway, ..plan };
    let (values, passed, by) = (specification.values(), passed::own(), context.who());
    let begin = Ask::Begin { plan: Box::new(plan), values, passed, key, by };
    follow::run(context, &project, client, begin, Told::Outcome).await
}

/// Whether two plans do the same. Where the same files lie, and what they are called where they come from, may
/// differ; so may what is only shown of them, which the version before does not write.
fn is_same(one: &Plan, other: &Plan) -> bool {
    let other = Plan {
        tree: Tree { source: one.tree.source.clone(), ..other.tree.clone() },
        parts: one.parts.clone(),
        ..other.clone()
    };
    *one == other
}

#[cfg(test)]
mod tests {
    use windlass_core::plan::{Observed, Request, Wanted, plan};
    use windlass_testkit::sample::{name, shop, source, web};

    use super::*;

    #[test]
    fn a_plan_of_which_a_step_was_changed_is_not_the_same() {
        let mut spec = shop();
        spec.services.insert(name("web"), web("serve"));
        let wanted = Wanted { request: Request::Deploy, spec, source: source("one") };
        let made = plan(&wanted, &Observed { next_release: 1, ..Observed::default() }).unwrap();
        let mut elsewhere = made.clone();
        elsewhere.tree.source.path = "/another/checkout".to_owned();
        elsewhere.tree.source.commit = None;
        elsewhere.parts.clear();
        assert!(is_same(&made, &elsewhere));
        let mut edited = made.clone();
        edited.steps.pop();
        assert!(!is_same(&made, &edited));
        let mut edited = made.clone();
        edited.steps[1].id = 99;
        assert!(!is_same(&made, &edited));
    }
}
