//! Ports and certificates.

use std::ops::Range;

use super::Scene;
use crate::diag::Diag;
use crate::spec::{Port, Source};

pub(super) fn find(scene: &Scene<'_>, diags: &mut Vec<Diag>) {
    tls(scene, diags);
    let mut taken: Vec<(u16, String)> = Vec::new();
    for (port, owner, span) in ports(scene) {
        match taken.iter().find(|(other, _)| *other == port) {
            Some((_, other)) if *other != owner => diags.push(
                Diag::error("duplicate-port", span, format!("{owner} and {other} both want port {port}"))
                    .help("choose another, or write \"auto\" where that is possible"),
            ),
            Some(_) => {}
            None => taken.push((port, owner)),
        }
    }
}

/// Every fixed port, whose it is, and where it is asked for.
fn ports(scene: &Scene<'_>) -> Vec<(u16, String, Range<usize>)> {
    let spec = scene.spec;
    let mut ports = Vec::new();
    for (key, addresses) in [("http", &spec.listen.http), ("https", &spec.listen.https)] {
        for (index, address) in addresses.iter().enumerate() {
            let port = address.parse::<std::net::SocketAddr>().map(|address| address.port());
            // The same port on two addresses of one kind is common: IPv4 and IPv6.
            let span = match scene.root.at(&["listen", key]) {
                Some(node) if node.text().is_some() => node.span.clone(),
                _ => scene.span(&["listen", key, &index.to_string()]),
            };
            ports.extend(port.ok().map(|port| (port, format!("listen.{key}"), span)));
        }
    }
    for (name, service) in &spec.services {
        if let Some(Port::Fixed(port)) = service.port {
            ports.push((port, format!("services.{name}"), scene.span(&["services", name.as_str(), "port"])));
        }
    }
    for (name, resource) in &spec.resources {
        if let Source::Private { port: port @ 1.., .. } = resource.source {
            ports.push((
                port,
                format!("resources.{name}"),
                scene.span(&["resources", name.as_str(), "port"]),
            ));
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
    if listen.redirect_to_https {
        diags.push(
            Diag::error(
                "conflict",
                scene.span(&["listen", "redirect_to_https"]),
                "requests cannot be redirected to HTTPS, because nothing listens for it",
            )
            .help("add https = \"0.0.0.0:443\" and tls = [...]"),
        );
    }
}
