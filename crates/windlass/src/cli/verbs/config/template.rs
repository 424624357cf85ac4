//! `windlass config template`

use windlass_core::settings;

use crate::cli::context::Context;
use crate::cli::failure::Failure;

pub(super) fn run(context: &Context) -> Result<u8, Failure> {
    let project = context.project()?;
    let environment = project.environment.as_str();
    if !project.manifest.environments().iter().any(|known| known == environment) {
        let known = project.manifest.environments().join(", ");
        let message = format!("there is no environment {environment:?}");
        return Err(Failure::usage(message, format!("the environments are {known}")));
    }
    let declared = project.manifest.settings(environment);
    let text = settings::template(project.app.as_str(), environment, &declared);
    context.print(&serde_json::json!({ "environment": environment, "text": text }), || text.clone());
    Ok(0)
}
