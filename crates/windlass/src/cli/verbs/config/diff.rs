//! `windlass config diff`

use std::fmt::Write as _;

use indexmap::IndexSet;
use windlass_core::settings::Text;

use super::shown::{Seen, Viewer};
use crate::cli::context::Context;
use crate::cli::failure::Failure;
use crate::settings::Found;

/// A setting that differs.
#[derive(Debug, serde::Serialize)]
struct Difference {
    name: String,
    left: Option<Seen>,
    right: Option<Seen>,
}

pub(super) fn run(context: &Context, left: &str, right: &str) -> Result<u8, Failure> {
    let project = context.project()?;
    project.must_know(left)?;
    project.must_know(right)?;
    let settings = |environment: &str| context.read_settings(&project, environment);
    let (of_left, of_right) = (settings(left), settings(right));
    // Each under its own environment's key, as `config` shows it: only what differs is listed, so that nobody
    // has to compare the two.
    let viewer = |environment: &str, found| Ok(Viewer::of(&project, &project.layout_of(environment)?, found));
    let (viewer_of_left, viewer_of_right) = (viewer(left, &of_left)?, viewer(right, &of_right)?);
    let names: IndexSet<&str> = of_left.names().chain(of_right.names()).collect();
    let mut differences = vec![];
    for name in names {
        let text = |found: &Found| {
            let resolved = found.assembled.settings.get(name)?;
            Some(match &resolved.value.text {
                Text::Known(secret) => secret.fingerprint(&[0; 32]),
                Text::Composed(template) => template.to_string(),
            })
        };
        let (left, right) = (viewer_of_left.see(&of_left, name), viewer_of_right.see(&of_right, name));
        let is_unknown = |seen: &Option<Seen>| matches!(seen, Some(Seen::Unknown { .. }));
        if text(&of_left) != text(&of_right) || is_unknown(&left) || is_unknown(&right) {
            differences.push(Difference { name: name.to_owned(), left, right });
        }
    }
    let document = serde_json::json!({
        "left": left, "right": right, "differences": differences,
        "not_shown": { "left": of_left.unnamed, "right": of_right.unnamed },
    });
    let is_whole = of_left.unnamed.is_empty() && of_right.unnamed.is_empty();
    context.answer_as_known(&[&of_left, &of_right], document, || text(left, right, &differences, is_whole))
}

fn text(left: &str, right: &str, differences: &[Difference], is_whole: bool) -> String {
    if differences.is_empty() && !is_whole {
        return format!("The settings of {left} and {right} are the same as far as they are known.");
    }
    if differences.is_empty() {
        return format!("The settings of {left} and {right} are the same.");
    }
    let width = left.chars().count().max(right.chars().count());
    let mut text = String::new();
    for difference in differences {
        let _ = writeln!(text, "{}", difference.name);
        for (environment, shown) in [(left, &difference.left), (right, &difference.right)] {
            let _ = match shown {
                Some(seen) => writeln!(text, "  {environment:width$}  {}  {}", seen.text(), seen.source()),
                None => writeln!(text, "  {environment:width$}  (no value)"),
            };
        }
    }
    text
}
