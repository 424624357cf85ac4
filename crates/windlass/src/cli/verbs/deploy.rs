//! `windlass deploy`

use super::request;
use crate::cli::context::Context;
use crate::cli::failure::Failure;
use crate::cli::own_files;
use crate::cli::rotation;

pub(in crate::cli) async fn run(context: &Context, allow_older_secrets: bool) -> Result<u8, Failure> {
    let project = context.project_with_settings()?;
    rotation::settle(context, &project).await?;
    // Faults of the manifest are told before anything is started.
    let specified = context.specification(&project)?;
    let without = own_files::below(&project.directory, &[]);
    request::carry_out(context, &project, |observed, key| {
        let (wanted, values) = context.wanted(&project, &specified, key, without.clone())?;
        request::refuse_older_secrets(observed, &wanted.spec, allow_older_secrets)?;
        if let Some(before) = observed.active.as_ref().map(|active| &active.tree.source.path)
            && *before != wanted.source.path
        {
            // Two projects of one name would otherwise replace each other without a word.
            context.say(&format!("note: the last deploy of {} came from {before}", project.app));
        }
        Ok((wanted, values))
    })
    .await
}
