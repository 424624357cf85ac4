//! What a deploy does, and leaves alone.

use indexmap::IndexMap;
use windlass_core::name::{Name, ReleaseId};
use windlass_core::plan::{Observed, plan};
use windlass_core::spec::{Engine, Setting, Template, Undo, When};
use windlass_core::units::Span;
use windlass_testkit::sample::{command, job, name, resource, scheduler, shop, source, web, worker};

use crate::kit::{after, deploy, deployed, running, service, shown};

/// It has none that it could be measured by, but its copies can end.
#[test]
fn the_first_release_is_watched_too_if_not_for_long() {
    let mut spec = shop();
    spec.services.insert(name("web"), web("serve"));
    spec.deploy.bake = Span::from_secs(60);
    let text = shown(&plan(&deploy(&spec, "one"), &Observed::default()).unwrap());
    assert!(text.contains("bake\n  watch the new release for 5s\n"), "{text}");
}

// proves: CM-8, APE-14
#[test]
fn the_first_deploy() {
    let mut spec = shop();
    spec.resources.insert(name("db"), resource(Engine::Postgres));
    spec.jobs.insert(name("migrate"), job("manage migrate", When::BeforeStart, Undo::Compatible));
    spec.jobs.insert(name("seed"), job("manage seed", When::Once, Undo::Irreversible));
    spec.jobs.insert(name("warm"), job("manage warm", When::AfterSwitch, Undo::Compatible));
    spec.jobs.insert(name("report"), job("manage report", When::Manual, Undo::Compatible));
    spec.services.insert(name("web"), web("serve"));
    let mut front = web("front");
    front.needs = vec![name("web"), name("db")];
    spec.services.insert(name("front"), front);
    spec.services.insert(name("beat"), scheduler("tick"));
    insta::assert_snapshot!(shown(&plan(&deploy(&spec, "one"), &Observed::default()).unwrap()), @r#"
Deploy shop (production): r1, the first release
  + web    0 -> 2      new
  + front  0 -> 2      new
  + beat   0 -> 1      new

preflight
  check disk, memory, programs, accounts, ports and certificates

build
  copy the source to releases/r1
  run make all
  seal releases/r1

lock
  take the lock, and look whether anything has moved

resources
  start db

migrate
  run job migrate: manage migrate
  run job seed: manage seed

start
  start web.r1.1
  start web.r1.2
  start beat.r1.1
  wait until web.r1.1 is ready
  wait until web.r1.2 is ready
  wait until beat.r1.1 is ready
  start front.r1.1
  start front.r1.2
  wait until front.r1.1 is ready
  wait until front.r1.2 is ready

switch
  send requests to web.r1.1, web.r1.2, front.r1.1, front.r1.2

commit
  make r1 the active release; from here on nothing goes back

retire
  run job warm: manage warm

cannot be undone
  what the job seed did stays: it is declared irreversible, and only the code goes back

0 preflight 0 check disk, memory, programs, accounts, ports and certificates
1 build 1 copy the source to releases/r1 -> remove releases/r1
2 build 2 run make all
3 build 3 seal releases/r1
4 lock 4 take the lock, and look whether anything has moved
5 resources 5 start db -> stop db; its data stays
6 migrate 6 run job migrate: manage migrate
7 migrate 7 run job seed: manage seed -> impossible
8 start 8 start web.r1.1 -> drain (at most 30s) and stop web.r1.1
9 start 8 start web.r1.2 -> drain (at most 30s) and stop web.r1.2
10 start 8 start beat.r1.1 -> stop beat.r1.1
11 start 9 wait until web.r1.1 is ready
12 start 9 wait until web.r1.2 is ready
13 start 9 wait until beat.r1.1 is ready
14 start 10 start front.r1.1 -> drain (at most 30s) and stop front.r1.1
15 start 10 start front.r1.2 -> drain (at most 30s) and stop front.r1.2
16 start 11 wait until front.r1.1 is ready
17 start 11 wait until front.r1.2 is ready
18 switch 12 send requests to web.r1.1, web.r1.2, front.r1.1, front.r1.2 -> answer no requests
19 commit 13 make r1 the active release; from here on nothing goes back
20 retire 14 run job warm: manage warm
"#);
}

#[test]
fn nothing_to_do() {
    let (spec, _, seen) = running();
    insta::assert_snapshot!(shown(&plan(&deploy(&spec, "one"), &seen).unwrap()), @r#"
Nothing to do: shop (production) is as the manifest says.
"#);
}

#[test]
fn one_service_changes() {
    let (mut spec, _, seen) = running();
    service(&mut spec, "web").command = command("serve --fast");
    insta::assert_snapshot!(shown(&plan(&deploy(&spec, "one"), &seen).unwrap()), @r#"
Deploy shop (production): r1 -> r2
  ~ web     2 running   its definition or a setting it sees changed
  = worker  1 running   unchanged
  = beat    1 running   unchanged

preflight
  check disk, memory, programs, accounts, ports and certificates

lock
  take the lock, and look whether anything has moved

start
  start web.r2.1
  start web.r2.2
  wait until web.r2.1 is ready
  wait until web.r2.2 is ready

switch
  send requests to web.r2.1, web.r2.2

commit
  make r2 the active release; from here on nothing goes back

retire
  drain (at most 30s) and stop web.r1.1
  drain (at most 30s) and stop web.r1.2

0 preflight 0 check disk, memory, programs, accounts, ports and certificates
1 lock 1 take the lock, and look whether anything has moved
2 start 2 start web.r2.1 -> drain (at most 30s) and stop web.r2.1
3 start 2 start web.r2.2 -> drain (at most 30s) and stop web.r2.2
4 start 3 wait until web.r2.1 is ready
5 start 3 wait until web.r2.2 is ready
6 switch 4 send requests to web.r2.1, web.r2.2 -> send requests to web.r1.1, web.r1.2
7 commit 5 make r2 the active release; from here on nothing goes back
8 retire 6 drain (at most 30s) and stop web.r1.1
9 retire 6 drain (at most 30s) and stop web.r1.2
"#);
}

// proves: HS-18
#[test]
fn a_setting_changes_that_one_service_sees() {
    let mut spec = shop();
    let setting = |print: &str| Setting { secret: true, fingerprint: print.into(), ..Setting::default() };
    spec.settings.insert("DATABASE_URL".into(), setting("1111"));
    let external =
        windlass_core::spec::Source::External { url: Template::parse("{settings.DATABASE_URL}").unwrap() };
    spec.resources
        .insert(name("db"), windlass_core::spec::Resource { engine: Engine::Postgres, source: external });
    let mut seeing = worker("work");
    seeing.env.insert("DATABASE".into(), Template::parse("{resources.db.url}").unwrap());
    spec.services.insert(name("worker"), seeing);
    spec.services.insert(name("web"), web("serve"));
    let (mut spec, _, seen) = deployed(spec);
    spec.settings.insert("DATABASE_URL".into(), setting("2222"));
    insta::assert_snapshot!(shown(&plan(&deploy(&spec, "one"), &seen).unwrap()), @r#"
Deploy shop (production): r1 -> r2
  ~ worker  1 running   its definition or a setting it sees changed
  = web     2 running   unchanged

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
}

// proves: HS-7
#[test]
fn a_removed_service_and_old_trees() {
    let (mut spec, mut world, _) = running();
    spec.services.shift_remove(&name("worker"));
    spec.deploy.keep = 1;
    let next = plan(&deploy(&spec, "two"), &world.observe()).unwrap();
    insta::assert_snapshot!(shown(&next), @r#"
Deploy shop (production): r1 -> r2
  ~ web     2 running   its files changed
  ~ beat    1 running   its files changed
  - worker  1 -> 0      it is no longer in the manifest
  ~ source: its files, or a setting that the build sees
  ~ deploy: how a deploy goes

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

clean up
  remove releases/r1

0 preflight 0 check disk, memory, programs, accounts, ports and certificates
1 build 1 copy the source to releases/r2 -> remove releases/r2
2 build 2 run make all
3 build 3 seal releases/r2
4 lock 4 take the lock, and look whether anything has moved
5 start 5 start web.r2.1 -> drain (at most 30s) and stop web.r2.1
6 start 5 start web.r2.2 -> drain (at most 30s) and stop web.r2.2
7 start 6 wait until web.r2.1 is ready
8 start 6 wait until web.r2.2 is ready
9 start 7 stop beat.r1.1 -> start beat.r1.1
10 start 8 start beat.r2.1 -> stop beat.r2.1
11 start 9 wait until beat.r2.1 is ready
12 switch 10 send requests to web.r2.1, web.r2.2 -> send requests to web.r1.1, web.r1.2
13 commit 11 make r2 the active release; from here on nothing goes back
14 retire 12 drain (at most 30s) and stop web.r1.1
15 retire 12 drain (at most 30s) and stop web.r1.2
16 retire 12 stop worker.r1.1
17 clean up 13 remove releases/r1
"#);
    let seen = after(&mut world, next);
    assert_eq!(seen.trees.len(), 1);
}

#[test]
fn another_runs_tree_is_not_reused() {
    let (spec, _, mut seen) = running();
    seen.trees.push(windlass_core::plan::Tree { id: ReleaseId(7), source: source("two") });
    seen.next_release = 8;
    assert_eq!(plan(&deploy(&spec, "two"), &seen).unwrap().tree.id, ReleaseId(8));
}

#[test]
fn the_first_release_is_r1_in_every_name() {
    let mut spec = shop();
    spec.services.insert(name("worker"), worker("work"));
    let first = plan(&deploy(&spec, "one"), &Observed::default()).unwrap();
    assert_eq!(first.instances[&name("worker")][0].to_string(), "worker.r1.1");
    assert_eq!(first.release, ReleaseId(1));
    assert_eq!(first.digests.keys().collect::<Vec<_>>(), [&name("worker")]);
    let _: &IndexMap<Name, String> = &first.digests;
}
