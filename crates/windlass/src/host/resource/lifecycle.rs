//! Resources: what is known of them, starting and stopping them.

use std::path::Path;
use std::time::{Duration, Instant};

use indexmap::IndexMap;
use windlass_core::journal::Fault;
use windlass_core::name::Name;
use windlass_core::spec::{Engine, Reference, Resource, Source, Template};
use windlass_core::units::Span;
use zeroize::{Zeroize as _, Zeroizing};

use crate::host::Host;
use crate::host::logs;
use crate::host::settings::lookup::Settings;
use crate::host::settings::values;
use crate::resource::{self, Place, Prepared};
use crate::runtime::process;

/// A server that ends so often while it is waited for will not start: most read their configuration, and
/// go. One that has to wait for another's port or memory has that long.
pub(in crate::host) const ENDS: u32 = 4;

/// The file beside what a keeper knows that tells which configuration the server was started with.
const FINGERPRINT: &str = "fingerprint";

/// Facts of resources, by resource.
pub(in crate::host) type Facts = IndexMap<Name, resource::Facts>;

/// What templates can ask of these resources.
pub(in crate::host) async fn facts(
    host: &Host,
    resources: &IndexMap<Name, Resource>,
    settings: Settings<'_>,
) -> Result<Facts, Fault> {
    let mut facts = Facts::new();
    for (name, spec) in resources {
        let known = match &spec.source {
            Source::Private { .. } => host.private_facts(name, spec).await?,
            Source::External { url } => {
                let url = Zeroizing::new(external(name, url, settings, host.names())?);
                resource::facts_of_url(spec.engine, &url).map_err(fault)?
            }
        };
        facts.insert(name.clone(), known);
    }
    Ok(facts)
}

fn external(
    name: &Name,
    url: &Template,
    settings: Settings<'_>,
    (app, environment): (Name, Name),
) -> Result<String, Fault> {
    let other = |reference: &Reference| match reference {
        Reference::App => Ok(app.to_string()),
        Reference::Environment => Ok(environment.to_string()),
        reference => Err(Fault::new(
            format!("the address of {name} cannot refer to {{{reference}}}"),
            "write the address, or {settings.NAME} for a setting that holds it",
        )),
    };
    url.fill(|reference| match reference {
        Reference::Setting(key) => settings
            .text(key, &other)
            .map_err(|fault| Fault { message: format!("the address of {name}: {}", fault.message), ..fault }),
        reference => other(reference),
    })
}

impl Host {
    /// A private resource, made ready to start; what is there is left as it is. Its configuration is
    /// written at the first call only: what was prepared last need not be what runs.
    pub(in crate::host) async fn prepared(&self, name: &Name, spec: &Resource) -> Result<Prepared, Fault> {
        let key = (name.clone(), format!("{spec:?}"));
        if let Some(prepared) = self.prepared.borrow().get(&key) {
            return Ok(prepared.clone());
        }
        let place = self.place(name);
        let spec = spec.clone();
        let is_new = resource::credentials(&place.directory).is_empty();
        let prepared = self.uninterrupted(move || resource::prepare(&spec, &place)).await?.map_err(fault)?;
        if is_new {
            self.secrets_changed(name);
        }
        self.prepared.borrow_mut().insert(key, prepared.clone());
        Ok(prepared)
    }

    /// What is known of a private resource. One that was started before a credential was exchanged,
    /// because it does not sign in, is told all but who does.
    async fn private_facts(&self, name: &Name, spec: &Resource) -> Result<resource::Facts, Fault> {
        let in_force = resource::in_force(&self.layout.resource(name));
        match (spec.credential(), in_force.last()) {
            (Some(own), Some(other)) if !in_force.contains(&own) => {
                let spec = spec.clone().with_credential(*other);
                let mut facts = self.prepared(name, &spec).await?.facts;
                // Removed, they would not be wiped.
                facts
                    .iter_mut()
                    .filter(|(fact, _)| Engine::is_of_credential(fact))
                    .for_each(|(_, value)| value.zeroize());
                facts.retain(|fact, _| !Engine::is_of_credential(fact));
                Ok(facts)
            }
            _ => Ok(self.prepared(name, spec).await?.facts),
        }
    }

