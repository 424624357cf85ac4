//! Services: ports, copies, strategies, checks, needs.

use super::Scene;
use crate::diag::Diag;
use crate::manifest::{Node, Value, roles};
use crate::name::Name;
use crate::resolve::order;
use crate::spec::{Check, Command, Port, Probe, Service, Strategy};
use crate::units::Span;

pub(super) fn find(scene: &Scene<'_>, diags: &mut Vec<Diag>) {
    for (name, service) in &scene.spec.services {
        let name = name.as_str();
        copies(scene, name, service, diags);
        strategy(scene, name, service, diags);
        for key in ["startup", "readiness", "liveness"] {
            check(scene, name, key, diags);
        }
        needs(scene, name, diags);
        backoff(scene, name, service, diags);
        listens_early(scene, name, service, diags);
    }
    cycles(scene, diags);
}

fn copies(scene: &Scene<'_>, name: &str, service: &Service, diags: &mut Vec<Diag>) {
    if service.singleton && service.replicas > 1 {
        diags.push(
            Diag::error(
                "singleton-replicas",
                scene.span(&["services", name, "replicas"]),
                format!("services.{name} is a singleton with {} copies", service.replicas),
            )
            .help("a singleton has one copy: take `replicas` or `singleton` away"),
        );
    }
    if let Some(Port::Fixed(port)) = service.port
        && service.replicas > 1
    {
        diags.push(
            Diag::error(
                "fixed-port",
                scene.span(&["services", name, "port"]),
                format!("{} copies of services.{name} cannot all listen on port {port}", service.replicas),
            )
            .help("write port = \"auto\", and {port} or $PORT where the command names it"),
        );
    }
}

fn strategy(scene: &Scene<'_>, name: &str, service: &Service, diags: &mut Vec<Diag>) {
    let path = ["services", name, "strategy"];
    let side_by_side = !matches!(service.strategy, Strategy::Recreate);
    if let (Some(Port::Fixed(port)), true, true) = (service.port, side_by_side, service.replicas <= 1) {
        diags.push(
            Diag::error("fixed-port", scene.span(&["services", name, "port"]), format!("the old and the new copy of services.{name} cannot both listen on port {port}"))
                .help("write port = \"auto\" (and {port} or $PORT where the command names it), or strategy = \"recreate\""),
        );
    }
    if service.singleton && side_by_side {
        diags.push(
            Diag::error(
                "singleton-strategy",
                scene.span(&path),
                format!("services.{name} is a singleton, and this strategy runs two copies at the same time"),
            )
            .help("write strategy = \"recreate\", or leave it out"),
        );
    }
    if let Strategy::Rolling { max_surge: 0, max_unavailable: 0 } = service.strategy {
        diags.push(
            Diag::error(
                "rolling-nothing",
                scene.span(&path),
                "with max_surge = 0 and max_unavailable = 0 no copy could ever be exchanged",
            )
            .help("write max_surge = 1"),
        );
    }
}

fn check(scene: &Scene<'_>, name: &str, key: &str, diags: &mut Vec<Diag>) {
    let Some(node) = scene.root.at(&["services", name, key]) else { return };
    let listens = scene.may_say(name, "port");
    let no_port = |what: &str, span| {
        Diag::error(
            "check-without-port",
            span,
            format!("the {key} check asks by {what}, but services.{name} does not listen"),
        )
        .help("give the service port = \"auto\", or check by { command = ... }")
    };
    if node.text().is_some() && !listens {
        diags.push(no_port("HTTP", node.span.clone()));
    }
    if node.table().is_none() {
        return;
    }
    // Its first answer already would come too late.
    if let Some(period) = node.get("start_period").filter(|_| key != "liveness")
        && period.text().and_then(|text| text.parse::<Span>().ok()).is_some_and(Span::is_zero)
    {
        diags.push(
            Diag::error(
                "no-start-period",
                period.span.clone(),
                format!("the {key} check of services.{name} has no time in which it could succeed"),
            )
            .help("write how long a copy may take until it answers, such as \"60s\"; or leave it out"),
        );
    }
    let ways: Vec<(&str, &Node)> =
        ["http", "tcp", "command"].into_iter().filter_map(|way| Some((way, node.get(way)?))).collect();
    if ways.is_empty() {
        diags.push(
            Diag::error(
                "missing-key",
                node.span.clone(),
                format!("the {key} check of services.{name} asks nothing"),
            )
            .help("say http = \"/health\", tcp = true or command = ..."),
        );
    }
    for (way, at) in ways.iter().filter(|(way, _)| *way != "command" && !listens) {
        diags.push(no_port(if *way == "http" { "HTTP" } else { "TCP" }, at.key_span.clone()));
    }
    for (way, at) in ways.iter().skip(1) {
        diags.push(
            Diag::error(
                "conflict",
                at.key_span.clone(),
                format!("a check asks in one way, and this one also by `{way}`"),
            )
            .help("keep one of http, tcp and command"),
        );
    }
    for only_http in ["status", "host"] {
        if let (Some(at), None) = (node.get(only_http), node.get("http")) {
            diags.push(
                Diag::error("conflict", at.key_span.clone(), format!("`{only_http}` is for checks by HTTP"))
                    .help("say http = \"/health\", or take it away"),
            );
        }
    }
}

