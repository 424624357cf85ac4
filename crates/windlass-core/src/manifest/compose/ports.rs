//! Ports: the first that is published becomes the proxy's.

use super::Import;
use super::env::entries;
use super::health::asked;
use super::interpolate::by_default;
use super::yaml::Yaml;
use crate::manifest::draft::{self, Draft};
use crate::manifest::hosts::host;
use crate::name::Name;

/// The service that the outside sees.
pub(super) struct Front {
    line: u64,
    key: String,
    published: u16,
    address: String,
    service: Name,
}

/// A port of a container.
pub(super) struct Mapping {
    line: u64,
    pub(super) published: Option<u16>,
    address: Option<String>,
    pub(super) target: u16,
    /// It is published where no manifest can say it.
    pub(super) is_unclear: bool,
}

impl Mapping {
    /// Whether TLS is spoken there, for which a certificate is needed.
    pub(super) fn is_tls(&self) -> bool {
        self.target == 443 || self.published == Some(443)
    }
}

/// For a port of TLS.
pub(super) const TLS: &str =
    "for TLS write https = \"0.0.0.0:443\" and the certificate's files in tls, under [listen]";

/// A port below is taken for a number of something else.
const LOWEST: u16 = 80;

/// For one that is unclear.
pub(super) const UNCLEAR: &str =
    "where it is published is no single port of an address that is known: write it as http, under [listen]";

impl Import {
    /// The port a service listens on.
    pub(super) fn port(&mut self, place: &str, name: &Name, service: &Yaml) -> Option<u16> {
        let mut mappings = Vec::new();
        for (key, nodes) in ["ports", "expose"].into_iter().filter_map(|key| Some((key, service.get(key)?))) {
            for node in nodes.items() {
                self.unheard(place, key, node);
                match mapping(node, key == "ports") {
                    Some(mapping) => mappings.push(mapping),
                    None => self.note(node.line, format!("{place}.{key}"), "is no single TCP port"),
                }
            }
        }
        let target = mappings.iter().find(|mapping| !mapping.is_tls()).or(mappings.first())?.target;
        for mapping in mappings {
            if mapping.is_tls() && mapping.published.is_some() {
                let beside = if self.is_beside(name) {
                    format!("; {}", beside(name, mapping.published))
                } else {
                    String::new()
                };
                let message = format!("{TLS}; {name} itself is asked in clear text{beside}");
                self.note(mapping.line, format!("{place}.ports"), message);
                self.routed.get_or_insert_with(|| name.clone());
                continue;
            }
            if mapping.target != target {
                let message = format!(
                    "a service listens on one port, here {target}; make another service of {}",
                    mapping.target
                );
                self.note(mapping.line, format!("{place}.ports"), message);
                continue;
            }
            if mapping.is_unclear {
                let message = if self.is_beside(name) { beside(name, None) } else { UNCLEAR.to_owned() };
                self.note(mapping.line, format!("{place}.ports"), message);
                self.routed.get_or_insert_with(|| name.clone());
            }
            let Some(published) = mapping.published else { continue };
            // What another one is to the outside already, without an address, this one is not beside it.
            if self.front.is_none() && self.routed.as_ref().is_none_or(|routed| routed == name) {
                self.stand_in_front(&mapping, place, name);
                continue;
            }
            let message = match &self.routed {
                Some(routed) if routed == name => {
                    format!("port {published} is not published: requests come through the proxy")
                }
                _ => beside(name, Some(published)),
            };
            self.note(mapping.line, format!("{place}.ports"), message);
        }
        Some(target)
    }

    /// The port that a service without `ports` and `expose` listens on, as far as its command, its health
    /// check or what others are told of it says. Without one it would not be known to listen, and old and
    /// new would want the same port.
    pub(super) fn told_elsewhere(
        &mut self,
        place: &str,
        key: &str,
        service: &Yaml,
        services: &[(String, Yaml)],
    ) -> Option<u16> {
        let line =
            |keys: [&str; 2]| keys.into_iter().find_map(|key| service.get(key)).unwrap_or(service).line;
        let said = |port: Option<u16>, line: u64, what: &str| port.map(|port| (port, line, what.to_owned()));
        let (port, line, by) = said(listening(service), line(["command", "entrypoint"]), "its command")
            .or_else(|| said(asked(service), line(["healthcheck", "healthcheck"]), "its health check"))
            .or_else(|| called(key, services))
            // `-p 4` is a number of something else.
            .filter(|(port, ..)| *port >= LOWEST)?;
        self.note(line, place, format!("has no ports: that it listens on {port} was taken from {by}"));
        Some(port)
    }

