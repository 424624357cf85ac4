//! The manifest: what was typed, checked, each value with its place in the text.
//!
//! ```text
//! text -toml-> Node -shape(fields)-> Node -overlay-> Environment, of each -resolve(settings)-> Spec
//! ```
//!
//! `fields/` lists every key once: its type, default, meaning. The parser (`shape`), the defaults
//! (`resolve`), the JSON Schema (`schema`) and the reference (`reference`) all read that list.
//! Nothing stops at the first fault: a value that is refused is reported, marked, and left out of
//! what follows, so that one run shows all faults.

mod alternatives;
pub mod compose;
pub mod draft;
mod environment;
pub mod fields;
mod format;
pub mod hosts;
pub mod kind;
mod literals;
mod node;
mod other_tools;
pub mod reference;
pub mod roles;
pub mod schema;
pub(crate) mod settings;
mod shape;
mod suggest;
pub mod venv;
pub mod words;

pub use compose::import_compose;
pub use format::{Format, SIGNALS};
pub use literals::Given;
pub use node::{Entries, Node, Value};

use std::collections::BTreeSet;
use std::ops::Range;

use indexmap::IndexMap;
use toml::de::DeTable;

use crate::diag::{self, Diag};
use crate::name::Name;
use crate::settings::{Address, Declared};
use crate::store::Store;

pub(crate) use alternatives::PRIVATE;
pub(crate) use environment::Environment;
pub(crate) use format::own_variable;
pub(crate) use shape::{meant_for, narrow, require};
pub use suggest::nearest;

/// The environment that needs no declaration.
pub const LOCAL: &str = "local";

/// A manifest whose every value is of the right form, or marked as not.
#[derive(Debug, Clone)]
pub struct Manifest {
    text: String,
    app: Option<Name>,
    /// Where other environments than `local` are declared.
    environments_at: Range<usize>,
    /// The values that were refused. None of them may be taken for left out.
    faults: Vec<Diag>,
    /// What it says in each environment.
    environments: IndexMap<String, Environment>,
}

/// Reads a manifest, and reports every fault and warning that can be found without the values of
/// settings, for all its environments. Without an error among them, the manifest can be resolved.
///
/// The manifest is there even when there are faults, unless the text is no TOML at all.
#[must_use]
pub fn load(text: &str) -> (Option<Manifest>, Vec<Diag>) {
    let (document, faults) = DeTable::parse_recoverable(text);
    let mut diags: Vec<Diag> = faults.iter().map(|fault| syntax(text, fault)).collect();
    let mut root = Node::document(document.get_ref(), 0..text.len());
    // All of it is in the tree: what follows is put where it was.
    drop(document);
    let broken = !faults.is_empty();
    shape::check(text, &mut root, broken, &mut diags);
    settings::normalise(&mut root);
    // After a fault of the syntax the parser may have lost a key or a table: what seems missing
    // then need not be.
    if broken {
        diag::sort(&mut diags);
        return (None, diags);
    }
    crate::resolve::examine_tables(&root, &mut diags);
    let mut manifest = Manifest {
        text: text.to_owned(),
        app: root.at(&["app", "name"]).and_then(Node::text).and_then(|name| Name::new(name).ok()),
        environments_at: root.span_at(&["environments"]),
        faults: diags.clone(),
        environments: environment::all(root, text),
    };
    crate::resolve::examine(&mut manifest, &mut diags);
    diag::sort(&mut diags);
    (Some(manifest), diags)
}

fn syntax(text: &str, fault: &toml::de::Error) -> Diag {
    let mut span = fault.span().unwrap_or(text.len()..text.len());
    span.start = span.start.min(text.len());
    span.end = span.end.clamp(span.start, text.len());
    let first = fault.message().lines().next().unwrap_or("this is not TOML");
    let diag = Diag::error("toml-syntax", span, first.to_owned());
    let rest: Vec<&str> = fault.message().lines().skip(1).collect();
    if rest.is_empty() { diag } else { diag.help(rest.join("; ")) }
}

