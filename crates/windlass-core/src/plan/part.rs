//! What changes beside the services.

use std::fmt;

use indexmap::IndexMap;
use serde::{Deserialize, Serialize};

use super::{Activation, Tree};
use crate::name::Name;
use crate::spec::{Credential, Destination, Resource, Route, Spec};

/// What becomes of one part of the application that is no service.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PartChange {
    /// Which kind of part.
    pub kind: Kind,
    /// Which of them: its name, or a route's host and path; empty where there is only one.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub name: String,
    /// What becomes of it.
    pub how: How,
}

/// A kind of part.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// The files that a release is made of, or a setting that its build sees.
    Source,
    /// How a release is made from them.
    Build,
    /// The files that a route leads to.
    Files,
    /// What runs once.
    Job,
    /// What runs by the clock.
    Cron,
    /// A database, cache or broker.
    Resource,
    /// Where requests go.
    Route,
    /// Where the proxy listens.
    Listen,
    /// Who is told.
    Notify,
    /// How a deploy goes.
    Deploy,
}

/// What becomes of a part.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum How {
    /// It is new.
    New,
    /// It is another one than before.
    Changed,
    /// It is no longer in the manifest.
    Removed,
}

impl fmt::Display for PartChange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = match self.how {
            How::New => '+',
            How::Changed => '~',
            How::Removed => '-',
        };
        let kind = match self.kind {
            Kind::Source => "source: its files, or a setting that the build sees",
            Kind::Build => "build: how a release is made",
            Kind::Files => "files of the route",
            Kind::Job => "job",
            Kind::Cron => "cron",
            Kind::Resource => "resource",
            Kind::Route => "route",
            Kind::Listen => "listen: where and how the proxy listens",
            Kind::Notify => "notify",
            Kind::Deploy => "deploy: how a deploy goes",
        };
        write!(f, "{sign} {kind}")?;
        if self.name.is_empty() { Ok(()) } else { write!(f, " {}", self.name) }
    }
}

/// What differs from what is active, beside the services.
pub(super) fn parts(spec: &Spec, tree: &Tree, active: &Activation) -> Vec<PartChange> {
    let was = &active.spec;
    let mut parts = Parts(Vec::new());
    let same_build = spec.build == was.build;
    parts.one(Kind::Build, same_build);
    // The digest of the source has that of the build in it.
    parts.one(Kind::Source, !same_build || tree.source.digest == active.tree.source.digest);
    let (now, before) = (routes(spec), routes(was));
    if tree.id != active.tree.id {
        for (name, route) in now.iter().filter(|(_, route)| of_the_tree(route)) {
            if before.get(name) == Some(route) {
                parts.add(Kind::Files, name, How::Changed);
            }
        }
    }
    parts.many(Kind::Job, &named(&spec.jobs), &named(&was.jobs));
    parts.many(Kind::Cron, &named(&spec.crons), &named(&was.crons));
    parts.many(Kind::Resource, &resources(spec), &resources(was));
    parts.many(Kind::Route, &now, &before);
    parts.one(Kind::Listen, spec.listen == was.listen);
    parts.many(Kind::Notify, &named(&spec.notify), &named(&was.notify));
    parts.one(Kind::Deploy, spec.deploy == was.deploy);
    parts.0
}

struct Parts(Vec<PartChange>);

impl Parts {
    fn add(&mut self, kind: Kind, name: &str, how: How) {
        self.0.push(PartChange { kind, name: name.to_owned(), how });
    }

    fn one(&mut self, kind: Kind, same: bool) {
        if !same {
            self.add(kind, "", How::Changed);
        }
    }

    fn many<T: PartialEq>(&mut self, kind: Kind, now: &IndexMap<String, T>, before: &IndexMap<String, T>) {
        for (name, part) in now {
            match before.get(name) {
                None => self.add(kind, name, How::New),
                Some(was) if was != part => self.add(kind, name, How::Changed),
                Some(_) => {}
            }
        }
        for name in before.keys().filter(|name| !now.contains_key(*name)) {
            self.add(kind, name, How::Removed);
        }
    }
}

fn named<T>(parts: &IndexMap<Name, T>) -> IndexMap<String, &T> {
    parts.iter().map(|(name, part)| (name.to_string(), part)).collect()
}

/// Without their credentials: what exchanges these says so.
fn resources(spec: &Spec) -> IndexMap<String, Resource> {
    let plain = |resource: &Resource| resource.clone().with_credential(Credential::FIRST);
    spec.resources.iter().map(|(name, resource)| (name.to_string(), plain(resource))).collect()
}

fn routes(spec: &Spec) -> IndexMap<String, &Route> {
    let place = |route: &Route| format!("{}{}", route.host.as_deref().unwrap_or_default(), route.path);
    spec.routes.iter().map(|route| (place(route), route)).collect()
}

/// Whether it leads to files that each release has of its own.
fn of_the_tree(route: &Route) -> bool {
    matches!(&route.to, Destination::Files { root, .. } if !root.starts_with("shared:"))
}
