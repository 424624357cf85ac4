//! `windlass init`

use std::io;

use crate::cli::args;
use crate::cli::context::Context;
use crate::cli::failure::Failure;
use crate::project::adopt::init;

pub(in crate::cli) fn run(context: &Context, args: &args::Init) -> Result<u8, Failure> {
    context.takes_no_manifest("init")?;
    let written = init(&args.directory, args.force).map_err(|error| {
        let hint = match error.kind() {
            io::ErrorKind::AlreadyExists => "",
            _ => "name the project: windlass init DIRECTORY",
        };
        Failure::usage(error.to_string(), hint)
    })?;
    let document = serde_json::json!({ "path": written.path, "notes": written.proposal.notes });
    context.print(&document, || {
        let mut text = format!("Wrote {}.", written.path.display());
        for note in &written.proposal.notes {
            text.push_str(&format!("\n  {note}"));
        }
        text + "\nNext: windlass check, windlass plan, windlass deploy"
    });
    Ok(0)
}
