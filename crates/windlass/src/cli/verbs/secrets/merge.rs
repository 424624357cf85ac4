//! `windlass secrets merge BASE OURS THEIRS`: git's merge driver.

use std::path::Path;

use windlass_core::settings::sealed::{Conflict, Merged, Opened, Recipient, merge};

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
    let Merged { editing, conflicts, added } = merged;
    let (text, version) = editing.finish();
    let mode = std::fs::metadata(&args.ours)
        .map_or(0o644, |facts| std::os::unix::fs::PermissionsExt::mode(&facts.permissions()) & 0o777);
    layout::replace_file(
        &std::path::absolute(&args.ours).unwrap_or_else(|_| args.ours.clone()),
        text.as_bytes(),
        mode,
    )
    .map_err(|error| failed(format!("{} cannot be written: {error}", args.ours.display()), ""))?;
    let told = Told::of(conflicts, &added);
    context.print(&told.json(version.epoch), || told.text());
    Ok(if told.is_whole() { 0 } else { FAILED })
}

/// What a person has to know of a merge.
struct Told {
    /// What both sides have changed.
    changed: Vec<String>,
    /// Whom one side has added while the other made a new key.
    kept_out: Vec<String>,
    /// Whom one side has added, with their keys.
    added: Vec<String>,
}

impl Told {
    fn of(conflicts: Vec<Conflict>, added: &[Recipient]) -> Self {
        let (mut changed, mut kept_out) = (vec![], vec![]);
        for conflict in conflicts {
            match conflict {
                Conflict::Value(name) => changed.push(name),
                Conflict::Recipient(name) => changed.push(format!("the recipient {name}")),
                Conflict::Added(name) => kept_out.push(name),
            }
        }
        let added = added.iter().map(|recipient| format!("{} ({})", recipient.name, recipient.public));
        Self { changed, kept_out, added: added.collect() }
    }

    fn is_whole(&self) -> bool {
        self.changed.is_empty() && self.kept_out.is_empty()
    }

    fn json(&self, epoch: u64) -> serde_json::Value {
        serde_json::json!({
            "conflicts": self.changed, "kept_out": self.kept_out, "added": self.added, "epoch": epoch,
        })
    }

    fn text(&self) -> String {
        let mut lines = vec![];
        if self.is_whole() {
            lines.push("Merged the encrypted file value by value.".to_owned());
        }
        if !self.changed.is_empty() {
            lines.push(format!(
                "Both sides have changed {}. The file is whole and has our side of it: set it to what it should be \
                 (windlass secrets set), then git add.",
                listed(&self.changed)
            ));
        }
        if !self.kept_out.is_empty() {
            lines.push(format!(
                "One side alone has {} as a recipient, and the sides have different keys: somebody who was put out may \
                 have written it, so the merged file is not for them. If they are meant, add them (windlass secrets \
                 recipients add), then git add.",
                listed(&self.kept_out)
            ));
        }
        if !self.added.is_empty() {
            lines.push(format!("New among the recipients: {}.", listed(&self.added)));
        }
        lines.join("\n")
    }
}