fn needs(scene: &Scene<'_>, name: &str, diags: &mut Vec<Diag>) {
    let Some(Node { value: Value::List(items), .. }) = scene.root.at(&["services", name, "needs"]) else {
        return;
    };
    let mut known = [scene.names("services"), scene.names("resources")].concat();
    known.retain(|other| *other != name);
    for item in items {
        let Some(need) = item.text() else { continue };
        if scene.typed(&["jobs", need]) {
            diags.push(
                Diag::error(
                    "unknown-need",
                    item.span.clone(),
                    format!("{need:?} is a job; services need services and resources"),
                )
                .help("a job with when = \"before-start\" has ended before any service starts"),
            );
        } else if !scene.typed(&["services", need])
            && !scene.typed(&["resources", need])
            && !scene.is_misnamed(&["services", "resources", "jobs"], need)
        {
            diags.push(scene.unknown("unknown-need", item.span.clone(), "service or resource", need, &known));
        }
    }
}

/// Servers that accept connections before the application is loaded, asked by nothing else.
fn listens_early(scene: &Scene<'_>, name: &str, service: &Service, diags: &mut Vec<Diag>) {
    let is_open = |check: &Check| check.probe == Probe::Tcp;
    if !service.checks.readiness.as_ref().is_some_and(is_open) {
        return;
    }
    let mut words: Vec<String> = match &service.command {
        Command::Argv(words) => words.iter().map(ToString::to_string).collect(),
        Command::Shell(line) => line.split_whitespace().map(str::to_owned).collect(),
    };
    // Options that Gunicorn reads of its environment.
    let more = service.env.get("GUNICORN_CMD_ARGS").map(ToString::to_string).unwrap_or_default();
    words.extend(more.split_whitespace().map(str::to_owned));
    let Some(server) = roles::listens_early(&words) else { return };
    let loads_first = match server {
        "gunicorn" => "; or have it loaded first, by --preload on the command line, which ends this warning",
        _ => "",
    };
    diags.push(
        Diag::warning(
            "early-listener",
            scene.span(&["services", name, "readiness"]),
            format!(
                "{server} listens before it has loaded the application: services.{name} counts as ready with one that \
                 cannot be loaded"
            ),
        )
        .help(format!("ask for an answer: readiness = {}, or a path that answers 200{loads_first}", roles::ANSWERS)),
    );
}

/// Services that need each other.
fn cycles<'a>(scene: &'a Scene<'a>, diags: &mut Vec<Diag>) {
    let of = |(name, service): (&'a Name, &'a Service)| -> (&'a str, Vec<&'a str>) {
        (name.as_str(), service.needs.iter().map(Name::as_str).collect())
    };
    let needs = scene.spec.services.iter().map(of).collect();
    for cycle in order::cycles(&needs) {
        let [first, second, ..] = cycle.as_slice() else { continue };
        let path = ["services", first, "needs"];
        let items = scene.root.at(&path).map(|node| &node.value);
        let item = match items {
            Some(Value::List(items)) => items.iter().find(|item| item.text() == Some(second)),
            _ => None,
        };
        let span = item.map_or_else(|| scene.span(&path), |item| item.span.clone());
        diags.push(
            Diag::error("cycle", span, format!("these services need each other: {}", cycle.join(" -> ")))
                .help("none of them could be the first to start; take one of the needs away"),
        );
    }
}

fn backoff(scene: &Scene<'_>, name: &str, service: &Service, diags: &mut Vec<Diag>) {
    let restart = &service.restart;
    if restart.backoff > restart.backoff_max {
        diags.push(
            Diag::error(
                "conflict",
                scene.span(&["services", name, "restart", "backoff"]),
                format!(
                    "the first wait ({}) is longer than the longest ({})",
                    restart.backoff, restart.backoff_max
                ),
            )
            .help("raise backoff_max, or lower backoff"),
        );
    }
}
