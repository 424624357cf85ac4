//! From the manifest to the specification of one environment: defaults are filled in, what is
//! implied is spelled out, and what contradicts itself is reported (`faults/`).
//!
//! What is wrong whatever values settings have is found once, when the manifest is read
//! (`examine`); [`resolve()`] finds what only their values show.
//!
//! What is implied: services are put in an order in which they can start; a service needs the
//! resources that its environment or command refers to; every setting is passed on as an environment
//! variable or as the path of a file, with `[env]` and a service's own `env` laid over it; a singleton is recreated; the one
//! service that listens gets all requests where there are no routes.

mod composed;
mod digest;
mod faults;
mod job;
mod notify;
mod order;
mod read;
mod resource;
mod rotation;
mod route;
mod service;
mod store;

use std::cell::RefCell;

use indexmap::{IndexMap, IndexSet};

use crate::diag::{self, Diag};
use crate::manifest::fields::ROOT;
use crate::manifest::{Environment, LOCAL, Manifest, Node, nearest, require};
use crate::name::Name;
use crate::settings::Declared;
use crate::spec::{Env, Port, Reference, Setting, Spec, Template};

pub use composed::setting_of;
pub use digest::{are_made_of, signs_in};
use read::Reader;
pub(crate) use resource::addresses;
pub(crate) use store::stores;

/// What `services` of a setting calls the commands of rotations.
const RECEIVER: &str = "rotate";

/// The specification of `environment`. `settings` are all that were found, with those that have a
/// default and were not (see [`Manifest::settings`]); names and fingerprints only.
///
/// # Errors
/// All faults that stand in the way, in the order of the text: those of the manifest, an environment
/// that does not exist, settings that are missing.
pub fn resolve(
    manifest: &Manifest,
    environment: &str,
    settings: &IndexMap<String, Setting>,
) -> Result<Spec, Vec<Diag>> {
    let Some(of) = manifest.environment(environment) else {
        return Err(vec![no_environment(manifest, environment)]);
    };
    let mut diags = [manifest.faults(), &of.faults].concat();
    let mut spec = specification(manifest, environment, of, Some(settings));
    if let Some(spec) = &mut spec {
        let found = faults::find_in_values(&scene(manifest, of, spec, Some(settings)), &diags);
        diags.extend(found);
        order(spec);
        keep_used(spec);
    }
    diags.retain(Diag::is_error);
    diag::sort(&mut diags);
    match spec {
        Some(spec) if diags.is_empty() => Ok(spec),
        _ => Err(diags),
    }
}

/// What can be known of `environment`, right or wrong: what was refused is left out. For whoever looks for faults
/// elsewhere, which would otherwise be told only when those of the manifest are mended.
#[must_use]
pub fn sketch(manifest: &Manifest, environment: &str, settings: &IndexMap<String, Setting>) -> Option<Spec> {
    specification(manifest, environment, manifest.environment(environment)?, Some(settings))
}

/// The settings of `environment` that nobody is given and nothing refers to, whether they have a value or not. Where
/// something is wrong with the manifest, only those of which that cannot be why.
#[must_use]
pub fn unused(manifest: &Manifest, environment: &str) -> Vec<String> {
    let Some(of) = manifest.environment(environment) else { return vec![] };
    let receives = receiving(of);
    let Some(mut spec) = complete(manifest, environment, of, known_settings(&of.declared, None), receives)
    else {
        return vec![];
    };
    keep_used(&mut spec);
    let is_right = !manifest.faults().iter().chain(&of.faults).any(Diag::is_error);
    // Also by what was refused.
    let refers = |key: &str| {
        let mut written = manifest
            .text()
            .match_indices("{settings.")
            .map(|(at, start)| &manifest.text()[at + start.len()..]);
        let is_it = |rest: &str| rest.strip_prefix(key).is_some_and(|rest| rest.starts_with(['}', '|', '.']));
        written.any(is_it) || manifest.refers_to_setting(environment, key)
    };
    let is_for_nobody = |key: &str, declared: &Declared| {
        declared.services.as_ref().is_some_and(Vec::is_empty) && !refers(key)
    };
    let unused = of.declared.iter().filter(|(key, declared)| {
        !spec.settings.contains_key(*key) && (is_right || is_for_nobody(key, declared))
    });
    unused.map(|(key, _)| key.clone()).collect()
}

/// Adds what only the values of settings show of `environment` to the faults that were found when the
/// manifest was read: for one that has such, and cannot be resolved.
pub fn examine_values(
    manifest: &Manifest,
    environment: &str,
    settings: &IndexMap<String, Setting>,
    diags: &mut Vec<Diag>,
) {
    let Some(of) = manifest.environment(environment) else {
        // One that is declared under a name that is none is reported already.
        let names = manifest.environments();
        let refused = names.iter().map(String::as_str).filter(|name| Name::new(*name).is_err());
        if nearest(environment, refused).is_none() {
            diags.push(no_environment(manifest, environment));
        }
        return diag::sort(diags);
    };
    if let Some(spec) = specification(manifest, environment, of, Some(settings)) {
        let found = faults::find_in_values(&scene(manifest, of, &spec, Some(settings)), &of.faults);
        diags.extend(found.into_iter().filter(Diag::is_error));
    }
    diag::sort(diags);
}

