//! `windlass config`

use std::fmt::Write as _;

use indexmap::IndexMap;
use windlass_core::settings::is_secret;

use super::shown::{Seen, Viewer};
use crate::cli::context::Context;
use crate::cli::failure::Failure;
use crate::cli::rotation;

/// A setting in the list.
#[derive(Debug, serde::Serialize)]
struct Row {
    name: String,
    #[serde(rename = "type")]
    kind: &'static str,
    secret: bool,
    declared: bool,
    category: Option<String>,
    /// Where in which store its value is.
    from: Option<String>,
    /// Whether a rotation of it is open: which of its two values holds is settled by the next deploy.
    rotating: bool,
    #[serde(flatten)]
    seen: Option<Seen>,
}

pub(super) fn run(context: &Context) -> Result<u8, Failure> {
    let project = context.project()?;
    project.must_know(project.environment.as_str())?;
    let open = rotation::unsettled(&project);
    rotation::tell_unsettled(context, &open);
    let found = context.read_settings(&project, project.environment.as_str());
    let viewer = Viewer::of(&project, &project.layout, &found);
    let rows: Vec<Row> = found
        .names()
        .map(|name| {
            let declared = found.declared.get(name);
            let resolved = found.assembled.settings.get(name);
            Row {
                name: name.to_owned(),
                kind: declared.map_or("string", |declared| declared.kind.word()),
                secret: match resolved {
                    Some(resolved) => is_secret(name, declared, &resolved.value),
                    None => declared.is_none_or(|declared| declared.secret),
                },
                declared: declared.is_some(),
                category: declared.and_then(|declared| declared.category.clone()),
                from: declared.and_then(|declared| Some(declared.from.as_ref()?.to_string())),
                rotating: open.iter().any(|open| open.setting == name),
                seen: viewer.see(&found, name),
            }
        })
        .collect();
    let document = serde_json::json!({
        "app": project.app, "environment": project.environment, "settings": rows, "not_shown": found.unnamed,
    });
    context.answer_as_known(&[&found], document, || text(&rows, &found.unnamed))
}

fn text(rows: &[Row], unnamed: &IndexMap<String, usize>) -> String {
    if rows.is_empty() && unnamed.is_empty() {
        return "No setting is declared under [settings], and none stands in .env.".to_owned();
    }
    let width = |text: &dyn Fn(&Row) -> String| {
        rows.iter().map(|row| text(row).chars().count()).max().unwrap_or_default()
    };
    let value = |row: &Row| row.seen.as_ref().map_or("(no value)".to_owned(), Seen::text);
    let (names, values) = (width(&|row| row.name.clone()), width(&value));
    let mut categories: Vec<Option<&str>> = vec![];
    for row in rows {
        let category = row.category.as_deref();
        if !categories.contains(&category) {
            categories.push(category);
        }
    }
    categories.sort_by_key(Option::is_none);
    let mut text = String::new();
    for category in &categories {
        if categories.len() > 1 || category.is_some() {
            let _ =
                writeln!(text, "{}{}", if text.is_empty() { "" } else { "\n" }, category.unwrap_or("Others"));
        }
        for row in rows.iter().filter(|row| row.category.as_deref() == *category) {
            let source = row.seen.as_ref().map(Seen::source);
            let source = source.or(row.from.as_deref()).unwrap_or("-");
            let note = if row.declared { "" } else { "  (not declared)" };
            let _ = writeln!(text, "{:names$}  {:values$}  {source}{note}", row.name, value(row));
        }
    }
    for (file, count) in unnamed {
        let ones = if *count == 1 { "one" } else { "ones" };
        let _ = writeln!(text, "and {count} undeclared {ones} in {file}, not shown");
    }
    text
}
