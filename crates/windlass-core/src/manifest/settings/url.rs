//! A URL by its parts, as a template that encodes what is put in.

use super::plain;
use crate::manifest::node::{Node, Value};
use crate::spec::{Encoding, Part, Template, search_path};

/// The template of the checked table `url`; `None` where a part of it was refused.
pub(super) fn template(url: &Node) -> Option<Template> {
    let part = |key: &str, encoding: Encoding| -> Option<Option<Vec<Part>>> {
        match url.get(key) {
            None => Some(None),
            Some(node) => encoded(&plain(node)?, encoding).map(Some),
        }
    };
    let mut parts = part("scheme", Encoding::Plain)??;
    let scheme = Template::of_parts(parts.clone()).to_string();
    parts.push(Part::Text("://".to_owned()));
    let (user, password) = (part("user", Encoding::Url)?, part("password", Encoding::Url)?);
    if user.is_some() || password.is_some() {
        parts.extend(user.into_iter().flatten());
        if let Some(password) = password {
            parts.push(Part::Text(":".to_owned()));
            parts.extend(password);
        }
        parts.push(Part::Text("@".to_owned()));
    }
    parts.extend(part("host", Encoding::Host)?.into_iter().flatten());
    if let Some(port) = part("port", Encoding::Plain)? {
        parts.push(Part::Text(":".to_owned()));
        parts.extend(port);
    }
    if let Some(name) = part("name", Encoding::Url)? {
        parts.push(Part::Text("/".to_owned()));
        parts.extend(name);
    }
    let query = match url.get("query").map(|node| &node.value) {
        Some(Value::Table(entries)) => entries.iter().collect(),
        Some(_) => return None,
        None => vec![],
    };
    let mut before = "?";
    // One that means nothing is told of elsewhere.
    if let (Some(node), Some(parameter)) = (url.get("schema"), parameter(&scheme)) {
        parts.push(Part::Text(format!("?{parameter}")));
        parts.extend(search_path(Template::parse(node.text()?).ok()?.parts()));
        before = "&";
    }
    for (key, node) in query {
        parts.push(Part::Text(format!("{before}{}=", Encoding::Url.encode(key))));
        parts.extend(encoded(node.text()?, Encoding::Url)?);
        before = "&";
    }
    Some(Template::of_parts(parts))
}

/// The beginning of the parameter that says in which schema a program works: PostgreSQL's `search_path`, as a start-up
/// option that libpq and most drivers hand on. `None` where the scheme is of nothing that has schemas.
pub(crate) fn parameter(scheme: &str) -> Option<&'static str> {
    match scheme.split(['+', '{']).next() {
        Some("postgres" | "postgresql") => Some("options=-csearch_path%3D"),
        _ => None,
    }
}

/// The pieces of `text`, each encoded; a reference that says its own encoding keeps it.
fn encoded(text: &str, encoding: Encoding) -> Option<Vec<Part>> {
    let template = Template::parse(text).ok()?;
    let part = |part: &Part| match part {
        Part::Text(text) => Part::Text(encoding.encode(text)),
        Part::Reference(reference, Encoding::Plain) => Part::Reference(reference.clone(), encoding),
        own => own.clone(),
    };
    Some(template.parts().iter().map(part).collect())
}
