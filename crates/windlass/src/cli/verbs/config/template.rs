//! `windlass config template`

use windlass_core::settings;

use crate::cli::context::Context;
use crate::cli::failure::Failure;

pub(super) fn run(context: &Context) -> Result<u8, Failure> {
    let project = context.project()?;
    let environment = project.environment.as_str();
    project.must_know(environment)?;
    let declared = project.manifest.settings(environment);
    let text = settings::template(project.app.as_str(), environment, &declared);
    context.answer(&serde_json::json!({ "environment": environment, "text": text }), || text.clone())?;
    Ok(0)
}
