//! Other numbers of copies, fresh copies, none.

use windlass_core::name::{InstanceId, Name, ReleaseId};
use windlass_core::plan::{Action, Observed, ObservedInstance, PlanError, Request, plan};
use windlass_core::spec::{Port, Service};
use windlass_testkit::sample::{name, shop, web};

use crate::kit::{after, asked, deployed, running, shown};

#[test]
fn scaling() {
    let (_, _, seen) = running();
    let to = |count| Request::Scale { replicas: [(name("web"), count)].into_iter().collect() };
    insta::assert_snapshot!(shown(&plan(&asked(to(3), &seen), &seen).unwrap()), @r#"
Scale shop (production), as r2
  ~ web     2 -> 3      the number of copies changes
  = worker  1 running   unchanged
  = beat    1 running   unchanged

preflight
  check disk, memory, programs, accounts, ports and certificates

lock
  take the lock, and look whether anything has moved

start
  start web.r2.3
  wait until web.r2.3 is ready

switch
  send requests to web.r1.1, web.r1.2, web.r2.3

commit
  make r2 the active release; from here on nothing goes back

0 preflight 0 check disk, memory, programs, accounts, ports and certificates
1 lock 1 take the lock, and look whether anything has moved
2 start 2 start web.r2.3 -> drain (at most 30s) and stop web.r2.3
3 start 3 wait until web.r2.3 is ready
4 switch 4 send requests to web.r1.1, web.r1.2, web.r2.3 -> send requests to web.r1.1, web.r1.2
5 commit 5 make r2 the active release; from here on nothing goes back
"#);
    insta::assert_snapshot!(shown(&plan(&asked(to(1), &seen), &seen).unwrap()), @r#"
Scale shop (production), as r2
  ~ web     2 -> 1      the number of copies changes
  = worker  1 running   unchanged
  = beat    1 running   unchanged

preflight
  check disk, memory, programs, accounts, ports and certificates

lock
  take the lock, and look whether anything has moved

switch
  send requests to web.r1.1

commit
  make r2 the active release; from here on nothing goes back

retire
  drain (at most 30s) and stop web.r1.2

0 preflight 0 check disk, memory, programs, accounts, ports and certificates
1 lock 1 take the lock, and look whether anything has moved
2 switch 2 send requests to web.r1.1 -> send requests to web.r1.1, web.r1.2
3 commit 3 make r2 the active release; from here on nothing goes back
4 retire 4 drain (at most 30s) and stop web.r1.2
"#);
    let beat = Request::Scale { replicas: [(name("beat"), 2)].into_iter().collect() };
    assert_eq!(
        plan(&asked(beat, &seen), &seen).unwrap_err().to_string(),
        "beat is a singleton: it can have 1 copy or 0, never more"
    );
}

/// The number says which copy one is, whenever it was started: no two have one.
#[test]
fn a_new_copy_has_the_lowest_number_that_none_of_the_others_has() {
    let (_, mut world, seen) = running();
    let to = |count| Request::Scale { replicas: [(name("web"), count)].into_iter().collect() };
    let scaled = |seen: &Observed, count: u32| {
        let plan = plan(&asked(to(count), seen), seen).unwrap();
        let copies = plan.instances[&name("web")].iter().map(ToString::to_string).collect::<Vec<_>>();
        (plan, copies)
    };
    let (more, copies) = scaled(&seen, 4);
    assert_eq!(copies, ["web.r1.1", "web.r1.2", "web.r2.3", "web.r2.4"]);
    let mut seen = after(&mut world, more);
    // One that does not run leaves its number to the one that comes in its place.
    let first = InstanceId { service: name("web"), release: ReleaseId(1), replica: 1 };
    seen.instances.retain(|instance| instance.id != first);
    let (_, copies) = scaled(&seen, 5);
    assert_eq!(copies, ["web.r1.2", "web.r2.3", "web.r2.4", "web.r3.1", "web.r3.5"]);
    // Of too many the lowest numbers stay.
    let (_, copies) = scaled(&seen, 2);
    assert_eq!(copies, ["web.r1.2", "web.r2.3"]);
}

#[test]
fn what_has_one_port_only_is_not_scaled() {
    let mut spec = shop();
    spec.services.insert(name("web"), Service { port: Some(Port::Fixed(9000)), ..web("serve") });
    spec.services.get_mut("web").unwrap().replicas = 1;
    let (_, _, seen) = deployed(spec);
    let to = |count| Request::Scale { replicas: [(name("web"), count)].into_iter().collect() };
    assert_eq!(
        plan(&asked(to(2), &seen), &seen).unwrap_err().to_string(),
        "web always listens on port 9000, which only one copy can: it can have 1 copy or 0; for more, write \
         port = \"auto\" (and {port} or $PORT where the command names it), and deploy"
    );
    assert!(plan(&asked(to(0), &seen), &seen).is_ok());
}

/// A run that got stuck left it; the release that is active names no such service.
#[test]
fn a_stop_of_everything_stops_also_what_the_release_does_not_name() {
    let (_, mut world, mut seen) = running();
    let stop = Request::Stop { services: vec![] };
    let id: InstanceId = "mail.r2.1".parse().unwrap();
    let left = ObservedInstance { id: id.clone(), digest: String::new(), running: true, alone: false };
    seen.instances.push(left.clone());
    let stops = |seen: &Observed| {
        let plan = plan(&asked(stop.clone(), seen), seen).unwrap();
        plan.steps
            .iter()
            .any(|step| matches!(&step.action, Action::StopInstance { instance, .. } if *instance == id))
    };
    assert!(stops(&seen));
    let of_web = Request::Stop { services: vec![name("web")] };
    let of_web = plan(&asked(of_web, &seen), &seen).unwrap();
    assert!(!of_web.changes.iter().any(|change| change.service.as_str() == "mail"));
    // Also when everything else was stopped before.
    seen.instances.pop();
    let mut seen = after(&mut world, plan(&asked(stop.clone(), &seen), &seen).unwrap());
    seen.instances.push(left);
    assert!(stops(&seen));
}

#[test]
fn restarts_and_stops() {
    let (_, _, seen) = running();
    let restart = |services: Vec<Name>| plan(&asked(Request::Restart { services }, &seen), &seen).unwrap();
    insta::assert_snapshot!(shown(&restart(vec![])), @r#"
Restart shop (production), as r2
  ~ web     2 running   it was asked for
  ~ worker  1 running   it was asked for
  ~ beat    1 running   it was asked for

preflight
  check disk, memory, programs, accounts, ports and certificates

lock
  take the lock, and look whether anything has moved

start
  start web.r2.1
  start web.r2.2
  start worker.r2.1
  wait until web.r2.1 is ready
  wait until web.r2.2 is ready
  wait until worker.r2.1 is ready
  stop beat.r1.1
  start beat.r2.1
  wait until beat.r2.1 is ready

switch
  send requests to web.r2.1, web.r2.2

commit
  make r2 the active release; from here on nothing goes back

retire
  drain (at most 30s) and stop web.r1.1
  drain (at most 30s) and stop web.r1.2
  stop worker.r1.1

0 preflight 0 check disk, memory, programs, accounts, ports and certificates
1 lock 1 take the lock, and look whether anything has moved
2 start 2 start web.r2.1 -> drain (at most 30s) and stop web.r2.1
3 start 2 start web.r2.2 -> drain (at most 30s) and stop web.r2.2
4 start 2 start worker.r2.1 -> stop worker.r2.1
5 start 3 wait until web.r2.1 is ready
6 start 3 wait until web.r2.2 is ready
7 start 3 wait until worker.r2.1 is ready
8 start 4 stop beat.r1.1 -> start beat.r1.1
9 start 5 start beat.r2.1 -> stop beat.r2.1
10 start 6 wait until beat.r2.1 is ready
11 switch 7 send requests to web.r2.1, web.r2.2 -> send requests to web.r1.1, web.r1.2
12 commit 8 make r2 the active release; from here on nothing goes back
13 retire 9 drain (at most 30s) and stop web.r1.1
14 retire 9 drain (at most 30s) and stop web.r1.2
15 retire 9 stop worker.r1.1
"#);
    insta::assert_snapshot!(shown(&restart(vec![name("worker")])), @r#"
Restart shop (production), as r2
  = web     2 running   unchanged
  ~ worker  1 running   it was asked for
  = beat    1 running   unchanged

preflight
  check disk, memory, programs, accounts, ports and certificates

lock
  take the lock, and look whether anything has moved

start
  start worker.r2.1
  wait until worker.r2.1 is ready

switch
  send requests to web.r1.1, web.r1.2

commit
  make r2 the active release; from here on nothing goes back

retire
  stop worker.r1.1

0 preflight 0 check disk, memory, programs, accounts, ports and certificates
1 lock 1 take the lock, and look whether anything has moved
2 start 2 start worker.r2.1 -> stop worker.r2.1
3 start 3 wait until worker.r2.1 is ready
4 switch 4 send requests to web.r1.1, web.r1.2 -> send requests to web.r1.1, web.r1.2
5 commit 5 make r2 the active release; from here on nothing goes back
6 retire 6 stop worker.r1.1
"#);
    let stop = |services: Vec<Name>| plan(&asked(Request::Stop { services }, &seen), &seen).unwrap();
    insta::assert_snapshot!(shown(&stop(vec![])), @r#"
Stop shop (production)
  ~ beat    1 -> 0      it was asked for
  ~ worker  1 -> 0      it was asked for
  ~ web     2 -> 0      it was asked for

lock
  take the lock, and look whether anything has moved

switch
  answer no requests

commit
  record that it is stopped; from here on nothing goes back

retire
  stop beat.r1.1
  stop worker.r1.1
  drain (at most 30s) and stop web.r1.1
  drain (at most 30s) and stop web.r1.2

0 lock 0 take the lock, and look whether anything has moved
1 switch 1 answer no requests -> send requests to web.r1.1, web.r1.2
2 commit 2 record that it is stopped; from here on nothing goes back
3 retire 3 stop beat.r1.1
4 retire 4 stop worker.r1.1
5 retire 5 drain (at most 30s) and stop web.r1.1
6 retire 5 drain (at most 30s) and stop web.r1.2
"#);
    insta::assert_snapshot!(shown(&stop(vec![name("web")])), @r#"
Stop services of shop (production)
  ~ web  2 -> 0      it was asked for

lock
  take the lock, and look whether anything has moved

switch
  refuse requests for web

commit
  record that it is stopped; from here on nothing goes back

retire
  drain (at most 30s) and stop web.r1.1
  drain (at most 30s) and stop web.r1.2

0 lock 0 take the lock, and look whether anything has moved
1 switch 1 refuse requests for web -> send requests to web.r1.1, web.r1.2
2 commit 2 record that it is stopped; from here on nothing goes back
3 retire 3 drain (at most 30s) and stop web.r1.1
4 retire 3 drain (at most 30s) and stop web.r1.2
"#);
}

#[test]
fn what_was_stopped_by_hand_stays_so_while_another_is_scaled() {
    let (_, mut world, seen) = running();
    let stop = Request::Stop { services: vec![name("worker")] };
    let seen = after(&mut world, plan(&asked(stop.clone(), &seen), &seen).unwrap());
    assert!(plan(&asked(stop, &seen), &seen).unwrap().is_empty(), "it is stopped already");
    let scale = Request::Scale { replicas: [(name("web"), 3)].into_iter().collect() };
    let scaled = plan(&asked(scale, &seen), &seen).unwrap();
    assert_eq!(scaled.instances[&name("worker")], Vec::<InstanceId>::new());
    let deployed = plan(&asked(Request::Deploy, &seen), &seen).unwrap();
    assert_eq!(deployed.instances[&name("worker")].len(), 1);
}

#[test]
fn nothing_is_restarted_in_part_while_everything_is_stopped() {
    let (_, mut world, seen) = running();
    let stop = Request::Stop { services: Vec::new() };
    let seen = after(&mut world, plan(&asked(stop, &seen), &seen).unwrap());
    let restart = |services| plan(&asked(Request::Restart { services }, &seen), &seen);
    assert_eq!(restart(vec![name("web")]), Err(PlanError::Stopped));
    assert!(!restart(Vec::new()).unwrap().is_empty());
}
