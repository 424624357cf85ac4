//! In which order copies are exchanged.

use windlass_core::plan::plan;
use windlass_core::spec::Strategy;
use windlass_testkit::sample::command;

use crate::kit::{deploy, only_web, running, service, shown};

// proves: HS-17
#[test]
fn a_singleton_hands_over() {
    let (mut spec, _, seen) = running();
    service(&mut spec, "beat").command = command("tick --often");
    insta::assert_snapshot!(shown(&plan(&deploy(&spec, "one"), &seen).unwrap()), @r#"
Deploy shop (production): r1 -> r2
  = web     2 running   unchanged
  = worker  1 running   unchanged
  ~ beat    1 running   its definition or a setting it sees changed

preflight
  check disk, memory, programs, accounts, ports and certificates

lock
  take the lock, and look whether anything has moved

start
  stop beat.r1.1
  start beat.r2.1
  wait until beat.r2.1 is ready

switch
  send requests to web.r1.1, web.r1.2

commit
  make r2 the active release; from here on nothing goes back

0 preflight 0 check disk, memory, programs, accounts, ports and certificates
1 lock 1 take the lock, and look whether anything has moved
2 start 2 stop beat.r1.1 -> start beat.r1.1
3 start 3 start beat.r2.1 -> stop beat.r2.1
4 start 4 wait until beat.r2.1 is ready
5 switch 5 send requests to web.r1.1, web.r1.2 -> send requests to web.r1.1, web.r1.2
6 commit 6 make r2 the active release; from here on nothing goes back
"#);
}

#[test]
fn recreate_and_files() {
    let (spec, _, seen) = only_web(Strategy::Recreate, 2);
    insta::assert_snapshot!(shown(&plan(&deploy(&spec, "two"), &seen).unwrap()), @r#"
Deploy shop (production): r1 -> r2
  ~ web  2 running   its files changed
  ~ source: its files, or a setting that the build sees

preflight
  check disk, memory, programs, accounts, ports and certificates

build
  copy the source to releases/r2
  run make all
  seal releases/r2

lock
  take the lock, and look whether anything has moved

start
  hold requests for web
  drain (at most 30s) and stop web.r1.1
  drain (at most 30s) and stop web.r1.2
  start web.r2.1
  start web.r2.2
  wait until web.r2.1 is ready
  wait until web.r2.2 is ready

switch
  send requests to web.r2.1, web.r2.2

commit
  make r2 the active release; from here on nothing goes back

0 preflight 0 check disk, memory, programs, accounts, ports and certificates
1 build 1 copy the source to releases/r2 -> remove releases/r2
2 build 2 run make all
3 build 3 seal releases/r2
4 lock 4 take the lock, and look whether anything has moved
5 start 5 hold requests for web -> send requests to web.r1.1, web.r1.2
6 start 6 drain (at most 30s) and stop web.r1.1 -> start web.r1.1
7 start 6 drain (at most 30s) and stop web.r1.2 -> start web.r1.2
8 start 7 start web.r2.1 -> drain (at most 30s) and stop web.r2.1
9 start 7 start web.r2.2 -> drain (at most 30s) and stop web.r2.2
10 start 8 wait until web.r2.1 is ready
11 start 8 wait until web.r2.2 is ready
12 switch 9 send requests to web.r2.1, web.r2.2 -> hold requests for web
13 commit 10 make r2 the active release; from here on nothing goes back
"#);
}

#[test]
fn rolling() {
    let rolled = |max_surge, max_unavailable| {
        let (spec, _, seen) = only_web(Strategy::Rolling { max_surge, max_unavailable }, 3);
        shown(&plan(&deploy(&spec, "two"), &seen).unwrap())
    };
    insta::assert_snapshot!(rolled(1, 0), @r#"
Deploy shop (production): r1 -> r2
  ~ web  3 running   its files changed
  ~ source: its files, or a setting that the build sees

preflight
  check disk, memory, programs, accounts, ports and certificates

build
  copy the source to releases/r2
  run make all
  seal releases/r2

lock
  take the lock, and look whether anything has moved

start
  start web.r2.1
  wait until web.r2.1 is ready
  send requests to web.r2.1, web.r1.2, web.r1.3
  drain (at most 30s) and stop web.r1.1
  start web.r2.2
  wait until web.r2.2 is ready
  send requests to web.r2.1, web.r2.2, web.r1.3
  drain (at most 30s) and stop web.r1.2
  start web.r2.3
  wait until web.r2.3 is ready
  send requests to web.r2.1, web.r2.2, web.r2.3
  drain (at most 30s) and stop web.r1.3

switch
  send requests to web.r2.1, web.r2.2, web.r2.3

commit
  make r2 the active release; from here on nothing goes back

0 preflight 0 check disk, memory, programs, accounts, ports and certificates
1 build 1 copy the source to releases/r2 -> remove releases/r2
2 build 2 run make all
3 build 3 seal releases/r2
4 lock 4 take the lock, and look whether anything has moved
5 start 5 start web.r2.1 -> drain (at most 30s) and stop web.r2.1
6 start 6 wait until web.r2.1 is ready
7 start 7 send requests to web.r2.1, web.r1.2, web.r1.3 -> send requests to web.r1.1, web.r1.2, web.r1.3
8 start 8 drain (at most 30s) and stop web.r1.1 -> start web.r1.1
9 start 9 start web.r2.2 -> drain (at most 30s) and stop web.r2.2
10 start 10 wait until web.r2.2 is ready
11 start 11 send requests to web.r2.1, web.r2.2, web.r1.3 -> send requests to web.r2.1, web.r1.2, web.r1.3
12 start 12 drain (at most 30s) and stop web.r1.2 -> start web.r1.2
13 start 13 start web.r2.3 -> drain (at most 30s) and stop web.r2.3
14 start 14 wait until web.r2.3 is ready
15 start 15 send requests to web.r2.1, web.r2.2, web.r2.3 -> send requests to web.r2.1, web.r2.2, web.r1.3
16 start 16 drain (at most 30s) and stop web.r1.3 -> start web.r1.3
17 switch 17 send requests to web.r2.1, web.r2.2, web.r2.3 -> send requests to web.r2.1, web.r2.2, web.r2.3
18 commit 18 make r2 the active release; from here on nothing goes back
"#);
    insta::assert_snapshot!(rolled(0, 1), @r#"
Deploy shop (production): r1 -> r2
  ~ web  3 running   its files changed
  ~ source: its files, or a setting that the build sees

preflight
  check disk, memory, programs, accounts, ports and certificates

build
  copy the source to releases/r2
  run make all
  seal releases/r2

lock
  take the lock, and look whether anything has moved

start
  send requests to web.r1.2, web.r1.3
  drain (at most 30s) and stop web.r1.1
  start web.r2.1
  wait until web.r2.1 is ready
  send requests to web.r2.1, web.r1.3
  drain (at most 30s) and stop web.r1.2
  start web.r2.2
  wait until web.r2.2 is ready
  send requests to web.r2.1, web.r2.2
  drain (at most 30s) and stop web.r1.3
  start web.r2.3
  wait until web.r2.3 is ready
  send requests to web.r2.1, web.r2.2, web.r2.3

switch
  send requests to web.r2.1, web.r2.2, web.r2.3

commit
  make r2 the active release; from here on nothing goes back

0 preflight 0 check disk, memory, programs, accounts, ports and certificates
1 build 1 copy the source to releases/r2 -> remove releases/r2
2 build 2 run make all
3 build 3 seal releases/r2
4 lock 4 take the lock, and look whether anything has moved
5 start 5 send requests to web.r1.2, web.r1.3 -> send requests to web.r1.1, web.r1.2, web.r1.3
6 start 6 drain (at most 30s) and stop web.r1.1 -> start web.r1.1
7 start 7 start web.r2.1 -> drain (at most 30s) and stop web.r2.1
8 start 8 wait until web.r2.1 is ready
9 start 9 send requests to web.r2.1, web.r1.3 -> send requests to web.r1.2, web.r1.3
10 start 10 drain (at most 30s) and stop web.r1.2 -> start web.r1.2
11 start 11 start web.r2.2 -> drain (at most 30s) and stop web.r2.2
12 start 12 wait until web.r2.2 is ready
13 start 13 send requests to web.r2.1, web.r2.2 -> send requests to web.r2.1, web.r1.3
14 start 14 drain (at most 30s) and stop web.r1.3 -> start web.r1.3
15 start 15 start web.r2.3 -> drain (at most 30s) and stop web.r2.3
16 start 16 wait until web.r2.3 is ready
17 start 17 send requests to web.r2.1, web.r2.2, web.r2.3 -> send requests to web.r2.1, web.r2.2
18 switch 18 send requests to web.r2.1, web.r2.2, web.r2.3 -> send requests to web.r2.1, web.r2.2, web.r2.3
19 commit 19 make r2 the active release; from here on nothing goes back
"#);
    insta::assert_snapshot!(rolled(2, 1), @r#"
Deploy shop (production): r1 -> r2
  ~ web  3 running   its files changed
  ~ source: its files, or a setting that the build sees

preflight
  check disk, memory, programs, accounts, ports and certificates

build
  copy the source to releases/r2
  run make all
  seal releases/r2

lock
  take the lock, and look whether anything has moved

start
  start web.r2.1
  start web.r2.2
  wait until web.r2.1 is ready
  wait until web.r2.2 is ready
  send requests to web.r2.1, web.r2.2
  drain (at most 30s) and stop web.r1.1
  drain (at most 30s) and stop web.r1.2
  drain (at most 30s) and stop web.r1.3
  start web.r2.3
  wait until web.r2.3 is ready
  send requests to web.r2.1, web.r2.2, web.r2.3

switch
  send requests to web.r2.1, web.r2.2, web.r2.3

commit
  make r2 the active release; from here on nothing goes back

0 preflight 0 check disk, memory, programs, accounts, ports and certificates
1 build 1 copy the source to releases/r2 -> remove releases/r2
2 build 2 run make all
3 build 3 seal releases/r2
4 lock 4 take the lock, and look whether anything has moved
5 start 5 start web.r2.1 -> drain (at most 30s) and stop web.r2.1
6 start 5 start web.r2.2 -> drain (at most 30s) and stop web.r2.2
7 start 6 wait until web.r2.1 is ready
8 start 6 wait until web.r2.2 is ready
9 start 7 send requests to web.r2.1, web.r2.2 -> send requests to web.r1.1, web.r1.2, web.r1.3
10 start 8 drain (at most 30s) and stop web.r1.1 -> start web.r1.1
11 start 8 drain (at most 30s) and stop web.r1.2 -> start web.r1.2
12 start 8 drain (at most 30s) and stop web.r1.3 -> start web.r1.3
13 start 9 start web.r2.3 -> drain (at most 30s) and stop web.r2.3
14 start 10 wait until web.r2.3 is ready
15 start 11 send requests to web.r2.1, web.r2.2, web.r2.3 -> send requests to web.r2.1, web.r2.2
16 switch 12 send requests to web.r2.1, web.r2.2, web.r2.3 -> send requests to web.r2.1, web.r2.2, web.r2.3
17 commit 13 make r2 the active release; from here on nothing goes back
"#);
    assert_eq!(rolled(0, 0), rolled(1, 0), "neither would never end");
}
