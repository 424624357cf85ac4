//! `windlass import compose FILE`

use crate::cli::args;
use crate::cli::context::{Context, complain};
use crate::cli::failure::Failure;
use crate::project::adopt::import;

pub(in crate::cli) fn run(context: &Context, args: &args::Import) -> Result<u8, Failure> {
    let written = import(&args.path, args.force).map_err(|error| Failure::usage(error.to_string(), ""))?;
    let notes: Vec<String> = written.imported.notes.iter().map(ToString::to_string).collect();
    let document = serde_json::json!({ "path": written.path, "not_carried_over": notes });
    context.print(&document, || format!("Wrote {}.", written.path.display()));
    if !context.options.json && !notes.is_empty() {
        complain(&format!("Not carried over from {}:", args.path.display()));
        notes.iter().for_each(|note| complain(&format!("  {note}")));
    }
    Ok(0)
}
