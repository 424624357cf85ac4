//! Declarations that contradict themselves: bounds that mean nothing for a type, a default that is
//! not of it.

use super::Of;
use crate::diag::Diag;
use crate::manifest::settings::url::parameter;
use crate::manifest::{Node, Value};
use crate::settings::{Bounds, Declared, Kind, Secret};

pub(super) fn find(of: &Of<'_>, diags: &mut Vec<Diag>) {
    pattern(of, diags);
    words(of, diags);
    bounds(of, diags);
    schema(of, diags);
    // Of what type it is meant to be nobody knows where the type was refused.
    if of.node.get("type").is_none_or(|node| node.value != Value::Invalid) {
        useless(of, diags);
        default(of, diags);
    }
}

/// A schema of what has none, and one that is said twice.
fn schema(of: &Of<'_>, diags: &mut Vec<Diag>) {
    let part = |path: &[&str]| of.node.at(&[&["url"], path].concat());
    let Some(scheme) = part(&["schema"]).and_then(|_| part(&["scheme"])).and_then(Node::text) else { return };
    let span = of.scene.span(&["settings", of.key, "url", "schema"]);
    if parameter(scheme).is_none() {
        let message = format!("`schema` means nothing for {}, whose scheme is {scheme:?}", of.key);
        diags.push(Diag::error("useless-key", span, message).help(
            "it is for PostgreSQL, whose `scheme` begins with postgresql; what else a library takes stands in `query`",
        ));
    } else if part(&["query", "options"]).is_some() {
        let message = format!("{} has both `schema` and `query.options`, which say the same", of.key);
        diags.push(
            Diag::error("two-sources", span, message)
                .help("take `schema` away, and write -csearch_path=... among the options"),
        );
    }
}

/// Keys that mean nothing for the type.
fn useless(of: &Of<'_>, diags: &mut Vec<Diag>) {
    let kind = of.setting.kind;
    let text = kind.is_text();
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
    if crossed_lengths(bounds) {
        let message = format!("nothing is that long: `min_length` of {} is above `max_length`", of.key);
        diags.push(Diag::error("bad-bound", of.span("min_length"), message));
    }
    if !kind.has_order() {
        return;
    }
    for (key, bound) in [("min", &bounds.min), ("max", &bounds.max)] {
        if bound.as_ref().is_some_and(|bound| kind.quantity(bound).is_none()) {
            let message = format!("`{key}` of {} is not {}", of.key, kind.describe());
            diags.push(Diag::error("bad-bound", of.span(key), message));
        }
    }
    if crossed(kind, bounds) {
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

fn default(of: &Of<'_>, diags: &mut Vec<Diag>) {
    let constant = of.setting.constant();
    // That a secret has one is told elsewhere, and its text is not.
    if of.setting.secret || (of.setting.default.is_none() && constant.is_none()) {
        return;
    }
    let sound = Declared { bounds: sound(of.setting), ..of.setting.clone() };
    let mut check = |text: String, source: &str, what: &str| {
        for misfit in sound.misfits(&Secret::new(text)) {
            let message = format!("{what} of {}: {}", of.key, misfit.message);
            diags.push(Diag::error("bad-default", of.span(source), message).help(misfit.help));
        }
    };
    if let Some(default) = &of.setting.default {
        check(default.clone(), "default", "the default");
    }
    if let Some(constant) = constant.filter(|constant| !of.setting.may_be_composed_empty(constant)) {
        let (source, what) = if of.typed("value") { ("value", "`value`") } else { ("url", "`url`") };
        check(constant, source, what);
    }
}

/// The bounds that can be kept: what is refused of them is told, and asks nothing of the default.
fn sound(setting: &Declared) -> Bounds {
    let mut bounds = setting.bounds.clone();
    if crossed_lengths(&bounds) {
        (bounds.min_length, bounds.max_length) = (None, None);
    }
    if crossed(setting.kind, &bounds) {
        (bounds.min, bounds.max) = (None, None);
    }
    for bound in [&mut bounds.min, &mut bounds.max] {
        bound.take_if(|bound| setting.kind.quantity(bound).is_none());
    }
    bounds.pattern.take_if(|pattern| pattern.compiled().is_err());
    bounds
}

fn crossed_lengths(bounds: &Bounds) -> bool {
    matches!((bounds.min_length, bounds.max_length), (Some(min), Some(max)) if min > max)
}

fn crossed(kind: Kind, bounds: &Bounds) -> bool {
    let quantity = |bound: &Option<String>| kind.quantity(bound.as_ref()?);
    matches!((quantity(&bounds.min), quantity(&bounds.max)), (Some(min), Some(max)) if min > max)
}
