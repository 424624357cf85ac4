//! `windlass config diff`

use std::fmt::Write as _;

use indexmap::IndexSet;
use windlass_core::settings::{Fault, Text};

use super::shown::{Shown, Viewer};
use crate::cli::context::Context;
use crate::cli::failure::Failure;
use crate::settings::Found;

/// A setting that differs.
#[derive(Debug, serde::Serialize)]
struct Difference {
    name: String,
    left: Option<Shown>,
    right: Option<Shown>,
}

pub(super) fn run(context: &Context, left: &str, right: &str) -> Result<u8, Failure> {
    let project = context.project()?;
    project.must_know(left)?;
    project.must_know(right)?;
    let settings = |environment: &str| context.settings_of(&project, environment);
    let (of_left, of_right) = match (settings(left), settings(right)) {
        (Ok(of_left), Ok(of_right)) => (of_left, of_right),
        (of_left, of_right) => {
            let mut faults = of_left.err().unwrap_or_default();
            // What both have is at fault once.
            let more: Vec<Fault> =
                of_right.err().into_iter().flatten().filter(|fault| !faults.contains(fault)).collect();
            faults.extend(more);
            return Err(context.refuse(&project, &faults, &[]));
        }
    };
    context.tell_unstored(&of_left);
    context.tell_unstored(&of_right);
    // Each under its own environment's key, as `config` shows it: only what differs is listed, so that nobody
    // has to compare the two.
    let viewer = |environment: &str| Ok(Viewer::of(&project, &project.layout_of(environment)?));
    let (viewer_of_left, viewer_of_right) = (viewer(left)?, viewer(right)?);
    let names: IndexSet<&String> =
        of_left.assembled.settings.keys().chain(of_right.assembled.settings.keys()).collect();
    let mut differences = vec![];
    for name in names {
        let value = |found: &Found, viewer: &Viewer| {
            let resolved = found.assembled.settings.get(name)?;
            let same = match &resolved.value.text {
                Text::Known(secret) => secret.fingerprint(&[0; 32]),
                Text::Composed(template) => template.to_string(),
            };
            Some((same, viewer.show(found.declared.get(name), &resolved.value)))
        };
        let (left, right) = (value(&of_left, &viewer_of_left), value(&of_right, &viewer_of_right));
        if left.as_ref().map(|(same, _)| same) != right.as_ref().map(|(same, _)| same) {
            let (left, right) = (left.map(|(_, shown)| shown), right.map(|(_, shown)| shown));
            differences.push(Difference { name: name.clone(), left, right });
        }
    }
    let document = serde_json::json!({ "left": left, "right": right, "differences": differences });
    context.answer(&document, || text(left, right, &differences))?;
    Ok(0)
}

fn text(left: &str, right: &str, differences: &[Difference]) -> String {
    if differences.is_empty() {
        return format!("The settings of {left} and {right} are the same.");
    }
    let width = left.chars().count().max(right.chars().count());
    let mut text = String::new();
    for difference in differences {
        let _ = writeln!(text, "{}", difference.name);
        for (environment, shown) in [(left, &difference.left), (right, &difference.right)] {
            let _ = match shown {
                Some(shown) => writeln!(text, "  {environment:width$}  {}  {}", shown.text(), shown.source),
                None => writeln!(text, "  {environment:width$}  (no value)"),
            };
        }
    }
    text
}
