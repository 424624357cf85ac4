//! `windlass plan`

use std::path::{Path, PathBuf};

use windlass_core::plan::{left_behind, plan};

use super::plan_file::PlanFile;
use super::request;
use crate::cli::args;
use crate::cli::client;
use crate::cli::context::Context;
use crate::cli::failure::Failure;
use crate::cli::other_source;
use crate::cli::own_files;
use crate::cli::rotation;
use crate::cli::source;
use crate::host;

pub(in crate::cli) async fn run(context: &Context, args: &args::Plan) -> Result<u8, Failure> {
    let project = context.project_to_deploy()?;
    project.checkout.ask_ahead();
    rotation::tell_unsettled(context, &rotation::unsettled(&project));
    let (observed, kept) = client::observe(&project.layout).await?;
    // The host has its own; that of a first deploy is made here, and goes with the plan.
    let (key, new) = match kept {
        Some(key) => (key, None),
        None => {
            let key = request::new_key()?;
            (key.clone(), Some(key))
        }
    };
    let out: Vec<&Path> = args.out.iter().map(PathBuf::as_path).collect();
    let without = own_files::below(&project.directory, &out);
    let wanted = context.wanted(&project, &context.specification(&project)?, &key, without)?;
    if let Some(why) = request::older_secrets(&observed, &wanted.spec) {
        context.say(&format!("warning: {why}: a deploy refuses it without --allow-older-secrets"));
    }
    if let Some(why) = request::no_services(&observed, &wanted.spec) {
        context.say(&format!("warning: {why}: a deploy refuses it without --allow-no-services"));
    }
    if let Some(why) = left_behind(&observed, &wanted.spec) {
        context.say(&format!("warning: {why}: a deploy refuses it without --allow-new-data"));
    }
    if let Some(why) = other_source::found(&observed, &project) {
        context.say(&format!("warning: {why}: a deploy refuses it without --allow-other-source"));
    }
    let source = source::examine(&project, &wanted.spec);
    if let Some(empty) = source.empty {
        context.say(&format!("warning: {empty}"));
    }
    for left_out in source.left_out {
        context.say(&format!("note: {left_out}"));
    }
    let plan = plan(&wanted, &observed).map_err(|error| Failure::usage(error.to_string(), ""))?;
    let of_other_tree = observed.active.as_ref().filter(|active| active.tree.id != plan.tree.id);
    let lost = of_other_tree
        .map(|active| host::left_behind(&project.layout, active.tree.id, &active.spec, &plan.spec));
    for lost in lost.into_iter().flatten() {
        context.say(&format!("warning: {lost}"));
    }
    let printed = context.answer(&plan, || plan.to_string());
    if let Some(path) = &args.out {
        let is_first = new.is_some();
        PlanFile::write(path, plan, new)?;
        if is_first {
            context.say(&format!(
                "note: {} is the plan of a first deploy, and holds the key of the environment's fingerprints: keep it \
                 from others",
                path.display()
            ));
        }

        context.say(&format!("written to {0}: carry it out with `windlass apply {0}`", path.display()));
    }
    printed.map(|()| 0)
}
