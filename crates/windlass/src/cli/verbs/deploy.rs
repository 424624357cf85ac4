//! `windlass deploy`

use std::cell::Cell;

use windlass_core::plan::Observed;
use windlass_core::protocol::FingerprintKey;

use super::request::{self, How};
use crate::cli::args;
use crate::cli::context::Context;
use crate::cli::failure::Failure;
use crate::cli::own_files;
use crate::cli::rotation;

pub(in crate::cli) async fn run(context: &Context, args: &args::Deploy) -> Result<u8, Failure> {
    let project = context.project_to_deploy()?;
    project.checkout.ask_ahead();
    rotation::settle(context, &project).await?;
    // Faults of the manifest are told before anything is started.
    let specified = context.specification(&project)?;
    let without = own_files::below(&project.directory, &[]);
    // A plan may be made several times; a person is asked once.
    let may_stop_all = Cell::new(args.allow_no_services);
    let may_leave_data = Cell::new(args.allow_new_data);
    let wanted = async |observed: &Observed, key: &FingerprintKey| {
        let wanted = context.wanted(&project, &specified, key, without.clone())?;
        request::refuse_older_secrets(observed, &wanted.spec, args.allow_older_secrets)?;
        request::refuse_no_services(context, observed, &wanted.spec, &may_stop_all).await?;
        request::refuse_left_behind(context, observed, &wanted.spec, &may_leave_data).await?;
        Ok(wanted)
    };
    let how = How { anyway: args.anyway, values: &|| specified.values(), ..How::default() };
    request::carry_out_as(context, &project, wanted, how).await
}
