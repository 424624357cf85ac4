//! Listening, routes, and how a deploy goes.

use std::net::SocketAddr;

use super::read::Reader;
use crate::manifest::Node;
use crate::manifest::fields::{DEPLOY, LISTEN, RATE_LIMIT, ROUTE, SMOKE, TLS};
use crate::name::Name;
use crate::spec::{
    Access, ClientPatience, Deploy, Destination, Header, Listen, RateLimit, Route, SmokeTest, Tls,
};
use crate::units::Bytes;

/// Where the proxy listens when nothing is said.
const DEFAULT_ADDRESS: &str = "127.0.0.1:8080";

/// Where the proxy listens.
pub(super) fn listen(node: Option<&Node>, has_routes: bool) -> Listen {
    let read = Reader::new(&LISTEN, node);
    // Each in one spelling, by which the proxy knows what it has open.
    let addresses = |key: &str| -> Vec<String> {
        let spelled = |text: String| text.parse::<SocketAddr>().map_or(text, |address| address.to_string());
        read.texts(key).into_iter().map(spelled).collect()
    };
    let mut http = addresses("http");
    if has_routes && node.is_none_or(|node| node.get("http").is_none() && node.get("https").is_none()) {
        http.push(DEFAULT_ADDRESS.to_owned());
    }
    let tls = |node| {
        let read = Reader::new(&TLS, Some(node));
        Some(Tls { certificate: read.owned("certificate")?, key: read.owned("key")? })
    };
    Listen {
        http,
        https: addresses("https"),
        tls: read.items("tls").into_iter().filter_map(tls).collect(),
        redirect_to_https: read.bool("redirect_to_https"),
        trusted_proxies: read.texts("trusted_proxies"),
        patience: ClientPatience {
            head: read.span("head_timeout"),
            keep: read.span("keep_timeout"),
            write: read.span("write_timeout"),
        },
    }
}

/// The routes, the most specific first.
pub(super) fn routes(items: &[&Node], listening: &[Name]) -> Vec<Route> {
    let mut routes: Vec<Route> =
        items.iter().filter_map(|node| route(Reader::new(&ROUTE, Some(node)))).collect();
    if let ([], [only]) = (items, listening) {
        routes.extend(route_to(Reader::new(&ROUTE, None), Destination::Service(only.clone())));
    }
    routes.sort_by_key(|route| std::cmp::Reverse(specificity(route)));
    routes
}

/// How specific a route is: an exact host before a wildcard before none, then the longer path.
fn specificity(route: &Route) -> (u8, usize, usize) {
    let (rank, host) = match &route.host {
        Some(host) if host.starts_with("*.") => (1, host.len()),
        Some(_) => (2, 0),
        None => (0, 0),
    };
    (rank, host, route.path.trim_end_matches('/').len())
}

fn route(read: Reader<'_>) -> Option<Route> {
    route_to(read, destination(read)?)
}

fn route_to(read: Reader<'_>, to: Destination) -> Option<Route> {
    let of_files = matches!(to, Destination::Files { .. });
    let headers = read
        .entries("headers")
        .filter_map(|(name, value)| Some(Header { name: name.clone(), value: value.text()?.to_owned() }));
    let rate_limit = read.given("rate_limit").and_then(|node| {
        let read = Reader::new(&RATE_LIMIT, Some(node));
        let requests = read.integer("requests")?;
        Some(RateLimit { requests, per: read.span("per"), burst: read.integer("burst").unwrap_or(requests) })
    });
    Some(Route {
        host: read.owned("host"),
        path: path(read.text("path")?),
        strip_prefix: read.given_bool("strip_prefix").unwrap_or(of_files),
        to,
        body_limit: read.size("body_limit")?,
        timeout: read.span("timeout"),
        idle_timeout: read.span("idle_timeout"),
        headers: headers.collect(),
        security_headers: read.bool("security_headers"),
        compress: read.bool("compress"),
        rate_limit,
        access: Access {
            allow: read.texts("allow").into_iter().map(network).collect(),
            basic_auth: read.owned("basic_auth"),
        },
        hold: read.integer("hold")?,
        hold_timeout: read.span("hold_timeout"),
    })
}

/// A prefix without the slash at its end, which means nothing: it is matched at `/` boundaries.
pub(super) fn path(text: &str) -> String {
    match text.trim_end_matches('/') {
        "" => "/".to_owned(),
        path => path.to_owned(),
    }
}

fn network(text: String) -> String {
    match (text.contains('/'), text.contains(':')) {
        (true, _) => text,
        (false, true) => format!("{text}/128"),
        (false, false) => format!("{text}/32"),
    }
}

fn destination(read: Reader<'_>) -> Option<Destination> {
    if let Some(service) = read.text("service") {
        return Name::new(service).ok().map(Destination::Service);
    }
    if let Some(root) = read.owned("files") {
        return Some(Destination::Files {
            root,
            fallback: read.owned("fallback"),
            cache_control: read.owned("cache_control"),
        });
    }
    if let Some(to) = read.owned("redirect") {
        return Some(Destination::Redirect {
            to,
            status: read.integer("status")?,
            exact: read.bool("exact"),
        });
    }
    if read.bool("health") {
        return Some(Destination::Health);
    }
    read.bool("metrics").then_some(Destination::Metrics)
}

/// How a deploy goes.
pub(super) fn deploy(node: Option<&Node>) -> Deploy {
    let read = Reader::new(&DEPLOY, node);
    let smoke = |node| {
        let read = Reader::new(&SMOKE, Some(node));
        Some(SmokeTest {
            service: Name::new(read.text("service")?).ok()?,
            path: read.owned("path")?,
            status: read.statuses("status")?,
            contains: read.owned("contains"),
            timeout: read.span("timeout"),
        })
    };
    Deploy {
        keep: read.integer("keep").unwrap_or(2),
        bake: read.span("bake"),
        max_error_rate: read.number("max_error_rate").unwrap_or(1.0),
        max_p95_ratio: read.number("max_p95_ratio").unwrap_or(f64::MAX),
        min_requests: read.integer("min_requests").unwrap_or(1),
        drain: read.span("drain"),
        smoke: read.items("smoke").into_iter().filter_map(smoke).collect(),
        min_free_disk: read.size("min_free_disk").unwrap_or(Bytes(0)).0,
    }
}
