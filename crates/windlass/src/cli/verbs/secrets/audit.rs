//! `windlass secrets audit`

use serde_json::json;
use windlass_core::settings::sealed::Document;

use super::recipients;
use super::table::table;
use super::{place, sound};
use crate::cli::context::Context;
use crate::cli::failure::{FAILED, Failure};
use crate::settings::sealed::today;

pub(super) fn run(context: &Context, older_than: u32) -> Result<u8, Failure> {
    let place = place(context)?;
    let opened = sound(context, &place)?;
    let old = old(opened.document(), today(), older_than);
    let json = json!({
        "file": place.file(),
        "older_than": older_than,
        "old": old.iter().map(|(name, days)| json!({ "name": name, "days": days })).collect::<Vec<_>>(),
        "recipients": recipients::json(opened.document()),
    });
    context.answer(&json, || {
        let mut text = if old.is_empty() {
            format!("No value is older than {older_than} days.\n")
        } else {
            let rows: Vec<_> =
                old.iter().map(|(name, days)| vec![name.clone(), format!("{days} days")]).collect();
            format!("Not changed for more than {older_than} days:\n{}", table(&rows))
        };
        text.push_str(&format!("\nRecipients:\n{}", recipients::text(opened.document())));
        text
    })?;
    Ok(if old.is_empty() { 0 } else { FAILED })
}

/// Names and ages in days of what is older than so many.
fn old(document: &Document, today: jiff::civil::Date, older_than: u32) -> Vec<(String, i64)> {
    let days = |date: jiff::civil::Date| date.duration_until(today).as_hours() / 24;
    let aged = document.entries.iter().map(|entry| (entry.label.to_string(), days(entry.date)));
    aged.filter(|(_, days)| *days > i64::from(older_than)).collect()
}
