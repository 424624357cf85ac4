//! `windlass check`

use windlass_core::diag;

use super::request;
use crate::cli::context::{Context, MANIFEST};
use crate::cli::failure::Failure;
use crate::keeper::limits;

pub(in crate::cli) fn run(context: &Context) -> Result<u8, Failure> {
    let project = context.project()?;
    let (spec, _) = context.specification(&project, &request::new_key()?)?;
    let (_, diags) = windlass_core::manifest::load(project.manifest.text());
    if !context.options.json && !diags.is_empty() {
        context.say(diag::render_all(&diags, project.manifest.text(), &project.file).trim_end());
    }
    let _ = limits::capabilities();
    let document = serde_json::json!({
        "app": spec.app, "environment": spec.environment, "warnings": diags,
    });
    context.print(&document, || {
        format!(
            "{MANIFEST} is right: {} ({}) has {} services, {} jobs, {} cron jobs, {} resources, {} routes.",
            spec.app,
            spec.environment,
            spec.services.len(),
            spec.jobs.len(),
            spec.crons.len(),
            spec.resources.len(),
            spec.routes.len()
        )
    });
    Ok(0)
}
