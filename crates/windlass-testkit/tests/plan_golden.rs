//! What plans look like, literally: the text a person reads, and the steps an engine follows.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use indexmap::IndexMap;
use windlass_core::name::{InstanceId, Name, ReleaseId};
use windlass_core::plan::{Compensation, Observed, Plan, PlanError, Request, Rotated, Wanted, plan};
use windlass_core::spec::{Engine, Setting, Spec, Strategy, Template, Undo, When};
use windlass_core::units::Span;
use windlass_testkit::sample::{command, job, name, resource, scheduler, shop, source, web, worker};
use windlass_testkit::simulator::{Deployer, Flaw, Random};
use windlass_testkit::world::World;

/// The text, then each step as `id phase stage action -> compensation`.
fn shown(plan: &Plan) -> String {
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
fn after(world: &mut World, plan: Plan) -> Observed {
    let run = world.begin(plan).unwrap();
    let mut deployer = Deployer::new(run, world.runs[run].session, Flaw::None);
    deployer.finish(world, &mut Random::new(1));
    world.observe()
}

fn deploy(spec: &Spec, digest: &str) -> Wanted {
    Wanted { request: Request::Deploy, spec: spec.clone(), source: source(digest) }
}

fn asked(request: Request, seen: &Observed) -> Wanted {
    let active = seen.active.clone().unwrap();
    Wanted { request, spec: active.spec, source: active.tree.source }
}

/// The shop with a web service, a worker and a scheduler, deployed.
fn running() -> (Spec, World, Observed) {
    let mut spec = shop();
    spec.services.insert(name("web"), web("serve --port {port}"));
    spec.services.insert(name("worker"), worker("work"));
    spec.services.insert(name("beat"), scheduler("tick"));
    deployed(spec)
}

fn deployed(spec: Spec) -> (Spec, World, Observed) {
    let mut world = World::new();
    let first = plan(&deploy(&spec, "one"), &Observed::default()).unwrap();
    let seen = after(&mut world, first);
    (spec, world, seen)
}

fn service<'a>(spec: &'a mut Spec, of: &str) -> &'a mut windlass_core::spec::Service {
    spec.services.get_mut(of).unwrap()
}

