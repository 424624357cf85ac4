//! What the plans are made of, and how they are shown.

use windlass_core::plan::{Compensation, Observed, Plan, Request, Wanted, plan};
use windlass_core::spec::{Spec, Strategy};
use windlass_testkit::sample::{name, scheduler, shop, source, web, worker};
use windlass_testkit::simulator::{Deployer, Flaw, Random};
use windlass_testkit::world::World;

/// The text, then each step as `id phase stage action -> compensation`.
pub(crate) fn shown(plan: &Plan) -> String {
    let mut text = format!("{plan}\n");
    for step in &plan.steps {
        let undo = match &step.compensation {
            Compensation::Always(undo) => format!(" -> {}", plan.describe(undo)),
            Compensation::WhenDone(undo) => format!(" -> if done: {}", plan.describe(undo)),
            Compensation::Unneeded => String::new(),
            Compensation::Impossible(_) => " -> impossible".to_owned(),
        };
        let phase = step.phase.title();
        text.push_str(&format!("{} {phase} {} {}{undo}\n", step.id, step.stage, plan.describe(&step.action)));
    }
    text
}

/// Carries a plan out, without any fault, and says what is seen then.
pub(crate) fn after(world: &mut World, plan: Plan) -> Observed {
    let run = world.begin(plan).unwrap();
    let mut deployer = Deployer::new(run, world.runs[run].session, Flaw::None);
    deployer.finish(world, &mut Random::new(1));
    world.observe()
}

pub(crate) fn deploy(spec: &Spec, digest: &str) -> Wanted {
    Wanted { request: Request::Deploy, spec: spec.clone(), source: source(digest) }
}

pub(crate) fn asked(request: Request, seen: &Observed) -> Wanted {
    let active = seen.active.clone().unwrap();
    Wanted { request, spec: active.spec, source: active.tree.source }
}

/// The shop with a web service, a worker and a scheduler, deployed.
pub(crate) fn running() -> (Spec, World, Observed) {
    let mut spec = shop();
    spec.services.insert(name("web"), web("serve --port {port}"));
    spec.services.insert(name("worker"), worker("work"));
    spec.services.insert(name("beat"), scheduler("tick"));
    deployed(spec)
}

pub(crate) fn deployed(spec: Spec) -> (Spec, World, Observed) {
    let mut world = World::new();
    let first = plan(&deploy(&spec, "one"), &Observed::default()).unwrap();
    let seen = after(&mut world, first);
    (spec, world, seen)
}

pub(crate) fn service<'a>(spec: &'a mut Spec, of: &str) -> &'a mut windlass_core::spec::Service {
    spec.services.get_mut(of).unwrap()
}

pub(crate) fn only_web(strategy: Strategy, replicas: u32) -> (Spec, World, Observed) {
    let mut spec = shop();
    let web = windlass_core::spec::Service { strategy, replicas, ..web("serve") };
    spec.services.insert(name("web"), web);
    deployed(spec)
}
