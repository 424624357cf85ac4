//! `windlass secrets list`

use serde_json::json;
use windlass_core::settings::sealed::{Document, Label, Opened};

use super::recipients;
use super::table::table;
use super::{keyring, missing, place, told};
use crate::cli::context::{Context, complain};
use crate::cli::failure::{FAILED, Failure};
use crate::settings::fault_to_json;

/// What stands in the file can be listed by everybody; whether it is as it was written, only by whom
/// it is for.
pub(super) fn run(context: &Context) -> Result<u8, Failure> {
    let place = place(context)?;
    let parsed = place.parsed().map_err(|faults| told(context, &faults))?;
    let parsed = parsed.ok_or_else(|| missing(context, &place))?;
    let Some(document) = parsed.document else { return Err(told(context, &parsed.faults)) };
    // For whom the file is not, that is no fault of it; one with a line is.
    let (opened, wrong, closed) = match place.read(keyring(context)?) {
        Ok(opened) => (opened, vec![], vec![]),
        Err(faults) => {
            let (wrong, closed) = faults.into_iter().partition::<Vec<_>, _>(|fault| fault.line > 0);
            (None, wrong, closed)
        }
    };
    let faults: Vec<_> = match &opened {
        Some(opened) => opened.damaged.iter().map(|damaged| damaged.fault.clone()).collect(),
        None => wrong.into_iter().chain(parsed.faults).collect(),
    };
    let json = json!({
        "file": place.file(),
        "id": document.id,
        "epoch": document.epoch,
        "values": values(&document, opened.as_ref()),
        "recipients": recipients::json(&document),
        "opened": opened.is_some(),
        "damaged": faults.iter().map(fault_to_json).collect::<Vec<_>>(),
    });
    context.answer(&json, || text(&document, opened.as_ref()))?;
    if !context.options.json {
        faults.iter().for_each(|fault| complain(&format!("error: {fault}")));
        for why in &closed {
            context.say(&format!("note: only what anybody can read is shown: {why}"));
        }
    }
    Ok(if faults.is_empty() { 0 } else { FAILED })
}

/// Whether a value is damaged, as far as it could be opened.
fn is_damaged(label: &Label, opened: Option<&Opened>) -> bool {
    opened.is_some_and(|opened| !opened.values.contains_key(label))
}

fn values(document: &Document, opened: Option<&Opened>) -> Vec<serde_json::Value> {
    let values = document.entries.iter().filter(|entry| !entry.label.pending);
    values
        .map(|entry| {
            let pending = Label::pending(&entry.label.name);
            let pending = document.entries.iter().find(|other| other.label == pending);
            json!({
                "name": entry.label.name,
                "date": entry.date.to_string(),
                "line": entry.line,
                "pending": pending.map(|pending| pending.date.to_string()),
                "damaged": is_damaged(&entry.label, opened),
            })
        })
        .collect()
}

fn text(document: &Document, opened: Option<&Opened>) -> String {
    let rows: Vec<Vec<String>> = document
        .entries
        .iter()
        .map(|entry| {
            let mut notes = vec![];
            if entry.label.pending {
                notes.push("waits to replace the one above");
            }
            if is_damaged(&entry.label, opened) {
                notes.push("DAMAGED");
            }
            vec![entry.label.to_string(), entry.date.to_string(), notes.join(", ")]
        })
        .collect();
    let values = if rows.is_empty() { "There are no values yet.\n".to_owned() } else { table(&rows) };
    format!("{values}\nRecipients:\n{}", recipients::text(document))
}
