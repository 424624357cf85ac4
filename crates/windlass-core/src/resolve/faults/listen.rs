//! Ports and certificates.

use std::net::SocketAddr;
use std::ops::Range;

use super::Scene;
use crate::diag::Diag;
use crate::spec::{Port, Source, overlaps, takes_all};

pub(super) fn find(scene: &Scene<'_>, diags: &mut Vec<Diag>) {
    tls(scene, diags);
    let addresses = addresses(scene);
    for (at, address) in addresses.iter().enumerate() {
        if let Some(earlier) = addresses[..at].iter().find(|earlier| overlaps(earlier.at, address.at)) {
            diags.push(address.fault(earlier));
        }
    }
    let listening = addresses.iter().map(|own| (own.at.port(), format!("listen.{}", own.key), None));
    let mut taken: Vec<(u16, String)> = Vec::new();
    for (port, owner, span) in listening.chain(ports(scene)) {
        let other = taken.iter().find(|(other, _)| *other == port);
        match (other, span) {
            (Some((_, other)), Some(span)) => diags.push(
                Diag::error("duplicate-port", span, format!("{owner} and {other} both want port {port}"))
                    .help("choose another, or write \"auto\" where that is possible"),
            ),
            (Some(_), None) => {}
            (None, _) => taken.push((port, owner)),
        }
    }
}

/// An address that the proxy is to listen on.
struct Address {
    at: SocketAddr,
    /// `http` or `https`.
    key: &'static str,
    span: Range<usize>,
}

impl Address {
    fn fault(&self, earlier: &Self) -> Diag {
        let (at, other) = (self.at, earlier.at);
        let both = if self.key == earlier.key {
            format!("listen.{}", self.key)
        } else {
            format!("listen.{} and listen.{}", earlier.key, self.key)
        };
        let wide = match takes_all(at.ip(), other.ip()) {
            _ if at.ip().to_canonical() == other.ip().to_canonical() => None,
            true => Some((at, other)),
            false => Some((other, at)),
        };
        let message = match wide {
            Some((wide, narrow)) => {
                let all = if wide.is_ipv6() { "addresses, of IPv6 and IPv4" } else { "IPv4 addresses" };
                format!("{both} cannot have {other} and {at}: {wide} is on all {all}, {narrow} among them")
            }
            None if self.key == earlier.key => format!("{both} names {at} twice"),
            None => format!("{both} both want {at}, and one address speaks either clear text or TLS"),
        };
        let diag = Diag::error("duplicate-port", self.span.clone(), message);
        match wide {
            _ if self.key != earlier.key => diag.help("give one of them another port"),
            Some((wide, _)) => diag.help(format!("{wide} is enough: take the other away")),
            None => diag.help("take one of them away"),
        }
    }
}

/// Where the proxy is to listen, as typed or implied.
fn addresses(scene: &Scene<'_>) -> Vec<Address> {
    let listen = &scene.spec.listen;
    let mut found = Vec::new();
    for (key, addresses) in [("http", &listen.http), ("https", &listen.https)] {
        for (index, address) in addresses.iter().enumerate() {
            let span = match scene.root.at(&["listen", key]) {
                Some(node) if node.text().is_some() => node.span.clone(),
                _ => scene.span(&["listen", key, &index.to_string()]),
            };
            found.extend(address.parse().ok().map(|at| Address { at, key, span }));
        }
    }
    found
}

/// Every other fixed port, whose it is, and where it is asked for.
fn ports(scene: &Scene<'_>) -> Vec<(u16, String, Option<Range<usize>>)> {
    let spec = scene.spec;
    let mut ports = Vec::new();
    for (name, service) in &spec.services {
        if let Some(Port::Fixed(port)) = service.port {
            let span = scene.span(&["services", name.as_str(), "port"]);
            ports.push((port, format!("services.{name}"), Some(span)));
        }
    }
    for (name, resource) in &spec.resources {
        if let Source::Private { port: port @ 1.., .. } = resource.source {
            let span = scene.span(&["resources", name.as_str(), "port"]);
            ports.push((port, format!("resources.{name}"), Some(span)));
        }
    }
    ports
}

fn tls(scene: &Scene<'_>, diags: &mut Vec<Diag>) {
    let listen = &scene.spec.listen;
    if !listen.https.is_empty() && !scene.typed(&["listen", "tls"]) {
        diags.push(
            Diag::error("no-certificate", scene.span(&["listen", "https"]), "`https` needs a certificate")
                .help("such as tls = [{ certificate = \"/etc/ssl/shop.pem\", key = \"/etc/ssl/shop.key\" }]"),
        );
    }
    if scene.typed(&["listen", "https"]) {
        return;
    }
    if scene.typed(&["listen", "tls"]) {
        diags.push(
            Diag::error(
                "conflict",
                scene.span(&["listen", "tls"]),
                "there are certificates, but nothing listens for TLS",
            )
            .help("add https = \"0.0.0.0:443\""),
        );
    }
    // A balancer that ends TLS says which requests came by it.
    if listen.redirect_to_https && listen.trusted_proxies.is_empty() {
        diags.push(
            Diag::error(
                "conflict",
                scene.span(&["listen", "redirect_to_https"]),
                "requests cannot be redirected to HTTPS, because nothing listens for it",
            )
            .help("add https = \"0.0.0.0:443\" and tls = [...], or name what ends TLS before this proxy in trusted_proxies"),
        );
    }
}
