//! Which copies of the active release are brought back while a run is under way.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use windlass_core::journal::{Direction, Record, Standing, is_kept};
use windlass_core::name::InstanceId;
use windlass_core::plan::{Action, Observed, Plan, Request, Wanted, plan};
use windlass_testkit::sample::{command, name, scheduler, shop, source, web};
use windlass_testkit::simulator::{Deployer, Flaw, Random};
use windlass_testkit::world::World;

/// The plan that replaces beat, a singleton that is dead, and not web; and what is said of this copy after
/// these records.
fn replaces_a_dead_singleton() -> Plan {
    let mut spec = shop();
    spec.services.insert(name("web"), web("serve"));
    spec.services.insert(name("beat"), scheduler("tick"));
    let wanted = |spec| Wanted { request: Request::Deploy, spec, source: source("one") };
    let mut world = World::new();
    let run = world.begin(plan(&wanted(spec.clone()), &Observed::default()).unwrap()).unwrap();
    let mut deployer = Deployer::new(run, world.runs[run].session, Flaw::None);
    deployer.finish(&mut world, &mut Random::new(1));
    let mut seen = world.observe();
    for instance in &mut seen.instances {
        instance.running = instance.id.service.as_str() != "beat";
    }
    spec.services.get_mut("beat").unwrap().command = command("tick --fast");
    plan(&wanted(spec), &seen).unwrap()
}

fn kept(plan: &Plan, records: &[Record], copy: &str) -> bool {
    is_kept(plan, &Standing::of(plan, records), &copy.parse::<InstanceId>().unwrap())
}

#[test]
fn what_the_run_knows_nothing_of_is_not_brought_back_beside_what_takes_its_place() {
    let mut plan = replaces_a_dead_singleton();
    assert!(kept(&plan, &[], "web.r1.1"), "it stays");
    assert!(kept(&plan, &[], "beat.r1.1"), "it is stopped before another starts");
    plan.steps.retain(|step| !matches!(step.action, Action::StopInstance { .. }));
    assert!(!kept(&plan, &[], "beat.r1.1"));
}

#[test]
fn what_the_run_has_begun_to_stop_or_starts_just_now_is_not_brought_back() {
    let plan = replaces_a_dead_singleton();
    let at = |is: fn(&Action) -> bool| plan.steps.iter().find(|step| is(&step.action)).unwrap().id;
    let intent = |step| Record::Intent { step, direction: Direction::Forward };
    let done = |step| Record::Done { step, direction: Direction::Forward, note: String::new() };
    let stop = at(|action| matches!(action, Action::StopInstance { .. }));
    let start = at(|action| matches!(action, Action::StartInstance { .. }));
    assert!(stop < start);
    assert!(!kept(&plan, &[intent(stop)], "beat.r1.1"));
    assert!(!kept(&plan, &[intent(stop), done(stop)], "beat.r1.1"));
    assert!(!kept(&plan, &[intent(start)], "beat.r2.1"));
    assert!(kept(&plan, &[intent(start), done(start)], "beat.r2.1"));
}
