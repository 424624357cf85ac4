//! What comes before the copies.

use windlass_core::plan::plan;
use windlass_core::spec::{Engine, Undo, When};
use windlass_testkit::sample::{command, job, name, resource, shop, worker};

use crate::kit::{deploy, deployed, shown};

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
  ~ resource cache
  + resource db
  - resource queue

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
  ~ source: its files, or a setting that the build sees

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
