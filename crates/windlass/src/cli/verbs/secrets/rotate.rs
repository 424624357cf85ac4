//! `windlass secrets rotate NAME`

use windlass_core::name::Name;
use windlass_core::plan::{Request, Rotated};

use crate::cli::args::secrets::Rotate;
use crate::cli::context::Context;
use crate::cli::failure::Failure;
use crate::cli::verbs::request;

pub(super) async fn run(context: &Context, args: &Rotate) -> Result<u8, Failure> {
    let name = Name::new(args.name.as_str()).map_err(|_| {
        Failure::usage(
            format!("{:?} is not a resource", args.name),
            "name a private resource of the manifest, such as db; a setting gets another value where it is \
             kept, and a deploy starts anew what sees it",
        )
    })?;
    request::change_active(context, Request::Rotate { what: Rotated::Resource(name) }).await
}
