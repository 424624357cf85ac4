//! What a manifest says in one environment.

use indexmap::IndexMap;

use super::node::{Node, Value};
use super::{LOCAL, alternatives, settings};
use crate::diag::Diag;
use crate::settings::Declared;

/// The manifest with what is different in an environment laid upon it.
#[derive(Debug, Clone)]
pub(crate) struct Environment {
    /// All that stands in it.
    pub(crate) root: Node,
    /// What was laid upon the rest, where anything was.
    pub(crate) above: Option<Node>,
    /// The settings among it.
    pub(crate) declared: IndexMap<String, Declared>,
    /// What is wrong with it, whatever values its settings have.
    pub(crate) faults: Vec<Diag>,
    /// Whether it has an encrypted file of settings.
    pub(crate) is_sealed: bool,
}

/// All environments of the manifest `text`, by its checked tree `below`: `local`, and those that are
/// declared in it.
pub(super) fn all(mut below: Node, text: &str) -> IndexMap<String, Environment> {
    let over = match &mut below.value {
        Value::Table(table) => table.shift_remove("environments"),
        _ => None,
    };
    let over = over.as_ref().and_then(Node::table).into_iter().flatten();
    let over = over.filter(|(_, over)| over.value != Value::Invalid);
    let mut trees: IndexMap<String, (Node, Option<Node>)> =
        over.map(|(name, over)| (name.clone(), (laid_over(&below, over), Some(over.clone())))).collect();
    if !trees.contains_key(LOCAL) {
        trees.insert(LOCAL.to_owned(), (below, None));
    }
    // `local` is the first, wherever it stands.
    trees.move_index(trees.get_index_of(LOCAL).unwrap_or_default(), 0);
    let common = settings::Common::of(text);
    let environment = |(root, above): (Node, Option<Node>)| Environment {
        declared: settings::declared(&root, &common),
        root,
        above,
        faults: vec![],
        is_sealed: false,
    };
    trees.into_iter().map(|(name, tree)| (name, environment(tree))).collect()
}

fn laid_over(below: &Node, over: &Node) -> Node {
    let mut below = below.clone();
    alternatives::replace(&mut below, over);
    below.overlaid(over)
}
