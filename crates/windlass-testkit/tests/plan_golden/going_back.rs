//! Going back to an earlier release.

use windlass_core::name::ReleaseId;
use windlass_core::plan::{Request, Wanted, plan};
use windlass_core::units::Span;

use crate::kit::{after, deploy, running, shown};

// proves: HS-8
#[test]
fn a_rollback_uses_the_tree_that_is_there_and_bakes() {
    let (mut spec, mut world, _) = running();
    spec.deploy.bake = Span::from_secs(60);
    let next = plan(&deploy(&spec, "two"), &world.observe()).unwrap();
    let seen = after(&mut world, next);
    let back =
        Wanted { request: Request::Rollback { to: ReleaseId(1), anyway: false }, ..deploy(&spec, "one") };
    insta::assert_snapshot!(shown(&plan(&back, &seen).unwrap()), @r#"
Roll shop (production) back to r1, as r3
  ~ web     2 running   its files changed
  ~ worker  1 running   its files changed
  ~ beat    1 running   its files changed
  ~ source: its files, or a setting that the build sees

preflight
  check disk, memory, programs, accounts, ports and certificates

lock
  take the lock, and look whether anything has moved

start
  start web.r3.1
  start web.r3.2
  start worker.r3.1
  wait until web.r3.1 is ready
  wait until web.r3.2 is ready
  wait until worker.r3.1 is ready
  stop beat.r2.1
  start beat.r3.1
  wait until beat.r3.1 is ready

switch
  send requests to web.r3.1, web.r3.2

bake
  watch the new release for 1m

commit
  make r3 the active release; from here on nothing goes back

retire
  send requests to web.r3.1, web.r3.2
  drain (at most 30s) and stop web.r2.1
  drain (at most 30s) and stop web.r2.2
  stop worker.r2.1

0 preflight 0 check disk, memory, programs, accounts, ports and certificates
1 lock 1 take the lock, and look whether anything has moved
2 start 2 start web.r3.1 -> drain (at most 30s) and stop web.r3.1
3 start 2 start web.r3.2 -> drain (at most 30s) and stop web.r3.2
4 start 2 start worker.r3.1 -> stop worker.r3.1
5 start 3 wait until web.r3.1 is ready
6 start 3 wait until web.r3.2 is ready
7 start 3 wait until worker.r3.1 is ready
8 start 4 stop beat.r2.1 -> start beat.r2.1
9 start 5 start beat.r3.1 -> stop beat.r3.1
10 start 6 wait until beat.r3.1 is ready
11 switch 7 send requests to web.r3.1, web.r3.2 -> send requests to web.r2.1, web.r2.2
12 bake 8 watch the new release for 1m
13 commit 9 make r3 the active release; from here on nothing goes back
14 retire 10 send requests to web.r3.1, web.r3.2
15 retire 11 drain (at most 30s) and stop web.r2.1
16 retire 11 drain (at most 30s) and stop web.r2.2
17 retire 11 stop worker.r2.1
"#);
    let mut gone = seen;
    gone.trees.retain(|tree| tree.id != ReleaseId(1));
    let back = Wanted { source: windlass_core::plan::Source { path: String::new(), ..back.source }, ..back };
    assert_eq!(
        plan(&back, &gone).unwrap_err().to_string(),
        "the release's files are gone from this host: deploy its commit again instead of going back"
    );
}
