//! Faults that no single value shows: contradictions, names of nothing, conflicts.

mod listen;
mod notify;
mod process;
mod reference;
mod resources;
mod routes;
mod services;
mod settings;
mod stores;

pub(super) use resources::both_kinds;
pub(super) use stores::keys_of_kind;

use std::collections::HashSet;
use std::ops::Range;

use indexmap::IndexMap;

use crate::diag::Diag;
use crate::manifest::fields::{ROOT, SERVICE};
use crate::manifest::{Format, Node, meant_for, nearest};
use crate::name::Name;
use crate::settings::Declared;
use crate::spec::{Setting, Spec};

/// What is looked at: the specification for what is meant, the tree for where it stands.
pub(super) struct Scene<'a> {
    pub(super) spec: &'a Spec,
    pub(super) root: &'a Node,
    pub(super) text: &'a str,
    pub(super) declared: &'a IndexMap<String, Declared>,
    /// The settings that were found; `None` before they are looked up.
    pub(super) settings: Option<&'a IndexMap<String, Setting>>,
    /// Whether the environment has an encrypted file.
    pub(super) is_sealed: bool,
    /// The settings that can only be put together where a resource is known.
    pub(super) needing: HashSet<&'a str>,
}

/// Reports all faults that are there whatever values settings have.
pub(super) fn find(scene: &Scene<'_>, diags: &mut Vec<Diag>) {
    settings::find(scene, diags);
    stores::find(scene, diags);
    process::find(scene, diags);
    services::find(scene, diags);
    resources::find(scene, diags);
    listen::find(scene, diags);
    routes::find(scene, diags);
    notify::find(scene, diags);
    reference::find(scene, diags);
}

/// Those that only the values of settings show, beside what is `known`.
pub(super) fn find_in_values(scene: &Scene<'_>, known: &[Diag]) -> Vec<Diag> {
    let mut found = Vec::new();
    settings::missing(scene, &mut found);
    routes::unknown_settings(scene, &mut found);
    reference::find(scene, &mut found);
    process::weak(scene, &mut found);
    let mut new: Vec<Diag> = Vec::new();
    for diag in found {
        if !known.iter().chain(&new).any(|other| other.is_same(&diag)) {
            new.push(diag);
        }
    }
    new
}

impl<'a> Scene<'a> {
    fn span(&self, path: &[&str]) -> Range<usize> {
        self.root.span_at(path)
    }

    /// Whether something was typed at `path`, valid or not.
    fn typed(&self, path: &[&str]) -> bool {
        self.root.at(path).is_some()
    }

    /// The fault of a name that stands for nothing in the table `section`.
    fn unknown(
        &self,
        code: &'static str,
        span: Range<usize>,
        what: &str,
        name: &str,
        known: &[&str],
    ) -> Diag {
        let diag = Diag::error(code, span, format!("there is no {what} {name:?}"));
        match (nearest(name, known.iter().copied()), known) {
            (Some(meant), _) => diag.label(format!("did you mean {meant:?}?")),
            (None, []) => diag.help(format!("the manifest has no {what}")),
            (None, known) => diag.help(format!("there is {}", known.join(", "))),
        }
    }

    /// Whether a service has `key`, or one that was likely meant to be it; that is reported.
    fn may_say(&self, name: &str, key: &str) -> bool {
        let Some(service) = self.root.at(&["services", name]) else { return false };
        service.get(key).is_some() || meant_for(&SERVICE, service, key).next().is_some()
    }

    /// Whether `name` is likely meant for what stands in one of these tables under a name that is none, or in
    /// a table that was meant to be one of them. That is reported, with a name to take: that there is nothing
    /// called so would contradict it.
    fn is_misnamed(&self, sections: &[&str], name: &str) -> bool {
        sections.iter().any(|section| {
            if meant_for(&ROOT, self.root, section).any(|table| table.get(name).is_some()) {
                return true;
            }
            let format = if *section == "settings" { Format::EnvName } else { Format::Name };
            let refused: Vec<&str> =
                self.names(section).into_iter().filter(|key| format.check(key).is_err()).collect();
            let becomes =
                |key: &&str| Name::new(*key).is_err_and(|no| no.suggestion.as_deref() == Some(name));
            refused.iter().any(becomes) || nearest(name, refused).is_some()
        })
    }

    /// The names typed in the table `section`, valid or not.
    fn names(&self, section: &str) -> Vec<&'a str> {
        let table = self.root.get(section).and_then(Node::table).into_iter();
        table.flat_map(|table| table.keys()).map(String::as_str).collect()
    }
}
