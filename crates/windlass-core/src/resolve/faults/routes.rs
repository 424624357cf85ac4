//! Routes and smoke tests.

use indexmap::IndexSet;

use super::Scene;
use crate::diag::Diag;
use crate::manifest::{Node, Value};
use crate::units::Span;

const WAYS: [&str; 5] = ["service", "files", "redirect", "health", "metrics"];

/// A bake longer than this is more likely a slip than a wish.
const LONG_BAKE: Span = Span::from_secs(600);

pub(super) fn find(scene: &Scene<'_>, diags: &mut Vec<Diag>) {
    let items = routes(scene);
    let mut seen: Vec<(Option<&str>, String)> = Vec::new();
    for node in items.iter().filter(|node| node.table().is_some()) {
        destination(scene, node, diags);
        let host = node.get("host").and_then(Node::text);
        let path = super::super::route::path(node.get("path").and_then(Node::text).unwrap_or("/"));
        let readable =
            ["host", "path"].into_iter().all(|key| node.get(key).is_none_or(|n| n.value != Value::Invalid));
        if readable && seen.contains(&(host, path.clone())) {
            let at = node.get("path").or_else(|| node.get("host")).unwrap_or(node);
            let message = format!("another route already has {}{path}", host.unwrap_or("every host, "));
            diags.push(
                Diag::error("duplicate-route", at.span.clone(), message)
                    .help("give one of them another host or path"),
            );
        }
        seen.push((host, path));
    }
    unreached(scene, items.is_empty(), diags);
    routed(scene, items, diags);
    smoke(scene, diags);
    if scene.spec.deploy.bake > LONG_BAKE {
        let span = scene.span(&["deploy", "bake"]);
        let message = format!("for {} both releases run, and the deploy is not done", scene.spec.deploy.bake);
        diags.push(
            Diag::warning("long-bake", span, message).help("a bake of seconds or a few minutes is usual"),
        );
    }
}

fn destination(scene: &Scene<'_>, node: &Node, diags: &mut Vec<Diag>) {
    let given: Vec<(&str, &Node)> = WAYS.into_iter().filter_map(|way| Some((way, node.get(way)?))).collect();
    if given.is_empty() {
        diags.push(Diag::error("missing-key", node.span.clone(), "this route leads nowhere").help(
            "say service = \"...\", files = \"...\", redirect = \"...\", health = true or metrics = true",
        ));
    }
    let first = given.first().map_or("", |(way, _)| way);
    for (other, at) in given.iter().skip(1) {
        diags.push(
            Diag::error(
                "conflict",
                at.key_span.clone(),
                format!("a route leads to one place, and this one to `{first}` and `{other}`"),
            )
            .help("make two routes of it"),
        );
    }
    for (key, way) in
        [("fallback", "files"), ("cache_control", "files"), ("status", "redirect"), ("exact", "redirect")]
    {
        if let (Some(at), None) = (node.get(key), node.get(way)) {
            diags.push(
                Diag::error("conflict", at.key_span.clone(), format!("`{key}` is for routes with `{way}`"))
                    .help("take it away"),
            );
        }
    }
    if let Some(Value::Integer(status)) = node.get("status").map(|node| &node.value)
        && !matches!(status, 301 | 302 | 307 | 308)
        && let Some(at) = node.get("status")
    {
        diags.push(
            Diag::error("bad-value", at.span.clone(), format!("{status} is not the status of a redirect"))
                .help("write 301 or 308 (for good), 302 or 307 (for now)"),
        );
    }
    if let Some(at) = node.get("files")
        && let Some(path) = at.text().and_then(|text| text.strip_prefix("shared:"))
        && !scene.spec.build.shared.iter().any(|shared| {
            let path = path.trim_matches('/');
            path == shared || path.starts_with(&format!("{shared}/"))
        })
    {
        let shared: Vec<&str> = scene.spec.build.shared.iter().map(String::as_str).collect();
        let diag = scene.unknown("not-shared", at.span.clone(), "shared directory", path, &shared);
        diags.push(if diag.label.is_empty() {
            diag.help(format!("add {path:?} to build.shared"))
        } else {
            diag
        });
    }
    if let Some(at) = node.get("basic_auth")
        && let Some(key) = at.text()
    {
        diags.extend(super::settings::too_late(scene, &at.span, key, "basic_auth"));
    }
    service(scene, node.get("service"), "routes", diags);
}