/// Reports what is wrong in the tables as they were typed.
pub(crate) fn examine_tables(root: &Node, diags: &mut Vec<Diag>) {
    faults::keys_of_kind(root, diags);
    faults::both_kinds(root, diags);
}

/// Reports what can be found without the values of settings, in every environment, which keeps it.
pub(crate) fn examine(manifest: &mut Manifest, diags: &mut Vec<Diag>) {
    for environment in manifest.environments() {
        let found = examined(manifest, &environment);
        for diag in &found {
            if diags.iter().any(|other| other.is_same(diag)) {
                continue;
            }
            let mut diag = diag.clone();
            if environment != LOCAL {
                diag.message.push_str(&format!(" (in the environment {environment})"));
            }
            diags.push(diag);
        }
        if let Some(of) = manifest.environment_mut(&environment) {
            of.faults = found;
        }
    }
}

fn examined(manifest: &Manifest, environment: &str) -> Vec<Diag> {
    let mut diags = Vec::new();
    let Some(of) = manifest.environment(environment) else { return diags };
    require(&ROOT, &of.root, of.above.as_ref(), &mut vec![], &mut diags);
    if let Some(spec) = outline(manifest, environment, of) {
        faults::find(&scene(manifest, of, &spec, None), &mut diags);
    }
    diags
}

/// The fault of asking for an environment that the manifest does not know.
#[must_use]
pub fn no_environment(manifest: &Manifest, environment: &str) -> Diag {
    let names = manifest.environments();
    let span = manifest.environments_at();
    let diag = Diag::error("unknown-environment", span, format!("there is no environment {environment}"));
    let diag = match nearest(environment, names.iter().map(String::as_str)) {
        Some(meant) => diag.label(format!("did you mean {meant}?")),
        None => diag,
    };
    diag.help(format!(
        "the manifest has {}; [environments.{environment}] would make another",
        names.join(", ")
    ))
}

/// What is specified, with all settings, in the order of the text.
fn specification(
    manifest: &Manifest,
    name: &str,
    of: &Environment,
    settings: Option<&IndexMap<String, Setting>>,
) -> Option<Spec> {
    complete(manifest, name, of, known_settings(&of.declared, settings), receiving(of))
}

/// Says which setting is given to whom.
fn receiving(of: &Environment) -> impl Fn(&String, &str) -> bool {
    |key, receiver| {
        let only = of.declared.get(key).and_then(|setting| setting.services.as_ref());
        only.is_none_or(|names| names.iter().any(|name| name == receiver))
    }
}

/// The same before the values of settings are known: all that are declared are there, and nobody is given any yet. That
/// makes no difference to what is wrong whatever values they have, and most of the work.
fn outline(manifest: &Manifest, name: &str, of: &Environment) -> Option<Spec> {
    complete(manifest, name, of, known_settings(&of.declared, None), |_, _| false)
}

fn scene<'a>(
    manifest: &'a Manifest,
    of: &'a Environment,
    spec: &'a Spec,
    settings: Option<&'a IndexMap<String, Setting>>,
) -> faults::Scene<'a> {
    faults::Scene {
        spec,
        root: &of.root,
        text: manifest.text(),
        declared: &of.declared,
        settings,
        is_sealed: of.is_sealed,
        needing: composed::needing_resources(&spec.settings),
    }
}

/// Puts the services into the order in which they can start. That some need each other is a fault
/// that was found before.
fn order(spec: &mut Spec) {
    let needs = spec.services.iter().map(|(name, service)| (name.clone(), service.needs.clone())).collect();
    if let Some(names) = order::sorted(&needs) {
        spec.services.sort_by_cached_key(|name, _| names.iter().position(|other| other == name));
    }
}

/// The settings there will be. Before their values are known, all that are declared.
fn known_settings(
    declared: &IndexMap<String, Declared>,
    found: Option<&IndexMap<String, Setting>>,
) -> IndexMap<String, Setting> {
    let hash = |text: &str| blake3::hash(text.as_bytes()).to_hex()[..16].to_owned();
    let mut known = IndexMap::with_capacity(declared.len());
    for (key, setting) in declared {
        let given = found.and_then(|found| found.get(key));
        let (fingerprint, composed) = match (given, &setting.composed, &setting.default) {
            (Some(given), ..) => (given.fingerprint.clone(), given.composed.clone()),
            // What stands in the manifest is there for all to read; its hash needs no key.
            (None, Some(template), _) => (hash(&template.to_string()), Some(template.clone())),
            (None, None, Some(default)) => (hash(default), None),
            // It need not be there, and is not.
            (None, None, None) if found.is_some() && !setting.required => continue,
            (None, None, None) => (String::new(), None),
        };
        let (file, secret) = (setting.file, setting.secret || given.is_some_and(|given| given.secret));
        let separator = setting.separator().filter(|_| secret).map(str::to_owned);
        known.insert(key.clone(), Setting { secret, fingerprint, composed, file, separator });
    }
    for (key, setting) in found.into_iter().flatten() {
        if !declared.contains_key(key) {
            known.insert(key.clone(), setting.clone());
        }
    }
    composed::inherit_secrecy(&mut known);
    if found.is_some() {
        let is_required = |key: &str| declared.get(key).is_none_or(|setting| setting.required);
        composed::leave_out_incomplete(&mut known, is_required);
    }
    known
}

