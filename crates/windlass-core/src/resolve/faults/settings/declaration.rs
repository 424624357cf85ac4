//! Declarations that contradict themselves: bounds that mean nothing for a type, a default that is
//! not of it.

use super::Of;
use crate::diag::Diag;
use crate::settings::{Kind, Secret};

pub(super) fn find(of: &Of<'_>, diags: &mut Vec<Diag>) {
    let before = diags.len();
    useless(of, diags);
    bounds(of, diags);
    pattern(of, diags);
    words(of, diags);
    // After a fault of the declaration its default need not be one.
    if diags.len() == before {
        diags.extend(default(of));
    }
}

/// Keys that mean nothing for the type.
fn useless(of: &Of<'_>, diags: &mut Vec<Diag>) {
    let kind = of.setting.kind;
    let text = matches!(
        kind,
        Kind::String | Kind::List | Kind::Enum | Kind::Url | Kind::Host | Kind::Path | Kind::Email
    );
    let length = matches!(kind, Kind::String | Kind::List);
    for (key, means, what) in [
        ("min", kind.has_order(), "an integer, number, port, duration or bytes"),
        ("max", kind.has_order(), "an integer, number, port, duration or bytes"),
        ("min_length", length, "a string or list"),
        ("max_length", length, "a string or list"),
        ("pattern", text, "a string, list, url, host, path or email"),
        ("values", text, "an enum, string or list"),
        ("schemes", kind == Kind::Url, "a url"),
        ("separator", kind == Kind::List, "a list"),
    ] {
        if !means && of.typed(key) {
            let message = format!("`{key}` means nothing for {}, which is of type {}", of.key, kind.word());
            diags.push(
                Diag::error("useless-key", of.span(key), message)
                    .help(format!("it is for {what}; set `type`, or take it away")),
            );
        }
    }
}

fn bounds(of: &Of<'_>, diags: &mut Vec<Diag>) {
    let (kind, bounds) = (of.setting.kind, &of.setting.bounds);
    if matches!((bounds.min_length, bounds.max_length), (Some(min), Some(max)) if min > max) {
        let message = format!("nothing is that long: `min_length` of {} is above `max_length`", of.key);
        diags.push(Diag::error("bad-bound", of.span("min_length"), message));
    }
    if !kind.has_order() {
        return;
    }
    let mut quantity = |key: &str, bound: &Option<String>| {
        let quantity = kind.quantity(bound.as_ref()?);
        if quantity.is_none() {
            let message = format!("`{key}` of {} is not {}", of.key, kind.describe());
            diags.push(Diag::error("bad-bound", of.span(key), message));
        }
        quantity
    };
    let (min, max) = (quantity("min", &bounds.min), quantity("max", &bounds.max));
    let crossed = matches!((min, max), (Some(min), Some(max)) if min > max);
    if crossed {
        let message = format!("nothing can be {}", bounds.range().unwrap_or_default());
        diags.push(Diag::error("bad-bound", of.span("min"), message).help("exchange `min` and `max`"));
    }
}

fn pattern(of: &Of<'_>, diags: &mut Vec<Diag>) {
    let Some(pattern) = &of.setting.bounds.pattern else { return };
    if let Err(why) = pattern.compiled() {
        let message = format!("`pattern` of {} is no regular expression: {why}", of.key);
        diags.push(Diag::error("bad-pattern", of.span("pattern"), message).help(
            "it is in the syntax of Rust's regex, without look-around; in TOML '...' keeps backslashes",
        ));
    }
}

fn words(of: &Of<'_>, diags: &mut Vec<Diag>) {
    if of.setting.kind == Kind::Enum && of.setting.bounds.values.is_empty() {
        let (part, message) = match of.typed("values") {
            true => ("values", format!("{} can have no value: `values` is empty", of.key)),
            false => ("type", format!("{} is an enum and lacks `values`", of.key)),
        };
        let help = "such as values = [\"debug\", \"info\", \"warning\"]";
        diags.push(Diag::error("missing-key", of.span(part), message).help(help));
    }
}

fn default(of: &Of<'_>) -> Option<Diag> {
    let default = of.setting.default.as_ref()?;
    // That a secret has one is told elsewhere, and its text is not.
    if of.setting.secret {
        return None;
    }
    let misfit = of.setting.check(&Secret::new(default.clone())).err()?;
    let message = format!("the default of {}: {}", of.key, misfit.message);
    Some(Diag::error("bad-default", of.span("default"), message).help(misfit.help))
}
