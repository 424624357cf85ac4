//! Recognising what has not changed: a digest over all that a process sees.

use std::borrow::Cow;

use indexmap::IndexMap;
use serde::Serialize;

use super::composed;
use crate::name::Name;
use crate::spec::{
    Command, Credential, Engine, Job, Probe, Reference, Resource, Service, Setting, Source, Spec, Strategy,
    Template, Undo,
};

/// All templates of a specification.
pub(super) fn templates(spec: &Spec) -> impl Iterator<Item = &Template> {
    let services = spec.services.values().flat_map(of_service);
    let jobs = spec.jobs.values().flat_map(of_job);
    let crons = spec.crons.values().flat_map(|cron| cron.env.values().chain(words(&cron.command)));
    let steps = spec.build.steps.iter().flat_map(|step| words(&step.command));
    let resources = spec.resources.values().flat_map(of_resource);
    let told = spec.notify.values().map(|notify| &notify.url);
    let rotations = spec.rotations.values();
    let rotations =
        rotations.flat_map(|rotation| rotation.env.values().chain(rotation.commands().flat_map(words)));
    let told = told.chain(rotations);
    services.chain(jobs).chain(crons).chain(spec.build.env.values()).chain(steps).chain(resources).chain(told)
}

fn words(command: &Command) -> &[Template] {
    match command {
        Command::Argv(words) => words,
        Command::Shell(_) => &[],
    }
}

fn of_service(service: &Service) -> impl Iterator<Item = &Template> {
    let checks = [&service.checks.startup, &service.checks.readiness, &service.checks.liveness];
    let probes = checks.into_iter().flatten().flat_map(|check| match &check.probe {
        Probe::Command(command) => words(command),
        Probe::Http { .. } | Probe::Tcp => &[],
    });
    let idle = service.stop.quiet.as_ref().and_then(|quiet| quiet.idle.as_ref());
    let idle = idle.map_or(&[][..], words);
    service.env.values().chain(words(&service.command)).chain(probes).chain(idle)
}

fn of_job(job: &Job) -> impl Iterator<Item = &Template> {
    let undo = match &job.undo {
        Undo::Command(command) => words(command),
        Undo::Compatible | Undo::Irreversible => &[],
    };
    let schema = job.schema.as_ref().map_or(&[][..], words);
    job.env.values().chain(words(&job.command)).chain(undo).chain(schema)
}

fn of_resource(resource: &Resource) -> impl Iterator<Item = &Template> {
    match &resource.source {
        Source::External { url } => Some(url),
        Source::Private { .. } => None,
    }
    .into_iter()
}

/// The resource that whoever is told this can sign in to.
#[must_use]
pub fn signs_in(reference: &Reference) -> Option<&str> {
    match reference {
        Reference::Resource { name, field } if Engine::is_of_credential(field) => Some(name),
        _ => None,
    }
}

/// What a process sees, in a form whose bytes depend on nothing else.
#[derive(Serialize)]
struct Seen<'a, T> {
    kind: &'static str,
    app: &'a Name,
    environment: &'a Name,
    name: &'a Name,
    what: &'a T,
    files: &'a str,
    settings: Vec<(&'a str, Option<Cow<'a, Setting>>)>,
    /// Without their credentials.
    resources: Vec<(&'a str, Option<Resource>)>,
    /// What it signs in with, where that is no longer what the resource was made with.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    credentials: Vec<(&'a str, Credential)>,
}

/// Whether one of these settings is what a reference stands for, or is put together from it.
#[must_use]
pub fn are_made_of<'k>(
    keys: impl IntoIterator<Item = &'k str>,
    settings: &IndexMap<String, Setting>,
    wanted: impl Fn(&Reference) -> bool,
) -> bool {
    let own = |key: &str| Template::of(Reference::Setting(key.to_owned()));
    let own: Vec<Template> = keys.into_iter().map(own).collect();
    composed::references(&own, settings).into_iter().any(wanted)
}

impl Service {
    /// Whether it signs in to the private resource `resource`, be it through `settings` that are put
    /// together: to do so with another credential it has to be started anew.
    #[must_use]
    pub fn signs_in(&self, resource: &Name, settings: &IndexMap<String, Setting>) -> bool {
        self.is_told(settings, |reference| signs_in(reference) == Some(resource.as_str()))
    }

    /// Whether it sees the setting `key`, be it through `settings` that are put together: to see another
    /// value it has to be started anew. What it learns through a resource's address does not count.
    #[must_use]
    pub fn sees(&self, key: &str, settings: &IndexMap<String, Setting>) -> bool {
        self.is_told(settings, |reference| composed::setting_of(reference) == Some(key))
    }

