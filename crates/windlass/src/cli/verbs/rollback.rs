//! `windlass rollback [RELEASE]`

use windlass_core::name::ReleaseId;
use windlass_core::plan::{Request, Source, Wanted};
use windlass_core::protocol::Values;
use windlass_core::spec::Spec;

use super::request;
use crate::cli::context::Context;
use crate::cli::failure::Failure;
use crate::engine::Journal;

pub(in crate::cli) async fn run(context: &Context, to: Option<ReleaseId>) -> Result<u8, Failure> {
    let project = context.project()?;
    request::carry_out(context, |observed, _| {
        let active = observed.active.as_ref().ok_or_else(request::not_deployed)?;
        let available = || observed.releases.iter().map(|(release, _)| *release);
        let to = match to {
            Some(to) => to,
            None => available().find(|release| *release < active.release).ok_or_else(|| {
                Failure::usage("there is no release before this one", "see windlass releases")
            })?,
        };
        if !available().any(|release| release == to) {
            let known: Vec<String> = available().map(|release| release.to_string()).collect();
            return Err(Failure::usage(
                format!("{to} is not there to go back to"),
                format!("there are {}", known.join(", ")),
            ));
        }
        let (spec, source) = recorded(&project.layout.journal(), to)?;
        Ok((Wanted { request: Request::Rollback { to }, spec, source }, Values::default()))
    })
    .await
}

/// What an earlier release ran, from the ledger.
fn recorded(journal: &std::path::Path, to: ReleaseId) -> Result<(Spec, Source), Failure> {
    let row = Journal::open_to_read(journal).and_then(|journal| journal.release(to));
    match row {
        Ok(Some(row)) => Ok((row.spec, row.source)),
        Ok(None) => Err(Failure::usage(format!("the ledger does not know {to}"), "see windlass releases")),
        Err(error) => Err(Failure::failed(error.to_string(), "")),
    }
}