    /// Notes what a port in the long form says beside its numbers.
    fn unheard(&mut self, place: &str, key: &str, port: &Yaml) {
        for (said, value) in port.map() {
            let message = match said.as_str() {
                "target" | "published" | "host_ip" | "protocol" => continue,
                // Nothing else is there without a swarm.
                "mode" if value.text() == Some("ingress") => continue,
                _ => "has no counterpart",
            };
            self.note(value.line, format!("{place}.{key}.{said}"), message);
        }
    }

    /// Whether another service has the route that all requests take.
    fn is_beside(&self, name: &Name) -> bool {
        let routed = self.front.as_ref().map(|front| &front.service).or(self.routed.as_ref());
        routed.is_some_and(|routed| routed != name)
    }

    /// The proxy listens where `mapping` publishes a port, for the service of this name.
    pub(super) fn stand_in_front(&mut self, mapping: &Mapping, place: &str, name: &Name) {
        let Some(published) = mapping.published else { return };
        self.front = Some(Front {
            line: mapping.line,
            key: place.to_owned(),
            published,
            address: mapping.address.clone().unwrap_or_else(|| "0.0.0.0".to_owned()),
            service: name.clone(),
        });
    }

    /// Where the proxy listens, and its route.
    pub(super) fn routes(&mut self, draft: &mut Draft) {
        let Some(front) = self.front.take() else {
            if let Some(name) = self.routed.take() {
                draft.section("[[routes]]").set("service", draft::text(name.as_str()));
            }
            return;
        };
        let mut port = front.published;
        if self.fixed.contains(&port) {
            // One of a thousand is free of the few that services have.
            port = (8080..9080).find(|port| !self.fixed.contains(port)).unwrap_or(port);
            let message = format!(
                "a service insists on port {0}, so the proxy listens on {port}; where the program can listen on $PORT, \
                 write port = \"auto\" for it and {0} under [listen]",
                front.published
            );
            self.note(front.line, format!("{}.ports", front.key), message);
        }
        let address = match front.address.contains(':') {
            true => format!("[{}]:{port}", front.address),
            false => format!("{}:{port}", front.address),
        };
        draft.section("[listen]").set("http", draft::text(&address));
        draft.section("[[routes]]").set("service", draft::text(front.service.as_str()));
    }
}

/// What the service needs whose published port is not the proxy's.
fn beside(name: &Name, published: Option<u16>) -> String {
    let port = published.map_or_else(|| "a port".to_owned(), |port| format!("port {port}"));
    format!(
        "the proxy listens for all services; give {name} a [[routes]] with a host or a path of its own instead of {port}"
    )
}

/// What an entry of `ports`, which `publishes`, or of `expose` says. `${PORT:-8000}` stands for 8000:
/// a port of the proxy cannot be a setting.
pub(super) fn mapping(node: &Yaml, publishes: bool) -> Option<Mapping> {
    let text = |text: &str| by_default(text, "$");
    let (address, published, target) = if node.map().is_empty() {
        let text = text(node.text()?);
        let text = text.strip_suffix("/tcp").unwrap_or(&text);
        let (rest, target) =
            text.rsplit_once(':').map_or((None, text), |(rest, target)| (Some(rest), target));
        let (address, published) = rest.map_or(("", ""), |rest| rest.rsplit_once(':').unwrap_or(("", rest)));
        (address.trim_matches(['[', ']']).to_owned(), published.to_owned(), number(target)?)
    } else {
        let said = |key| node.get(key).and_then(Yaml::text).map(text).unwrap_or_default();
        if !matches!(said("protocol").as_str(), "" | "tcp") {
            return None;
        }
        (said("host_ip"), said("published"), number(&said("target"))?)
    };
    let is_known = address.is_empty() || address.parse::<std::net::IpAddr>().is_ok();
    // Without a port it is published at one of chance.
    let port = number(&published).filter(|_| is_known && publishes);
    Some(Mapping {
        line: node.line,
        published: port,
        address: Some(address).filter(|address| !address.is_empty()),
        target,
        is_unclear: publishes && !published.is_empty() && port.is_none(),
    })
}