/// A setting that neither is declared nor was found.
pub(super) fn unknown_settings(scene: &Scene<'_>, diags: &mut Vec<Diag>) {
    let is_found = |key: &str| scene.settings.is_some_and(|found| found.contains_key(key));
    for node in routes(scene) {
        if let Some(at) = node.get("basic_auth")
            && let Some(key) = at.text()
            && !scene.declared.contains_key(key)
            && !is_found(key)
            && !scene.is_misnamed(&["settings"], key)
        {
            let found = scene.settings.into_iter().flat_map(|found| found.keys());
            // What is declared and was found is one.
            let known: IndexSet<&str> = scene.declared.keys().chain(found).map(String::as_str).collect();
            let known: Vec<&str> = known.into_iter().collect();
            diags.push(scene.unknown("unknown-setting", at.span.clone(), "setting", key, &known));
        }
    }
}

/// The routes as typed.
fn routes<'a>(scene: &Scene<'a>) -> &'a [Node] {
    match scene.root.get("routes").map(|node| &node.value) {
        Some(Value::List(items)) => items,
        _ => &[],
    }
}

/// A service that is to answer requests must exist and listen.
fn service(scene: &Scene<'_>, at: Option<&Node>, what: &str, diags: &mut Vec<Diag>) {
    let Some((at, name)) = at.and_then(|at| Some((at, at.text()?))) else { return };
    if !scene.typed(&["services", name]) {
        if scene.is_misnamed(&["services"], name) {
            return;
        }
        diags.push(scene.unknown(
            "unknown-service",
            at.span.clone(),
            "service",
            name,
            &scene.names("services"),
        ));
    } else if scene.root.at(&["services", name]).is_some_and(|node| node.table().is_some())
        && !scene.may_say(name, "port")
    {
        diags.push(
            Diag::error(
                "service-without-port",
                at.span.clone(),
                format!("{what} cannot ask services.{name}: it does not listen"),
            )
            .help(format!("give services.{name} port = \"auto\"")),
        );
    }
}

/// Services that listen, with no route to any.
fn unreached(scene: &Scene<'_>, no_routes: bool, diags: &mut Vec<Diag>) {
    let listening: Vec<&str> =
        scene.names("services").into_iter().filter(|name| scene.typed(&["services", name, "port"])).collect();
    if let (true, [first, _, ..]) = (no_routes, listening.as_slice()) {
        diags.push(
            Diag::warning(
                "no-routes",
                scene.span(&["services", first]),
                format!("{} listen, but no route leads to any", listening.join(" and ")),
            )
            .help(format!("add [[routes]] with service = {first:?}")),
        );
    }
}

/// Services that get requests although nobody asks whether they can answer.
fn routed(scene: &Scene<'_>, items: &[Node], diags: &mut Vec<Diag>) {
    for (name, service) in &scene.spec.services {
        let to = crate::spec::Destination::Service(name.clone());
        let name = name.as_str();
        if !scene.spec.routes.iter().any(|route| route.to == to) {
            continue;
        }
        if scene.typed(&["services", name, "port"]) && !scene.may_say(name, "readiness") {
            let message =
                format!("services.{name} gets requests, but nothing asks whether it is ready for them");
            diags.push(
                Diag::warning("no-readiness", scene.span(&["services", name]), message)
                    .help("add readiness = \"/health\" (a path that answers 200), or { http = \"/\", status = \"200-499\" }"),
            );
        }
        if service.replicas == 0 && !items.is_empty() {
            let message = format!("services.{name} gets requests, but has no copies");
            diags.push(Diag::warning("no-replicas", scene.span(&["services", name, "replicas"]), message));
        }
    }
}

fn smoke(scene: &Scene<'_>, diags: &mut Vec<Diag>) {
    let Some(Value::List(tests)) = scene.root.at(&["deploy", "smoke"]).map(|node| &node.value) else {
        return;
    };
    for test in tests {
        service(scene, test.get("service"), "smoke tests", diags);
    }
}