    /// Where a private resource lives.
    pub(in crate::host) fn place(&self, name: &Name) -> Place {
        let (app, environment) = self.names();
        Place {
            app,
            environment,
            name: name.clone(),
            directory: self.layout.resource(name),
            log: logs::kept(&self.layout.log(name.as_str())),
        }
    }

    /// Initialises (the first time) and starts a resource, and waits until it answers.
    pub(in crate::host) async fn start_resource(
        &self,
        name: &Name,
        spec: &Resource,
    ) -> Result<String, Fault> {
        self.start_resource_if(name, spec, || true).await
    }

    /// The same if it is `wanted` still when it has been made ready, which may take long.
    pub(in crate::host) async fn start_resource_if(
        &self,
        name: &Name,
        spec: &Resource,
        wanted: impl Fn() -> bool,
    ) -> Result<String, Fault> {
        let prepared = self.prepared_anew(name, spec).await?;
        if !wanted() {
            return Ok(String::new());
        }
        let directory = self.layout.resource(name).join("keeper");
        let seen = process::observe(&directory).filter(process::Observation::is_under_way);
        let failed = |error: process::RuntimeError| {
            Fault::new(format!("{name} cannot be started: {error}"), error.hint().unwrap_or_default())
        };
        if seen.is_some_and(|seen| !is_as_prepared(&directory, &seen, &prepared)) {
            let stop = &prepared.launch.stop;
            process::stop(&directory, &stop.signal, stop.grace).await.map_err(failed)?;
        }
        let began = Instant::now();
        crate::layout::make_dir(&directory, 0o700)
            .and_then(|()| {
                let mark = directory.join(FINGERPRINT);
                crate::layout::replace_file(&mark, prepared.fingerprint.as_bytes(), 0o600)
            })
            .map_err(|error| {
                Fault::new(format!("{name} cannot be started: {error}"), "free some disk space")
            })?;
        if !self.start_server(&directory, &prepared, wanted).await.map_err(failed)? {
            return Ok(String::new());
        }
        self.await_answer(name, spec, &prepared, began).await?;
        let ready = prepared.clone();
        self.uninterrupted(move || resource::after_start(&ready)).await?.map_err(fault)?;
        let took = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
        Ok(format!("{name} answers after {}", Span::from_millis(took).in_words()))
    }

    /// Starts it as all else is started: whoever gives up waiting can see, and end, what was begun. Answers
    /// whether it was `wanted` still when nothing else stood in the way.
    async fn start_server(
        &self,
        directory: &Path,
        prepared: &Prepared,
        wanted: impl Fn() -> bool,
    ) -> Result<bool, process::RuntimeError> {
        let starting = self.may_start().await?;
        if !wanted() {
            return Ok(false);
        }
        let (launch, env) = (prepared.launch.clone(), prepared.env.clone().into());
        self.start_kept(starting, directory.to_owned(), launch, env).await.map(|()| true)
    }

    /// Made ready by what there is now. Another release may have written its own configuration since: going
    /// back from one whose server does not start must not start it with that.
    async fn prepared_anew(&self, name: &Name, spec: &Resource) -> Result<Prepared, Fault> {
        self.prepared.borrow_mut().remove(&(name.clone(), format!("{spec:?}")));
        self.prepared(name, spec).await
    }

    /// Whether a keeper goes on starting a resource just as it would be started now, what stood in its way
    /// cleared where that can be done.
    pub(in crate::host) async fn is_kept_as_prepared(
        &self,
        name: &Name,
        spec: &Resource,
    ) -> Result<bool, Fault> {
        let prepared = self.prepared_anew(name, spec).await?;
        let directory = self.layout.resource(name).join("keeper");
        let seen = process::observe(&directory).filter(|seen| seen.keeper_alive && !seen.has_ended());
        Ok(seen.is_some_and(|seen| is_as_prepared(&directory, &seen, &prepared)))
    }

