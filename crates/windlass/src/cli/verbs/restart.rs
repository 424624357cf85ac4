//! `windlass restart`

use windlass_core::plan::Request;
use windlass_core::protocol::Values;

use super::request;
use crate::cli::context::Context;
use crate::cli::failure::Failure;

pub(in crate::cli) async fn run(context: &Context, services: Vec<String>) -> Result<u8, Failure> {
    let services = request::names(services)?;
    request::carry_out(context, |observed, _| {
        let wanted = request::as_active(observed, Request::Restart { services: services.clone() })?;
        Ok((wanted, Values::default()))
    })
    .await
}