impl Manifest {
    /// The text it was read from; the spans of faults are bytes of it.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The application's name, where it is valid.
    #[must_use]
    pub fn app(&self) -> Option<Name> {
        self.app.clone()
    }

    /// The environments there are: `local`, and those that are declared.
    #[must_use]
    pub fn environments(&self) -> Vec<String> {
        self.environments.keys().cloned().collect()
    }

    pub(crate) fn environment(&self, name: &str) -> Option<&Environment> {
        self.environments.get(name)
    }

    pub(crate) fn environment_mut(&mut self, name: &str) -> Option<&mut Environment> {
        self.environments.get_mut(name)
    }

    /// The settings that are declared for `environment`: for whoever looks up their values, which
    /// must give those with a default their default.
    #[must_use]
    pub fn settings(&self, environment: &str) -> IndexMap<String, Declared> {
        self.environment(environment).map(|environment| environment.declared.clone()).unwrap_or_default()
    }

    /// Says that `environment` has an encrypted file, which what it misses can be put into.
    pub fn has_encrypted_file(&mut self, environment: &str) {
        if let Some(environment) = self.environment_mut(environment) {
            environment.is_sealed = true;
        }
    }

    /// Where a fault of what stands at `path` in `environment` is shown: there, or at the nearest place above it.
    #[must_use]
    pub fn span_at(&self, environment: &str, path: &[&str]) -> Range<usize> {
        self.environment(environment).map_or(0..0, |environment| environment.root.span_at(path))
    }

    /// Where the table `key` of `environment` stands, and all that is in it.
    #[must_use]
    pub fn spans_within(&self, environment: &str, key: &str) -> Vec<Range<usize>> {
        let mut spans = Vec::new();
        if let Some(node) = self.environment(environment).and_then(|environment| environment.root.get(key)) {
            node.spans(&mut spans);
        }
        spans
    }

    /// Whether something in `environment` refers to the setting `name`, which need not be declared.
    #[must_use]
    pub fn refers_to_setting(&self, environment: &str, name: &str) -> bool {
        let written = [format!("{{settings.{name}}}"), format!("{{settings.{name}|")];
        let refers = |text: &str| written.iter().any(|written| text.contains(written.as_str()));
        self.environment(environment).is_some_and(|environment| {
            environment.root.any_text(&|key, text| refers(text) || (key == "basic_auth" && text == name))
        })
    }

    /// The stores that `environment` can ask.
    #[must_use]
    pub fn stores(&self, environment: &str) -> IndexMap<String, Store> {
        self.environment(environment)
            .map(|environment| crate::resolve::stores(&environment.root))
            .unwrap_or_default()
    }

    /// Where somebody else's resources of `environment` are, as far as settings say it.
    #[must_use]
    pub fn addresses(&self, environment: &str) -> Vec<Address> {
        self.environment(environment)
            .map(|environment| crate::resolve::addresses(&environment.root, &self.text))
            .unwrap_or_default()
    }

    /// What tells it from another project's manifest of the same name: its jobs, and its services with what they
    /// run.
    #[must_use]
    pub fn outline(&self) -> BTreeSet<(String, Vec<String>)> {
        let Some(Environment { root, .. }) = self.environment(LOCAL) else { return BTreeSet::new() };
        let entries = |table| root.get(table).and_then(Node::table).into_iter().flatten();
        let services = entries("services").map(|(name, service)| {
            let mut words = vec![];
            for key in ["command", "shell"] {
                service.get(key).into_iter().for_each(|node| node.texts(&mut words));
            }
            (format!("services.{name}"), words)
        });
        let jobs = entries("jobs").map(|(name, _)| (format!("jobs.{name}"), vec![]));
        services.chain(jobs).collect()
    }

    pub(crate) fn faults(&self) -> &[Diag] {
        &self.faults
    }

    pub(crate) fn environments_at(&self) -> Range<usize> {
        self.environments_at.clone()
    }
}
