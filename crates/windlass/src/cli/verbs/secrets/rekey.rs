//! `windlass secrets rekey`

use super::{commit_hint, keyring, place, trouble};
use crate::cli::context::Context;
use crate::cli::failure::Failure;

pub(super) fn run(context: &Context) -> Result<u8, Failure> {
    let place = place(context)?;
    let changed = place.change(keyring(context)?, |editing, random| {
        editing.rekey(random)?;
        Ok((editing.values().len(), editing.document().recipients.len()))
    });
    let changed = changed.map_err(|why| trouble(context, &place, why))?;
    let (values, recipients) = changed.answer;
    let document = serde_json::json!({
        "file": place.file(), "values": values, "recipients": recipients,
        "epoch": changed.written.as_ref().map(|version| version.epoch),
    });
    context.print(&document, || {
        format!(
            "Encrypted {values} value{} again with a new key, for {recipients} recipient{}. {}",
            if values == 1 { "" } else { "s" },
            if recipients == 1 { "" } else { "s" },
            commit_hint(&place)
        )
    });
    Ok(0)
}
