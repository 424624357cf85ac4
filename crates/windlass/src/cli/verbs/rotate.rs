//! `windlass secrets rotate NAME`

use windlass_core::name::Name;
use windlass_core::plan::{Request, Rotated};
use windlass_core::protocol::Values;

use super::request;
use crate::cli::args;
use crate::cli::context::Context;
use crate::cli::failure::Failure;

pub(in crate::cli) async fn run(context: &Context, args: &args::Rotate) -> Result<u8, Failure> {
    let name = Name::new(args.name.as_str()).map_err(|_| {
        Failure::usage(
            format!("{:?} is not a resource", args.name),
            "name a private resource of the manifest, such as db; a setting gets another value where it is \
             kept, and a deploy starts anew what sees it",
        )
    })?;
    request::carry_out(context, |observed, _| {
        let what = Rotated::Resource(name.clone());
        Ok((request::as_active(observed, Request::Rotate { what })?, Values::default()))
    })
    .await
}
