//! Keys of which a table has one or another: what an environment says takes the place of what the rest says otherwise.

use super::node::{Entries, Node, Value};
use super::settings::SOURCES;

/// A way to say something, by all keys that belong to it.
type Way = &'static [&'static str];

/// The ways of a health check. The others of its keys go with each.
const CHECK: [Way; 3] = [&["http", "status", "host"], &["tcp"], &["command"]];

/// The keys that mean something for a private resource only.
pub(crate) const PRIVATE: [&str; 5] = ["version", "database", "port", "options", "memory"];

/// In what an environment says, `over`, one way replaces another one `below`.
pub(super) fn replace(below: &mut Node, over: &Node) {
    let sources = SOURCES.each_ref().map(std::slice::from_ref);
    within(below, over, "settings", &mut |below, over| replace_ways(below, over, &sources));
    // Somebody else's takes the place of a private one. The other way round no line about memory or options may lead
    // the application from its data to an empty database: it is a fault that the address is there still.
    within(below, over, "resources", &mut |below, over| {
        if over.contains_key("url") {
            below.retain(|key, _| !PRIVATE.contains(&key.as_str()));
        }
    });
    within(below, over, "services", &mut |below, over| {
        for check in ["startup", "readiness", "liveness"] {
            let (Some(below), Some(over)) = (below.get_mut(check), over.get(check)) else { continue };
            spell_out(below);
            if let (Value::Table(below), Value::Table(over)) = (&mut below.value, &over.value) {
                replace_ways(below, over, &CHECK);
            }
        }
    });
}

/// Does something with each entry of the table `key` that is in both.
fn within(below: &mut Node, over: &Node, key: &str, act: &mut dyn FnMut(&mut Entries, &Entries)) {
    let Value::Table(below) = &mut below.value else { return };
    let (Some(below), Some(over)) = (below.get_mut(key), over.get(key)) else { return };
    let (Value::Table(below), Value::Table(over)) = (&mut below.value, &over.value) else { return };
    for (name, over) in over {
        if let (Some(Value::Table(below)), Value::Table(over)) =
            (below.get_mut(name).map(|node| &mut node.value), &over.value)
        {
            act(below, over);
        }
    }
}

fn replace_ways(below: &mut Entries, over: &Entries, ways: &[Way]) {
    let is_said = |way: &Way| way.iter().any(|key| over.contains_key(*key));
    let Some(said) = ways.iter().find(|way| is_said(way)) else { return };
    let others = || ways.iter().filter(|way| *way != said).copied().flatten();
    below.retain(|key, _| !others().any(|other| other == key));
}

/// A check of which only the path is said, as a table, to which an environment can add.
fn spell_out(check: &mut Node) {
    if let Value::Text(_) = check.value {
        let table = Entries::from_iter([("http".to_owned(), check.clone())]);
        check.value = Value::Table(table);
    }
}
