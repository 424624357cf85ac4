//! A web server that stands in front of the application: Windlass's own proxy takes its place.

use super::Import;
use super::depends::depended;
use super::interpolate::by_default;
use super::ports::{TLS, UNCLEAR, listening, mapping};
use super::resource::is_resource;
use super::volume::mount;
use super::yaml::Yaml;
use crate::name::Name;

/// Images that are such servers.
const SERVERS: [&str; 9] = [
    "nginx",
    "nginx-unprivileged",
    "nginx-proxy",
    "openresty",
    "traefik",
    "caddy",
    "httpd",
    "apache",
    "haproxy",
];

/// Where their configuration lies.
const CONFIGURATIONS: [&str; 9] = [
    "/etc/nginx",
    "/etc/traefik",
    "/traefik",
    "/etc/caddy",
    "/usr/local/apache2/conf",
    "/etc/apache2",
    "/usr/local/etc/haproxy",
    "/etc/haproxy",
    "/opt/bitnami",
];

/// Such a server, and the service that it hands requests to.
pub(super) struct Fronted {
    pub(super) key: String,
    /// The service's key.
    pub(super) target: Option<String>,
    /// Others that it waits for.
    others: Vec<String>,
}

/// The servers in front among the services, without those that are `left_out` already.
pub(super) fn find(services: &[(String, Yaml)], left_out: &[String], jobs: &[String]) -> Vec<Fronted> {
    let fronts: Vec<&(String, Yaml)> = services
        .iter()
        .filter(|(key, service)| !left_out.contains(key) && !jobs.contains(key) && is_front(key, service))
        .collect();
    let is_behind = |key: &String, service: &Yaml| {
        let other = left_out.contains(key) || jobs.contains(key) || is_resource(service);
        !other && !fronts.iter().any(|(front, _)| front == key)
    };
    let behind: Vec<&(String, Yaml)> =
        services.iter().filter(|(key, service)| is_behind(key, service)).collect();
    let listens =
        |key: &str| behind.iter().any(|(other, service)| other == key && listening(service).is_some());
    let listeners: Vec<&str> =
        behind.iter().map(|(key, _)| key.as_str()).filter(|key| listens(key)).collect();
    let of_front = |(key, service): &&(String, Yaml)| {
        let mut waits: Vec<String> = depended(service)
            .into_iter()
            .filter(|key| behind.iter().any(|(other, _)| other == key))
            .collect();
        let target = match (waits.iter().position(|key| listens(key)), waits.is_empty()) {
            (Some(at), _) => Some(waits.remove(at)),
            (None, false) => Some(waits.remove(0)),
            (None, true) => (listeners.len() == 1).then(|| listeners[0].to_owned()),
        };
        Fronted { key: key.clone(), target, others: waits }
    };
    fronts.iter().map(of_front).collect()
}

/// Whether the service is such a server: by its image and that it is configured, or has something
/// behind it.
fn is_front(key: &str, service: &Yaml) -> bool {
    let name = |text: &str| {
        let text = by_default(text, "$");
        let last = text.trim_end_matches('/').rsplit('/').next().unwrap_or_default();
        last.split([':', '@']).next().unwrap_or_default().to_ascii_lowercase()
    };
    let is_server = |text: &str| SERVERS.contains(&name(text).as_str());
    let image = service.get("image").and_then(Yaml::text);
    let context =
        service.get("build").and_then(|build| build.text().or_else(|| build.get("context")?.text()));
    let image = image.is_some_and(is_server);
    let built = service.get("command").is_none() && (context.is_some_and(is_server) || is_server(key));
    let by_name = image || (context.is_some() && built);
    by_name && (!depended(service).is_empty() || (image && is_configured(service)))
}

fn is_configured(service: &Yaml) -> bool {
    let volumes = service.get("volumes").map(Yaml::items).unwrap_or_default();
    service.get("configs").is_some()
        || volumes.iter().filter_map(mount).any(|mount| is_configuration(&mount.target))
}

fn is_configuration(target: &str) -> bool {
    CONFIGURATIONS.iter().any(|begin| target.starts_with(begin)) || target.ends_with("/docker.sock")
}

impl Import {
    /// Takes over what the servers in front say of the outside.
    pub(super) fn fronts(&mut self, services: &[(String, Yaml)]) {
        for Fronted { key, target, others } in std::mem::take(&mut self.fronts) {
            let Some((_, service)) = services.iter().find(|(other, _)| *other == key) else { continue };
            let place = format!("services.{key}");
            let name = target.as_deref().and_then(|target| self.name(target)).cloned();
            self.tell_front(&place, service, name.as_ref(), &others);
            self.published(&place, service, name);
            self.mounts_of_front(&place, service);
            self.fronts.push(Fronted { key, target, others });
        }
    }

    fn tell_front(&mut self, place: &str, service: &Yaml, target: Option<&Name>, others: &[String]) {
        let line =
            service.get("image").or_else(|| service.get("build")).map_or(service.line, |node| node.line);
        let requests = match target {
            Some(target) => format!("its requests go to {target}"),
            None => "which service its requests go to is to be written as [[routes]]".to_owned(),
        };
        let others = match others {
            [] => String::new(),
            _ => format!("; {} may need a [[routes]] with a path or a host", others.join(", ")),
        };
        let message = format!(
            "is left out: Windlass's own proxy takes its place, and {requests}{others}. What of its configuration is still \
             needed (locations, body limits, static files, redirects) has to become [[routes]], by hand"
        );
        self.note(line, place, message);
    }

    /// The port that it publishes becomes the proxy's.
    fn published(&mut self, place: &str, service: &Yaml, target: Option<Name>) {
        for node in service.get("ports").map(Yaml::items).unwrap_or_default() {
            let place = format!("{place}.ports");
            let Some(port) = mapping(node, true) else {
                self.note(node.line, place, "is no single TCP port");
                continue;
            };
            if port.is_tls() {
                self.note(node.line, place, TLS);
            } else if port.is_unclear {
                self.note(node.line, place, UNCLEAR);
            } else if let (Some(target), true) = (&target, self.front.is_none() && port.published.is_some()) {
                self.stand_in_front(&port, place.trim_end_matches(".ports"), target);
            } else {
                self.note(node.line, place, "has no counterpart: the proxy listens where [listen] says");
            }
        }
        if self.routed.is_none() {
            self.routed = target;
        }
    }

    /// What it has of the project, and answers itself.
    fn mounts_of_front(&mut self, place: &str, service: &Yaml) {
        for node in service.get("volumes").map(Yaml::items).unwrap_or_default() {
            let Some(mount) = mount(node).filter(|mount| !is_configuration(&mount.target)) else { continue };
            let target = &mount.target;
            let is_certificate =
                ["cert", "ssl", "letsencrypt", "acme"].iter().any(|word| target.contains(word));
            let message = match is_certificate {
                true => format!("certificates of {target} are named in tls, under [listen]"),
                false => format!(
                    "what it answers from {target} becomes a [[routes]] with a path and `files`: a directory of the \
                     release, or \"shared:DIRECTORY\" for one of build.shared"
                ),
            };
            self.note(node.line, format!("{place}.volumes"), message);
        }
    }
}
