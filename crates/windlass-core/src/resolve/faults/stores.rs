//! Stores: keys that do not belong to the kind, addresses that are not safe, places that cannot be.

use super::Scene;
use crate::diag::Diag;
use crate::manifest::{Node, Value, nearest};
use crate::resolve::store::command;
use crate::store::{Address, Kind, Place, Store};

pub(super) fn find(scene: &Scene<'_>, diags: &mut Vec<Diag>) {
    let stores = crate::resolve::stores(scene.root);
    let tables = scene.root.get("stores").and_then(Node::table).into_iter().flatten();
    for (name, node) in tables {
        needed(name, node, diags);
        if let Some(store) = stores.get(name) {
            address(name, node, store, diags);
        }
    }
    for (key, setting) in scene.declared {
        let Some(place) = &setting.from else { continue };
        let span = scene.span(&["settings", key, "from"]);
        match stores.get(&place.store) {
            Some(store) => {
                if let Err((message, help)) = place.fits(&store.kind) {
                    diags.push(Diag::error("bad-place", span, message).help(help));
                }
            }
            // Its own fault is reported where it stands.
            None if scene.typed(&["stores", &place.store]) => {}
            None if scene.is_misnamed(&["stores"], &place.store) => {}
            None => diags.push(unknown(scene, place, span)),
        }
    }
}

fn unknown(scene: &Scene<'_>, place: &Place, span: std::ops::Range<usize>) -> Diag {
    let known = scene.names("stores");
    let diag = Diag::error("unknown-store", span, format!("there is no store {:?}", place.store));
    match nearest(&place.store, known.iter().copied()) {
        Some(meant) => diag.label(format!("did you mean {meant:?}?")),
        None => diag.help(format!("declare it: [stores.{}], with its kind", place.store)),
    }
}

/// What a kind cannot do without, and its command.
fn needed(name: &str, node: &Node, diags: &mut Vec<Diag>) {
    let kind = node.get("kind").and_then(Node::text);
    let lacks = |key: &str, help: &str| {
        let message = format!("the store {name} has no `{key}`, which a store of its kind needs");
        Diag::error("missing-key", node.key_span.clone(), message).help(help.to_owned())
    };
    match kind {
        Some("azure") if node.get("address").is_none() => {
            diags.push(lacks("address", "write address = \"https://NAME.vault.azure.net\""));
        }
        Some("command") => match node.get("command") {
            None => diags.push(lacks("command", "write command = [\"op\", \"read\", \"{path}\"]")),
            Some(command) => commanded(command, diags),
        },
        _ => {}
    }
}

fn commanded(node: &Node, diags: &mut Vec<Diag>) {
    if node.value == Value::Invalid {
        return;
    }
    let wrong = |message: String, help: &str| {
        Diag::error("bad-command", node.span.clone(), message).help(help.to_owned())
    };
    let Some(words) = command(node) else {
        let message = "this is no plain command: no shell carries it out".to_owned();
        return diags.push(wrong(message, "write its words as a list, or put the line into a script"));
    };
    let stray = words.iter().find(|word| word.replace("{path}", "").contains(['{', '}']));
    match (words.first(), stray) {
        (None, _) => diags.push(wrong("this command is empty".into(), "name the program first")),
        (Some(program), _) if program.contains('{') => {
            diags.push(wrong(
                "the program to run must be named itself".into(),
                "put {path} into one of its arguments",
            ));
        }
        (_, Some(word)) => {
            diags.push(wrong(
                format!("in {word:?} stands something in braces other than {{path}}"),
                "only {path} stands for something here",
            ));
        }
        _ if !words.iter().any(|word| word.contains("{path}")) => {
            diags.push(wrong(
                "this command does not say where the path goes".into(),
                "put {path} where the path of a setting's `from` belongs",
            ));
        }
        _ => {}
    }
}

fn address(name: &str, node: &Node, store: &Store, diags: &mut Vec<Diag>) {
    let (Some(at), Some(text)) = (node.get("address"), &store.address) else { return };
    let Ok(address) = Address::parse(text) else { return };
    if !address.encrypted && !store.insecure && !address.is_near() {
        let message =
            format!("the store {name} would be asked without encryption, for all on the way to read");
        diags.push(
            Diag::error("insecure-store", at.span.clone(), message)
                .help("write https://; where the way there is safe by other means, add insecure = true"),
        );
    }
}

/// Keys that mean nothing for the kind. One environment may well have another kind, so this looks at
/// each table as typed, not at what they become together.
pub(in crate::resolve) fn keys_of_kind(root: &Node, diags: &mut Vec<Diag>) {
    let environments =
        root.get("environments").and_then(Node::table).into_iter().flat_map(|table| table.values());
    for section in std::iter::once(root).chain(environments).filter_map(|node| node.get("stores")) {
        for (name, node) in section.table().into_iter().flatten() {
            let common = || root.at(&["stores", name, "kind"]).and_then(Node::text);
            let Some(kind) = node.get("kind").and_then(Node::text).or_else(common) else { continue };
            let known = Kind::keys(kind);
            for (key, at) in node.table().into_iter().flatten() {
                if at.value == Value::Invalid
                    || key == "kind"
                    || key == "timeout"
                    || known.contains(&key.as_str())
                {
                    continue;
                }
                let message = format!("`{key}` means nothing for a store of kind {kind}");
                let keys: Vec<String> = known.iter().map(|key| format!("`{key}`")).collect();
                diags.push(
                    Diag::error("conflict", at.key_span.clone(), message)
                        .help(format!("take it away; {kind} has {}, and `timeout`", keys.join(", "))),
                );
            }
        }
    }
}
