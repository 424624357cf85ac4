//! `windlass stop`

use windlass_core::plan::Request;

use super::request;
use crate::cli::context::Context;
use crate::cli::failure::Failure;

pub(in crate::cli) async fn run(context: &Context, services: Vec<String>) -> Result<u8, Failure> {
    let services = request::names(services)?;
    request::change_active(context, Request::Stop { services }).await
}