fn number(text: &str) -> Option<u16> {
    text.parse().ok().filter(|port| *port > 0)
}

/// The port that a service listens on, as far as its ports or its command say.
pub(super) fn listening(service: &Yaml) -> Option<u16> {
    let said = ["ports", "expose"].into_iter().filter_map(|key| service.get(key)).flat_map(Yaml::items);
    let mut said = said.filter_map(|node| mapping(node, false));
    said.next().map(|mapping| mapping.target).or_else(|| {
        let words = ["entrypoint", "command"].into_iter().filter_map(|key| service.get(key));
        let words = words.flat_map(Yaml::items).filter_map(Yaml::text).flat_map(str::split_whitespace);
        let words: Vec<&str> = words.map(|word| word.trim_matches(['"', '\''])).collect();
        words.iter().enumerate().find_map(|(at, word)| {
            let before = at.checked_sub(1).map_or("", |at| words[at]);
            let option = matches!(before, "--port" | "-p").then_some(*word);
            let assigned = word.strip_prefix("--port=");
            let address = word.rsplit_once(':').filter(|(host, _)| {
                let host = host.rsplit('=').next().unwrap_or_default();
                matches!(host, "" | "0.0.0.0" | "127.0.0.1" | "localhost" | "[::]" | "*")
            });
            option.or(assigned).or(address.map(|(_, port)| port)).and_then(number)
        })
    })
}

/// The port at which others call the service, the line that says so, and whose it is.
fn called(key: &str, services: &[(String, Yaml)]) -> Option<(u16, u64, String)> {
    let others = services.iter().filter(|(other, _)| other != key);
    others.into_iter().find_map(|(other, service)| {
        let words =
            ["entrypoint", "command"].into_iter().filter_map(|key| service.get(key)).flat_map(|node| {
                let words = node.items().iter().filter_map(Yaml::text).flat_map(str::split_whitespace);
                words.map(|word| (node.line, word.to_owned())).collect::<Vec<_>>()
            });
        let env = service.get("environment").map(entries).unwrap_or_default();
        let env = env.into_iter().filter_map(|(line, _, value)| Some((line, value?)));
        env.chain(words).find_map(|(line, value)| {
            let value = by_default(&value, "$");
            let (_, port) = value.split_once(&format!("{key}:")).filter(|_| host(&value) == key)?;
            let digits = port.find(|c: char| !c.is_ascii_digit()).map_or(port, |end| &port[..end]);
            number(digits).map(|port| (port, line, format!("what {other} is told")))
        })
    })
}

/// The command with `{port}` for its port, where it names it as a word or behind `:` or `=`.
pub(super) fn with_port(command: &str, port: u16) -> Option<String> {
    if command.starts_with('{') {
        return None;
    }
    let digits = port.to_string();
    let mut out = String::new();
    let mut rest = command;
    let mut found = false;
    while let Some(at) = rest.find(&digits) {
        let (before, tail) = rest.split_at(at);
        let tail = &tail[digits.len()..];
        let whole = before.ends_with([':', '=', '"', ' ']) && tail.starts_with(['"', ' ']);
        out.push_str(before);
        out.push_str(if whole { "{port}" } else { &digits });
        found |= whole;
        rest = tail;
    }
    out.push_str(rest);
    found.then_some(out)
}

/// The command, listening for the proxy alone. All addresses of a container are behind its network;
/// those of a process are the machine's, and whoever reaches them goes past the proxy.
pub(super) fn inward(command: &str) -> String {
    command.replace("0.0.0.0", "127.0.0.1")
}
