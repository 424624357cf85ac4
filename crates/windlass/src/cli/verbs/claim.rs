//! `windlass resume` and `windlass abort`

use windlass_core::protocol::{Ask, Claim};

use crate::cli::client::Client;
use crate::cli::context::Context;
use crate::cli::failure::{Failure, INTERRUPTED};
use crate::cli::follow::{self, Told};
use crate::cli::rotation;

pub(in crate::cli) async fn resume(context: &Context) -> Result<u8, Failure> {
    claim(context, Claim::Resume).await
}

pub(in crate::cli) async fn abort(context: &Context) -> Result<u8, Failure> {
    claim(context, Claim::Abort).await
}

async fn claim(context: &Context, how: Claim) -> Result<u8, Failure> {
    let (project, client) = Client::of_deployed(context).await?;
    let ask = Ask::Claim { how, by: context.who(), run: None, interrupted: false };
    let told = match how {
        Claim::Resume => Told::Outcome,
        Claim::Abort => Told::Back,
    };
    let ended = follow::run(context, &project, client, ask, told).await?;
    // Of a rotation the file is to have the value that holds now. What is said of the run stays what it is.
    if ended != INTERRUPTED
        && let Err(failure) = rotation::settle(context, &project).await
    {
        context.say(&format!("note: {}", failure.message));
    }
    Ok(ended)
}