/// What is specified, where `receives` says which setting is given to whom.
fn complete(
    manifest: &Manifest,
    name: &str,
    of: &Environment,
    settings: IndexMap<String, Setting>,
    receives: impl Fn(&String, &str) -> bool,
) -> Option<Spec> {
    // Where the name is refused, another stands in, so that all other faults are still found.
    let app = manifest.app().or_else(|| Name::new("app").ok())?;
    let environment = Name::new(name).ok()?;
    let read = Reader::new(&ROOT, Some(&of.root));
    let needing = composed::needing_resources(&settings);
    let last: RefCell<(Vec<&String>, Env)> = RefCell::default();
    let from_settings = |receiver: &str| -> Env {
        let passed = |(key, _): &(&String, &Setting)| {
            // A build runs before any resource does.
            let early = || receiver == "build" && needing.contains(key.as_str());
            receives(key, receiver) && !early()
        };
        let passed_on = |(key, own): (&String, &Setting)| match own.file {
            true => (format!("{key}_FILE"), Template::of(Reference::SettingFile(key.clone()))),
            false => (key.clone(), Template::of(Reference::Setting(key.clone()))),
        };
        let passed: Vec<_> = settings.iter().filter(passed).collect();
        let keys: Vec<&String> = passed.iter().map(|(key, _)| *key).collect();
        // Nearly always all get the same, which is made once.
        let mut last = last.borrow_mut();
        if last.0 != keys {
            *last = (keys, passed.into_iter().map(passed_on).collect());
        }
        last.1.clone()
    };
    let common = read.templates("env");
    let env_of = |receiver: &Name| {
        let mut env = from_settings(receiver.as_str());
        env.extend(common.clone());
        env
    };
    let resources: IndexMap<_, _> = read
        .named("resources")
        .filter_map(|(name, node)| Some((name, resource::resource(node, &app)?)))
        .collect();
    let resource_names: Vec<Name> = resources.keys().cloned().collect();
    let services: IndexMap<_, _> = read
        .named("services")
        .map(|(name, node)| {
            let service = service::service(node, env_of(&name), &resource_names, &settings);
            (name, service)
        })
        .collect();
    let jobs = read.named("jobs").map(|(name, node)| (name.clone(), job::job(node, env_of(&name)))).collect();
    let crons =
        read.named("cron").map(|(name, node)| (name.clone(), job::cron(node, env_of(&name)))).collect();
    let listening: Vec<Name> = services
        .iter()
        .filter(|(_, service)| matches!(service.port, Some(Port::Automatic | Port::Fixed(_))))
        .map(|(name, _)| name.clone())
        .collect();
    let routes = route::routes(&read.items("routes"), &listening);
    Some(Spec {
        build: job::build(read.given("build"), from_settings("build")),
        services,
        jobs,
        crons,
        resources,
        listen: route::listen(read.given("listen"), !routes.is_empty()),
        routes,
        deploy: route::deploy(read.given("deploy")),
        rotations: rotation::rotations(read, || {
            let mut env = from_settings(RECEIVER);
            env.extend(common.clone());
            env
        }),
        revoked: IndexMap::new(),
        notify: read.named("notify").filter_map(|(name, node)| Some((name, notify::notify(node)?))).collect(),
        settings,
        sealed: None,
        app,
        environment,
    })
}

/// Leaves out the settings that nothing refers to.
fn keep_used(spec: &mut Spec) {
    let mut used: IndexSet<String> =
        spec.routes.iter().filter_map(|route| route.access.basic_auth.clone()).collect();
    // What administers a server is needed by whoever rotates, and by nobody else; so may be the URL of an account.
    let servers = spec.rotations.values().filter_map(|rotation| rotation.at.as_ref());
    let admins = servers.flat_map(|server| [&server.admin, &server.url]).flatten().cloned();
    let admins: Vec<Template> = admins.map(|admin| Template::of(Reference::Setting(admin))).collect();
    used.extend(
        composed::references(digest::templates(spec).chain(&admins), &spec.settings)
            .into_iter()
            .filter_map(|reference| composed::setting_of(reference).map(str::to_owned)),
    );
    spec.settings.retain(|key, _| used.contains(key));
}
