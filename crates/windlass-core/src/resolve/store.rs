//! External stores.

use indexmap::IndexMap;

use super::read::Reader;
use crate::manifest::fields::{ROOT, STORE};
use crate::manifest::{Node, Value, words};
use crate::store::{Kind, Store, VaultAuth};

/// The stores that are declared in `root`. One that was refused is left out.
pub(crate) fn stores(root: &Node) -> IndexMap<String, Store> {
    Reader::new(&ROOT, Some(root))
        .entries("stores")
        .filter_map(|(name, node)| Some((name.clone(), store(node)?)))
        .collect()
}

fn store(node: &Node) -> Option<Store> {
    let read = Reader::new(&STORE, Some(node));
    let kind = match read.text("kind")? {
        "vault" => Kind::Vault {
            namespace: read.owned("namespace"),
            mount: read.text("mount")?.trim_matches('/').to_owned(),
            version: read.integer("version")?,
            auth: match read.text("auth") {
                Some("token") => Some(VaultAuth::Token),
                Some("approle") => Some(VaultAuth::AppRole),
                _ => None,
            },
        },
        "aws" => Kind::Aws { region: read.owned("region"), profile: read.owned("profile") },
        "gcp" => Kind::Gcp { project: read.owned("project") },
        "azure" => Kind::Azure,
        "command" => Kind::Command { words: command(read.given("command")?)? },
        _ => return None,
    };
    let has = Kind::keys(kind.word());
    let address = read.owned("address").filter(|_| has.contains(&"address"));
    let authorities = read.owned("ca").filter(|_| has.contains(&"ca"));
    Some(Store { kind, address, authorities, insecure: read.bool("insecure"), timeout: read.span("timeout") })
}

/// The words of a command; `None` where it is none, which is reported elsewhere.
pub(super) fn command(node: &Node) -> Option<Vec<String>> {
    match &node.value {
        Value::Text(line) => words::split(line).ok(),
        Value::List(items) => items.iter().map(|item| item.text().map(str::to_owned)).collect(),
        _ => None,
    }
}
