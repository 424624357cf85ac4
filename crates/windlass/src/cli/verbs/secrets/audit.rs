//! `windlass secrets audit`

use serde_json::json;
use windlass_core::settings::sealed::Document;

use super::declared::Declarations;
use super::leavers::{Leaver, leavers};
use super::recipients;
use super::table::table;
use super::{keyring, listed, place, sound};
use crate::cli::context::Context;
use crate::cli::failure::{FAILED, Failure};
use crate::settings::sealed::today;

/// What was found.
struct Found {
    /// Names and ages in days.
    old: Vec<(String, i64)>,
    /// Names that the manifest does not know, with what to do.
    undeclared: Vec<(String, String)>,
    /// `None` where git has no history of the file.
    leavers: Option<Vec<Leaver>>,
}

pub(super) fn run(context: &Context, older_than: u32) -> Result<u8, Failure> {
    let place = place(context)?;
    let opened = sound(context, &place)?;
    let declarations = Declarations::of(context);
    let names = opened.in_force().map(|(name, _)| name);
    let undeclared = |name: &str| Some((name.to_owned(), declarations.knows(name)?.err()?));
    let keys = keyring(context)?.keys();
    let found = Found {
        old: old(opened.document(), today(), older_than),
        undeclared: names.filter_map(undeclared).collect(),
        leavers: leavers(&context.project_directory()?, &place.file(), &opened, &keys),
    };
    let known =
        |leaver: &Leaver| json!({ "name": leaver.name, "public_key": leaver.public, "known": leaver.known });
    let json = json!({
        "file": place.file(),
        "older_than": older_than,
        "old": found.old.iter().map(|(name, days)| json!({ "name": name, "days": days })).collect::<Vec<_>>(),
        "undeclared": found.undeclared.iter().map(|(name, _)| name).collect::<Vec<_>>(),
        "removed": found.leavers.as_ref().map(|all| all.iter().map(known).collect::<Vec<_>>()),
        "recipients": recipients::json(opened.document()),
    });
    context.answer(&json, || {
        format!("{}\nRecipients:\n{}", found.text(older_than), recipients::text(opened.document()))
    })?;
    let is_known = found.leavers.iter().flatten().any(|leaver| !leaver.known.is_empty());
    Ok(if found.old.is_empty() && !is_known { 0 } else { FAILED })
}

impl Found {
    fn text(&self, older_than: u32) -> String {
        let mut text = if self.old.is_empty() {
            format!("No value is older than {older_than} days.\n")
        } else {
            let rows: Vec<_> =
                self.old.iter().map(|(name, days)| vec![name.clone(), format!("{days} days")]).collect();
            format!("Not changed for more than {older_than} days:\n{}", table(&rows))
        };
        if !self.undeclared.is_empty() {
            let rows: Vec<_> =
                self.undeclared.iter().map(|(name, help)| vec![name.clone(), help.clone()]).collect();
            text.push_str(&format!("\nDeclared nowhere in the manifest:\n{}", table(&rows)));
        }
        match &self.leavers {
            None => {
                text.push_str("\nWho could read the file before cannot be told: git has no history of it.\n");
            }
            Some(all) => {
                for leaver in all.iter().filter(|leaver| !leaver.known.is_empty()) {
                    text.push_str(&format!(
                        "\n{} ({}) can read the file no more, and knows what was not changed since: {}\n",
                        leaver.name,
                        leaver.public,
                        listed(&leaver.known)
                    ));
                }
            }
        }
        text
    }
}

/// Names and ages in days of what is older than so many.
fn old(document: &Document, today: jiff::civil::Date, older_than: u32) -> Vec<(String, i64)> {
    let days = |date: jiff::civil::Date| date.duration_until(today).as_hours() / 24;
    let aged = document.entries.iter().map(|entry| (entry.label.to_string(), days(entry.date)));
    aged.filter(|(_, days)| *days > i64::from(older_than)).collect()
}
