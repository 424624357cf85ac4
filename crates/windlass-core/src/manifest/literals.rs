//! Variables that the manifest gives by `env`, beside its settings.

use std::ops::Range;

use super::{Manifest, Node};
use crate::diag;

/// A variable that an `env` table of the manifest gives.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Given {
    /// The table: `env`, or `services.web.env`.
    pub table: String,
    /// Who gets it.
    pub to: String,
    /// What is typed there; `None` where it looks like a secret.
    pub text: Option<String>,
    /// Where.
    pub span: Range<usize>,
}

impl Manifest {
    /// The `env` tables of `environment` that give the variable `name`, that of all processes first.
    #[must_use]
    pub fn given(&self, environment: &str, name: &str) -> Vec<Given> {
        let Some(environment) = self.environment(environment) else { return vec![] };
        let root = &environment.root;
        let mut found = vec![];
        let mut look = |node: &Node, table: String, to: String| {
            let Some(value) = node.get("env").and_then(|env| env.get(name)) else { return };
            let typed = value.text().map_or_else(|| self.text[value.span.clone()].to_owned(), str::to_owned);
            let line = format!("{name} = \"{typed}\"");
            let text = (diag::masked(&line) == line).then_some(typed);
            found.push(Given { table, to, text, span: value.span.clone() });
        };
        look(root, "env".to_owned(), "every service, job and cron".to_owned());
        if let Some(build) = root.get("build") {
            look(build, "build.env".to_owned(), "every build step".to_owned());
        }
        for parts in ["services", "jobs", "cron"] {
            for (part, node) in root.get(parts).and_then(Node::table).into_iter().flatten() {
                look(node, format!("{parts}.{part}.env"), part.clone());
            }
        }
        found
    }
}
