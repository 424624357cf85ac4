//! `windlass config`: the settings of an environment, and what is wrong with them.

mod check;
mod diff;
mod explain;
mod list;
mod shown;
mod template;

use crate::cli::args::config::{Config, What};
use crate::cli::context::Context;
use crate::cli::failure::Failure;

pub(in crate::cli) fn run(context: &Context, args: Config) -> Result<u8, Failure> {
    match args.what.unwrap_or(What::List) {
        What::List => list::run(context),
        What::Explain(args) => explain::run(context, &args.setting),
        What::Template => template::run(context),
        What::Diff(args) => diff::run(context, &args.left, &args.right),
        What::Check(args) => check::run(context, args.strict),
    }
}
