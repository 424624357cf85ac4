//! Random applications, and random wishes about them.

use indexmap::IndexMap;
use windlass_core::name::Name;
use windlass_core::plan::{Request, Rotated, Source, Wanted};
use windlass_core::spec::{Engine, Port, Service, SmokeTest, Spec, Strategy, Template, Undo, When};
use windlass_core::units::Span;

use super::Random;
use crate::sample;
use crate::world::World;

const SERVICES: [&str; 6] = ["api", "web", "worker", "beat", "mail", "feed"];

/// A setting that is rotated.
const TOKEN: &str = "TOKEN";

/// An application that its developers keep changing.
#[derive(Debug)]
pub struct Scenario {
    random: Random,
    spec: Spec,
}

impl Scenario {
    /// One made from these numbers.
    #[must_use]
    pub fn new(mut random: Random) -> Self {
        let spec = spec(&mut random);
        Self { random, spec }
    }

    /// What somebody wants next.
    pub fn wish(&mut self, world: &World) -> Wanted {
        wish(&mut self.random, &mut self.spec, world)
    }
}

/// An application of 1 to 5 services.
pub(super) fn spec(random: &mut Random) -> Spec {
    let mut spec = sample::shop();
    for text in SERVICES.iter().take(1 + random.below(5)) {
        let service = service(random, &spec.services);
        spec.services.insert(sample::name(text), service);
    }
    for (text, when) in [("migrate", When::BeforeStart), ("seed", When::Once), ("warm", When::AfterSwitch)] {
        if random.chance(400) {
            let undo = match random.below(3) {
                0 => Undo::Compatible,
                1 => Undo::Irreversible,
                _ => Undo::Command(sample::command("manage undo")),
            };
            spec.jobs.insert(sample::name(text), sample::job(text, when, undo));
        }
    }
    for (text, engine) in [("db", Engine::Postgres), ("cache", Engine::Redis)] {
        if random.chance(400) {
            spec.resources.insert(sample::name(text), sample::resource(engine));
        }
    }
    if random.chance(500) {
        spec.settings.insert(TOKEN.into(), sample::secret("token 1"));
        spec.rotations.insert(TOKEN.into(), sample::rotation());
    }
    spec.deploy.keep = 1 + random.below(3) as u32;
    spec.deploy.bake = Span::from_secs(random.below(2) as u64);
    if random.chance(300) {
        let first = sample::name(SERVICES[0]);
        let timeout = Span::from_secs(1);
        spec.deploy.smoke =
            vec![SmokeTest { service: first, path: "/".into(), status: 200.into(), contains: None, timeout }];
    }
    spec
}

fn service(random: &mut Random, before: &IndexMap<Name, Service>) -> Service {
    let mut service = sample::worker("run v1");
    service.replicas = 1 + random.below(3) as u32;
    service.port = match random.below(6) {
        0..=2 => Some(Port::Automatic),
        3 => Some(Port::Fixed(8000)),
        _ => None,
    };
    service.strategy = match random.below(4) {
        0 | 1 => Strategy::BlueGreen,
        2 => Strategy::Recreate,
        _ => Strategy::Rolling { max_surge: random.below(3) as u32, max_unavailable: random.below(2) as u32 },
    };
    if random.chance(300) || matches!(service.port, Some(Port::Fixed(_))) {
        service.singleton = random.chance(700);
        service.replicas = 1;
    }
    if random.chance(300) {
        // As above, where the application has no such setting.
        service.env.insert(TOKEN.into(), Template::parse("{settings.TOKEN}").unwrap_or_default());
    }
    for (resource, fact) in [("db", "url"), ("cache", "password"), ("db", "host")] {
        // Where the application has no such resource the reference is to nothing, which a manifest
        // cannot say; here it only leaves the service as it is.
        if random.chance(300) {
            let text = format!("{{resources.{resource}.{fact}}}");
            let template = Template::parse(&text).unwrap_or_default();
            service.env.insert(format!("{resource}-{fact}"), template);
        }
    }
    if let Some(other) = before.keys().nth(random.below(before.len() + 1)) {
        service.needs.push(other.clone());
    }
    service
}

