//! From the manifest to the specification of one environment: defaults are filled in, what is
//! implied is spelled out, and what contradicts itself is reported (`faults/`).
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

use indexmap::{IndexMap, IndexSet};

use crate::diag::{self, Diag};
use crate::manifest::fields::ROOT;
use crate::manifest::{LOCAL, Manifest, Node, nearest, require};
use crate::name::Name;
use crate::settings::Declared;
use crate::spec::{Port, Reference, Setting, Spec, Template};

use read::Reader;
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
    let Some(root) = manifest.overlaid(environment) else {
        return Err(vec![no_environment(manifest, environment)]);
    };
    let mut diags = manifest.faults().to_vec();
    let spec = of_environment(manifest, environment, &root, Some(settings), &mut diags);
    faults::keys_of_kind(manifest.root(), &mut diags);
    faults::both_kinds(manifest.root(), &mut diags);
    diags.retain(Diag::is_error);
    diag::sort(&mut diags);
    match spec {
        Some(spec) if diags.is_empty() => Ok(spec),
        _ => Err(diags),
    }
}

/// Reports what can be found without the values of settings, in every environment.
pub(crate) fn examine(manifest: &Manifest, diags: &mut Vec<Diag>) {
    faults::keys_of_kind(manifest.root(), diags);
    faults::both_kinds(manifest.root(), diags);
    for environment in manifest.environments() {
        let Some(root) = manifest.overlaid(&environment) else { continue };
        let mut found = Vec::new();
        let _ = of_environment(manifest, &environment, &root, None, &mut found);
        for mut diag in found {
            let known = diags.iter().any(|other| {
                (other.code, &other.span, &other.message) == (diag.code, &diag.span, &diag.message)
            });
            if known {
                continue;
            }
            if environment != LOCAL {
                diag.message.push_str(&format!(" (in the environment {environment})"));
            }
            diags.push(diag);
        }
    }
}

fn no_environment(manifest: &Manifest, environment: &str) -> Diag {
    let names = manifest.environments();
    let span = manifest.root().span_at(&["environments"]);
    let diag = Diag::error("unknown-environment", span, format!("there is no environment {environment:?}"));
    let diag = match nearest(environment, names.iter().map(String::as_str)) {
        Some(meant) => diag.label(format!("did you mean {meant:?}?")),
        None => diag,
    };
    diag.help(format!(
        "the environments are {}; [environments.{environment}] would make another",
        names.join(", ")
    ))
}

fn of_environment(
    manifest: &Manifest,
    environment: &str,
    root: &Node,
    settings: Option<&IndexMap<String, Setting>>,
    diags: &mut Vec<Diag>,
) -> Option<Spec> {
    require(&ROOT, root, &mut vec![], diags);
    let declared = crate::manifest::settings::declared(root, manifest.text());
    let found = known_settings(&declared, settings);
    // Where the name is refused, another stands in, so that all other faults are still found.
    let app = manifest.app().or_else(|| Name::new("app").ok())?;
    let environment = Name::new(environment).ok()?;
    let mut spec = complete(root, app, environment, &declared, found);
    faults::find(
        &faults::Scene { spec: &spec, root, text: manifest.text(), declared: &declared, settings },
        diags,
    );
    let needs = spec.services.iter().map(|(name, service)| (name.clone(), service.needs.clone())).collect();
    match order::sorted(&needs) {
        Ok(names) => spec.services.sort_by_cached_key(|name, _| names.iter().position(|other| other == name)),
        Err(cycle) => diags.push(faults::cycle(root, &cycle)),
    }
    keep_used(&mut spec);
    Some(spec)
}

/// The settings there will be. Before their values are known, all that are declared.
fn known_settings(
    declared: &IndexMap<String, Declared>,
    found: Option<&IndexMap<String, Setting>>,
) -> IndexMap<String, Setting> {
    let hash = |text: &str| blake3::hash(text.as_bytes()).to_hex()[..16].to_owned();
    let mut known = IndexMap::new();
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
        let file = setting.file;
        known.insert(key.clone(), Setting { secret: setting.secret, fingerprint, composed, file });
    }
    for (key, setting) in found.into_iter().flatten() {
        if !declared.contains_key(key) {
            known.insert(key.clone(), setting.clone());
        }
    }
    if found.is_some() {
        let is_required = |key: &str| declared.get(key).is_none_or(|setting| setting.required);
        composed::leave_out_incomplete(&mut known, is_required);
    }
    known
}

fn complete(
    root: &Node,
    app: Name,
    environment: Name,
    declared: &IndexMap<String, Declared>,
    settings: IndexMap<String, Setting>,
) -> Spec {
    let read = Reader::new(&ROOT, Some(root));
    let from_settings = |receiver: &str| -> IndexMap<String, Template> {
        let passed = |key: &&String| {
            let only = declared.get(*key).and_then(|setting| setting.services.as_ref());
            only.is_none_or(|names| names.iter().any(|name| name == receiver))
        };
        // A build runs before any resource does.
        let early = |key: &str| {
            receiver == "build"
                && settings.get(key).is_some_and(|own| composed::needs_resource(own, &settings))
        };
        let passed_on = |key: &String| match settings.get(key) {
            Some(Setting { file: true, .. }) => {
                (format!("{key}_FILE"), Template::of(Reference::SettingFile(key.clone())))
            }
            _ => (key.clone(), Template::of(Reference::Setting(key.clone()))),
        };
        settings.keys().filter(passed).filter(|key| !early(key)).map(passed_on).collect()
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
    Spec {
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
    }
}

/// Leaves out the settings that nothing refers to.
fn keep_used(spec: &mut Spec) {
    let mut used: IndexSet<String> =
        spec.routes.iter().filter_map(|route| route.access.basic_auth.clone()).collect();
    used.extend(
        composed::references(digest::templates(spec), &spec.settings)
            .into_iter()
            .filter_map(|reference| composed::setting_of(reference).map(str::to_owned)),
    );
    spec.settings.retain(|key, _| used.contains(key));
}
