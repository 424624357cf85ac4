//! What an unfinished run left behind.

use windlass_core::plan::{Action, Observed, ObservedInstance, Phase, Plan, Request, plan, service_digest};
use windlass_core::spec::{Service, Spec, Strategy};
use windlass_testkit::sample::{command, name, shop, source, web};
use windlass_testkit::world::World;

use crate::kit::{asked, deploy, deployed, running, service, shown};

/// What is seen after a deploy of `spec` that was never finished: its first copy of web is left.
fn left_by_a_deploy(spec: &Spec, world: &mut World, seen: &Observed, alone: bool) -> Observed {
    let unfinished = plan(&deploy(spec, "one"), seen).unwrap();
    let id = unfinished.instances[&name("web")][0].clone();
    world.begin(unfinished).unwrap();
    let digest = service_digest(spec, &name("web"), &source("one"));
    let mut seen = world.observe();
    seen.instances.push(ObservedInstance { id, digest, running: true, alone });
    seen
}

#[test]
fn leftovers_of_an_unfinished_run_get_no_requests_and_go() {
    let (spec, mut world, seen) = running();
    let mut other = spec.clone();
    service(&mut other, "web").command = command("serve --fast");
    service(&mut other, "web").strategy = Strategy::Rolling { max_surge: 1, max_unavailable: 0 };
    let seen = left_by_a_deploy(&other, &mut world, &seen, false);
    insta::assert_snapshot!(shown(&plan(&deploy(&other, "one"), &seen).unwrap()), @r#"
Deploy shop (production): r1 -> r3
  ~ web     3 -> 2      its definition or a setting it sees changed
  = worker  1 running   unchanged
  = beat    1 running   unchanged

preflight
  check disk, memory, programs, accounts, ports and certificates

lock
  take the lock, and look whether anything has moved

start
  start web.r3.1
  wait until web.r3.1 is ready
  send requests to web.r3.1, web.r1.2
  drain (at most 30s) and stop web.r1.1
  start web.r3.2
  wait until web.r3.2 is ready
  send requests to web.r3.1, web.r3.2
  drain (at most 30s) and stop web.r1.2

switch
  send requests to web.r3.1, web.r3.2

commit
  make r3 the active release; from here on nothing goes back

retire
  drain (at most 30s) and stop web.r2.1

0 preflight 0 check disk, memory, programs, accounts, ports and certificates
1 lock 1 take the lock, and look whether anything has moved
2 start 2 start web.r3.1 -> drain (at most 30s) and stop web.r3.1
3 start 3 wait until web.r3.1 is ready
4 start 4 send requests to web.r3.1, web.r1.2 -> send requests to web.r1.1, web.r1.2
5 start 5 drain (at most 30s) and stop web.r1.1 -> start web.r1.1
6 start 6 start web.r3.2 -> drain (at most 30s) and stop web.r3.2
7 start 7 wait until web.r3.2 is ready
8 start 8 send requests to web.r3.1, web.r3.2 -> send requests to web.r3.1, web.r1.2
9 start 9 drain (at most 30s) and stop web.r1.2 -> start web.r1.2
10 switch 10 send requests to web.r3.1, web.r3.2 -> send requests to web.r3.1, web.r3.2
11 commit 11 make r3 the active release; from here on nothing goes back
12 retire 12 drain (at most 30s) and stop web.r2.1
"#);
}

/// Only the copy itself tells that it must be alone: its release was never active.
#[test]
fn a_singleton_that_was_left_behind_goes_before_anything_new_starts() {
    let (spec, mut world, seen) = running();
    let mut other = spec.clone();
    service(&mut other, "web").command = command("serve --fast");
    let seen = left_by_a_deploy(&other, &mut world, &seen, true);
    let plan = plan(&deploy(&other, "one"), &seen).unwrap();
    let at = |wanted: fn(&Action) -> bool| plan.steps.iter().position(|step| wanted(&step.action)).unwrap();
    let stopped =
        at(|action| matches!(action, Action::StopInstance { instance, .. } if instance.release.0 == 2));
    let started = at(|action| matches!(action, Action::StartInstance { .. }));
    assert!(stopped < started, "{}", shown(&plan));
}

/// A run that got stuck may have left some of the active release that could not be started again.
#[test]
fn copies_that_do_not_run_get_no_requests_but_stay_what_is_gone_back_to() {
    let (spec, _, mut seen) = running();
    let mut other = spec;
    service(&mut other, "web").command = command("serve --fast");
    service(&mut other, "web").strategy = Strategy::Rolling { max_surge: 1, max_unavailable: 0 };
    seen.instances.retain(|instance| instance.id.to_string() != "web.r1.2");
    let shown = shown(&plan(&deploy(&other, "one"), &seen).unwrap());
    let switches: Vec<&str> = shown.lines().filter(|line| line.contains("-> send requests")).collect();
    insta::assert_snapshot!(switches.join("\n"), @r"
6 start 4 send requests to web.r2.1, web.r2.2 -> send requests to web.r1.1, web.r1.2
8 switch 6 send requests to web.r2.1, web.r2.2 -> send requests to web.r2.1, web.r2.2
");
}

/// Requests for what has given up are held until its new copies are there, whoever moves before them.
#[test]
fn a_service_without_a_copy_that_runs_is_not_one_that_was_stopped() {
    let mut spec = shop();
    spec.services.insert(name("api"), Service { strategy: Strategy::Recreate, ..web("answer") });
    spec.services.insert(name("web"), web("serve"));
    let (mut other, _, mut seen) = deployed(spec);
    for (of, mended) in [("api", "answer --well"), ("web", "serve --well")] {
        service(&mut other, of).command = command(mended);
    }
    seen.instances.retain(|instance| instance.id.service.as_str() != "web");
    let plan = plan(&deploy(&other, "one"), &seen).unwrap();
    assert!(!shown(&plan).contains("refuse"), "{}", shown(&plan));
    let switches = plan.steps.iter().filter_map(|step| match &step.action {
        Action::SwitchTraffic { traffic } => Some(traffic),
        _ => None,
    });
    assert!(switches.clone().count() >= 2);
    assert!(switches.into_iter().all(|traffic| traffic.pools.contains_key(&name("web"))));
}

/// A singleton whose keeper died with it: whoever looks after the release may have it back by the time the new
/// one starts.
#[test]
fn an_own_copy_that_does_not_run_is_stopped_before_what_must_be_alone_starts() {
    let (mut spec, _, mut seen) = running();
    service(&mut spec, "beat").command = command("tick --fast");
    service(&mut spec, "web").command = command("serve --fast");
    for instance in &mut seen.instances {
        instance.running = instance.id.service.as_str() == "worker" || instance.id.replica == 2;
    }
    let shown = shown(&plan(&deploy(&spec, "one"), &seen).unwrap());
    let steps: Vec<&str> = shown.lines().skip_while(|line| !line.starts_with("0 ")).collect();
    insta::assert_snapshot!(steps.join("\n"), @r"
0 preflight 0 check disk, memory, programs, accounts, ports and certificates
1 lock 1 take the lock, and look whether anything has moved
2 start 2 start web.r2.1 -> drain (at most 30s) and stop web.r2.1
3 start 2 start web.r2.2 -> drain (at most 30s) and stop web.r2.2
4 start 3 wait until web.r2.1 is ready
5 start 3 wait until web.r2.2 is ready
6 start 4 stop beat.r1.1
7 start 5 start beat.r2.1 -> stop beat.r2.1
8 start 6 wait until beat.r2.1 is ready
9 switch 7 send requests to web.r2.1, web.r2.2 -> send requests to web.r1.1, web.r1.2
10 commit 8 make r2 the active release; from here on nothing goes back
11 retire 9 drain (at most 30s) and stop web.r1.2
12 retire 9 drain (at most 30s) and stop web.r1.1
");
}

/// A copy that did not run when the plan was made, of a service that is stopped or no longer in the manifest: it may
/// be back before the commit, and afterwards nobody would stop it.
#[test]
fn an_own_copy_that_does_not_run_is_stopped_with_its_service() {
    let (mut spec, _, mut seen) = running();
    for instance in &mut seen.instances {
        instance.running = instance.id.service.as_str() != "beat";
    }
    let stops = |plan: &Plan| {
        let retired = plan.steps.iter().filter(|step| step.phase > Phase::Commit);
        let stops = retired.filter_map(|step| match &step.action {
            Action::StopInstance { instance, .. } => Some(instance.to_string()),
            _ => None,
        });
        stops.collect::<Vec<_>>()
    };
    let stop = |services| plan(&asked(Request::Stop { services }, &seen), &seen).unwrap();
    assert_eq!(stops(&stop(vec![name("beat")])), ["beat.r1.1"]);
    assert!(stops(&stop(vec![])).contains(&"beat.r1.1".to_owned()));
    assert_eq!(stops(&stop(vec![name("worker")])), ["worker.r1.1"]);
    spec.services.shift_remove(&name("beat"));
    assert_eq!(stops(&plan(&deploy(&spec, "one"), &seen).unwrap()), ["beat.r1.1"]);
}