    /// Whether it is told something that a reference stands for, be it through `settings` that are put together.
    #[must_use]
    pub fn is_told(&self, settings: &IndexMap<String, Setting>, wanted: impl Fn(&Reference) -> bool) -> bool {
        composed::references(of_service(self), settings).into_iter().any(wanted)
    }
}

impl Spec {
    /// A digest of all that a copy of the service `name` sees: 16 hexadecimal digits, the same for
    /// releases between which it need not be restarted. `files` is a digest of the files it sees.
    ///
    /// How many copies run, in which order they are exchanged, and what is started before them is no
    /// part of it. `None` when there is no such service.
    #[must_use]
    pub fn service_digest(&self, name: &Name, files: &str) -> Option<String> {
        let service = self.services.get(name)?;
        let needed = service.needs.iter().map(Name::as_str);
        let alike = Service {
            replicas: 0,
            strategy: Strategy::BlueGreen,
            needs: vec![],
            files: vec![],
            ..service.clone()
        };
        Some(self.digest("service", name, &alike, files, of_service(service), needed))
    }

    /// A digest of all that the job `name` sees, but for what it signs in with: another password is
    /// no reason to migrate again. See [`service_digest`](Self::service_digest).
    #[must_use]
    pub fn job_digest(&self, name: &Name, files: &str) -> Option<String> {
        let job = self.jobs.get(name)?;
        Some(self.digest("job", name, job, files, of_job(job), std::iter::empty()))
    }

    /// A digest of the resource `name`, but for its credential, which a server takes while it runs;
    /// see [`service_digest`](Self::service_digest).
    #[must_use]
    pub fn resource_digest(&self, name: &Name) -> Option<String> {
        let resource = self.resources.get(name)?;
        let alike = resource.clone().with_credential(Credential::FIRST);
        Some(self.digest("resource", name, &alike, "", of_resource(resource), std::iter::empty()))
    }

    /// A digest of how a release is built from files with the digest `files`: equal inputs need no
    /// second build.
    #[must_use]
    pub fn build_digest(&self, files: &str) -> String {
        let steps = self.build.steps.iter().flat_map(|step| words(&step.command));
        let templates = self.build.env.values().chain(steps);
        self.digest("build", &self.app, &self.build, files, templates, std::iter::empty())
    }

    fn digest<'a, T: Serialize>(
        &'a self,
        kind: &'static str,
        name: &'a Name,
        what: &'a T,
        files: &'a str,
        templates: impl Iterator<Item = &'a Template>,
        needed: impl Iterator<Item = &'a str>,
    ) -> String {
        let mut settings = Vec::new();
        let mut resources: Vec<&str> = needed.collect();
        let mut credentials = Vec::new();
        for reference in composed::references(templates, &self.settings) {
            credentials.extend(signs_in(reference).filter(|_| kind != "job"));
            match reference {
                Reference::Setting(key) | Reference::SettingFile(key) => settings.push(key.as_str()),
                Reference::Resource { name, .. } => resources.push(name),
                _ => {}
            }
        }
        resources.sort_unstable();
        resources.dedup();
        for name in &resources {
            let address = self.resources.get(*name).into_iter().flat_map(of_resource);
            let seen = composed::references(address, &self.settings);
            settings.extend(seen.into_iter().filter_map(composed::setting_of));
        }
        settings.sort_unstable();
        settings.dedup();
        credentials.sort_unstable();
        credentials.dedup();
        let alike = |name: &str| Some(self.resources.get(name)?.clone().with_credential(Credential::FIRST));
        let credential = |name: &str| self.resources.get(name)?.credential().filter(|c| !c.is_first());
        // What a rotation exchanges is no reason to migrate or to build again.
        let lasts = matches!(kind, "job" | "build");
        let setting = |key: &str| {
            let known = self.settings.get(key)?;
            let exchanged = lasts && self.rotation_of(key).is_some();
            // Whether a value is shown to people changes nothing for whoever gets it.
            if !known.secret && !exchanged {
                return Some(Cow::Borrowed(known));
            }
            let fingerprint = if exchanged { String::new() } else { known.fingerprint.clone() };
            Some(Cow::Owned(Setting { secret: false, separator: None, fingerprint, ..known.clone() }))
        };
        let seen = Seen {
            kind,
            app: &self.app,
            environment: &self.environment,
            name,
            what,
            files,
            settings: settings.into_iter().map(|key| (key, setting(key))).collect(),
            resources: resources.into_iter().map(|name| (name, alike(name))).collect(),
            credentials: credentials.into_iter().filter_map(|name| Some((name, credential(name)?))).collect(),
        };
        // Every part is made of text, numbers and lists, which JSON can always hold; were it not
        // so, the debug form would still tell two specifications apart.
        let bytes = serde_json::to_vec(&seen).unwrap_or_else(|_| format!("{:?}", self).into_bytes());
        blake3::hash(&bytes).to_hex()[..16].to_owned()
    }
}
