//! `windlass resume` and `windlass abort`

use windlass_core::protocol::{Ask, Claim};

use crate::cli::client::Client;
use crate::cli::context::Context;
use crate::cli::failure::Failure;
use crate::cli::follow;

pub(in crate::cli) async fn resume(context: &Context) -> Result<u8, Failure> {
    claim(context, Claim::Resume).await
}

pub(in crate::cli) async fn abort(context: &Context) -> Result<u8, Failure> {
    claim(context, Claim::Abort).await
}

async fn claim(context: &Context, how: Claim) -> Result<u8, Failure> {
    let (project, client) = Client::of_deployed(context).await?;
    follow::run(context, &project, client, Ask::Claim { how, by: context.who() }).await
}
