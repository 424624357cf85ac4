//! `windlass deploy`

use super::request;
use crate::cli::context::Context;
use crate::cli::failure::Failure;

pub(in crate::cli) async fn run(context: &Context) -> Result<u8, Failure> {
    let project = context.project()?;
    // Faults of the manifest are told before anything is started.
    context.specification(&project, &request::new_key()?)?;
    request::carry_out(context, |_, key| request::as_manifest(context, &project, key)).await
}