fn only_web(strategy: Strategy, replicas: u32) -> (Spec, World, Observed) {
    let mut spec = shop();
    let web = windlass_core::spec::Service { strategy, replicas, ..web("serve") };
    spec.services.insert(name("web"), web);
    deployed(spec)
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
  start web.r2.1
  wait until web.r2.1 is ready

switch
  send requests to web.r1.1, web.r1.2, web.r2.1

commit
  make r2 the active release; from here on nothing goes back

0 preflight 0 check disk, memory, programs, accounts, ports and certificates
1 lock 1 take the lock, and look whether anything has moved
2 start 2 start web.r2.1 -> drain (at most 30s) and stop web.r2.1
3 start 3 wait until web.r2.1 is ready
4 switch 4 send requests to web.r1.1, web.r1.2, web.r2.1 -> send requests to web.r1.1, web.r1.2
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

#[test]
fn resources_come_change_and_go() {
    let mut spec = shop();
    spec.services.insert(name("worker"), worker("work"));
    spec.resources.insert(name("cache"), resource(Engine::Redis));
    spec.resources.insert(name("queue"), resource(Engine::Rabbitmq));
    let (mut spec, _, seen) = deployed(spec);
    spec.resources.insert(name("db"), resource(Engine::Postgres));
    spec.resources.shift_remove(&name("queue"));
    if let windlass_core::spec::Source::Private { options, .. } = &mut spec.resources[0].source {
        options.insert("maxmemory".into(), "64mb".into());
    }
    insta::assert_snapshot!(shown(&plan(&deploy(&spec, "one"), &seen).unwrap()), @r#"
Deploy shop (production): r1 -> r2
  = worker  1 running   unchanged

preflight
  check disk, memory, programs, accounts, ports and certificates

lock
  take the lock, and look whether anything has moved

resources
  start cache
  start db

switch
  route requests as r2 says

commit
  make r2 the active release; from here on nothing goes back

retire
  stop queue; its data stays

0 preflight 0 check disk, memory, programs, accounts, ports and certificates
1 lock 1 take the lock, and look whether anything has moved
2 resources 2 start cache -> start cache as r1 had it
3 resources 2 start db -> stop db; its data stays
4 switch 3 route requests as r2 says -> route requests as r1 says
5 commit 4 make r2 the active release; from here on nothing goes back
6 retire 5 stop queue; its data stays
"#);
}

#[test]
fn an_irreversible_and_a_reversible_job() {
    let mut spec = shop();
    spec.services.insert(name("worker"), worker("work"));
    let down = Undo::Command(command("manage migrate --back"));
    spec.jobs.insert(name("migrate"), job("manage migrate", When::BeforeStart, down));
    spec.jobs.insert(name("rewrite"), job("manage rewrite", When::BeforeStart, Undo::Irreversible));
    let (spec, _, seen) = deployed(spec);
    insta::assert_snapshot!(shown(&plan(&deploy(&spec, "two"), &seen).unwrap()), @r#"
Deploy shop (production): r1 -> r2
  ~ worker  1 running   its files changed

preflight
  check disk, memory, programs, accounts, ports and certificates

build
  copy the source to releases/r2
  run make all
  seal releases/r2

lock
  take the lock, and look whether anything has moved

migrate
  run job migrate: manage migrate   (undo job migrate: manage migrate --back)
  run job rewrite: manage rewrite

start
  start worker.r2.1
  wait until worker.r2.1 is ready

switch
  route requests as r2 says

commit
  make r2 the active release; from here on nothing goes back

retire
  stop worker.r1.1

cannot be undone
  what the job rewrite did stays: it is declared irreversible, and only the code goes back

0 preflight 0 check disk, memory, programs, accounts, ports and certificates
1 build 1 copy the source to releases/r2 -> remove releases/r2
2 build 2 run make all
3 build 3 seal releases/r2
4 lock 4 take the lock, and look whether anything has moved
5 migrate 5 run job migrate: manage migrate -> if done: undo job migrate: manage migrate --back
6 migrate 6 run job rewrite: manage rewrite -> impossible
7 start 7 start worker.r2.1 -> stop worker.r2.1
8 start 8 wait until worker.r2.1 is ready
9 switch 9 route requests as r2 says -> route requests as r1 says
10 commit 10 make r2 the active release; from here on nothing goes back
11 retire 11 stop worker.r1.1
"#);
}

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
  hold requests for web

commit
  record that it is stopped; from here on nothing goes back

retire
  drain (at most 30s) and stop web.r1.1
  drain (at most 30s) and stop web.r1.2

0 lock 0 take the lock, and look whether anything has moved
1 switch 1 hold requests for web -> send requests to web.r1.1, web.r1.2
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

/// The shop with a database that one service signs in to and one only asks where it is.
fn with_a_database() -> (Spec, World, Observed) {
    let mut spec = shop();
    spec.resources.insert(name("db"), resource(Engine::Postgres));
    let mut signs_in = web("serve");
    signs_in.env.insert("URL".into(), Template::parse("{resources.db.url}").unwrap());
    let mut only_asks = worker("work");
    only_asks.env.insert("HOST".into(), Template::parse("{resources.db.host}").unwrap());
    spec.services.insert(name("web"), windlass_core::spec::Service { replicas: 1, ..signs_in });
    spec.services.insert(name("worker"), only_asks);
    let mut job = job("manage migrate", When::BeforeStart, Undo::Compatible);
    job.env.insert("URL".into(), Template::parse("{resources.db.url}").unwrap());
    spec.jobs.insert(name("migrate"), job);
    deployed(spec)
}

fn rotation(of: &str) -> Request {
    Request::Rotate { what: Rotated::Resource(name(of)) }
}

// proves: HS-19
#[test]
fn a_rotation_starts_anew_what_signs_in_and_revokes_last() {
    let (_, _, seen) = with_a_database();
    insta::assert_snapshot!(shown(&plan(&asked(rotation("db"), &seen), &seen).unwrap()), @r#""#);
}

// proves: HS-19
#[test]
fn a_revoked_credential_never_comes_back() {
    let (spec, mut world, seen) = with_a_database();
    let rotate = plan(&asked(rotation("db"), &seen), &seen).unwrap();
    let seen = after(&mut world, rotate);
    let in_force = seen.active.as_ref().unwrap().spec.resources["db"].credential();
    assert_eq!(seen.resources["db"].credentials, Vec::from_iter(in_force));
    // The manifest knows of no credential, and the first release only the first one.
    let again = plan(&deploy(&spec, "one"), &seen).unwrap();
    assert!(again.is_empty(), "{again}");
    let back =
        Wanted { request: Request::Rollback { to: ReleaseId(1), anyway: false }, ..deploy(&spec, "one") };
    let seen = after(&mut world, plan(&deploy(&spec, "two"), &seen).unwrap());
    let back = plan(&back, &seen).unwrap();
    assert_eq!(back.spec.resources["db"].credential(), in_force);
    // Nor does a resource that was away for a while forget.
    let mut without = spec.clone();
    without.resources.clear();
    without.services.values_mut().for_each(|service| service.env.clear());
    without.jobs.clear();
    let seen = after(&mut world, plan(&deploy(&without, "three"), &seen).unwrap());
    let there_again = plan(&deploy(&spec, "one"), &seen).unwrap();
    assert_eq!(there_again.spec.resources["db"].credential(), in_force);
}

// proves: HS-19
#[test]
fn what_a_rotation_left_is_revoked_by_the_next_run() {
    let (spec, _, mut seen) = with_a_database();
    let left = windlass_core::spec::Credential::of(ReleaseId(9));
    seen.resources[&name("db")].credentials.push(left);
    let plan = plan(&deploy(&spec, "one"), &seen).unwrap();
    let revoked = |step: &windlass_core::plan::Step| plan.describe(&step.action);
    assert!(plan.steps.iter().map(revoked).any(|text| text == "revoke the credential of r9 in db"), "{plan}");
}

#[test]
fn a_rotation_of_what_is_not_there_or_does_not_run_is_refused() {
    let (_, mut world, seen) = with_a_database();
    let unknown = plan(&asked(rotation("cache"), &seen), &seen).unwrap_err();
    assert_eq!(unknown.to_string(), "there is no private resource cache; there is db");
    let stop = plan(&asked(Request::Stop { services: vec![] }, &seen), &seen).unwrap();
    let seen = after(&mut world, stop);
    assert_eq!(plan(&asked(rotation("db"), &seen), &seen), Err(PlanError::Stopped));
}
