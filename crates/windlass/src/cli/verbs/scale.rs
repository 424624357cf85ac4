//! `windlass scale web=4`

use indexmap::IndexMap;
use windlass_core::name::Name;
use windlass_core::plan::Request;

use super::request;
use crate::cli::context::Context;
use crate::cli::failure::Failure;

pub(in crate::cli) async fn run(context: &Context, typed: &[String]) -> Result<u8, Failure> {
    let replicas: IndexMap<Name, u32> = typed.iter().map(|pair| read(pair)).collect::<Result<_, _>>()?;
    request::change_active(context, Request::Scale { replicas }).await
}

fn read(pair: &str) -> Result<(Name, u32), Failure> {
    let wrong = || Failure::usage(format!("{pair:?} is not SERVICE=COPIES"), "write it like web=4");
    let (name, count) = pair.split_once('=').ok_or_else(wrong)?;
    Ok((Name::new(name).map_err(|_| wrong())?, count.parse().map_err(|_| wrong())?))
}