    /// Gives a resource that has lost its keeper another one, as [`Host::start_resource`] starts it, if that
    /// is `wanted` still when it has been made ready.
    pub(in crate::host) async fn keep_resource(
        &self,
        name: &Name,
        spec: &Resource,
        wanted: impl Fn() -> bool,
    ) -> Result<(), String> {
        let directory = self.layout.resource(name).join("keeper");
        if let Ok(prepared) = self.prepared(name, spec).await
            && self.start_server(&directory, &prepared, &wanted).await.is_ok()
        {
            return Ok(());
        }
        if !wanted() {
            return Ok(());
        }
        process::readopt(&directory).await.map_err(|error| format!("{name} has no keeper: {error}"))
    }

    pub(in crate::host) async fn await_answer(
        &self,
        name: &Name,
        spec: &Resource,
        prepared: &Prepared,
        began: Instant,
    ) -> Result<(), Fault> {
        let directory = self.layout.resource(name).join("keeper");
        let restarts = || process::observe(&directory).map_or(0, |seen| seen.restarts());
        let (before, mut pause) = (restarts(), Duration::from_millis(10));
        loop {
            let (engine, facts) = (spec.engine, prepared.facts.clone());
            let answer = blocking(move || resource::ready(engine, &facts, Duration::from_secs(2))).await?;
            let Err(why) = answer else { return Ok(()) };
            let ended = process::observe(&directory).is_none_or(|seen| seen.has_ended())
                || restarts() >= before + ENDS;
            if ended || began.elapsed() > prepared.patience {
                let fault = Fault::new(
                    format!("{name} does not answer: {why}"),
                    format!("`windlass logs {name}` shows more"),
                );
                let tail = crate::host::logs::tail(&self.layout.log(name.as_str()), 20, &self.mask_of_all());
                return Err(fault.with_tail(tail, "its log"));
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(Duration::from_millis(250));
        }
    }

    /// Asks each resource of the active release, private or external, in its own protocol: whether
    /// it answered within `patience`. None is asked while everything is stopped.
    pub(in crate::host) async fn ask_resources(&self, patience: Duration) -> IndexMap<Name, bool> {
        let active = self.journal.borrow().active().ok().flatten();
        let Some(active) = active.filter(|active| !active.stopped) else { return IndexMap::new() };
        let values = values::read(&self.layout, active.release.id).unwrap_or_default();
        let asked = active.release.spec.resources.iter().map(|(name, spec)| async {
            let only = IndexMap::from([(name.clone(), spec.clone())]);
            let settings = Settings { values: &values, known: &active.release.spec.settings };
            let known =
                facts(self, &only, settings).await.ok().and_then(|mut facts| facts.shift_remove(name));
            let Some(facts) = known else { return (name.clone(), false) };
            let engine = spec.engine;
            let question = move || resource::ready(engine, &facts, patience).is_ok();
            (name.clone(), self.answers.asking.ask(name, patience, question).await)
        });
        futures_util::future::join_all(asked).await.into_iter().collect()
    }

    /// Stops a resource; its data stays.
    pub(in crate::host) async fn stop_resource(&self, name: &Name) -> Result<String, Fault> {
        let directory = self.layout.resource(name).join("keeper");
        let Some(seen) = process::observe(&directory).filter(|seen| seen.keeper_alive || seen.process_alive)
        else {
            return Ok(String::new());
        };
        let stop = &seen.launch.stop;
        process::stop(&directory, &stop.signal, stop.grace).await.map_err(|error| {
            Fault::new(format!("{name} cannot be stopped: {error}"), error.hint().unwrap_or_default())
        })?;
        Ok(String::new())
    }
}

/// Whether what a keeper starts is what would be started now, with the same configuration.
fn is_as_prepared(directory: &Path, seen: &process::Observation, prepared: &Prepared) -> bool {
    let as_started = std::fs::read_to_string(directory.join(FINGERPRINT)).unwrap_or_default();
    seen.launch == prepared.launch && as_started == prepared.fingerprint
}

/// Runs what blocks on a thread of its own.
pub(in crate::host) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, Fault> {
    tokio::task::spawn_blocking(work)
        .await
        .map_err(|error| Fault::new(format!("Windlass failed inside: {error}"), "please report this"))
}

pub(in crate::host) fn fault(fault: resource::Fault) -> Fault {
    Fault::new(fault.message, fault.help)
}