/// A change of the application, as a developer makes them.
fn change(random: &mut Random, spec: &mut Spec) {
    let at = random.below(spec.services.len());
    match random.below(7) {
        0 | 1 => {
            if let Some((_, service)) = spec.services.get_index_mut(at) {
                service.command = sample::command(&format!("run v{}", random.below(50)));
            }
        }
        2 => {
            if let Some((_, service)) = spec.services.get_index_mut(at) {
                let new = self::service(random, &IndexMap::new());
                let needs = std::mem::take(&mut service.needs);
                *service = Service { needs, ..new };
            }
        }
        3 if spec.services.len() > 1 => {
            if let Some((gone, _)) = spec.services.shift_remove_index(at) {
                spec.services.values_mut().for_each(|service| service.needs.retain(|name| *name != gone));
                spec.deploy.smoke.retain(|test| test.service != gone);
            }
        }
        4 => {
            let text = SERVICES[random.below(SERVICES.len())];
            let service = service(random, &IndexMap::new());
            spec.services.entry(sample::name(text)).or_insert(service);
        }
        5 => {
            let name = sample::name("db");
            if spec.resources.shift_remove(&name).is_none() {
                spec.resources.insert(name, sample::resource(Engine::Postgres));
            }
        }
        _ => {
            if let Some((_, resource)) = spec.resources.get_index_mut(0)
                && let windlass_core::spec::Source::Private { options, .. } = &mut resource.source
            {
                options.insert("size".into(), random.below(9).to_string());
            }
        }
    }
}

/// What somebody wants next.
pub(super) fn wish(random: &mut Random, spec: &mut Spec, world: &World) -> Wanted {
    let active = world.active.as_ref();
    let from_tree = |source: &Source| Source { path: String::new(), ..source.clone() };
    if let Some(active) = active {
        let names: Vec<Name> = active.spec.services.keys().cloned().collect();
        let one = |random: &mut Random| random.pick(&names).cloned().into_iter().collect::<Vec<Name>>();
        let some = |random: &mut Random| if random.chance(400) { Vec::new() } else { one(random) };
        let of_active =
            |request| Wanted { request, spec: active.spec.clone(), source: from_tree(&active.tree.source) };
        match random.below(14) {
            0 => return of_active(Request::Restart { services: some(random) }),
            1 => return of_active(Request::Stop { services: some(random) }),
            2 => {
                let chosen = one(random);
                let copies = |name: &Name, random: &mut Random| {
                    let single = active
                        .spec
                        .services
                        .get(name)
                        .is_some_and(|s| s.singleton || matches!(s.port, Some(Port::Fixed(_))));
                    random.below(if single { 2 } else { 4 }) as u32
                };
                let replicas = chosen.iter().map(|name| (name.clone(), copies(name, random))).collect();
                return of_active(Request::Scale { replicas });
            }
            11 if active.spec.settings.contains_key(TOKEN) => {
                let mut wanted = of_active(Request::Rotate { what: Rotated::Setting(TOKEN.into()) });
                if let Some(setting) = wanted.spec.settings.get_mut(TOKEN) {
                    setting.fingerprint = format!("token {}", world.runs.len() + 2);
                }
                return wanted;
            }
            12 | 13 => {
                let resources: Vec<Name> = active.spec.resources.keys().cloned().collect();
                if let Some(name) = random.pick(&resources) {
                    return of_active(Request::Rotate { what: Rotated::Resource(name.clone()) });
                }
            }
            3 | 4 => {
                let back = random
                    .pick(&world.releases)
                    .and_then(|(release, _)| world.blueprints.get_key_value(release));
                if let Some((to, blueprint)) = back {
                    return Wanted {
                        request: Request::Rollback { to: *to, anyway: false },
                        spec: blueprint.spec.clone(),
                        source: from_tree(&blueprint.tree.source),
                    };
                }
            }
            _ => {}
        }
    }
    change(random, spec);
    // The file has the value that is in force: whoever deploys settles that first.
    let in_force = active.and_then(|active| active.spec.settings.get(TOKEN));
    if let (Some(own), Some(in_force)) = (spec.settings.get_mut(TOKEN), in_force) {
        own.fingerprint.clone_from(&in_force.fingerprint);
    }
    let source = sample::source(&format!("source {}", random.below(5)));
    Wanted { request: Request::Deploy, spec: spec.clone(), source }
}
