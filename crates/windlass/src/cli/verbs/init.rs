//! `windlass init`

use crate::cli::args;
use crate::cli::context::Context;
use crate::cli::failure::Failure;

pub(in crate::cli) fn run(_context: &Context, _args: &args::Init) -> Result<u8, Failure> {
    Err(Failure::failed("init is not there yet", ""))
}
