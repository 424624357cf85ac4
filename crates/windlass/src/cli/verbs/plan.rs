//! `windlass plan`

use std::path::{Path, PathBuf};

use windlass_core::plan::plan;

use super::plan_file::PlanFile;
use super::request;
use crate::cli::args;
use crate::cli::client;
use crate::cli::context::Context;
use crate::cli::failure::Failure;
use crate::cli::own_files;
use crate::cli::rotation;

pub(in crate::cli) async fn run(context: &Context, args: &args::Plan) -> Result<u8, Failure> {
    let project = context.project_with_settings()?;
    rotation::tell_unsettled(context, &rotation::unsettled(&project));
    let (observed, key) = client::observe(&project.layout).await?;
    let key = key.map_or_else(request::new_key, Ok)?;
    let out: Vec<&Path> = args.out.iter().map(PathBuf::as_path).collect();
    let without = own_files::below(&project.directory, &out);
    let (wanted, _) = context.wanted(&project, &context.specification(&project)?, &key, without)?;
    if let Some(why) = request::older_secrets(&observed, &wanted.spec) {
        context.say(&format!("warning: {why}: a deploy refuses it without --allow-older-secrets"));
    }
    if let Some(why) = request::no_services(&observed, &wanted.spec) {
        context.say(&format!("warning: {why}: a deploy refuses it without --allow-no-services"));
    }
    let plan = plan(&wanted, &observed).map_err(|error| Failure::usage(error.to_string(), ""))?;
    context.print(&plan, || plan.to_string());
    if let Some(path) = &args.out {
        PlanFile::write(path, plan, key)?;
        context.say(&format!("written to {0}: carry it out with `windlass apply {0}`", path.display()));
    }
    Ok(0)
}
