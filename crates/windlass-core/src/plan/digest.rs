//! Digests by which what need not be touched is recognised.

use std::collections::BTreeMap;

use serde::Serialize;

use super::Source;
use crate::name::Name;
use crate::spec::{self, Command, Job, Probe, Reference, Resource, Service, Setting, Spec, Template};

/// 16 hexadecimal digits that change when `value` does.
pub(crate) fn of(value: &impl Serialize) -> String {
    // What the specification is made of always serialises; should it ever not, an empty digest
    // differs from every other and only costs a restart.
    serde_json::to_vec(value)
        .map_or_else(|_| String::new(), |bytes| blake3::hash(&bytes).to_hex()[..16].to_owned())
}

/// The digest of what an instance of `service` runs: its definition (not how many copies there are,
/// nor in which order they give way), the files it sees, and the settings and resources it refers to.
#[must_use]
pub fn service_digest(spec: &Spec, name: &Name, service: &Service, source: &Source) -> String {
    let checks = [&service.checks.startup, &service.checks.readiness, &service.checks.liveness];
    let probes = checks.into_iter().flatten().filter_map(|check| match &check.probe {
        Probe::Command(command) => Some(arguments(command)),
        Probe::Http { .. } | Probe::Tcp => None,
    });
    let templates = service.env.values().chain(arguments(&service.command));
    let seen = Seen::by(spec, templates.chain(probes.flatten()));
    let files = source.parts.get(name).unwrap_or(&source.digest);
    let lasting = Service {
        replicas: 0,
        strategy: crate::spec::Strategy::BlueGreen,
        needs: Vec::new(),
        files: Vec::new(),
        ..service.clone()
    };
    of(&(lasting, seen, files))
}

/// The digest of what a job does: when it is unchanged and so is the tree, it need not run again.
#[must_use]
pub fn job_digest(spec: &Spec, job: &Job, source: &Source) -> String {
    let schema = job.schema.iter().flat_map(arguments);
    let seen = Seen::by(spec, job.env.values().chain(arguments(&job.command)).chain(schema));
    of(&(job, seen, &source.digest))
}

/// The digest of what a resource runs.
#[must_use]
pub fn resource_digest(resource: &Resource) -> String {
    of(resource)
}

/// The values that templates refer to, as far as the specification knows them.
#[derive(Serialize)]
struct Seen<'a> {
    settings: BTreeMap<&'a str, Option<&'a Setting>>,
    resources: BTreeMap<&'a str, Option<&'a Resource>>,
}

impl<'a> Seen<'a> {
    fn by(spec: &'a Spec, templates: impl Iterator<Item = &'a Template>) -> Self {
        let mut seen = Self { settings: BTreeMap::new(), resources: BTreeMap::new() };
        for template in templates {
            seen.template(spec, template);
        }
        seen
    }

    fn template(&mut self, spec: &'a Spec, template: &'a Template) {
        for reference in template.references() {
            match reference {
                Reference::Setting(key) => {
                    self.settings.insert(key, spec.settings.get(key));
                }
                Reference::Resource { name, .. } => {
                    let resource = spec.resources.get(name.as_str());
                    let known = self.resources.insert(name, resource).is_some();
                    // An external resource's facts come from its URL, which is usually a setting.
                    if let (false, Some(spec::Source::External { url })) =
                        (known, resource.map(|r| &r.source))
                    {
                        self.template(spec, url);
                    }
                }
                _ => {}
            }
        }
    }
}

fn arguments(command: &Command) -> &[Template] {
    match command {
        Command::Argv(words) => words,
        Command::Shell(_) => &[],
    }
}
