//! Services.

use indexmap::IndexMap;

use super::composed;
use super::read::{Reader, command};
use crate::manifest::fields::{CHECK, LIMITS, QUIET, RESTART, ROLLING, SERVICE, STOP, STRATEGY};
use crate::manifest::{Node, Value};
use crate::name::Name;
use crate::spec::{
    Check, Checks, Command, Env, Limits, Port, Probe, Quiet, Reference, Restart, RestartWhen, Service,
    Setting, Stop, Strategy,
};

/// A service; `common` is the environment it shares with others.
pub(super) fn service(
    node: &Node,
    common: Env,
    resources: &[Name],
    settings: &IndexMap<String, Setting>,
) -> Service {
    let read = Reader::new(&SERVICE, Some(node));
    let singleton = read.bool("singleton");
    let mut env = common;
    env.extend(read.templates("env"));
    let command = read.command("command");
    let needs = with_resources(read.names("needs"), &command, &env, resources, settings);
    Service {
        command,
        directory: directory(read),
        port: port(read.given("port")),
        replicas: read.integer("replicas").unwrap_or(1),
        singleton,
        env,
        user: read.owned("user"),
        checks: Checks {
            startup: check(read, "startup"),
            readiness: check(read, "readiness"),
            liveness: check(read, "liveness"),
        },
        settle: read.span("settle"),
        stop: stop(read.inner(&STOP, "stop")),
        restart: restart(read.inner(&RESTART, "restart")),
        again: read.inner(&RESTART, "restart").span("again"),
        limits: limits(read.inner(&LIMITS, "limits")),
        needs,
        strategy: strategy(read.given("strategy"), singleton),
        files: read.texts("files"),
    }
}

/// Whatever a service's command or environment tells of a resource, it needs.
fn with_resources(
    mut needs: Vec<Name>,
    command: &Command,
    env: &Env,
    resources: &[Name],
    settings: &IndexMap<String, Setting>,
) -> Vec<Name> {
    let words = match command {
        Command::Argv(words) => words.as_slice(),
        Command::Shell(_) => &[],
    };
    for reference in composed::references(words.iter().chain(env.values()), settings) {
        if let Reference::Resource { name, .. } = reference
            && let Some(resource) = resources.iter().find(|resource| resource.as_str() == name)
            && !needs.contains(resource)
        {
            needs.push(resource.clone());
        }
    }
    needs
}

/// The directory, empty for the release itself.
pub(super) fn directory(read: Reader<'_>) -> String {
    let parts = read.text("directory").unwrap_or_default().split('/');
    parts.filter(|part| !part.is_empty() && *part != ".").collect::<Vec<_>>().join("/")
}

fn port(node: Option<&Node>) -> Option<Port> {
    match &node?.value {
        Value::Integer(number) => u16::try_from(*number).ok().map(Port::Fixed),
        _ => Some(Port::Automatic),
    }
}

fn check(read: Reader<'_>, key: &str) -> Option<Check> {
    let node = read.given(key)?;
    let (probe, read) = match node.text() {
        Some(path) => {
            (Probe::Http { path: path.to_owned(), status: None, host: None }, Reader::new(&CHECK, None))
        }
        None => {
            let read = Reader::new(&CHECK, Some(node));
            (probe(read)?, read)
        }
    };
    Some(Check {
        probe,
        interval: read.span("interval"),
        timeout: read.span("timeout"),
        start_period: read.span("start_period"),
        healthy_after: read.integer("healthy_after").unwrap_or(1),
        unhealthy_after: read.integer("unhealthy_after").unwrap_or(1),
    })
}

fn probe(read: Reader<'_>) -> Option<Probe> {
    if let Some(path) = read.owned("http") {
        return Some(Probe::Http { path, status: read.statuses("status"), host: read.owned("host") });
    }
    if read.bool("tcp") {
        return Some(Probe::Tcp);
    }
    read.given("command").and_then(command).map(Probe::Command)
}

/// A signal's name without `SIG`.
fn signal(read: Reader<'_>) -> String {
    let name = read.text("signal").unwrap_or("TERM");
    name.strip_prefix("SIG").unwrap_or(name).to_owned()
}

fn stop(read: Reader<'_>) -> Stop {
    let quiet = read.given("quiet").map(|node| {
        let read = Reader::new(&QUIET, Some(node));
        Quiet { signal: signal(read), wait: read.span("wait"), idle: read.given("idle").and_then(command) }
    });
    Stop { signal: signal(read), grace: read.span("grace"), quiet }
}

fn restart(read: Reader<'_>) -> Restart {
    Restart {
        when: match read.text("when") {
            Some("on-failure") => RestartWhen::OnFailure,
            Some("never") => RestartWhen::Never,
            _ => RestartWhen::Always,
        },
        backoff: read.span("backoff"),
        backoff_max: read.span("backoff_max"),
        limit: read.integer("limit").unwrap_or(1),
        window: read.span("window"),
    }
}

/// Limits; thousandths of a processor are rounded to the nearest.
pub(super) fn limits(read: Reader<'_>) -> Limits {
    Limits {
        // The range of `fields/` keeps the product far below the type's.
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
        cpu_millis: read.number("cpu").map(|cpu| (cpu * 1000.0).round() as u32),
        memory: read.size("memory"),
        files: read.integer("files"),
        processes: read.integer("processes"),
    }
}

fn strategy(node: Option<&Node>, singleton: bool) -> Strategy {
    match node {
        None if singleton => Strategy::Recreate,
        None => Strategy::BlueGreen,
        Some(node) if node.text() == Some("recreate") => Strategy::Recreate,
        Some(node) if node.text().is_some() => Strategy::BlueGreen,
        Some(node) => {
            let read = Reader::new(&STRATEGY, Some(node)).inner(&ROLLING, "rolling");
            Strategy::Rolling {
                max_surge: read.integer("max_surge").unwrap_or(1),
                max_unavailable: read.integer("max_unavailable").unwrap_or(0),
            }
        }
    }
}
