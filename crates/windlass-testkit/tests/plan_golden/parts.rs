//! What changes beside the services is told, also where no service does.

use windlass_core::plan::{Observed, plan};
use windlass_core::spec::{
    Access, Cron, Destination, Env, Limits, MessageFormat, Missed, Notify, Overlap, Route, Spec, Template,
    Undo, When,
};
use windlass_core::units::{Bytes, Span};
use windlass_testkit::sample::{command, job, name, shop, web};

use crate::kit::{deploy, deployed};

fn cron(schedule: &str) -> Cron {
    Cron {
        command: command("manage clean"),
        directory: String::new(),
        env: Env::default(),
        user: None,
        schedule: schedule.to_owned(),
        time_zone: "UTC".to_owned(),
        overlap: Overlap::Skip,
        missed: Missed::Skip,
        timeout: Span::from_secs(60),
        limits: Limits::default(),
    }
}

fn route(host: Option<&str>, path: &str, to: Destination) -> Route {
    Route {
        host: host.map(str::to_owned),
        path: path.to_owned(),
        strip_prefix: false,
        to,
        body_limit: Bytes(1),
        timeout: Span::from_secs(1),
        idle_timeout: Span::from_secs(1),
        headers: vec![],
        security_headers: true,
        compress: true,
        rate_limit: None,
        access: Access::default(),
        hold: 1,
        hold_timeout: Span::from_secs(1),
    }
}

fn files(root: &str) -> Destination {
    Destination::Files { root: root.to_owned(), fallback: None, cache_control: None }
}

/// A web service that sees only some of the files, beside a front end.
fn running() -> (Spec, Observed) {
    let mut spec = shop();
    spec.services.insert(name("web"), web("serve"));
    spec.crons.insert(name("cleanup"), cron("@daily"));
    spec.crons.insert(name("report"), cron("@daily"));
    spec.routes = vec![
        route(None, "/app", files("front")),
        route(None, "/media", files("shared:media")),
        route(Some("shop.org"), "/", Destination::Service(name("web"))),
    ];
    let (spec, _, seen) = deployed(spec);
    (spec, seen)
}

/// What a person reads before the steps.
fn told(spec: &Spec, digest: &str, seen: &Observed) -> String {
    let mut wanted = deploy(spec, digest);
    wanted.source.parts.insert(name("web"), "one".to_owned());
    let plan = plan(&wanted, seen).unwrap().to_string();
    plan.split("\n\n").next().unwrap().to_owned()
}

#[test]
fn crons_routes_and_who_is_told() {
    let (mut spec, seen) = running();
    spec.crons.shift_remove("cleanup");
    spec.crons.insert(name("prune"), cron("@weekly"));
    spec.crons.insert(name("report"), cron("@hourly"));
    spec.routes[0].compress = false;
    spec.routes[1].path = "/uploads".to_owned();
    spec.listen.http = vec!["127.0.0.1:9090".to_owned()];
    spec.jobs.insert(name("check"), job("manage check", When::Manual, Undo::Compatible));
    spec.deploy.bake = Span::from_secs(5);
    let url = Template::literal("https://hooks.example.org");
    spec.notify.insert(name("team"), Notify { url, on: vec![], format: MessageFormat::Json });
    insta::assert_snapshot!(told(&spec, "one", &seen), @r"
    Deploy shop (production): r1 -> r2
      = web  2 running   unchanged
      + job check
      ~ cron report
      + cron prune
      - cron cleanup
      ~ route /app
      + route /uploads
      - route /media
      ~ listen: where and how the proxy listens
      + notify team
      ~ deploy: how a deploy goes
    ");
}

#[test]
fn a_front_end_only_change_runs_the_build_and_says_so() {
    let (mut spec, seen) = running();
    insta::assert_snapshot!(told(&spec, "two", &seen), @r"
    Deploy shop (production): r1 -> r2
      = web  2 running   unchanged
      ~ source: its files, or a setting that the build sees
      ~ files of the route /app
    ");
    spec.build.steps[0].command = command("make front");
    insta::assert_snapshot!(told(&spec, "three", &seen), @r"
    Deploy shop (production): r1 -> r2
      = web  2 running   unchanged
      ~ build: how a release is made
      ~ files of the route /app
    ");
}
