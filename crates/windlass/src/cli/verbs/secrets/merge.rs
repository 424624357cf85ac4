//! `windlass secrets merge BASE OURS THEIRS`: git's merge driver.

use std::path::Path;

use windlass_core::settings::sealed::{Conflict, Opened, merge};

use super::{keyring, listed, told};
use crate::cli::args::secrets::Merge;
use crate::cli::context::Context;
use crate::cli::failure::{FAILED, Failure};
use crate::layout;
use crate::settings::sealed::{fresh_random, open_path};

/// Git takes 0 for merged and anything else for a conflict; then the file has our side, or our side
/// of what both have changed.
pub(super) fn run(context: &Context, args: &Merge) -> Result<u8, Failure> {
    let failed = |message: String, hint: &str| Failure::failed(message, hint.to_owned());
    let open = |path: &Path, side: &str| -> Result<Option<Opened>, Failure> {
        // Git's names for the three are of no use to a person.
        open_path(path, side, keyring(context)?).map_err(|faults| {
            let failure = told(context, &faults);
            Failure { code: FAILED, ..failure }
        })
    };
    let base = open(&args.base, "the common version")?;
    let ours = open(&args.ours, "our version")?;
    let theirs = open(&args.theirs, "their version")?;
    let (Some(ours), Some(theirs)) = (ours, theirs) else {
        return Err(failed("one side has no encrypted file".to_owned(), "keep the one that is there"));
    };
    let mut random =
        fresh_random().map_err(|_| failed("the system gives no random numbers".to_owned(), ""))?;
    let merged = merge(base.as_ref(), ours, theirs, &mut random)
        .map_err(|refused| failed(refused.message.clone(), &refused.help))?;
    let (text, version) = merged.editing.finish();
    let mode = std::fs::metadata(&args.ours)
        .map_or(0o644, |facts| std::os::unix::fs::PermissionsExt::mode(&facts.permissions()) & 0o777);
    layout::replace_file(
        &std::path::absolute(&args.ours).unwrap_or_else(|_| args.ours.clone()),
        text.as_bytes(),
        mode,
    )
    .map_err(|error| failed(format!("{} cannot be written: {error}", args.ours.display()), ""))?;
    let names: Vec<String> = merged
        .conflicts
        .into_iter()
        .map(|conflict| match conflict {
            Conflict::Value(name) => name,
            Conflict::Recipient(name) => format!("the recipient {name}"),
        })
        .collect();
    let document = serde_json::json!({ "conflicts": names, "epoch": version.epoch });
    if names.is_empty() {
        context.print(&document, || "Merged the encrypted file value by value.".to_owned());
        return Ok(0);
    }
    context.print(&document, || {
        format!(
            "Both sides have changed {}. The file is whole and has our side of it: set it to what it should be \
             (windlass secrets set), then git add.",
            listed(&names)
        )
    });
    Ok(FAILED)
}
