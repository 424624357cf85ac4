//! What another project has deployed under the same name: nobody changes or deletes that unasked. The name
//! is often that of a directory, such as `backend`.

use std::path::Path;

use windlass_core::plan::Observed;

use super::client;
use super::consent;
use super::context::Context;
use super::failure::{Failure, REFUSED};
use super::project::Project;
use crate::project::origin;

/// Refuses to change what is there, where it is another project's, unless that was allowed or a person says
/// yes. Starts nothing.
pub(super) async fn refuse(context: &Context, project: &Project) -> Result<(), Failure> {
    let (observed, _) = client::observe(&project.layout).await?;
    refuse_in(context, project, &observed).await
}

/// The same of what was observed already.
pub(super) async fn refuse_in(
    context: &Context,
    project: &Project,
    observed: &Observed,
) -> Result<(), Failure> {
    let allowed = &context.may_change_others;
    let Some(why) = found(observed, project).filter(|_| !allowed.get()) else { return Ok(()) };
    let question = format!("{why}. Type {} to go on:", project.app);
    let hint = "give one of them another name, in [app] of its manifest; --allow-other-source goes on all the same, where \
                they are one project; where it was moved, remove the old directory or its manifest";
    let refusal = Failure::new(REFUSED, why, hint);
    consent::ask_or_refuse(context, &question, project.app.as_str(), allowed, refusal).await
}

/// Whose services and data are there, where they are another's.
pub(super) fn found(observed: &Observed, project: &Project) -> Option<String> {
    let (before, what) = match &observed.active {
        Some(active) => (&active.tree.source.path, "what runs here and its data are that one's"),
        None => (observed.left_by.as_ref()?, "the databases that it left are that one's"),
    };
    let now = &project.directory;
    origin::is_another(Path::new(before), now, &project.manifest).then(|| {
        format!(
            "{} ({}) was deployed from {before} last, which is another project than {}: {what}",
            project.app,
            project.environment,
            now.display()
        )
    })
}
