//! Resources: private or somebody else's, and an address that fits the engine.

use super::Scene;
use crate::diag::Diag;
use crate::manifest::{Node, PRIVATE, Value};
use crate::resolve::resource::engine;
use crate::spec::{Engine, Template, examine_url, schemes};

pub(super) fn find(scene: &Scene<'_>, diags: &mut Vec<Diag>) {
    let resources = scene.root.get("resources").and_then(Node::table);
    for (name, node) in resources.into_iter().flatten() {
        // An environment may replace a private one by somebody else's, but not the other way round by the way. What was
        // typed together is reported already.
        for diag in contradictions(name, node) {
            if !diags.contains(&diag) {
                diags.push(diag);
            }
        }
        // Not there where it is refused, which is reported already.
        let engine = engine(node);
        if let Some(url) = node.get("url") {
            address(engine, url, diags);
        }
        if let (Some(Engine::Redis), Some(at)) = (engine, node.get("database"))
            && at.text().is_some_and(|text| text.parse::<u8>().is_err())
        {
            diags.push(
                Diag::error("bad-value", at.span.clone(), "the databases of redis have numbers, not names")
                    .help("write a number such as \"0\", or leave it out"),
            );
        }
    }
}

/// A table with the keys of both kinds, as typed: of environments that are not looked at, too.
pub(in crate::resolve) fn both_kinds(root: &Node, diags: &mut Vec<Diag>) {
    let environments =
        root.get("environments").and_then(Node::table).into_iter().flat_map(|table| table.values());
    for section in std::iter::once(root).chain(environments).filter_map(|node| node.get("resources")) {
        let resources = section.table().into_iter().flatten();
        diags.extend(resources.flat_map(|(name, node)| contradictions(name, node)));
    }
}

fn contradictions(name: &str, node: &Node) -> Vec<Diag> {
    let private = PRIVATE.iter().filter(|_| node.get("url").is_some());
    let of_key = |key: &&str| {
        let message = format!(
            "resources.{name} has a `url`, so it is somebody else's, and `{key}` is for private ones"
        );
        let help =
            "keep one of the two; an environment may say its own `url` where the rest has a private one";
        Some(Diag::error("conflict", node.get(key)?.key_span.clone(), message).help(help))
    };
    private.filter_map(of_key).collect()
}

fn address(engine: Option<Engine>, node: &Node, diags: &mut Vec<Diag>) {
    let Value::Text(url) = &node.value else { return };
    let known = engine.map_or(&[] as &[&str], schemes);
    let Some((scheme, rest)) = url.split_once("://") else {
        if !url.contains('{') {
            // What it is may be a secret that was put at the wrong place.
            diags.push(Diag::error("bad-address", node.span.clone(), "this address is not a URL").help(
                format!(
                    "such as \"{}://host/name\", or \"{{settings.DATABASE_URL}}\"",
                    known.first().unwrap_or(&"postgres")
                ),
            ));
        }
        return;
    };
    if !known.is_empty() && !scheme.contains('{') && !known.contains(&scheme) {
        let message = format!("{scheme}:// is not how this engine is addressed");
        diags.push(
            Diag::error("bad-address", node.span.clone(), message)
                .help(format!("write {}://...", known.join(":// or "))),
        );
    } else if let Some(engine) = engine
        && let Some(address) = literal(url)
        && let Err(wrong) = examine_url(engine, &address)
    {
        let message = format!("this address {}", wrong.what);
        diags.push(Diag::error("bad-address", node.span.clone(), message).help(wrong.help));
    }
    let user = rest.split_once('@').map(|(user, _)| user);
    let password = user.and_then(|user| user.split_once(':')).map(|(_, password)| password);
    if password.is_some_and(|password| !password.is_empty() && !password.starts_with('{')) {
        diags.push(
            Diag::warning(
                "literal-secret",
                node.span.clone(),
                "this address holds a password, for all to read",
            )
            .help("put the whole address into .env and write url = \"{settings.DATABASE_URL}\""),
        );
    }
}

/// What a text is that refers to nothing.
fn literal(text: &str) -> Option<String> {
    Template::parse(text).ok()?.fill(|_| Err(())).ok()
}
