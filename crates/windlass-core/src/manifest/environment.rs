//! What a manifest says in one environment.

use indexmap::IndexMap;

use super::node::{Node, Value};
use super::{LOCAL, settings};
use crate::diag::Diag;
use crate::settings::Declared;

/// The manifest with what is different in an environment laid upon it.
#[derive(Debug, Clone)]
pub(crate) struct Environment {
    /// All that stands in it.
    pub(crate) root: Node,
    /// The settings among it.
    pub(crate) declared: IndexMap<String, Declared>,
    /// What is wrong with it, whatever values its settings have.
    pub(crate) faults: Vec<Diag>,
}

/// All environments of the checked tree `root` of the manifest `text`: `local`, and those that are
/// declared.
pub(super) fn all(root: &Node, text: &str) -> IndexMap<String, Environment> {
    let mut below = root.clone();
    let over = match &mut below.value {
        Value::Table(table) => table.shift_remove("environments"),
        _ => None,
    };
    let over = over.as_ref().and_then(Node::table).into_iter().flatten();
    let mut trees = IndexMap::from([(LOCAL.to_owned(), None)]);
    trees.extend(
        over.filter(|(_, over)| over.value != Value::Invalid).map(|(name, over)| (name.clone(), Some(over))),
    );
    let environment = |over: Option<&Node>| {
        let root = over.map_or_else(|| below.clone(), |over| laid_over(&below, over));
        Environment { declared: settings::declared(&root, text), root, faults: vec![] }
    };
    trees.into_iter().map(|(name, over)| (name, environment(over))).collect()
}

fn laid_over(below: &Node, over: &Node) -> Node {
    let mut below = below.clone();
    if let (Value::Table(below), Some(over)) = (&mut below.value, over.get("settings"))
        && let Some(below) = below.get_mut("settings")
    {
        settings::replace_sources(below, over);
    }
    below.overlaid(over)
}
