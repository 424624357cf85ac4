//! What an unfinished run left behind.

use windlass_core::plan::plan;
use windlass_core::spec::Strategy;
use windlass_testkit::sample::{command, name, source};

use crate::kit::{deploy, running, service, shown};

#[test]
fn leftovers_of_an_unfinished_run_get_no_requests_and_go() {
    let (spec, mut world, seen) = running();
    let mut other = spec.clone();
    service(&mut other, "web").command = command("serve --fast");
    service(&mut other, "web").strategy = Strategy::Rolling { max_surge: 1, max_unavailable: 0 };
    let unfinished = plan(&deploy(&other, "one"), &seen).unwrap();
    let left = unfinished.instances[&name("web")][0].clone();
    world.begin(unfinished).unwrap();
    let mut seen = world.observe();
    let digest = windlass_core::plan::service_digest(&other, &name("web"), &source("one"));
    seen.instances.push(windlass_core::plan::ObservedInstance { id: left, digest, running: true });
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
