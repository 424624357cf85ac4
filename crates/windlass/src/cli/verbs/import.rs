//! `windlass import compose`

use crate::cli::args;
use crate::cli::context::Context;
use crate::cli::failure::Failure;

pub(in crate::cli) fn run(_context: &Context, _args: &args::Import) -> Result<u8, Failure> {
    Err(Failure::failed("import compose is not there yet", ""))
}
