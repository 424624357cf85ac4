//! Exchanging the credential of a resource.

use windlass_core::name::ReleaseId;
use windlass_core::plan::{Observed, PlanError, Request, Rotated, Wanted, plan};
use windlass_core::spec::{Engine, Resource, Source, Spec, Template, Undo, When};
use windlass_testkit::sample::{job, name, resource, rotation as commands, secret, shop, web, worker};
use windlass_testkit::world::World;

use crate::kit::{after, asked, deploy, deployed, shown};

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
    insta::assert_snapshot!(shown(&plan(&asked(rotation("db"), &seen), &seen).unwrap()), @r"
Rotate the credential of db in shop (production), as r2
  ~ web     1 running   what it signs in with is exchanged
  = worker  1 running   unchanged

preflight
  check disk, memory, programs, accounts, ports and certificates

lock
  take the lock, and look whether anything has moved

resources
  let the credential of r2 sign in to db, beside those that do

start
  start web.r2.1
  wait until web.r2.1 is ready

switch
  send requests to web.r2.1

commit
  make r2 the active release; from here on nothing goes back

retire
  drain (at most 30s) and stop web.r1.1
  revoke the first credential in db

0 preflight 0 check disk, memory, programs, accounts, ports and certificates
1 lock 1 take the lock, and look whether anything has moved
2 resources 2 let the credential of r2 sign in to db, beside those that do -> revoke the credential of r2 in db
3 start 3 start web.r2.1 -> drain (at most 30s) and stop web.r2.1
4 start 4 wait until web.r2.1 is ready
5 switch 5 send requests to web.r2.1 -> send requests to web.r1.1
6 commit 6 make r2 the active release; from here on nothing goes back
7 retire 7 drain (at most 30s) and stop web.r1.1
8 retire 8 revoke the first credential in db
");
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

/// Of one that is somebody else's the address is rotated, where it stands.
#[test]
fn a_rotation_of_a_resource_elsewhere_says_what_to_rotate_instead() {
    let (mut spec, ..) = with_a_token();
    spec.settings.insert("DATABASE_URL".into(), secret("old"));
    for (name_, url) in [
        ("db", "{settings.DATABASE_URL}"),
        ("cache", "redis://:{settings.TOKEN}@cache"),
        ("mq", "amqp://mq.example.org"),
    ] {
        let engine = if name_ == "db" { Engine::Postgres } else { Engine::Redis };
        let url = Template::parse(url).unwrap();
        spec.resources.insert(name(name_), Resource { engine, source: Source::External { url } });
    }
    let (_, _, seen) = deployed(spec);
    let refused = |of: &str| plan(&asked(rotation(of), &seen), &seen).unwrap_err().to_string();
    assert_eq!(
        refused("db"),
        "the resource db is somebody else's, so Windlass keeps no credential for it: have its address come from a \
         setting that says how it is exchanged, DATABASE_URL = { type = \"url\", secret = true, rotate = \
         { at = \"postgres\", admin = \"DATABASE_URL_ADMIN\" } }, with DATABASE_URL_ADMIN = {} for the URL of \
         somebody who may make accounts there; run windlass deploy, and then `windlass secrets rotate DATABASE_URL`"
    );
    assert_eq!(
        refused("cache"),
        "the resource cache is somebody else's, so Windlass keeps no credential for it: exchange the value of the \
         setting that its address comes from, by `windlass secrets rotate TOKEN`"
    );
    assert!(refused("mq").contains("DATABASE_URL = { type = "), "{}", refused("mq"));
}

fn revoked(name: &str, at: Option<Engine>) -> PlanError {
    PlanError::RevokedValue { name: name.to_owned(), at }
}

#[test]
fn what_replaces_a_revoked_value_is_not_made_up_where_the_server_is_told() {
    let said = revoked("DATABASE_URL", Some(Engine::Postgres)).to_string();
    assert!(!said.contains("--value-from-stdin"), "{said}");
    assert!(
        said.ends_with("or write that of another account, which PostgreSQL knows, in its place"),
        "{said}"
    );
    assert!(
        revoked("TOKEN", None).to_string().ends_with("`windlass secrets rotate TOKEN --value-from-stdin`")
    );
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

/// The shop with a setting that one service sees through another setting, and one does not see.
fn with_a_token() -> (Spec, World, Observed) {
    let mut spec = shop();
    spec.settings.insert("TOKEN".into(), secret("old"));
    let url = Template::parse("x://{settings.TOKEN|url}@host").unwrap();
    let composed =
        windlass_core::spec::Setting { composed: Some(url), fingerprint: "template".into(), ..secret("") };
    spec.settings.insert("URL".into(), composed);
    spec.rotations.insert("TOKEN".into(), commands());
    let mut sees = web("serve");
    sees.env.insert("URL".into(), Template::parse("{settings.URL}").unwrap());
    spec.services.insert(name("web"), windlass_core::spec::Service { replicas: 1, ..sees });
    spec.services.insert(name("worker"), worker("work"));
    let mut job = job("manage migrate", When::BeforeStart, Undo::Compatible);
    job.env.insert("TOKEN".into(), Template::parse("{settings.TOKEN}").unwrap());
    spec.jobs.insert(name("migrate"), job);
    spec.build.env.insert("TOKEN".into(), Template::parse("{settings.TOKEN}").unwrap());
    deployed(spec)
}

fn with_value(mut wanted: Wanted, fingerprint: &str) -> Wanted {
    wanted.spec.settings["TOKEN"].fingerprint = fingerprint.into();
    wanted
}

fn rotated(seen: &Observed, fingerprint: &str) -> Wanted {
    with_value(asked(Request::Rotate { what: Rotated::Setting("TOKEN".into()) }, seen), fingerprint)
}

// proves: HS-19
#[test]
fn a_rotated_setting_is_good_before_it_is_used_and_revoked_when_it_is_not() {
    let (_, _, seen) = with_a_token();
    insta::assert_snapshot!(shown(&plan(&rotated(&seen, "new"), &seen).unwrap()), @r"
Rotate TOKEN in shop (production), as r2
  ~ web     1 running   its definition or a setting it sees changed
  = worker  1 running   unchanged

preflight
  check disk, memory, programs, accounts, ports and certificates

lock
  take the lock, and look whether anything has moved

resources
  make the new value of TOKEN good, beside the old one: vault create

start
  start web.r2.1
  wait until web.r2.1 is ready

gate
  ask whether the new value of TOKEN is good: vault verify

switch
  send requests to web.r2.1

commit
  make r2 the active release; from here on nothing goes back

retire
  drain (at most 30s) and stop web.r1.1
  revoke the old value of TOKEN: vault revoke

0 preflight 0 check disk, memory, programs, accounts, ports and certificates
1 lock 1 take the lock, and look whether anything has moved
2 resources 2 make the new value of TOKEN good, beside the old one: vault create -> revoke the new value of TOKEN: vault revoke
3 start 3 start web.r2.1 -> drain (at most 30s) and stop web.r2.1
4 start 4 wait until web.r2.1 is ready
5 gate 5 ask whether the new value of TOKEN is good: vault verify
6 switch 6 send requests to web.r2.1 -> send requests to web.r1.1
7 commit 7 make r2 the active release; from here on nothing goes back
8 retire 8 drain (at most 30s) and stop web.r1.1
9 retire 9 revoke the old value of TOKEN: vault revoke
");
}

// proves: HS-19
#[test]
fn a_server_is_told_of_a_rotated_setting_in_the_same_steps() {
    let (mut spec, _, _) = with_a_token();
    let server = windlass_core::spec::Server {
        url: None,
        engine: Engine::Postgres,
        admin: Some("ADMIN".into()),
        user: String::new(),
    };
    let at = |server| windlass_core::spec::Rotation {
        create: None,
        verify: None,
        revoke: None,
        at: Some(server),
        ..commands()
    };
    spec.rotations.insert("TOKEN".into(), at(server));
    let (_, _, seen) = deployed(spec);
    let plan = plan(&rotated(&seen, "new"), &seen).unwrap();
    let told: Vec<String> = plan.steps.iter().map(|step| plan.describe(&step.action)).collect();
    let told: Vec<&str> = told.iter().map(String::as_str).filter(|text| text.contains("TOKEN")).collect();
    assert_eq!(
        told,
        [
            "make the new value of TOKEN good, beside the old one: in PostgreSQL",
            "ask whether the new value of TOKEN is good: in PostgreSQL",
            "revoke the old value of TOKEN: in PostgreSQL",
        ]
    );
}

// proves: HS-19
#[test]
fn no_deploy_and_no_rollback_brings_a_replaced_value_back() {
    let (spec, mut world, seen) = with_a_token();
    let first = spec.build_digest("files");
    let seen = after(&mut world, plan(&rotated(&seen, "new"), &seen).unwrap());
    assert_eq!(world.sources["TOKEN"], ["new"]);
    let active = &seen.active.as_ref().unwrap().spec;
    assert_eq!(
        (active.settings["TOKEN"].fingerprint.as_str(), &active.revoked["TOKEN"][..]),
        ("new", &["old".to_owned()][..])
    );

    // The manifest's files have the new value: neither a migration nor a build is due.
    let again = with_value(deploy(&spec, "one"), "new");
    assert_eq!(again.spec.build_digest("files"), first);
    assert!(plan(&again, &seen).unwrap().is_empty());
    // Files from before the rotation are refused, in a deploy as in the plan of one.
    let old = plan(&deploy(&spec, "one"), &seen).unwrap_err();
    assert_eq!(old, revoked("TOKEN", None));
    assert!(old.to_string().starts_with("the value of TOKEN was replaced by a rotation"), "{old}");

    let seen = after(&mut world, plan(&with_value(deploy(&spec, "two"), "new"), &seen).unwrap());
    let back = |spec: &Spec| Wanted {
        request: Request::Rollback { to: ReleaseId(1), anyway: false },
        ..deploy(spec, "one")
    };
    let seen = after(&mut world, plan(&back(&spec), &seen).unwrap());
    let active = &seen.active.as_ref().unwrap().spec;
    assert_eq!(active.settings["TOKEN"].fingerprint, "new");
    // Where the value in force has gone with its setting, nothing can be gone back to.
    let mut without = spec.clone();
    without.settings.clear();
    without.rotations.clear();
    without.services.values_mut().for_each(|service| service.env.clear());
    without.jobs.clear();
    without.build.env.clear();
    let seen = after(&mut world, plan(&deploy(&without, "three"), &seen).unwrap());
    assert_eq!(plan(&back(&spec), &seen), Err(revoked("TOKEN", None)));
    // It can be made good again, by whoever says that it is.
    let seen = after(&mut world, plan(&with_value(deploy(&spec, "four"), "third"), &seen).unwrap());
    let seen = after(&mut world, plan(&rotated(&seen, "old"), &seen).unwrap());
    assert_eq!(seen.active.unwrap().spec.revoked["TOKEN"], ["third"]);
}

// proves: HS-19
#[test]
fn a_value_that_could_not_be_revoked_is_revoked_by_the_next_run() {
    let (spec, mut world, seen) = with_a_token();
    let mut seen = after(&mut world, plan(&rotated(&seen, "new"), &seen).unwrap());
    seen.unrevoked.push(("TOKEN".into(), ReleaseId(2)));
    let next = plan(&with_value(deploy(&spec, "one"), "new"), &seen).unwrap();
    let told = next.to_string();
    assert!(told.contains("\n  revoke the value of TOKEN that r2 left: vault revoke\n"), "{told}");
}

#[test]
fn a_rotation_of_a_setting_is_refused_where_it_means_nothing() {
    let (_, _, seen) = with_a_token();
    let error = |wanted: &Wanted, seen: &Observed| plan(wanted, seen).unwrap_err();
    assert_eq!(error(&rotated(&seen, "old"), &seen), PlanError::SameValue("TOKEN".into()));
    let mut unknown = rotated(&seen, "new");
    unknown.request = Request::Rotate { what: Rotated::Setting("URL".into()) };
    assert_eq!(error(&unknown, &seen), PlanError::NotRotated("URL".into()));
    let mut stopped = seen.clone();
    stopped.active.as_mut().unwrap().stopped = true;
    assert_eq!(error(&rotated(&seen, "new"), &stopped), PlanError::Stopped);
}
