//! `windlass secrets unset NAME`

use super::{commit_hint, keyring, place, trouble};
use crate::cli::context::Context;
use crate::cli::failure::Failure;

pub(super) fn run(context: &Context, name: &str) -> Result<u8, Failure> {
    let place = place(context)?;
    let changed = place.change(keyring(context)?, |editing, _| Ok(editing.unset(name)));
    let changed = changed.map_err(|why| trouble(context, &place, why))?;
    if !changed.answer {
        return Err(Failure::usage(format!("{} has no {name}", place.file()), "see windlass secrets list"));
    }
    let document = serde_json::json!({ "name": name, "file": place.file() });
    context.print(&document, || {
        format!(
            "Removed {name} from {}. It stays in git's history: change it at its source as well. {}",
            place.file(),
            commit_hint(&place)
        )
    });
    Ok(0)
}
